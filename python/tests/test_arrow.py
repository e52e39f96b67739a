"""Arrow: keys that come as arrays, values and rows that go out as arrays, tables that are built of Arrow tables."""

from __future__ import annotations

import array
import datetime
import decimal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pandas
import polars
import pyarrow
import pytest

import graven

Make = Callable[..., graven.Table]
UTC = datetime.UTC


def test_values_go_out_as_an_array_of_binary(make: Make) -> None:
    table = make({f"{i}": f"value {i}" for i in range(9000)})
    keys = [str(i) for i in range(0, 18_000, 2)]
    data = table.get_many_arrow(keys)
    assert len(data) == 9000 and data.null_count == 4500
    expected = table.get_many(keys)
    array = pyarrow.array(data)
    array.validate(full=True)
    assert array.type == pyarrow.binary() and array.to_pylist() == expected
    assert polars.Series(data).to_list() == expected
    assert pyarrow.array(table.get_many_arrow([])).to_pylist() == []


def test_rows_go_out_as_a_record_batch(make: Make) -> None:
    row: dict[str, Any] = {
        "yes": True,
        "small": -3,
        "large": 2**64 - 1,
        "real": 1.5,
        "text": "æ",
        "raw": b"\xff",
        "price": decimal.Decimal("12.50"),
        "at": datetime.datetime(2026, 11, 27, 7, 34, 25, 120_000, tzinfo=UTC),
        "local": datetime.datetime(2026, 11, 27, 7, 34, 25),
        "day": datetime.date(2026, 11, 27),
        "list": [1, 2],
    }
    table = make({"a": row, "b": {**row, "price": decimal.Decimal("0.05"), "text": None}})
    data = table.get_many_arrow(["a", "none", "b"])
    assert data.null_count == 1
    batch = pyarrow.record_batch(data)
    batch.validate(full=True)
    got = batch.to_pylist()
    assert got[0] == {**row, "list": "[1,2]"}
    assert set(got[1].values()) == {None}
    assert got[2]["price"] == decimal.Decimal("0.05") and got[2]["text"] is None
    assert batch.schema.field("at").type == pyarrow.timestamp("us", tz="UTC")
    assert batch.schema.field("local").type == pyarrow.timestamp("us")
    some = pyarrow.record_batch(table.get_many_arrow(["a"], columns=["real", "yes"]))
    assert some.to_pylist() == [{"real": 1.5, "yes": True}]
    frame = polars.DataFrame(data)
    assert frame["small"].to_list() == [-3, None, -3]
    assert pyarrow.record_batch(table.get_many_arrow(["a", "b"], columns=[])).num_rows == 2


@pytest.mark.parametrize("different", [2, 3000])
def test_decimals_are_numbers_where_all_have_as_many_digits(make: Make, different: int) -> None:
    prices = [decimal.Decimal(i % different) / 100 + decimal.Decimal("0.00") for i in range(3000)]
    mixed = [decimal.Decimal("1.5"), decimal.Decimal("1.50")]
    least = [decimal.Decimal("2"), decimal.Decimal("0.25"), decimal.Decimal("-1.5")]
    table = make({i: {"price": price, "mixed": mixed[i % 2], "least": least[i % 3]} for i, price in enumerate(prices)})
    batch = pyarrow.record_batch(table.get_many_arrow(range(3000)))
    assert batch.schema.field("price").type == pyarrow.decimal128(38, 2)
    assert batch.column("price").to_pylist() == prices
    assert batch.column("least").to_pylist()[:3] == least
    assert batch.column("mixed").to_pylist()[:2] == ["1.5", "1.50"]


def test_uuids_go_out_as_their_bytes(make: Make) -> None:
    table = make({"a": {"id": uuid.UUID(int=7)}})
    batch = pyarrow.record_batch(table.get_many_arrow(["a", "b"]))
    assert batch.column("id").to_pylist() == [uuid.UUID(int=7).bytes, None]


