"""Tables as mappings: lookups of one key and of many, keys and values of every kind, threads, forks, pickles."""

from __future__ import annotations

import collections.abc
import copy
import datetime
import decimal
import gc
import os
import pickle
import random
import subprocess
import sys
import threading
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graven

STORAGES = ("ram", "mmap", "disk")
Make = Callable[..., graven.Table]


@pytest.mark.parametrize("storage", STORAGES)
def test_a_table_is_a_read_only_mapping(make: Make, storage: str) -> None:
    pairs = {f"key-{i}": f"value {i}" for i in range(1000)}
    table = make(pairs, storage=storage)
    assert isinstance(table, collections.abc.Mapping)
    assert table.storage == storage
    assert len(table) == 1000 and bool(table)
    for key, value in pairs.items():
        assert table[key] == value.encode()
        assert key in table
    assert "absent" not in table
    with pytest.raises(KeyError) as caught:
        table["absent"]
    assert caught.value.args == ("absent",)
    assert table.get("absent") is None
    assert table.get("absent", 7) == 7
    assert set(table) == {key.encode() for key in pairs}
    assert dict(table.items()) == {key.encode(): value.encode() for key, value in pairs.items()}
    assert sorted(table.values()) == sorted(value.encode() for value in pairs.values())
    assert set(table.keys(as_type=str)) == set(pairs)


def test_an_empty_table_has_nothing(make: Make) -> None:
    table = make({})
    assert len(table) == 0 and not table
    assert list(table) == [] and list(table.items()) == []
    assert table.get_many(["a"]) == [None]
    assert table.get_many([]) == []


@pytest.mark.parametrize("storage", STORAGES)
def test_many_keys_are_answered_in_their_order(make: Make, storage: str) -> None:
    pairs = {f"{i}": f"{i * i}".encode() for i in range(20_000)}
    table = make(pairs, storage=storage)
    chosen = random.Random(1)
    keys = [str(chosen.randrange(30_000)) for _ in range(10_000)]
    expected = [pairs.get(key) for key in keys]
    assert table.get_many(keys) == expected
    assert table.get_many(tuple(key.encode() for key in keys)) == expected
    assert table.get_many(iter(keys)) == expected
    assert table.get_many([int(key) for key in keys]) == expected
    missing = object()
    assert table.get_many(["absent", "1"], missing) == [missing, b"1"]


def test_keys_of_every_kind_are_the_same_key(make: Make) -> None:
    number = uuid.UUID("53175d61-490b-43df-a1da-6f3dc380d507")
    table = make({number: b"u", 12: b"i", "æ": b"t", b"\xff\x00": b"b", 2**70: b"long", -5: b"minus"})
    assert table[number] == table[str(number)] == table[str(number).encode()] == b"u"
    assert table[12] == table["12"] == table[b"12"] == b"i"
    assert table["æ"] == table["æ".encode()] == b"t"
    assert table[b"\xff\x00"] == table[bytearray(b"\xff\x00")] == table[memoryview(b"\xff\x00")] == b"b"
    assert table[2**70] == b"long" and table[-5] == b"minus"
    mixed: list[Any] = [number, 12, "æ", b"\xff\x00", bytearray(b"12"), 2**70, -5, "none"]
    assert table.get_many(mixed) == [b"u", b"i", b"t", b"b", b"i", b"long", b"minus", None]


@pytest.mark.parametrize("key", [None, 1.5, True, ["a"], object()])
def test_a_key_of_another_type_is_an_error_and_not_a_miss(make: Make, key: Any) -> None:
    table = make({"1": "one", "True": "text"})
    for ask in (lambda: table[key], lambda: key in table, lambda: table.get(key), lambda: table.get_many([key])):
        with pytest.raises(TypeError, match="expected a key of type bytes, str, uuid.UUID or int, found"):
            ask()


def test_text_that_has_no_utf_8_is_an_error(make: Make) -> None:
    table = make({"a": "b"})
    with pytest.raises(UnicodeEncodeError):
        table["\ud800"]
    with pytest.raises(UnicodeEncodeError):
        table.get_many(["a", "\ud800"])


