"""Errors written for a person under pressure: what was expected, what was found, where, and what to do next."""

from __future__ import annotations

from pathlib import Path


class ActionloopError(Exception):
    """Base of every error that actionloop raises on purpose.

    Parameters
    ----------
    problem : str
        One sentence: what was expected and what was found.
    where : str or Path, optional
        The file, folder or option that the problem lies in.
    fix : str, optional
        One sentence: what to do next.
    """

    def __init__(self, problem: str, *, where: str | Path | None = None, fix: str | None = None) -> None:
        self.problem = problem
        self.where = None if where is None else str(where)
        self.fix = fix
        super().__init__(problem)

    def __str__(self) -> str:
        """Return problem, place and next step, one line each."""
        lines = [self.problem]
        if self.where is not None:
            lines.append(f"  where: {self.where}")
        if self.fix is not None:
            lines.append(f"  next:  {self.fix}")
        return "\n".join(lines)


class InputError(ActionloopError):
    """A file or folder that the user gave is missing, damaged or not what it should be."""


class GeometryError(ActionloopError):
    """Surfaces, images or transforms that do not fit each other, or left and right exchanged."""


class SignalError(ActionloopError):
    """A time series that cannot be used: empty, constant, not finite, too short, no repetition time."""


class PriorError(ActionloopError):
    """A group prior that cannot be used with these data."""


class EmptyRegionError(ActionloopError):
    """Nothing is left of a region, a network or a search space."""


class OutputError(ActionloopError):
    """The output folder cannot be written, or holds something that is not ours."""


class ResourceError(ActionloopError):
    """A data resource (surfaces, atlases, the demo scan) is absent or damaged."""


class EngineError(ActionloopError):
    """Another program, run beside ours, that failed, took too long or left no result."""


class OptionError(ActionloopError):
    """A command-line option or configuration value that cannot be used."""
