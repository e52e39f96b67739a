"""graven beside other ways to keep the same pairs in Python: a dict, py-lmdb, rocksdict, sqlite3, a cdb reader, Redis.

    python benchmarks/compare.py 1m.data            # pairs from `graven gen -n 1000000 -o 1m.data`
    python benchmarks/compare.py 1m.data --markdown

Each is filled and measured in a process of its own. Keys are asked in random order and are fresh objects, so that no hash is
remembered and no key is found by its identity. Every answer is compared with the pair's value, outside the measured time. What
is not installed is left out, and said.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

BATCH = 1000
ASKED = 200_000
ROUNDS = 5

Get = Callable[[bytes], Any]
Many = Callable[[list[bytes]], Any]


def pairs_of(path: Path) -> Iterable[tuple[bytes, bytes]]:
    with path.open("rb") as lines:
        for line in lines:
            key, _, value = line.rstrip(b"\n").partition(b" ")
            yield key, value


def asked_keys(path: Path, count: int) -> tuple[list[bytes], list[bytes]]:
    """Keys in random order with their values, without keeping the others."""
    chosen = random.Random(20261127)
    picked: list[tuple[bytes, bytes]] = []
    for seen, pair in enumerate(pairs_of(path)):
        if seen < count:
            picked.append(pair)
        elif (at := chosen.randrange(seen + 1)) < count:
            picked[at] = pair
    chosen.shuffle(picked)
    return [key for key, _ in picked], [value for _, value in picked]


def fresh(keys: list[bytes]) -> list[bytes]:
    """The same keys as other objects, whose hashes nobody knows."""
    return [bytes(bytearray(key)) for key in keys]


def resident_bytes(pid: int | str = "self") -> int:
    """Memory of a process that is its own or mapped from files, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class Engine:
    """A way to keep pairs. ``fill`` makes what ``open`` opens."""

    name = ""
    needs = ""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder

    def fill(self) -> None:
        """Makes the files."""

    def open(self) -> None:
        """What a program does before its first lookup."""
        raise NotImplementedError

    get: Get
    many: Many
    arrow: Many | None = None
    server_pid: int | None = None

    def close(self) -> None:
        """Ends what was started."""


class Dict(Engine):
    name = "dict"

    def open(self) -> None:
        pairs = dict(pairs_of(self.data))
        self.get = pairs.__getitem__
        self.many = lambda keys: [pairs[key] for key in keys]


class Graven(Engine):
    name, needs, storage = "graven, ram", "graven", "ram"

    def fill(self) -> None:
        import graven

        graven.build(pairs_of(self.data), self.folder / "pairs.graven")

    def open(self) -> None:
        import graven

        table = graven.open(self.folder / "pairs.graven", storage=self.storage)  # type: ignore[arg-type]
        self.table = table
        self.get = table.__getitem__
        self.many = table.get_many
        self.arrow = table.get_many_arrow


class GravenMapped(Graven):
    name, storage = "graven, mmap", "mmap"


class Lmdb(Engine):
    name, needs = "py-lmdb", "lmdb"

    def fill(self) -> None:
        import lmdb

        with lmdb.open(str(self.folder / "lmdb"), map_size=1 << 32, sync=False) as env:
            with env.begin(write=True) as changes:
                for key, value in sorted(pairs_of(self.data)):
                    changes.put(key, value, append=True)

    def open(self) -> None:
        import lmdb

        self.env = lmdb.open(str(self.folder / "lmdb"), map_size=1 << 32, readonly=True, lock=False)
        look = self.env.begin()
        cursor = look.cursor()
        self.get = look.get
        self.many = cursor.getmulti


class Rocks(Engine):
    name, needs = "rocksdict", "rocksdict"

    def fill(self) -> None:
        from rocksdict import Options, Rdict

        table = Rdict(str(self.folder / "rocks"), options=Options(raw_mode=True))
        for key, value in pairs_of(self.data):
            table[key] = value
        table.flush()
        table.compact_range(None, None)
        table.close()

    def open(self) -> None:
        from rocksdict import AccessType, Options, Rdict

        table = Rdict(str(self.folder / "rocks"), options=Options(raw_mode=True), access_type=AccessType.read_only())
        self.table = table
        self.get = table.__getitem__
        many: Any = table
        self.many = lambda keys: many[keys]


