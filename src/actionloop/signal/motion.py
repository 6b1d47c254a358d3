"""Motion of the head: the six parameters checked, expanded, and summed up as framewise displacement."""

from __future__ import annotations

import numpy as np

from actionloop import facts
from actionloop.errors import SignalError
from actionloop.signal.strategies import expand
from actionloop.types import FloatArray, Timeseries


def motion24(motion: FloatArray) -> FloatArray:
    """Six motion parameters, their backward differences, and the squares of both.

    Parameters
    ----------
    motion : (frame, 6) float ndarray

    Returns
    -------
    (frame, 24) float64 ndarray
        The first frame has differences 0.

    References
    ----------
    .. [1] Friston et al. 1996, doi:10.1002/mrm.1910350312 (with differences instead of past positions)
    """
    return expand(checked_motion(motion, None))


def framewise_displacement(motion: FloatArray, *, radius_mm: float | None = None) -> FloatArray:
    """Sum of the absolute changes of six motion parameters, rotations as arcs on a sphere.

    Parameters
    ----------
    motion : (frame, 6) float ndarray
        Three translations (mm), three rotations (rad).
    radius_mm : float, optional
        Of the sphere; 50 mm, from cleaning.toml.

    Returns
    -------
    (frame,) float64 ndarray
        mm; the first frame has 0.

    References
    ----------
    .. [1] Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018
    """
    motion = checked_motion(motion, None)
    if radius_mm is None:
        radius_mm = float(facts.load("cleaning")["framewise_displacement"]["radius_mm"])
    change = np.abs(np.diff(motion, axis=0, prepend=motion[:1]))
    displacement: FloatArray = change[:, :3].sum(axis=1) + radius_mm * change[:, 3:].sum(axis=1)
    return displacement


def checked_motion(motion: FloatArray, series: Timeseries | None) -> FloatArray:
    """Refuse motion parameters that do not fit a series or cannot be.

    Raises
    ------
    SignalError
        Another shape or number of frames, values that are not finite, or rotations that no head makes.
    """
    where = (series.source or None) if series is not None else None
    motion = np.asarray(motion, dtype=np.float64)
    if motion.ndim != 2 or motion.shape[1] != 6:
        raise SignalError(f"expected motion parameters of shape (frame, 6), found {motion.shape}", where=where)
    if series is not None and len(motion) != series.n_frames:
        raise SignalError(
            f"the series has {series.n_frames} frames, the motion parameters {len(motion)}",
            where=where,
            fix="check that the confounds table belongs to this run",
        )
    if not np.isfinite(motion).all():
        raise SignalError("motion parameters hold NaN or infinite values", where=where)
    if np.abs(motion[:, 3:]).max(initial=0) > np.pi / 4:
        raise SignalError(
            f"a head rotation of {np.abs(motion[:, 3:]).max():.2f} rad is not possible in a scanner",
            where=where,
            fix="rotations must be in radians, in the last three columns",
        )
    return motion
