"""What a person's files tell of breathing: movement along the phase-encode axis, frame by frame."""

from __future__ import annotations

import numpy as np

from actionloop import files, signal
from actionloop.errors import ActionloopError
from actionloop.files import PersonFiles, RunFiles
from actionloop.pipeline.motion import RunMotion, motion_of
from actionloop.pipeline.series import PersonSeries
from actionloop.reliability.respiration import RunTrace
from actionloop.types import FloatArray

# Axis of the translations; anterior-posterior is the usual phase-encode axis of the brain, and is taken where the
# name of a run does not state one.
_AXIS = {"LR": 0, "RL": 0, "AP": 1, "PA": 1, "IS": 2, "SI": 2}
_USUAL = 1
_Band = tuple[float, float] | None


def read_traces(person: PersonFiles, loaded: PersonSeries, *, band_hz: _Band) -> tuple[RunTrace, ...]:
    """Read the movement of every run, and which of its frames are in the joined series.

    Parameters
    ----------
    person : PersonFiles
    loaded : PersonSeries
        Of the same runs.
    band_hz : (float, float) or None
        Filter of the runs that were cleaned here. Runs that were filtered before are taken to have the default band.

    Returns
    -------
    tuple of RunTrace
        In the order of the runs. Without movement where a run has no table of the six parameters, where its table was
        filtered (XCP-D's 'desc-filtered' motion has no breathing left in it), or where the frames do not add up.
    """
    moved = loaded.motion or (None,) * len(loaded.run_lengths)
    return tuple(
        _trace(run, motion, n_kept, band_hz)
        for run, motion, n_kept in zip(person.runs, moved, loaded.run_lengths, strict=True)
    )


def _trace(run: RunFiles, moved: RunMotion | None, n_kept: int, band_hz: _Band) -> RunTrace:
    kept = None if moved is None else moved.kept
    if kept is None or int(kept.sum()) != n_kept:
        return RunTrace(None, np.ones(n_kept, dtype=bool))
    motion = _parameters(run)
    if motion is None or len(motion) != len(kept):
        return RunTrace(None, kept)
    axis = _AXIS.get(run.entities.get("direction", ""), _USUAL)
    before = signal.plain_cleaning().band_hz if run.filtered else None
    return RunTrace(motion[:, axis], kept, before if run.filtered or run.cleaned else band_hz)


def _parameters(run: RunFiles) -> FloatArray | None:
    path = run.motion or run.confounds
    if path is None or "desc-filtered" in path.name:
        return None
    try:
        return motion_of(files.read_confounds(path))
    except ActionloopError:
        return None
