"""``python -m graven``: the command ``graven``."""

import sys

from graven._command import main

if __name__ == "__main__":
    sys.exit(main())
