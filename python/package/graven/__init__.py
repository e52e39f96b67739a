"""Tables that are written once and read forever.

>>> import graven
>>> built = graven.build({"sky": "blue", "grass": "green"}, folder / "colours.graven")
>>> table = graven.open(folder / "colours.graven")
>>> table["sky"], table.get("sea"), len(table)
(b'blue', None, 2)
>>> table.get_many(["grass", "sea"])
[b'green', None]
"""

from collections.abc import Mapping as _Mapping

from graven._build import Built, build
from graven._command import command
from graven._errors import (
    BuildError,
    DamagedError,
    Error,
    FileError,
    MissingFileError,
    NotATableError,
    ServeError,
    VersionError,
)
from graven._graven import (
    ArrowData,
    Table,
    __version__,
    open,
    publish,
    resume,
    rollback,
    switch,
    versions,
)
from graven._serve import Server, serve

__all__ = [
    "ArrowData",
    "BuildError",
    "Built",
    "DamagedError",
    "Error",
    "FileError",
    "MissingFileError",
    "NotATableError",
    "ServeError",
    "Server",
    "Table",
    "VersionError",
    "__version__",
    "build",
    "command",
    "open",
    "publish",
    "resume",
    "rollback",
    "serve",
    "switch",
    "versions",
]

_Mapping.register(Table)


def _reopen(path: str, storage: str, version: str | None) -> Table:
    """What a pickled table becomes."""
    return open(path, storage=storage, version=version)  # type: ignore[arg-type]
