"""The command ``graven``, which the wheel puts beside this package."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

__all__ = ["command"]


def command() -> str:
    """The path of the command ``graven`` that was installed with this package.

    >>> import subprocess
    >>> subprocess.run([graven.command(), "--version"], capture_output=True, text=True).stdout.split()[0]
    'graven'
    """
    if os.name == "nt":
        from graven._errors import ServeError

        raise ServeError(
            "the command graven and its servers do not run on Windows",
            advice="serve the table on Linux; here graven.open and graven.build read and make it",
        )
    name = "graven" + (sysconfig.get_config_var("EXE") or "")
    looked = [Path(sysconfig.get_path("scripts"))]
    user = sysconfig.get_preferred_scheme("user")
    looked.append(Path(sysconfig.get_path("scripts", scheme=user)))
    # `pip install --target FOLDER` puts the package into it and programs into its `bin`.
    looked.append(Path(__file__).parent.parent / "bin")
    # An environment that is used from another interpreter: LIB/python3.x/site-packages/graven.
    looked.append(Path(__file__).parents[4] / "bin" if len(Path(__file__).parents) > 4 else looked[0])
    for folder in looked:
        path = folder / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    from graven._errors import MissingFileError

    raise MissingFileError(
        f"the command {name} is in none of {', '.join(dict.fromkeys(map(str, looked)))}",
        advice="install the package from its wheel, which brings it",
    )


def main() -> NoReturn:
    """Becomes the command; ``python -m graven`` does this."""
    path = command()
    os.execv(path, [path, *sys.argv[1:]])
