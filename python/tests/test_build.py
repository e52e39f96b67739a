"""Building of pairs, and roots: publish, list, switch, roll back."""

from __future__ import annotations

import datetime
import io
import math
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import graven

Make = Callable[..., graven.Table]


def test_a_build_says_what_it_came_to(tmp_path: Path) -> None:
    path = tmp_path / "a.graven"
    built = graven.build([("a", "1"), ("b", b"2"), ("a", "3")], path)
    assert (built.pairs, built.duplicates, built.file_bytes) == (2, 1, path.stat().st_size)
    assert graven.open(path)["a"] == b"3"
    graven.build([("a", "1"), ("a", "3")], path, duplicates="first")
    assert graven.open(path)["a"] == b"1"
    with pytest.raises(graven.BuildError, match="the key a comes more than once") as caught:
        graven.build([("a", "1"), ("a", "3")], path, duplicates="error")
    assert caught.value.advice
    assert graven.open(path)["a"] == b"1", "the file that was there is there"


def test_the_same_pairs_make_the_same_bytes(tmp_path: Path) -> None:
    pairs = [(f"{i}", f"{i * i}") for i in range(1000)]
    first, second = tmp_path / "1.graven", tmp_path / "2.graven"
    graven.build(pairs, first)
    graven.build(dict(reversed(pairs)), second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("a", 1)], "pair 1: expected a value of type bytes or str"),
        ([("a", "1"), ("b", {"x": 1})], "pair 2: expected a value of type bytes or str"),
        ([("a", {"x": 1}), ("b", "1")], "pair 2: expected a dict of columns"),
        ([("a", {"x": object()})], "pair 1: a field has the type object"),
        ([(1.5, "1")], "pair 1: expected a key of type"),
    ],
)
def test_a_wrong_type_is_named_with_its_pair(tmp_path: Path, pairs: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        graven.build(pairs, tmp_path / "a.graven")
    assert not list(tmp_path.iterdir())


def test_what_is_no_pair_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(graven.BuildError, match="pair 2: expected a key and a value, found str"):
        graven.build([("a", "b"), "abc"], tmp_path / "a.graven")
    with pytest.raises(TypeError, match="pairs have none"):
        graven.build([("a", "b")], tmp_path / "a.graven", value="x")
    with pytest.raises(ValueError, match="expected duplicates to be one of"):
        graven.build({}, tmp_path / "a.graven", duplicates="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="types, column .a.: expected a type"):
        graven.build({}, tmp_path / "a.graven", types={"a": "colour"})
    with pytest.raises(TypeError, match="expected columns to be a list"):
        graven.build({}, tmp_path / "a.graven", columns="abc")


def test_limits_are_errors(tmp_path: Path) -> None:
    with pytest.raises(graven.BuildError, match="a key's length is 70000, the most is 65536"):
        graven.build({b"k" * 70_000: b""}, tmp_path / "a.graven")
    with pytest.raises(graven.BuildError, match="column `n`"):
        graven.build({"a": {"n": "twelve"}}, tmp_path / "a.graven", types={"n": "int"})
    with pytest.raises(graven.FileError):
        graven.build({"a": "b"}, tmp_path / "absent" / "a.graven")


def test_columns_are_chosen_and_grow(make: Make) -> None:
    rows: Any = [("a", {"x": 1}), ("b", {"x": 2, "y": "z"})]
    assert dict(make(rows).items()) == {b"a": {"x": 1}, b"b": {"x": 2, "y": "z"}}
    assert dict(make(rows, columns=["y"]).items()) == {b"a": {}, b"b": {"y": "z"}}
    assert list(make([], columns=["y"]).schema or {}) == ["y"]
    ids = make({"a": {"id": uuid.UUID(int=1), "at": datetime.datetime(2026, 1, 1)}}).schema
    assert ids == {"id": "uuid", "at": "timestamp"}


def test_nan_is_kept_among_floats_and_is_none_among_other_values(make: Make) -> None:
    nan, infinite = float("nan"), float("-inf")
    floats: Any = dict(make({"a": {"x": 1.5}, "b": {"x": nan}, "c": {"x": infinite}}).items())
    assert math.isnan(floats[b"b"]["x"]) and floats[b"c"] == {"x": infinite}
    mixed = make({"a": {"x": "word", "y": 1}, "b": {"x": nan, "y": infinite}})
    assert dict(mixed.items()) == {b"a": {"x": "word", "y": 1}, b"b": {"x": None, "y": None}}
    mixed.verify()


def test_an_exception_of_the_source_is_passed_on(tmp_path: Path) -> None:
    def pairs() -> Iterator[tuple[str, str]]:
        yield "a", "b"
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError, match="the source failed"):
        graven.build(pairs(), tmp_path / "a.graven")
    assert not list(tmp_path.iterdir())


def test_progress_is_told_and_may_stop_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int | None]] = []
    pairs = {f"{i}": "x" for i in range(5000)}
    graven.build(pairs, tmp_path / "a.graven", progress=lambda *told: seen.append(told))
    assert ("read", 1024, None) in seen and seen[-1][0] == "carve"
    err = io.StringIO()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setattr("graven._build._ProgressLine.SECONDS", 0.0)
    graven.build(pairs, tmp_path / "b.graven", progress=True)
    assert "\rread: 1,024" in err.getvalue() and err.getvalue().endswith("\r")

    def stop(stage: str, done: int, total: int | None) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        graven.build(pairs, tmp_path / "c.graven", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.graven", "b.graven"]


@pytest.mark.parametrize("stage", ["read", "carve"])
def test_an_interrupt_ends_a_build_and_leaves_no_file(tmp_path: Path, stage: str) -> None:
    # A shell has what it starts in the background ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    sent = False

    def told(now: str, done: int, total: int | None) -> None:
        nonlocal sent
        # The first that is told when all pairs are read is that nothing of the rest is done.
        if not sent and (stage == "read" or (now, done) == ("read", 0)):
            sent = True
            os.kill(os.getpid(), signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            graven.build(((f"{i}", "x" * 50) for i in range(200_000)), tmp_path / "a.graven", progress=told)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sent and not list(tmp_path.iterdir())


def test_a_build_lets_other_threads_run(tmp_path: Path) -> None:
    ran = threading.Event()
    told = threading.Event()

    def other() -> None:
        told.wait(60)
        ran.set()

    thread = threading.Thread(target=other)
    thread.start()
    graven.build(((f"{i}", "x") for i in range(50_000)), tmp_path / "a.graven", progress=lambda *_: told.set())
    thread.join()
    assert ran.is_set()


def test_versions_are_published_switched_and_rolled_back(tmp_path: Path, colours: Path) -> None:
    table = tmp_path / "root" / "colours"
    assert graven.publish(colours, table, version="monday") == "monday"
    first = graven.open(table)
    assert first.version == "monday" and first["sky"] == b"blue"
    assert first.latest() is first
    graven.build({"sky": "grey"}, tmp_path / "next.graven")
    assert graven.publish(tmp_path / "next.graven", table, version="tuesday", switch=False) == "tuesday"
    assert graven.open(table).version == "monday"
    assert graven.open(table, version="tuesday")["sky"] == b"grey"
    assert graven.switch(table, "latest", note="new colours") == "tuesday"
    second = first.latest()
    assert second.version == "tuesday" and second["sky"] == b"grey" and first["sky"] == b"blue"
    assert [(v["version"], v["current"], v["bad"]) for v in graven.versions(table)] == [
        ("monday", False, False),
        ("tuesday", True, False),
    ]
    put = graven.versions(table)[0]["put"]
    assert put.tzinfo is not None and abs((datetime.datetime.now(datetime.UTC) - put).total_seconds()) < 3600
    assert graven.rollback(table, reason="too grey") == "monday"
    with pytest.raises(graven.VersionError, match="frozen") as caught:
        graven.switch(table, "monday")
    assert (caught.value.reason, caught.value.version) == ("frozen", "monday")
    assert graven.resume(table) == "monday"
    with pytest.raises(graven.VersionError) as caught:
        graven.switch(table, "tuesday")
    assert caught.value.reason == "bad" and caught.value.advice == "graven.switch with force=True does it"
    assert graven.switch(table, "tuesday", force=True) == "tuesday"


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path, colours: Path) -> None:
    first = graven.open(colours)
    assert first.latest() is first
    colours.chmod(0o600)
    assert first.latest() is first
    graven.build({"sky": "grey"}, colours)
    second = first.latest()
    assert second["sky"] == b"grey" and first["sky"] == b"blue" and second.latest() is second
    colours.unlink()
    with pytest.raises(graven.MissingFileError):
        second.latest()


def test_a_table_of_a_root_pickles_with_its_version(tmp_path: Path, colours: Path) -> None:
    import pickle

    table = tmp_path / "root" / "colours"
    graven.publish(colours, table, version="monday")
    pickled = pickle.dumps(graven.open(table))
    graven.build({"sky": "grey"}, tmp_path / "next.graven")
    graven.publish(tmp_path / "next.graven", table, version="tuesday")
    assert pickle.loads(pickled)["sky"] == b"blue"


def test_a_gate_refuses_a_version(tmp_path: Path, colours: Path) -> None:
    table = tmp_path / "root" / "colours"
    graven.publish(colours, table, version="monday")
    (table / "table.toml").write_text("min-pairs = 2\n")
    graven.build({"sky": "grey"}, tmp_path / "next.graven")
    with pytest.raises(graven.VersionError) as caught:
        graven.publish(tmp_path / "next.graven", table, version="tuesday")
    assert (caught.value.reason, caught.value.version) == ("refused", "tuesday")
    assert graven.open(table).version == "monday"
    assert graven.switch(table, "tuesday", force=True) == "tuesday"


def test_what_is_not_in_a_root_is_named(tmp_path: Path, colours: Path) -> None:
    table = tmp_path / "root" / "colours"
    graven.publish(colours, table, version="monday")
    with pytest.raises(graven.VersionError, match="it has monday") as caught:
        graven.open(table, version="friday")
    assert caught.value.reason == "missing"
    with pytest.raises(graven.VersionError) as caught:
        graven.publish(colours, table, version="monday")
    assert caught.value.reason == "exists"
    with pytest.raises(ValueError, match="is no version's name"):
        graven.open(table, version="a/b")
    with pytest.raises(ValueError, match="no table of a root"):
        graven.open(colours, version="monday")
    with pytest.raises(graven.MissingFileError):
        graven.publish(tmp_path / "absent.graven", table)
    (table / "CURRENT").write_text("\n")
    with pytest.raises(graven.VersionError) as caught:
        graven.open(table)
    assert caught.value.reason == "current"