@pytest.mark.parametrize(
    "keys",
    [
        pyarrow.array(["1", "x", "3"]),
        pyarrow.array(["1", "x", "3"], pyarrow.large_string()),
        pyarrow.array(["1", "x", "3"], pyarrow.string_view()),
        pyarrow.array([b"1", b"x", b"3"]),
        pyarrow.array([b"1", b"x", b"3"], pyarrow.large_binary()),
        pyarrow.array([b"1", b"x", b"3"], pyarrow.binary_view()),
        pyarrow.array([b"1", b"x", b"3"], pyarrow.binary(1)),
        pyarrow.array(["1", "x", "3"]).dictionary_encode(),
        pyarrow.array([1, 999, 3], pyarrow.int64()),
        pyarrow.array([1, 999, 3], pyarrow.uint16()),
        pyarrow.chunked_array([["1"], ["x", "3"]]),
        pyarrow.array(["0", "1", "x", "3"]).slice(1),
        polars.Series(["1", "x", "3"]),
        polars.Series([1, 999, 3]),
        polars.Series(["1", "x", "3"], dtype=polars.Categorical),
        numpy.array(["1", "x", "3"]),
        numpy.array([b"1", b"x", b"3"]),
        numpy.array([1, 999, 3]),
        numpy.array([1, 999, 3], dtype=numpy.uint32),
        numpy.array(["1", "x", "3"], dtype=object),
        pandas.Series(["1", "x", "3"]),
        pandas.Series([1, 999, 3]),
        pandas.Index(["1", "x", "3"]),
        [numpy.int64(1), numpy.str_("x"), numpy.bytes_(b"3")],
    ],
    ids=lambda keys: f"{type(keys).__module__.split('.')[0]}-{getattr(keys, 'type', getattr(keys, 'dtype', ''))}",
)
def test_keys_come_as_arrays(make: Make, keys: Any) -> None:
    table = make({"1": "one", "3": "three"})
    assert table.get_many(keys) == [b"one", None, b"three"]
    assert pyarrow.array(table.get_many_arrow(keys)).to_pylist() == [b"one", None, b"three"]


def test_uuids_come_as_an_array(make: Make) -> None:
    ids = [uuid.UUID(int=i) for i in (1, 2)]
    table = make({ids[0]: "one"})
    keys = pyarrow.array([number.bytes for number in ids], pyarrow.uuid())
    assert table.get_many(keys) == [b"one", None]
    assert table.get_many(pandas.Series(ids)) == [b"one", None]


def test_keys_that_are_null_or_of_no_kind_are_errors(make: Make) -> None:
    table = make({"1": "one"})
    with pytest.raises(ValueError, match="key 2 is null"):
        table.get_many(pyarrow.chunked_array([["1"], ["2", None]]))
    entries = pyarrow.DictionaryArray.from_arrays(pyarrow.array([1, 0]), pyarrow.array([None, "1"]))
    with pytest.raises(ValueError, match="key 1 is null"):
        table.get_many(entries)
    with pytest.raises(TypeError, match="Float64"):
        table.get_many(pyarrow.array([1.5]))
    with pytest.raises(TypeError, match="expected a key of type"):
        table.get_many(numpy.array([1.5]))


def source_table() -> pyarrow.Table:
    return pyarrow.table(
        {
            "sku": ["A", "B", "C"],
            "title": pyarrow.array(["Lamp", None, "Bulb"]).dictionary_encode(),
            "stock": pyarrow.array([7, 8, None], pyarrow.int16()),
            "big": pyarrow.array([2**64 - 1, 0, 1], pyarrow.uint64()),
            "price": pyarrow.array([decimal.Decimal("12.50"), decimal.Decimal("-0.05"), None], pyarrow.decimal128(9, 2)),
            "ratio": pyarrow.array([0.1, 2.5, -1.0], pyarrow.float32()),
            "real": [0.1, 1e300, -0.0],
            "at": pyarrow.array([datetime.datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)] * 3, pyarrow.timestamp("ms", "UTC")),
            "seconds": pyarrow.array([datetime.datetime(1969, 1, 2)] * 3, pyarrow.timestamp("s")),
            "day": [datetime.date(2026, 11, 27)] * 3,
            "raw": [b"\x00", b"", b"\xff"],
            "tags": [["a", 'b"'], [], None],
            "place": [{"lat": 1.5, "name": "x"}, {"lat": None, "name": "y"}, None],
            "yes": [True, False, None],
        }
    )


def expected_row() -> dict[str, Any]:
    return {
        "title": "Lamp",
        "stock": 7,
        "big": 2**64 - 1,
        "price": decimal.Decimal("12.50"),
        "ratio": pytest.approx(0.1),
        "real": 0.1,
        "at": datetime.datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
        "seconds": datetime.datetime(1969, 1, 2),
        "day": datetime.date(2026, 11, 27),
        "raw": b"\x00",
        "tags": ["a", 'b"'],
        "place": {"lat": 1.5, "name": "x"},
        "yes": True,
    }


