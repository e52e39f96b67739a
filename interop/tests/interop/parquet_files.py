"""Writes Parquet files of every type with pyarrow and DuckDB, and what graven is to make of each row.

    parquet_files.py FOLDER ROWS

Each FOLDER/NAME.parquet has the rows of FOLDER/NAME.jsonl, or of FOLDER/arrow.jsonl: `key`, a tab, and the row in JSON.
"""

import datetime
import decimal
import json
import struct
import sys
import uuid

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

folder, count = sys.argv[1], int(sys.argv[2])
UTC = datetime.timezone.utc


def shortest(number, is_single=False):
    """The fewest digits that name a float, as Rust's libraries write them."""
    if number != number or number in (float("inf"), float("-inf")):
        return "null"
    if is_single:
        exact = struct.unpack("f", struct.pack("f", number))[0]
        texts = (f"{exact:.{digits}g}" for digits in range(1, 10))
        text = next(text for text in texts if struct.unpack("f", struct.pack("f", float(text)))[0] == exact)
        text = repr(float(text))
    else:
        text = repr(number)
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    return f"{mantissa}e{int(exponent)}"


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def every(at, number, value):
    """`value`, and nothing in every `number`th row."""
    return None if at % number == 3 else value


def named(name, text):
    """The name of a member: bytes are base64."""
    return f"{name}_base64" if name in ("bytes", "four", "blob") and text != "null" else name


