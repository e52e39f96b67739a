"""Building tables."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TextIO

from graven._graven import build_arrow, build_pairs

__all__ = ["Built", "build"]

Progress = Callable[[str, int, "int | None"], object]


class Built(NamedTuple):
    """What a build came to."""

    pairs: int
    """Pairs in the table."""
    duplicates: int
    """Pairs that are not in it because their key came again."""
    input_bytes: int
    """Bytes of keys and values."""
    file_bytes: int
    """Bytes of the file."""


@dataclass
class _Options:
    path: str
    key: str | None
    value: str | None
    columns: list[str] | None
    types: list[tuple[str, str]]
    json: bool
    duplicates: str
    codec: str
    purpose: str
    memory_bytes: int
    threads: int
    progress: Progress | None


def build(
    source: Any,
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    value: str | None = None,
    columns: Sequence[str] | None = None,
    types: Mapping[str, str] | None = None,
    json: bool = False,
    duplicates: Literal["last", "first", "error"] = "last",
    codec: Literal["auto", "smallest", "fastest", "raw"] = "auto",
    purpose: Literal["ram", "disk"] = "ram",
    memory_bytes: int = 1 << 30,
    threads: int = 0,
    progress: bool | Progress = False,
) -> Built:
    """Build a table of ``source`` into the file ``path``, which appears when it is whole.

    ``source`` is a mapping or an iterable of pairs, or a table: of pyarrow, polars, pandas, DuckDB or whatever else has
    Arrow's PyCapsule interface.

    In pairs, keys are ``bytes``, ``str``, ``int`` or ``uuid.UUID``. Values are ``bytes`` or ``str``; or all of them are
    dictionaries, which become rows with columns.

    >>> graven.build([("sky", "blue"), ("grass", "green")], folder / "a.graven").pairs
    2
    >>> rows = {"OSL": {"city": "Oslo", "runways": 2}, "BGO": {"city": "Bergen", "runways": 1}}
    >>> built = graven.build(rows, folder / "b.graven", key="airport")
    >>> graven.open(folder / "b.graven")["OSL"]
    {'city': 'Oslo', 'runways': 2}

    Of a table, ``key`` names the column of keys, by default the first. ``value`` names the column whose bytes or text are
    the values; without it, the others are the columns of rows, or those that ``columns`` names.

    >>> import pyarrow
    >>> prices = pyarrow.table({"sku": ["A-1", "B-7"], "price": [12.5, 4.5], "stock": [7, None]})
    >>> built = graven.build(prices, folder / "c.graven", key="sku")
    >>> graven.open(folder / "c.graven")["B-7"]
    {'price': 4.5, 'stock': None}

    ``types`` says what a column holds where that is not to follow from its values: ``bool int uint float32 float64 decimal
    text bytes timestamp date uuid json``. ``json`` says that every plain value is a JSON text. ``duplicates`` says which
    value of a key counts. ``codec`` and ``purpose`` are those of the command ``graven build``. ``progress`` is ``True``
    for a line on standard error, or a function that is called with the stage (``"read"``, ``"partition"``, ``"carve"``),
    how much of it is done, and of how much, which is ``None`` while that is not known. Ctrl-C ends the build and leaves no
    file.
    """
    if columns is not None and isinstance(columns, str):
        raise TypeError("expected columns to be a list of names, found one str")
    line = _ProgressLine(sys.stderr) if progress is True else None
    told: Progress | None = line if line is not None else (progress if callable(progress) else None)
    options = _Options(
        path=os.fspath(path),
        key=key,
        value=value,
        columns=None if columns is None else list(columns),
        types=list((types or {}).items()),
        json=json,
        duplicates=duplicates,
        codec=codec,
        purpose=purpose,
        memory_bytes=memory_bytes,
        threads=threads,
        progress=told,
    )
    try:
        if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__arrow_c_array__"):
            built = build_arrow(source, options)
            if built is not None:
                return Built(*built)
        return Built(*build_pairs(_pairs(source, options), options))
    finally:
        if line is not None:
            line.end()


def _pairs(source: Any, options: _Options) -> Iterable[Any]:
    """The pairs of a mapping, of a data frame of pandas where pyarrow is not there, or those that are given."""
    if isinstance(source, Mapping):
        return source.items()
    if hasattr(source, "columns") and hasattr(source, "__getitem__") and hasattr(source, "itertuples"):
        return _frame_pairs(source, options)
    if options.value is not None:
        raise TypeError("value names a column of a table, and pairs have none")
    pairs: Iterable[Any] = iter(source)
    return pairs


def _frame_pairs(frame: Any, options: _Options) -> Iterator[tuple[Any, Any]]:
    names = [str(name) for name in frame.columns]
    key = options.key if options.key is not None else names[0]
    for name in [key, options.value, *(options.columns or [])]:
        if name is not None and name not in names:
            from graven._errors import BuildError

            raise BuildError(f"there is no column {name!r}; there are {', '.join(names)}")
    options.key = key
    keys = frame[key].tolist()
    if options.value is not None:
        return zip(keys, frame[options.value].tolist(), strict=True)
    columns = options.columns if options.columns is not None else [name for name in names if name != key]
    lists = [_without_nulls(frame[name]) for name in columns]
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True))
    return zip(keys, rows, strict=True)


def _without_nulls(series: Any) -> list[Any]:
    """The values of a column of pandas, ``None`` for what pandas takes for missing."""
    nulls = series.isna().tolist()
    values = series.tolist()
    return [None if null else _plain(value) for value, null in zip(values, nulls, strict=True)]


def _plain(value: Any) -> Any:
    to_pydatetime = getattr(value, "to_pydatetime", None)
    return value if to_pydatetime is None else to_pydatetime()


class _ProgressLine:
    """How far a build is, as a line on standard error."""

    SECONDS = 0.1

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.shown = 0
        self.next = time.monotonic() + self.SECONDS

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + self.SECONDS
        part = f"{done:,}" if total is None else f"{100 * done // total} %"
        text = f"{stage}: {part}"
        self.out.write("\r" + text.ljust(self.shown))
        self.out.flush()
        self.shown = len(text)

    def end(self) -> None:
        if self.shown:
            self.out.write("\r" + " " * self.shown + "\r")
            self.out.flush()
