"""Run the command line with ``python -m actionloop``."""

from actionloop.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
