"""How much the head moved in each run, for the pictures and for splitting frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionloop import files, signal
from actionloop.errors import ActionloopError
from actionloop.files import Confounds, RunFiles
from actionloop.types import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class RunMotion:
    """Motion of one run, before frames were left out.

    Attributes
    ----------
    name : str
        Of the run.
    fd_mm : (frame,) float ndarray or None
        Framewise displacement of every frame that was measured; None where it is not known.
    kept : (frame,) bool ndarray or None
        Which of these frames were kept; None where that is not known.
    tr_s : float
    """

    name: str
    fd_mm: FloatArray | None
    kept: BoolArray | None
    tr_s: float

    def of_kept(self) -> FloatArray | None:
        """Return framewise displacement of the kept frames, (frame,), or None where it is not known."""
        return None if self.fd_mm is None or self.kept is None else self.fd_mm[self.kept]


def joined_displacement(motion: Sequence[RunMotion]) -> FloatArray | None:
    """Framewise displacement of the kept frames of runs, joined, (frame,) in mm; None where a run's is not known."""
    known = [part for part in (run.of_kept() for run in motion) if part is not None]
    return np.concatenate(known) if known and len(known) == len(motion) else None


def motion_of(table: Confounds) -> FloatArray | None:
    """Return the six motion parameters, or None where the table has none."""
    if set(files.MOTION_NAMES) <= set(table.names) or (not table.names and table.values.shape[1] in (6, 12)):
        return files.motion_parameters(table)
    return None


def displacement(table: Confounds, motion: FloatArray | None) -> FloatArray | None:
    """Return the table's framewise displacement, (frame,) in mm, else that of the six parameters, else None."""
    found = table.framewise_displacement()
    return signal.framewise_displacement(motion) if found is None and motion is not None else found


def known_displacement(run: RunFiles, n_frames: int) -> FloatArray | None:
    """Return framewise displacement for the pictures, or None: a series that is used as it is does not depend on it."""
    path: Path | None = run.motion or run.confounds
    if path is None:
        return None
    try:
        table = files.read_confounds(path)
        found = displacement(table, motion_of(table))
    except ActionloopError:
        return None
    return found if found is not None and len(found) == n_frames else None
