"""What all tests use: small tables, and a folder for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graven

AIRPORTS = {"OSL": {"city": "Oslo", "runways": 2}, "BGO": {"city": "Bergen", "runways": 1}}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., graven.Table]:
    """Builds a table of its argument and opens it."""
    count = 0

    def make(source: Any, *, storage: str = "ram", **options: Any) -> graven.Table:
        nonlocal count
        count += 1
        path = tmp_path / f"{count}.graven"
        graven.build(source, path, **options)
        return graven.open(path, storage=storage)  # type: ignore[arg-type]

    return make


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    path = tmp_path / "colours.graven"
    graven.build({"sky": "blue", "grass": "green"}, path)
    return path


@pytest.fixture
def airports(tmp_path: Path) -> Path:
    path = tmp_path / "airports.graven"
    graven.build(AIRPORTS, path, key="airport")
    return path
