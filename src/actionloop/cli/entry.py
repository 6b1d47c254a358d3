"""The way in: parse the words, run the command, and turn whatever happens into text and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence

from cyclopts import CycloptsError

from actionloop.cli.commands import RESUMABLE, app
from actionloop.cli.streams import say
from actionloop.errors import ActionloopError, OptionError

OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run `actionloop`.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after the program's name; those of the process by default.

    Returns
    -------
    int
        0 when all went well, 1 when anybody failed, 2 for wrong usage, 130 when interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show '²' or '°' gets '?' and the results all the same.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    try:
        command, bound, _ = app.parse_args(words, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        chain = " ".join(("actionloop", *(error.command_chain or ())))
        say(f"error: {error}\n  next:  {chain} --help")
        return WRONG_USAGE
    hint = "; run the same command again: finished steps are kept" if command in RESUMABLE else ""
    verbose = bool(bound.arguments.get("verbose"))
    return _guarded(lambda: command(*bound.args, **bound.kwargs), verbose=verbose, if_interrupted=f"interrupted{hint}")


def _guarded(run: Callable[[], object], *, verbose: bool, if_interrupted: str) -> int:
    """Run a command; no error leaves as a traceback unless it is asked for."""
    try:
        code = run()
        sys.stdout.flush()
    except ActionloopError as error:
        _details(verbose)
        say(f"error: {error}")
        return WRONG_USAGE if isinstance(error, OptionError) else FAILED
    except KeyboardInterrupt:
        say(if_interrupted)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone (`actionloop doctor | head`); keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except MemoryError:
        _details(verbose)
        say("error: the memory of this machine is used up\n  next:  close other programs, or use another machine")
        return FAILED
    except Exception as error:  # the last line of defence; -v shows what it was
        _details(verbose)
        kind = type(error).__name__
        first = (str(error).splitlines() or [""])[0]
        hint = "" if verbose else "; rerun with -v for the details"
        say(f"unexpected error ({kind}: {first}): this is a bug in actionloop{hint}")
        return FAILED
    return code if isinstance(code, int) else OK


def _details(verbose: bool) -> None:
    if verbose:
        traceback.print_exc()