class Sqlite(Engine):
    name, needs = "sqlite3", "sqlite3"

    def fill(self) -> None:
        import sqlite3

        with sqlite3.connect(self.folder / "pairs.sqlite") as base:
            base.execute("create table pairs (key blob primary key, value blob) without rowid")
            base.executemany("insert into pairs values (?, ?)", sorted(pairs_of(self.data)))
        base.close()

    def open(self) -> None:
        import sqlite3

        base = sqlite3.connect(f"file:{self.folder / 'pairs.sqlite'}?mode=ro&immutable=1", uri=True)
        base.execute("pragma mmap_size = 1000000000")
        one = "select value from pairs where key = ?"
        marks = ",".join("?" * BATCH)
        several = f"select key, value from pairs where key in ({marks})"
        self.get = lambda key: base.execute(one, (key,)).fetchone()[0]

        def many(keys: list[bytes]) -> list[bytes | None]:
            found = dict(base.execute(several, keys))
            return [found.get(key) for key in keys]

        self.many = many


class Cdb(Engine):
    name, needs = "pure-cdb, in Python", "cdblib"

    def fill(self) -> None:
        import cdblib

        with (self.folder / "pairs.cdb").open("wb") as out, cdblib.Writer(out) as writer:
            for key, value in pairs_of(self.data):
                writer.put(key, value)

    def open(self) -> None:
        import mmap

        import cdblib

        with (self.folder / "pairs.cdb").open("rb") as file:
            reader = cdblib.Reader(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.get = reader.get
        self.many = lambda keys: [reader.get(key) for key in keys]


class Redis(Engine):
    name, needs = "redis-py", "redis"

    def fill(self) -> None:
        if shutil.which("redis-server") is None:
            raise ImportError("redis-server is not installed")

    def open(self) -> None:
        import redis

        path = str(self.folder / "redis.sock")
        line = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(self.folder)]
        self.server = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        self.server_pid = self.server.pid
        client = redis.Redis(unix_socket_path=path)
        deadline = time.monotonic() + 30
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        fill = client.pipeline(transaction=False)
        for count, (key, value) in enumerate(pairs_of(self.data), 1):
            fill.set(key, value)
            if count % 10_000 == 0:
                fill.execute()
        fill.execute()
        self.get = client.get
        self.many = client.mget

    def close(self) -> None:
        self.server.terminate()
        self.server.wait()


ENGINES: list[type[Engine]] = [Graven, GravenMapped, Dict, Lmdb, Rocks, Sqlite, Cdb, Redis]


def best(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return min(measure() for _ in range(rounds))


def measure(engine: Engine, keys: list[bytes], values: list[bytes]) -> dict[str, Any]:
    slow = engine.name in {"redis-py", "pure-cdb, in Python", "sqlite3"}
    count = len(keys) // 10 if slow else len(keys)
    keys, values = keys[:count], values[:count]
    if engine.needs:
        importlib.import_module(engine.needs)
    gc.collect()
    before = resident_bytes()
    began = time.perf_counter()
    engine.open()
    engine.get(keys[0])
    opened = time.perf_counter() - began
    result: dict[str, Any] = {"name": engine.name, "open_ms": opened * 1000}

    assert [engine.get(key) for key in keys] == values, "a wrong answer"

    def single() -> float:
        asked = fresh(keys)
        get = engine.get
        began = time.perf_counter()
        for key in asked:
            get(key)
        return (time.perf_counter() - began) / len(asked) * 1e9

    def subscript() -> float:
        """As programs write it, for what has brackets."""
        asked, table = fresh(keys), engine.table if isinstance(engine, Graven) else dict_of(engine)
        began = time.perf_counter()
        for key in asked:
            table[key]
        return (time.perf_counter() - began) / len(asked) * 1e9

    def loop() -> float:
        asked = fresh(keys)
        began = time.perf_counter()
        for _ in asked:
            pass
        return (time.perf_counter() - began) / len(asked) * 1e9

    def batches(many: Many) -> Callable[[], float]:
        def run() -> float:
            asked = fresh(keys)
            pieces = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]
            began = time.perf_counter()
            for piece in pieces:
                many(piece)
            return (time.perf_counter() - began) / len(asked) * 1e9

        return run

    empty = best(loop)
    if isinstance(engine, (Graven, Dict)):
        result["single_ns"] = best(subscript) - empty
    else:
        result["single_ns"] = best(single) - empty
    answers = engine.many(keys[:BATCH])
    if engine.name == "py-lmdb":
        answers = [dict(answers)[key] for key in keys[:BATCH]]
    assert list(answers) == values[:BATCH], "a wrong answer"
    result["many_ns"] = best(batches(engine.many))
    if engine.arrow is not None:
        result["arrow_ns"] = best(batches(engine.arrow))
        result["threads"] = threads_of(engine, keys)
    result["memory_mb"] = (resident_bytes() - before + (resident_bytes(engine.server_pid) if engine.server_pid else 0)) / 1e6
    return result