def test_one_key_where_many_are_expected_is_an_error(make: Make) -> None:
    table = make({"ab": "c"})
    for keys in ("ab", b"ab", bytearray(b"ab")):
        with pytest.raises(TypeError, match="expected many keys, found one"):
            table.get_many(keys)


def test_keys_are_given_as_what_is_asked_for(make: Make) -> None:
    ids = [uuid.UUID(int=i) for i in range(3)]
    table = make({key: b"" for key in ids})
    assert table.key_kind == "uuid"
    assert sorted(table.keys(as_type=uuid.UUID)) == ids
    assert sorted(key for key, _ in table.items(as_type=uuid.UUID)) == ids
    numbers = make({i: b"" for i in range(100)})
    assert sorted(numbers.keys(as_type=int)) == list(range(100))
    with pytest.raises(TypeError, match="expected as_type to be bytes, str, int or uuid.UUID"):
        table.keys(as_type=float)  # type: ignore[type-var]
    with pytest.raises(UnicodeDecodeError):
        list(make({b"\xff": b""}).keys(as_type=str))


def test_an_iterator_reads_piece_by_piece(make: Make) -> None:
    table = make({f"{i}": b"x" * 100 for i in range(50_000)})
    pairs = table.items()
    first = next(pairs)
    assert first not in list(pairs)
    with pytest.raises(StopIteration):
        next(pairs)


def test_rows_are_dictionaries_of_what_python_has(make: Make) -> None:
    row = {
        "yes": True,
        "small": -3,
        "large": 2**64 - 1,
        "real": 1.5,
        "text": "lampe på hjul",
        "raw": b"\x00\xff",
        "price": decimal.Decimal("12.50"),
        "at": datetime.datetime(2026, 11, 27, 7, 34, 25, 120_000, tzinfo=datetime.UTC),
        "local": datetime.datetime(2026, 11, 27, 7, 34, 25),
        "day": datetime.date(2026, 11, 27),
        "id": uuid.UUID(int=7),
        "list": [1, {"a": None}, "b"],
        "nothing": None,
    }
    table = make({"a": row, "b": {**row, "price": decimal.Decimal("0.05")}, "c": {"yes": False}})
    assert table["a"] == row
    assert {name: type(value) for name, value in table["a"].items()} == {name: type(v) for name, v in row.items()}
    assert table["b"]["price"] == decimal.Decimal("0.05")
    assert table["c"] == {"yes": False}, "what a row was given without is not in it"
    assert table.get("a", columns=["price", "yes"]) == {"price": row["price"], "yes": True}
    assert table.get_many(["c", "x", "a"], columns=["small"]) == [{}, None, {"small": -3}]
    assert dict(table.items())[b"a"] == row
    assert list(table.schema or {}) == list(row)
    assert (table.schema or {})["at"] == "timestamp"
    with pytest.raises(KeyError, match="colour"):
        table.get("a", columns=["colour"])


def test_columns_of_plain_values_are_an_error(make: Make) -> None:
    table = make({"a": "b"})
    assert table.schema is None
    with pytest.raises(TypeError, match="no columns"):
        table.get("a", columns=["x"])
    with pytest.raises(TypeError, match="no columns"):
        table.get_many_arrow(["a"], columns=["x"])


def test_a_time_that_python_has_not_is_its_text(make: Make) -> None:
    fine = "2026-11-27T07:34:25.123456789Z"
    table = make({"a": {"at": fine}}, types={"at": "timestamp"})
    assert table["a"] == {"at": fine}


@pytest.mark.parametrize("storage", STORAGES)
def test_a_view_shares_memory_where_the_value_lies_there(make: Make, storage: str) -> None:
    large = os.urandom(3_000_000)
    table = make({"large": large, "small": b"abc"}, storage=storage, codec="raw")
    view = table.view("large")
    assert isinstance(view, memoryview) and view.readonly and view.nbytes == len(large)
    assert bytes(view) == large
    assert type(view.obj).__name__ == ("TableBytes" if storage == "ram" else "bytes")
    assert bytes(table.view("small")) == b"abc"
    with pytest.raises(KeyError):
        table.view("absent")
    with pytest.raises(TypeError):
        view[0] = 1
    table.close()
    del table
    gc.collect()
    assert bytes(view) == large, "the view holds the table's memory"


