"""``python -m graven``: the command ``graven``."""

from graven._command import main

if __name__ == "__main__":
    main()