def arrow_rows():
    columns = {}

    def column(name, kind, value_of, json_of, nulls=7):
        values = [every(at, nulls, value_of(at)) if nulls else value_of(at) for at in range(count)]
        texts = ["null" if value is None else json_of(value) for value in values]
        columns[name] = (pa.array(values, kind), texts)

    epoch = datetime.datetime(1970, 1, 1)
    column("flag", pa.bool_(), lambda i: i % 3 == 0, lambda v: str(v).lower())
    for bits in (8, 16, 32, 64):
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        column(f"int{bits}", getattr(pa, f"int{bits}")(), lambda i: [low, high, 0, i % 100 - 50][i % 4], str)
        column(f"uint{bits}", getattr(pa, f"uint{bits}")(), lambda i: [0, (1 << bits) - 1, i % 100][i % 3], str)
    column("half", pa.float16(), lambda i: [0.5, -2.0, 65504.0, 0.1][i % 4], lambda v: shortest(struct.unpack("e", struct.pack("e", v))[0], True))
    column("single", pa.float32(), lambda i: [0.1, -1e-20, 3e38, i / 7][i % 4], lambda v: shortest(v, True))
    column("double", pa.float64(), lambda i: [0.1, -1e-200, 1e300, i / 7, float("nan"), float("-inf"), 100.0][i % 7], shortest)
    column("money", pa.decimal128(9, 2), lambda i: decimal.Decimal(i * 37 - 500).scaleb(-2), lambda v: f"{v:.2f}")
    column("wide", pa.decimal128(38, 10), lambda i: decimal.Decimal(-(10**37) + i).scaleb(-10, decimal.Context(prec=50)), lambda v: f"{v:f}")
    column("widest", pa.decimal256(76, 0), lambda i: decimal.Decimal(10**75 + i), lambda v: f"{v:f}")
    column("day", pa.date32(), lambda i: datetime.date(1900, 2, 28) + datetime.timedelta(i * 400), lambda v: quoted(str(v)))
    column("clock", pa.time64("us"), lambda i: datetime.time(i % 24, i % 60, 59, i), lambda v: quoted(v.isoformat("microseconds")))
    column("milliclock", pa.time32("ms"), lambda i: datetime.time(i % 24, i % 60, 59, i % 1000 * 1000), lambda v: quoted(v.isoformat("milliseconds")))
    column("local", pa.timestamp("us"), lambda i: epoch + datetime.timedelta(days=i * 100 - 9000, microseconds=i), lambda v: quoted(v.isoformat(timespec="microseconds")))
    column("utc", pa.timestamp("ms", "UTC"), lambda i: epoch.replace(tzinfo=UTC) + datetime.timedelta(hours=i, milliseconds=i), lambda v: quoted(v.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"))
    column("nano", pa.timestamp("ns"), lambda i: i * 1_000_000_007, lambda v: quoted((epoch + datetime.timedelta(seconds=v // 10**9)).isoformat() + f".{v % 10**9:09}"))
    column("text", pa.string(), lambda i: ["", "Größe", "a\"b\\c\n", f"text {i}"][i % 4], quoted)
    column("few", pa.dictionary(pa.int32(), pa.string()), lambda i: ["red", "green", "blue"][i % 3], quoted)
    column("bytes", pa.binary(), lambda i: bytes([i % 256, 0, 255]), lambda v: quoted(__import__("base64").b64encode(v).decode()))
    column("four", pa.binary(4), lambda i: struct.pack(">I", i * 99991), lambda v: quoted(__import__("base64").b64encode(v).decode()))
    column("uuid", pa.uuid(), lambda i: uuid.UUID(int=i * 0x0123456789ABCDEF0123 + (1 << 127)).bytes, lambda v: quoted(str(uuid.UUID(bytes=v))))
    column("list", pa.list_(pa.int32()), lambda i: [None if j % 3 == 2 else j for j in range(i % 5)], lambda v: "[" + ",".join("null" if e is None else str(e) for e in v) + "]")
    column("lists", pa.list_(pa.list_(pa.string())), lambda i: [[["a"] * (i % 3), None, []], [], [["x"]]][i % 3], lambda v: json.dumps(v, separators=(",", ":")))
    column("struct", pa.struct([("x", pa.float64()), ("name", pa.string()), ("inner", pa.struct([("y", pa.int64())]))]), lambda i: {"x": i / 2, "name": every(i, 5, f"n{i}"), "inner": every(i, 4, {"y": i})}, lambda v: json.dumps(v, separators=(",", ":")))
    column("map", pa.map_(pa.string(), pa.int64()), lambda i: [(f"k{j}", every(j, 4, j * i)) for j in range(i % 4)], lambda v: json.dumps(dict(v), separators=(",", ":")))
    column("numbered", pa.map_(pa.int32(), pa.list_(pa.string())), lambda i: [(j, ["s"] * j) for j in range(i % 3)], lambda v: json.dumps({str(k): e for k, e in v}, separators=(",", ":")))
    column("structs", pa.list_(pa.struct([("a", pa.int32()), ("b", pa.list_(pa.int32()))])), lambda i: [{"a": j, "b": [1] * j} for j in range(i % 3)], lambda v: json.dumps(v, separators=(",", ":")))
    column("required", pa.int32(), lambda i: i, str, nulls=0)
    column("nothing", pa.string(), lambda i: None, quoted)
    return columns


columns = arrow_rows()
keys = [f"key-{at:05}" for at in range(count)]
schema = pa.schema(
    [pa.field("key", pa.string(), nullable=False)]
    + [pa.field(name, values.type, nullable=name != "required") for name, (values, _) in columns.items()]
)
table = pa.Table.from_arrays([pa.array(keys)] + [values for values, _ in columns.values()], schema=schema)
with open(f"{folder}/arrow.jsonl", "w", encoding="utf-8") as out:
    for at, key in enumerate(keys):
        row = ",".join(f"{quoted(named(name, texts[at]))}:{texts[at]}" for name, (_, texts) in columns.items())
        out.write(f"{key}\t{{{row}}}\n")

common = {"write_page_checksum": True, "row_group_size": max(count // 3, 1), "data_page_size": 512}
delta = {
    "int32": "DELTA_BINARY_PACKED", "int64": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY", "key": "DELTA_BYTE_ARRAY",
    "bytes": "DELTA_LENGTH_BYTE_ARRAY", "double": "BYTE_STREAM_SPLIT", "single": "BYTE_STREAM_SPLIT", "flag": "RLE",
}
for name, options in {
    "arrow-plain": {"compression": "none", "use_dictionary": False},
    "arrow-snappy": {"compression": "snappy"},
    "arrow-gzip": {"compression": "gzip", "data_page_version": "2.0"},
    "arrow-zstd": {"compression": "zstd", "data_page_version": "2.0", "use_dictionary": False},
    "arrow-lz4": {"compression": "lz4"},
    "arrow-delta": {"compression": "zstd", "use_dictionary": False, "column_encoding": delta, "version": "2.6"},
}.items():
    pq.write_table(table, f"{folder}/{name}.parquet", **common, **options)
pq.write_table(
    table.select(["key", "local"]), f"{folder}/int96.parquet", use_deprecated_int96_timestamps=True, compression="none"
)
with open(f"{folder}/int96.jsonl", "w", encoding="utf-8") as out:
    for at, key in enumerate(keys):
        text = columns["local"][1][at]
        out.write(f"{key}\t{{\"local\":{text if text == 'null' else text[:-1] + '000' + chr(34)}}}\n")

duck = duckdb.connect()
duck.execute(
    f"""CREATE TABLE t AS SELECT printf('key-%05d', i) AS key, i % 3 = 0 AS flag, i::HUGEINT * 0 + i AS huge, (i - 5)::TINYINT AS tiny,
    (i * 1.25)::DECIMAL(18, 3) AS amount, DATE '2026-11-27' + i::INTEGER AS day, TIMESTAMP '2026-11-27 01:02:03.5' + to_seconds(i) AS at,
    ('00000000-0000-4000-8000-' || printf('%012d', i))::UUID AS id, ['a', NULL, 'b' || i] AS list, {{'x': i, 'y': [i, i + 1]}} AS point,
    MAP {{'k' || i: i}} AS map, CASE WHEN i % 4 = 0 THEN NULL ELSE 'v' || i END AS text, ('v' || i)::BLOB AS blob, to_days(i::INTEGER) AS span,
    (['x', 'y'])[i % 2 + 1]::ENUM('x', 'y') AS kind, '{{"a": ' || i || '}}' AS note
    FROM range({min(count, 100)}) r(i)"""
)
for codec in ("snappy", "zstd", "gzip", "lz4"):
    duck.execute(f"COPY t TO '{folder}/duckdb-{codec}.parquet' (FORMAT parquet, COMPRESSION {codec})")
    with open(f"{folder}/duckdb-{codec}.jsonl", "w", encoding="utf-8") as out:
        for i in range(min(count, 100)):
            at = (datetime.datetime(2026, 11, 27, 1, 2, 3, 500000) + datetime.timedelta(seconds=i)).isoformat(timespec="microseconds")
            row = {
                "flag": str(i % 3 == 0).lower(), "huge": f"{i}.0", "tiny": str(i - 5), "amount": f"{decimal.Decimal(i * 1250).scaleb(-3):.3f}",
                "day": quoted(str(datetime.date(2026, 11, 27) + datetime.timedelta(i))), "at": quoted(at),
                "id": quoted(f"00000000-0000-4000-8000-{i:012}"), "list": f'["a",null,"b{i}"]', "point": f'{{"x":{i},"y":[{i},{i + 1}]}}',
                "map": f'{{"k{i}":{i}}}', "text": "null" if i % 4 == 0 else quoted(f"v{i}"),
                "blob": quoted(__import__("base64").b64encode(f"v{i}".encode()).decode()), "span": quoted(f"P0M{i}DT0.000S"),
                "kind": quoted("xy"[i % 2]), "note": quoted(f'{{"a": {i}}}'),
            }
            out.write(f"key-{i:05}\t{{{','.join(f'{quoted(named(name, text))}:{text}' for name, text in row.items())}}}\n")