def test_a_table_of_arrow_becomes_rows(make: Make) -> None:
    table = make(source_table(), key="sku")
    assert len(table) == 3 and table["A"] == expected_row()
    last = table["C"]
    assert [last[name] for name in ("stock", "price", "tags", "place", "yes")] == [None] * 5
    assert table["B"]["title"] is None and table["B"]["tags"] == []
    assert table["B"]["place"] == {"lat": None, "name": "y"}


def test_what_comes_in_goes_out_with_the_same_types(make: Make) -> None:
    source = source_table().drop_columns(["tags", "place", "title", "stock", "ratio"])
    out = pyarrow.record_batch(make(source, key="sku").get_many_arrow(source["sku"]))
    assert out.column("price").to_pylist() == source["price"].to_pylist()
    for name in ("real", "big", "at", "seconds", "day", "raw", "yes"):
        assert out.column(name).to_pylist() == source[name].to_pylist(), name
        assert out.schema.field(name).type == source.schema.field(name).type, name


def test_columns_and_a_value_are_chosen(make: Make) -> None:
    source = source_table()
    assert make(source, key="sku", columns=["stock"])["A"] == {"stock": 7}
    assert make(source, key="sku", value="raw")["C"] == b"\xff"
    assert make(source, value="big")["B"] == b"0"
    with pytest.raises(graven.BuildError, match="there is no column ['\"]colour"):
        make(source, key="colour")
    with pytest.raises(graven.BuildError, match="row 1: the value is null"):
        make(source, value="title")
    with pytest.raises(TypeError, match="found an Arrow array of Float64"):
        make(source, value="real")


def test_what_is_nested_becomes_json(make: Make) -> None:
    words = pyarrow.array(["a", "b", "a"]).dictionary_encode()
    nested = pyarrow.StructArray.from_arrays([words, pyarrow.array([1e300, 0.1, None])], ["word", "x"])
    mapped = pyarrow.array([[("k", [1])], [], None], pyarrow.map_(pyarrow.string(), pyarrow.list_(pyarrow.int8())))
    table = make(pyarrow.table({"key": ["1", "2", "3"], "n": nested, "m": mapped}))
    assert table["1"] == {"n": {"word": "a", "x": 1e300}, "m": {"k": [1]}}
    assert table["2"] == {"n": {"word": "b", "x": 0.1}, "m": {}}
    assert table["3"] == {"n": {"word": "a", "x": None}, "m": None}


def test_streams_and_frames_of_others_become_tables(make: Make) -> None:
    def batches() -> Iterator[pyarrow.RecordBatch]:
        for i in range(10):
            yield pyarrow.record_batch({"k": [f"{i}-{j}" for j in range(1000)], "v": list(range(1000))})

    reader = pyarrow.RecordBatchReader.from_batches(next(batches()).schema, batches())
    table = make(reader)
    assert len(table) == 10_000 and table["7-999"] == {"v": 999}
    frame = polars.DataFrame({"k": ["a", "b"], "v": [1, None]})
    assert make(frame)["b"] == {"v": None}
    assert make(pandas.DataFrame({"k": ["a", "b"], "v": [1.5, None]}))["a"] == {"v": 1.5}


