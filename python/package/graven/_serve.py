"""A server for notebooks and tests."""

from __future__ import annotations

import os
import queue
import re
import subprocess
import threading
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType

from graven._command import command
from graven._errors import ServeError
from graven._graven import Table

__all__ = ["Server", "serve"]

_LISTENING = re.compile(r"^listening on (?P<endpoint>\S+)$")
_ADDRESS = re.compile(r"^(?:[a-z0-9+]+://)?(?P<host>\[[^]]*\]|[^:/]+):(?P<port>\d+)")
_LINES_KEPT = 40

Source = str | os.PathLike[str] | Table


class Server:
    """A server that runs, as :func:`serve` started it.

    ``address`` is where it listens, as ``127.0.0.1:41234``; HTTP, Redis' and memcached's protocols are spoken there. It
    stops at the end of a ``with`` block, by :meth:`stop`, when nothing uses it any more, or when the program ends; a program
    that is killed leaves it running.
    """

    def __init__(self, process: subprocess.Popen[str], address: str, output: _Output) -> None:
        self._process = process
        self._output = output
        # Also called when Python ends, and then before it takes the readers of the output away.
        self._end = weakref.finalize(self, _end, process, output)
        self.address = address
        """Host and port."""

    @property
    def host(self) -> str:
        """The host, without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port."""
        return int(self.address.rpartition(":")[2])

    @property
    def url(self) -> str:
        """Where HTTP clients find it."""
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def stop(self, timeout: float = 10.0) -> None:
        """Answers what has arrived, and stops; after ``timeout`` seconds it is ended."""
        if self._end.detach() is not None:
            _end(self._process, self._output, timeout)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self._process.poll() is None else "stopped"
        return f"<graven.Server {self.address}, {state}>"


def serve(
    source: Source | Mapping[str, Source],
    *,
    listen: str = "127.0.0.1:0",
    options: Sequence[str] = (),
    timeout: float = 60.0,
) -> Server:
    """Start a server of ``source`` in a process of its own, and wait until it answers.

    ``source`` is a table, its file, a root, whatever else the command ``graven serve`` takes, or several by their names.
    ``listen`` is where; port 0 is one that is free. ``options`` are further options of ``graven serve``.

    >>> import urllib.request
    >>> with graven.serve(colours) as server:
    ...     urllib.request.urlopen(f"{server.url}/v1/kv/sky").read()
    b'blue'
    """
    sources = (
        [f"{name}={_path(of)}" for name, of in source.items()]
        if isinstance(source, Mapping) and not isinstance(source, Table)
        else [_path(source)]
    )
    line = [command(), "serve", *sources, "--listen", listen, *options]
    process = subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # Ctrl-C in a terminal is for the program; the server stops with its block.
        start_new_session=True,
    )
    output = _Output(process)
    address, said = None, ""
    try:
        output.start()
        address = output.address(timeout)
    finally:
        # Nobody has it to stop it: it does not answer, or something was raised, as by Ctrl-C.
        if address is None:
            process.kill()
            process.wait()
            said = output.close()
    if address is None:
        raise ServeError(said or "the server did not start", path=sources[0])
    return Server(process, address, output)


def _end(process: subprocess.Popen[str], output: _Output, timeout: float = 10.0) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Without effect on one that has ended.
            process.kill()
            process.wait()
    output.close()


def _path(source: Source) -> str:
    return os.fspath(source.path) if isinstance(source, Table) else os.fspath(source)


class _Output:
    """What a server says, read on, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.endpoints: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.errors: list[str] = []
        self.threads: list[threading.Thread] = []

    def start(self) -> None:
        for read in (self._stdout, self._stderr):
            thread = threading.Thread(target=read, daemon=True)
            thread.start()
            self.threads.append(thread)

    def _stdout(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found = _LISTENING.match(line.rstrip("\n"))
            if found:
                self.endpoints.put(found["endpoint"])
        self.endpoints.put(None)

    def _stderr(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.errors = [*self.errors[1 - _LINES_KEPT :], line.rstrip("\n")]

    def address(self, timeout: float) -> str | None:
        try:
            endpoint = self.endpoints.get(timeout=timeout)
        except queue.Empty:
            return None
        found = _ADDRESS.match(endpoint) if endpoint is not None else None
        return None if found is None else f"{found['host']}:{found['port']}"

    def close(self) -> str:
        """Waits for the readers; what was said on standard error."""
        for thread in self.threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return "\n".join(self.errors)
