"""The command line: words to calls of `pipeline`."""

from actionloop.cli.entry import main

__all__ = ["main"]
