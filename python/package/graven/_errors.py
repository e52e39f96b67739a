"""What can go wrong. Every exception of this package is a :class:`Error`."""

from __future__ import annotations

from typing import Any

__all__ = [
    "BuildError",
    "DamagedError",
    "Error",
    "FileError",
    "MissingFileError",
    "NotATableError",
    "ServeError",
    "VersionError",
]


class Error(Exception):
    """The base of this package's exceptions.

    ``message`` says what happened, ``path`` with which file, ``offset`` at which byte of it, and ``advice`` what to do
    about it; each of the last three is ``None`` where there is nothing to say.

    >>> import graven
    >>> try:
    ...     graven.open("prices.csv.gz")
    ... except graven.Error as error:
    ...     error.path
    'prices.csv.gz'
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        offset: int | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.offset = offset
        self.advice = advice

    def __str__(self) -> str:
        where = "" if self.path is None else f"{self.path}: "
        advice = "" if self.advice is None else f"; {self.advice}"
        return f"{where}{self.message}{advice}"

    def _details(self) -> dict[str, Any]:
        return {"path": self.path, "offset": self.offset, "advice": self.advice}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.message, self._details())


def _rebuilt(kind: type[Error], message: str, details: dict[str, Any]) -> Error:
    return kind(message, **details)


class FileError(Error, OSError):
    """The system refused to read or write; ``errno`` says why."""

    def __init__(
        self,
        message: str,
        *,
        errno: int | None = None,
        path: str | None = None,
        offset: int | None = None,
        advice: str | None = None,
    ) -> None:
        Error.__init__(self, message, path=path, offset=offset, advice=advice)
        OSError.__init__(self, errno, message)
        self.filename = path

    __str__ = Error.__str__

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "errno": self.errno}


class MissingFileError(FileError, FileNotFoundError):
    """The file is not there."""


class NotATableError(Error, ValueError):
    """The file is no table, or one that this release does not read."""


class DamagedError(Error):
    """Bytes of the file are not what was written. ``offset`` says where the part that is damaged begins.

    No lookup answers with a wrong value: what is damaged raises this.
    """


class BuildError(Error, ValueError):
    """What a table was to be built from is not right: a key twice, a field of another type, a value too large."""


class VersionError(Error):
    """A version was not published, or was not switched to.

    ``reason`` is one of ``"refused"`` (a gate keeps it out), ``"frozen"`` (after a rollback), ``"bad"`` (it was rolled
    back from), ``"overtaken"`` (somebody else switched meanwhile), ``"exists"``, ``"missing"`` (no such table or
    version), ``"current"`` (what CURRENT says cannot be understood) and ``"settings"`` (the same of ``table.toml``).
    ``version`` is the version, where there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        version: str | None = None,
        path: str | None = None,
        offset: int | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(message, path=path, offset=offset, advice=advice)
        self.reason = reason
        self.version = version

    def _details(self) -> dict[str, Any]:
        return {**super()._details(), "reason": self.reason, "version": self.version}


class ServeError(Error):
    """A server did not start, or ended by itself."""
