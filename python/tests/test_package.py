"""The package itself: versions, names, and what it needs."""

from __future__ import annotations

import doctest
import importlib.metadata
import importlib.util
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import graven
import graven._build
import graven._command
import graven._errors
import graven._graven
import graven._serve


def test_the_version_is_one() -> None:
    assert importlib.metadata.version("graven") == graven.__version__


def test_importing_it_imports_nothing_else_that_is_installed() -> None:
    code = "import sys, graven; print([m for m in ('numpy', 'pyarrow', 'pandas', 'polars') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_all_names_are_there() -> None:
    assert [name for name in graven.__all__ if not hasattr(graven, name)] == []


def examples() -> dict[str, Any]:
    """Everything that has a page of documentation, by its name."""
    found: dict[str, Any] = {"graven": graven}
    for name in graven.__all__:
        thing = getattr(graven, name)
        if not getattr(thing, "__doc__", None):
            continue
        found[name] = thing
        if isinstance(thing, type):
            members = ((member, getattr(thing, member)) for member in vars(thing))
            found.update({f"{name}.{member}": value for member, value in members if ">>>" in (value.__doc__ or "")})
    return {name: thing for name, thing in found.items() if ">>>" in thing.__doc__}


@pytest.mark.parametrize("name", sorted(examples()))
def test_the_examples_of_the_documentation_are_right(name: str, tmp_path: Path, colours: Path, airports: Path) -> None:
    names = {"graven": graven, "folder": tmp_path, "root": tmp_path / "root", "colours": colours, "airports": airports}
    test = doctest.DocTestParser().get_doctest(examples()[name].__doc__, names, name, None, None)
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test)
    assert result.attempted > 0 and result.failed == 0


def test_every_public_function_has_documentation() -> None:
    members = [getattr(graven, name) for name in graven.__all__ if name != "__version__"]
    members += [value for name, value in vars(graven.Table).items() if not name.startswith("_")]
    assert [member for member in members if not member.__doc__] == []


def test_a_source_distribution_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maturin = types.ModuleType("maturin")
    maturin.get_requires_for_build_wheel = list  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "maturin", maturin)
    path = Path(__file__).parent.parent / "build" / "graven_build.py"
    spec = importlib.util.spec_from_file_location("graven_build", path)
    assert spec is not None and spec.loader is not None
    backend = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(backend)
    with pytest.raises(backend.UnsupportedOperation, match="has no source distribution: .* `pip wheel ./python`"):
        backend.build_sdist(str(tmp_path))
    assert not list(tmp_path.iterdir())