def test_a_closed_table_says_so(make: Make) -> None:
    with make({"a": "b"}) as table:
        assert table["a"] == b"b" and not table.closed
    assert table.closed and "closed" in repr(table)
    for ask in (lambda: table["a"], lambda: len(table), lambda: "a" in table, lambda: table.get_many(["a"])):
        with pytest.raises(ValueError, match="the table is closed"):
            ask()
    table.close()


def test_info_and_version_say_what_the_table_is(make: Make) -> None:
    table, same = make({"a": "b"}), make({"a": "b"})
    assert table.info()["pairs"] == 1
    assert table.info()["file_bytes"] == os.path.getsize(table.path)
    assert table.version == table.info()["identity"] == same.version
    assert repr(table).startswith("<graven.Table ")
    assert weakref.ref(table)() is table


def test_verify_reads_all_and_says_how_far_it_is(make: Make) -> None:
    seen: list[tuple[int, int]] = []
    make({f"{i}": b"x" for i in range(5000)}).verify(progress=lambda done, total: seen.append((done, total)))
    assert seen and all(0 <= done <= total for done, total in seen)


@pytest.mark.parametrize("storage", STORAGES)
def test_damage_is_an_error_with_file_offset_and_advice(make: Make, storage: str) -> None:
    table = make({f"{i}": f"value {i}" for i in range(2000)})
    path = Path(os.fspath(table.path))
    whole = path.read_bytes()
    at = len(whole) // 2
    damaged = bytearray(whole)
    damaged[at] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(graven.DamagedError) as caught:
        graven.open(path, storage=storage).verify()  # type: ignore[arg-type]
    error = caught.value
    assert error.path == str(path)
    assert error.offset is not None and 0 < error.offset <= at
    assert error.advice == "copy or build the file anew"
    assert str(path) in str(error) and "expected" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.path, again.offset, str(again)) == (type(error), error.path, error.offset, str(error))


def test_no_damaged_byte_gives_a_wrong_value(make: Make) -> None:
    pairs = {f"{i}": f"value {i}".encode() for i in range(300)}
    path = Path(os.fspath(make(pairs).path))
    whole = path.read_bytes()
    keys, expected = list(pairs), list(pairs.values())
    for at in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        try:
            with graven.open(path, storage="mmap") as table:
                assert table.get_many(keys) == expected
        except graven.Error:
            pass


def test_what_is_no_table_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(graven.NotATableError) as caught:
        graven.open(path)
    assert caught.value.path == str(path) and caught.value.advice
    assert isinstance(caught.value, ValueError)
    with pytest.raises(graven.MissingFileError) as missing:
        graven.open(tmp_path / "absent.graven")
    assert isinstance(missing.value, FileNotFoundError) and isinstance(missing.value, graven.Error)
    assert missing.value.errno == 2 and missing.value.filename == str(tmp_path / "absent.graven")
    assert "No such file" in str(missing.value) and "os error" not in str(missing.value)
    again = pickle.loads(pickle.dumps(missing.value))
    assert again.errno == 2 and str(again) == str(missing.value)
    with pytest.raises(graven.NotATableError, match="without versions"):
        graven.open(tmp_path)
    with pytest.raises(ValueError, match='expected the storage "ram", "mmap" or "disk"'):
        graven.open(path, storage="tape")  # type: ignore[arg-type]