def test_a_frame_of_pandas_needs_no_pyarrow(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(self: Any, *_: Any, **__: Any) -> Any:
        raise ImportError("pyarrow is not there")

    monkeypatch.setattr(pandas.DataFrame, "__arrow_c_stream__", absent)
    frame = pandas.DataFrame(
        {
            "k": ["a", "b"],
            "n": [1, 2],
            "x": [1.5, float("nan")],
            "t": pandas.to_datetime(["2026-11-27T01:02:03", None]),
            "s": ["one", None],
        }
    )
    table = make(frame)
    assert table["a"] == {"n": 1, "x": 1.5, "t": datetime.datetime(2026, 11, 27, 1, 2, 3), "s": "one"}
    assert table["b"] == {"n": 2, "x": None, "t": None, "s": None}
    with pytest.raises(graven.BuildError, match="there is no column ['\"]z"):
        make(frame, key="z")


def test_what_no_column_holds_is_an_error(make: Make, tmp_path: Path) -> None:
    with pytest.raises(graven.BuildError, match="of Arrow's type Duration"):
        make(pyarrow.table({"k": ["a"], "d": [datetime.timedelta(1)]}))
    with pytest.raises(graven.BuildError, match="row 1: the key is null"):
        make(pyarrow.table({"k": ["a", None], "v": [1, 2]}))
    with pytest.raises(graven.BuildError, match="expected a table of Arrow"):
        make(pyarrow.array([1, 2]))
    assert not list(tmp_path.iterdir())


def test_a_stream_may_wait_for_threads_that_run_python(tmp_path: Path) -> None:
    # Arrow's own threads read the batches of a scanner, here from a generator. In a process of its own, since a thread that
    # waits with the interpreter's lock cannot be interrupted.
    code = """
import sys
import pyarrow
import pyarrow.dataset
import graven

schema = pyarrow.schema([("k", pyarrow.string()), ("v", pyarrow.string())])
batches = (pyarrow.record_batch([[f"{i}"], [f"value {i}"]], schema=schema) for i in range(20))
reader = pyarrow.dataset.Scanner.from_batches(batches, schema=schema).to_reader()
graven.build(reader, sys.argv[1], key="k", value="v")
assert graven.open(sys.argv[1])["19"] == b"value 19"
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.graven")], check=True, timeout=60)


def offsets(*numbers: int, of: str = "i") -> pyarrow.Buffer:
    return pyarrow.py_buffer(array.array(of, numbers))


def invalid_arrays() -> dict[str, pyarrow.Array]:
    """Arrays that pyarrow makes unchecked and hands over, none of which may be read."""
    abc = pyarrow.py_buffer(b"abc")
    words = pyarrow.array(["a", "b"])
    numbers = pyarrow.array([0, 7], pyarrow.int8())
    return {
        "offsets that go back": pyarrow.StringArray.from_buffers(2, offsets(0, 1000, 3), abc),
        "a negative offset": pyarrow.Array.from_buffers(pyarrow.binary(), 2, [None, offsets(0, -5, 3), abc]),
        "large offsets that go back": pyarrow.Array.from_buffers(
            pyarrow.large_binary(), 2, [None, offsets(0, 1000, 3, of="q"), abc]
        ),
        "text that is no UTF-8": pyarrow.array([b"a", b"\xff"]).cast(pyarrow.string(), safe=False),
        "half a character": pyarrow.StringArray.from_buffers(2, offsets(0, 1, 2), pyarrow.py_buffer("æ".encode())),
        "a view behind its end": pyarrow.Array.from_buffers(
            pyarrow.binary_view(), 1, [None, offsets(20, 0, 0, 1_000_000), pyarrow.py_buffer(bytes(20))]
        ),
        "a number behind the dictionary": pyarrow.DictionaryArray.from_arrays(numbers, words, safe=False),
        "a negative number of a dictionary": pyarrow.DictionaryArray.from_arrays(
            pyarrow.array([0, -1], pyarrow.int8()), words, safe=False
        ),
    }


@pytest.mark.parametrize("name", sorted(invalid_arrays()))
def test_an_array_that_is_not_valid_is_an_error(make: Make, name: str) -> None:
    invalid = invalid_arrays()[name]
    table = make({"a": "b"})
    for keys in (invalid, pyarrow.chunked_array([invalid])):
        for ask in (table.get_many, table.get_many_arrow):
            with pytest.raises(ValueError, match="Invalid argument error"):
                ask(keys)
    whole = pyarrow.array([f"{i}" for i in range(len(invalid))])
    for columns in ({"k": invalid, "v": whole}, {"k": whole, "v": invalid}):
        batch = pyarrow.record_batch(columns)
        nested = pyarrow.record_batch({"k": whole, "n": pyarrow.StructArray.from_arrays([invalid], ["x"])})
        for source in (batch, pyarrow.Table.from_batches([batch]), nested):
            with pytest.raises(graven.BuildError, match="Invalid argument error"):
                make(source)


def test_a_part_of_an_array_is_checked_as_that_part(make: Make) -> None:
    table = make({"1": "one", "2": "two"})
    whole = pyarrow.array([b"\xff", b"1", b"2"]).cast(pyarrow.string(), safe=False)
    assert table.get_many(whole[1:]) == [b"one", b"two"]
    with pytest.raises(ValueError, match="UTF8"):
        table.get_many(whole)


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("kind", ["M8", "m8"])
def test_times_of_numpy_are_no_keys(make: Make, kind: str, unit: str) -> None:
    table = make({i: "x" for i in range(10)})
    times = numpy.array([5], f"{kind}[{unit}]")
    wrong: list[Any] = [times, list(times), pandas.Series(times), pandas.Index(times)]
    for keys in wrong:
        for ask in (table.get_many, table.get_many_arrow):
            with pytest.raises(TypeError, match="found"):
                ask(keys)
    assert table.get_many(times.astype("i8")) == [b"x"]