def dict_of(engine: Engine) -> dict[bytes, bytes]:
    owner = getattr(engine.get, "__self__", None)
    assert isinstance(owner, dict)
    return owner


def threads_of(engine: Engine, keys: list[bytes]) -> dict[str, float]:
    """Keys a second by one thread, two and eight, as lists and as Arrow."""
    rates: dict[str, float] = {}
    assert engine.arrow is not None
    # Each thread has keys of its own, in an order of its own.
    own = []
    for thread in range(8):
        asked = fresh(random.Random(thread).sample(keys, len(keys)))
        own.append([asked[start : start + BATCH] for start in range(0, len(asked), BATCH)])

    def run(many: Many, pieces: list[list[bytes]]) -> None:
        for piece in pieces:
            many(piece)

    def once(many: Many, threads: int) -> float:
        running = [threading.Thread(target=run, args=(many, pieces)) for pieces in own[:threads]]
        began = time.perf_counter()
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return (time.perf_counter() - began) / threads

    for name, many in (("list", engine.many), ("arrow", engine.arrow)):
        for threads in (1, 2, 8):
            rates[f"{name}_{threads}"] = len(keys) / min(once(many, threads) for _ in range(3))
    return rates


def flat(engine: Graven, keys: list[bytes], gets: int) -> tuple[float, float]:
    """Resident megabytes before and behind so many lookups."""
    engine.open()
    for key in keys:
        engine.get(key)
    before = resident_bytes()
    get = engine.get
    for _ in range(gets // len(keys)):
        for key in keys:
            get(key)
    return before / 1e6, resident_bytes() / 1e6


def child(name: str, data: Path, folder: Path) -> None:
    kind = next(kind for kind in ENGINES if kind.name == name)
    keys, values = asked_keys(data, ASKED)
    engine = kind(data, folder)
    try:
        result = measure(engine, keys, values)
    finally:
        engine.close()
    if kind is Graven:
        result["flat"] = flat(kind(data, folder), keys, 10_000_000)
    print(json.dumps(result))


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--only", nargs="*", help="names of what is measured")
    arguments.add_argument("--markdown", action="store_true", help="print a table for README.md")
    arguments.add_argument("--child", nargs=2, metavar=("NAME", "FOLDER"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.child:
        child(given.child[0], given.data, Path(given.child[1]))
        return 0
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for kind in ENGINES:
            if given.only and kind.name not in given.only:
                continue
            folder = Path(scratch) / "shared" if issubclass(kind, Graven) else Path(scratch) / kind.__name__
            folder.mkdir(exist_ok=True)
            try:
                if kind.needs:
                    importlib.import_module(kind.needs)
                if not (folder / "pairs.graven").exists():
                    kind(given.data, folder).fill()
            except ImportError as error:
                print(f"{kind.name} is left out: {error}", file=sys.stderr)
                continue
            line = [sys.executable, __file__, str(given.data), "--child", kind.name, str(folder)]
            done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True)
            results.append(json.loads(done.stdout))
            print(results[-1], file=sys.stderr)
            if not issubclass(kind, Graven):
                shutil.rmtree(folder)
    if given.markdown:
        print("| | open and first get | `get`, ns | 1,000 keys at once, ns a key | as Arrow, ns a key | memory |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for r in results:
            arrow = f"{r['arrow_ns']:.0f}" if "arrow_ns" in r else ""
            print(
                f"| {r['name']} | {r['open_ms']:,.1f} ms | {r['single_ns']:,.0f} | {r['many_ns']:,.0f} | {arrow} "
                f"| {r['memory_mb']:,.0f} MB |"
            )
    else:
        print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