def test_a_table_pickles_as_its_path(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    table = make({"a": "b" * 100_000}, storage="mmap")
    pickled = pickle.dumps(table)
    assert len(pickled) < 1000
    again = pickle.loads(pickled)
    assert again["a"] == table["a"] and again.storage == "mmap" and again.version == table.version
    assert copy.copy(table)["a"] == table["a"]
    monkeypatch.chdir(Path(os.fspath(table.path)).parent)
    relative = graven.open(Path(os.fspath(table.path)).name)
    pickled = pickle.dumps(relative)
    monkeypatch.chdir("/")
    assert pickle.loads(pickled)["a"] == table["a"]


def test_many_threads_get_right_answers(make: Make) -> None:
    pairs = {f"{i}": f"value {i}".encode() for i in range(20_000)}
    table = make(pairs)
    wrong: list[str] = []

    def ask(seed: int) -> None:
        chosen = random.Random(seed)
        for _ in range(30):
            keys = [str(chosen.randrange(25_000)) for _ in range(500)]
            if table.get_many(keys) != [pairs.get(key) for key in keys]:
                wrong.append(f"batch of {seed}")
            if any(table.get(key) != pairs.get(key) for key in keys[:100]):
                wrong.append(f"keys of {seed}")

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_list_that_is_changed_by_another_thread_is_no_danger(make: Make) -> None:
    table = make({f"{i}": b"x" for i in range(1000)})
    keys = [str(i) for i in range(1000)]
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            keys[:] = [str(random.randrange(1000)) for _ in range(1000)]

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(200):
            assert table.get_many(keys) == [b"x"] * len(keys)
    finally:
        stop.set()
        changing.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("storage", STORAGES)
def test_a_table_goes_on_answering_behind_a_fork(make: Make, storage: str) -> None:
    pairs = {f"{i}": f"value {i}".encode() for i in range(5000)}
    table = make(pairs, storage=storage)
    keys = list(pairs)
    assert table.get_many(keys) == list(pairs.values())
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            right = table.get_many(keys) == list(pairs.values()) and table["7"] == pairs["7"]
            os._exit(0 if right else 1)
        children.append(child)
    assert table.get_many(keys) == list(pairs.values())
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4


def test_a_subinterpreter_gets_an_import_error() -> None:
    interpreters: Any = pytest.importorskip("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    interpreter = interpreters.create()
    code = (
        "try:\n    import graven\nexcept ImportError as error:\n"
        "    assert 'subinterpreter' in str(error), error\nelse:\n    raise AssertionError('it was imported')\n"
    )
    try:
        raised = interpreters.run_string(interpreter, code)
        assert raised is None, raised
    finally:
        interpreters.destroy(interpreter)


def test_memory_does_not_grow_with_lookups(make: Make) -> None:
    def resident_kb() -> int:
        text = Path("/proc/self/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS")))

    pairs = {f"{i}": f"value {i}" for i in range(10_000)}
    table, rows = make(pairs), make({key: {"a": value, "b": 1} for key, value in pairs.items()})
    keys = list(pairs)

    def ask() -> None:
        for key in keys:
            table[key]
            rows[key]
            table.get("absent")
        table.get_many(keys)
        table.get_many_arrow(keys)
        rows.get_many_arrow(keys)
        sum(1 for _ in rows.items())

    for _ in range(3):
        ask()
    before = resident_kb()
    for _ in range(20):
        ask()
    assert resident_kb() - before < 4096


@pytest.mark.parametrize("storage", ["mmap", "disk"])
@pytest.mark.parametrize("ask", ["table[key]", "table.get_many([key])", "table.get_many_arrow([key])", "list(table)"])
def test_a_table_may_be_closed_while_an_error_is_made(make: Make, storage: str, ask: str) -> None:
    path = Path(os.fspath(make({f"{i}": f"value {i}" for i in range(2000)}).path))
    damaged = bytearray(path.read_bytes())
    half = len(damaged) // 2
    damaged[half : half + 64] = bytes(byte ^ 0xFF for byte in damaged[half : half + 64])
    path.write_bytes(damaged)
    # In a process of its own, since a thread that waits with the interpreter's lock cannot be interrupted.
    code = f"""
import sys, threading
import graven, graven._errors

class ClosingError(graven.DamagedError):
    def __init__(self, *arguments, **details):
        closing = threading.Thread(target=table.close)
        closing.start()
        closing.join()
        super().__init__(*arguments, **details)

graven._errors.DamagedError = ClosingError
raised = 0
for key in map(str, range(2000)):
    table = graven.open(sys.argv[1], storage={storage!r})
    try:
        {ask}
    except ClosingError:
        assert table.closed
        raised += 1
        break
assert raised
"""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
