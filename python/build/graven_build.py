"""The build of the wheel: maturin, and before it the command ``graven``, so that the wheel brings both.

The command is built with what packages ship (``--features full``). ``GRAVEN_COMMAND`` names one that is built already. There is
no source distribution: package and command are built of crates that lie beside this folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import maturin

HERE = Path(__file__).resolve().parent.parent
MAIN = HERE.parent / "Cargo.toml"
SCRIPTS = HERE / "target" / "wheel-data" / "scripts"
NAME = "graven"

get_requires_for_build_wheel = maturin.get_requires_for_build_wheel


class UnsupportedOperation(Exception):
    """What a build backend raises, by that name, for a distribution that it does not make."""


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Any = None) -> str:
    # maturin asks for the folder before there is anything in it.
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    prepared: str = maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)
    return prepared


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    raise UnsupportedOperation(
        "graven has no source distribution: its wheel is built in a copy of the whole repository, by `pip wheel ./python`"
    )


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:
    _place_command()
    built: str = maturin.build_wheel(wheel_directory, config_settings, metadata_directory)
    return built


def _place_command() -> None:
    shutil.rmtree(SCRIPTS, ignore_errors=True)
    SCRIPTS.mkdir(parents=True)
    if os.name == "nt":
        # The command does not compile there: the wheel is the package alone.
        return
    given = os.environ.get("GRAVEN_COMMAND")
    if given is not None:
        built = Path(given)
    else:
        cargo = ["cargo", "build", "--release", "--locked", "--package", "graven", "--features", "full"]
        subprocess.run([*cargo, "--manifest-path", str(MAIN)], check=True)
        target = os.environ.get("CARGO_TARGET_DIR") or str(HERE.parent / "target")
        built = Path(target) / "release" / NAME
    shutil.copy2(built, SCRIPTS / NAME)
    # Names and line numbers are more than half of it, and nobody debugs what an installer put there.
    if shutil.which("strip"):
        subprocess.run(["strip", str(SCRIPTS / NAME)], check=True)
