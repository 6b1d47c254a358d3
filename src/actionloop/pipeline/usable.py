"""How many frames of a run motion leaves, by the framewise displacement or the masks that its pipeline wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionloop import facts, files, signal
from actionloop.errors import InputError
from actionloop.files import Confounds
from actionloop.types import BoolArray, FloatArray


@dataclass(frozen=True)
class Usable:
    """Frames below a threshold of framewise displacement.

    Attributes
    ----------
    fd_mm : float
    before : int or None
        Frames by displacement alone; None where there is no displacement.
    after : int or None
        Frames that the pipeline's mask keeps as well; None where neither is known.
    """

    fd_mm: float
    before: int | None
    after: int | None


@dataclass(frozen=True, eq=False)
class Frames:
    """Motion of a run, frame by frame.

    Attributes
    ----------
    usable : tuple of Usable
        One per threshold.
    source : str
        What the numbers come from; empty where nothing is known.
    fd_mm : (frame,) float ndarray or None
        Displacement of the frames of the series.
    motion : (frame, 6) float ndarray or None
    keep : (frame,) bool ndarray or None
        The pipeline's mask, or the frames in steady state; None where there is none.
    notes : tuple of str
    """

    usable: tuple[Usable, ...]
    source: str
    fd_mm: FloatArray | None = None
    motion: FloatArray | None = None
    keep: BoolArray | None = None
    notes: tuple[str, ...] = ()


def thresholds_mm() -> tuple[float, ...]:
    """Thresholds of framewise displacement at which usable minutes are told, mm."""
    return tuple(float(value) for value in facts.load("check")["motion"]["fd_mm"])


def usable_frames(n_frames: int, *, table: Path | None, outliers: Path | None, series: Path) -> Frames:
    """Count the frames of a run that motion leaves.

    Parameters
    ----------
    n_frames : int
        Of the series.
    table : Path or None
        Confounds or motion parameters, with framewise displacement or without (it is computed then).
    outliers : Path or None
        XCP-D's mask, or DCAN's .mat of one mask per threshold.
    series : Path
        For errors.

    Returns
    -------
    Frames

    Raises
    ------
    InputError
        A table or mask that is damaged, or of another length than the series.
    """
    if outliers is not None and outliers.suffix == ".mat":
        return _by_masks(outliers, n_frames, series)
    keep, whole = None, None
    if outliers is not None:
        mask = files.read_outliers(outliers)
        keep, already = files.keep_frames(outliers, n_frames=n_frames, series=series)
        whole = mask if already and len(mask) != n_frames else None
    known = _displacement(table, n_frames, whole, series) if table is not None else Frames((), "")
    if keep is None:
        keep = known.keep
    source = known.source
    if outliers is not None:
        source = f"{source} and {outliers.name}" if source else outliers.name
    usable = _counted(known.fd_mm, keep, masked=outliers is not None)
    return Frames(usable, source, known.fd_mm, known.motion, keep, known.notes)


def _counted(fd_mm: FloatArray | None, keep: BoolArray | None, *, masked: bool) -> tuple[Usable, ...]:
    found = []
    for limit in thresholds_mm():
        if fd_mm is None:
            # A mask alone, of a threshold that it does not state, counts for every threshold.
            found.append(Usable(limit, None, int(keep.sum()) if masked and keep is not None else None))
            continue
        below = fd_mm <= limit
        found.append(Usable(limit, int(below.sum()), int((below if keep is None else below & keep).sum())))
    return tuple(found)


def _by_masks(path: Path, n_frames: int, series: Path) -> Frames:
    masks = {mask.fd_mm: mask for mask in files.read_removal_masks(path)}
    length = len(next(iter(masks.values())).keep)
    if length != n_frames:
        raise InputError(
            f"{series.name} has {n_frames} frames, its mask {path.name} has {length}",
            where=path,
            fix="check that series and mask are of the same run",
        )
    absent = [limit for limit in thresholds_mm() if limit not in masks]
    if absent:
        raise InputError(
            f"the file holds no mask for {', '.join(f'{limit:g}' for limit in absent)} mm",
            where=path,
            fix="make the masks again, from 0 to 0.5 mm",
        )
    usable = tuple(Usable(limit, None, int(masks[limit].keep.sum())) for limit in thresholds_mm())
    return Frames(usable, path.name, keep=masks[max(thresholds_mm())].keep)


def _displacement(path: Path, n_frames: int, whole: BoolArray | None, series: Path) -> Frames:
    """Read displacement and motion from a table; `whole` is the mask of the frames that the series lacks."""
    table = files.read_confounds(path)
    notes: list[str] = []
    fd_mm = _stated(table)
    motion = _parameters(table)
    source = path.name
    if fd_mm is None and motion is not None:
        fd_mm = signal.framewise_displacement(motion)
        source = f"{path.name} (displacement computed from the motion parameters)"
        if table.names:
            notes.append(f"{path.name} has no column framewise_displacement: it is computed from the six parameters")
    steady = None if not table.names else ~table.non_steady()
    if whole is not None and table.n_frames == len(whole):
        fd_mm = None if fd_mm is None else fd_mm[whole]
        motion = None if motion is None else motion[whole]
        steady = None if steady is None else steady[whole]
    else:
        files.require_frames(table, n_frames, series=series)
    if fd_mm is None:
        notes.append(f"{path.name} has neither framewise displacement nor motion parameters: motion is not known")
        source = ""
    return Frames((), source, fd_mm, motion, steady if steady is not None and not steady.all() else None, tuple(notes))


def _stated(table: Confounds) -> FloatArray | None:
    return table.framewise_displacement()


def _parameters(table: Confounds) -> FloatArray | None:
    named = set(files.MOTION_NAMES) <= set(table.names)
    bare = not table.names and Path(table.source).name == "Movement_Regressors.txt"
    return files.motion_parameters(table) if named or bare else None


def minutes(frames: Sequence[int | None], tr_s: Sequence[float | None]) -> float | None:
    """Add up frames of several runs in minutes; None where one of them is not known."""
    if any(count is None for count in frames) or any(step is None for step in tr_s):
        return None
    return float(np.dot([count or 0 for count in frames], [step or 0.0 for step in tr_s]) / 60)
