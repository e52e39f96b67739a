"""The command that the wheel brings, and servers of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graven
import graven._serve


def get(server: graven.Server, path: str) -> bytes:
    with urllib.request.urlopen(f"{server.url}{path}", timeout=30) as answer:
        return bytes(answer.read())


def test_the_command_and_the_package_are_one_version() -> None:
    said = subprocess.run([graven.command(), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.split()[:2] == ["graven", graven.__version__]
    again = subprocess.run([sys.executable, "-m", "graven", "--version"], capture_output=True, text=True, check=True)
    assert again.stdout == said


def test_on_windows_the_command_is_refused_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as windows:
        windows.setattr(os, "name", "nt")
        with pytest.raises(graven.ServeError, match="do not run on Windows; serve the table on Linux"):
            graven.command()


def test_the_module_passes_on_the_exit_status(colours: Path) -> None:
    line = [sys.executable, "-m", "graven", "get", str(colours), "absent"]
    assert subprocess.run(line, capture_output=True, check=False).returncode == 1


def test_a_server_answers_for_a_file_a_table_and_a_root(tmp_path: Path, colours: Path) -> None:
    with graven.serve(colours) as server:
        assert get(server, "/v1/kv/sky") == b"blue"
        assert server.port > 0 and server.host == "127.0.0.1" and "running" in repr(server)
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with graven.serve(graven.open(colours)) as server:
        assert get(server, "/?key=grass") == b"green"
    graven.publish(colours, tmp_path / "root" / "colours", version="monday")
    with graven.serve(tmp_path / "root") as server:
        assert get(server, "/v1/tables/colours/kv/sky") == b"blue"
    with graven.serve({"a": colours, "b": graven.open(colours)}) as server:
        assert get(server, "/v1/tables/b/kv/sky") == b"blue"
    server.stop()


def test_a_server_that_does_not_start_says_why(tmp_path: Path, colours: Path) -> None:
    with pytest.raises(graven.ServeError, match="absent.graven"):
        graven.serve(tmp_path / "absent.graven")
    with graven.serve(colours) as server, pytest.raises(graven.ServeError, match=str(server.port)):
        graven.serve(colours, listen=server.address)


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def refuse(*_: Any) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    ("of", "name", "fails", "raised"),
    [
        (graven._serve._Output, "address", interrupt, KeyboardInterrupt),
        (threading.Thread, "start", refuse, RuntimeError),
    ],
)
def test_a_server_that_is_interrupted_while_it_starts_is_ended(
    colours: Path, monkeypatch: pytest.MonkeyPatch, of: type, name: str, fails: Callable[..., None], raised: type[BaseException]
) -> None:
    started: list[subprocess.Popen[str]] = []

    class Popen(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    with monkeypatch.context() as broken, pytest.raises(raised):
        broken.setattr(of, name, fails)
        graven.serve(colours)
    [process] = started
    assert process.returncode is not None
    assert process.stdout is not None and process.stdout.closed
    assert process.stderr is not None and process.stderr.closed


def test_a_server_ends_with_the_program_and_with_its_last_name(colours: Path) -> None:
    code = "import sys, graven; server = graven.serve(sys.argv[1]); print(server.pid)"
    ended = subprocess.run([sys.executable, "-c", code, str(colours)], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    server = graven.serve(colours)
    pid = server.pid
    del server
    for pid in (int(ended.stdout), pid):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
