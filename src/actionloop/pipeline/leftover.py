"""What a series still holds that denoising takes out: offset, fast fluctuations, motion."""

from __future__ import annotations

import numpy as np

from actionloop.types import BoolArray, FloatArray

_FEWEST_FRAMES = 40


def mean_in_sd(data: FloatArray) -> float:
    """Median over rows of |mean| / standard deviation.

    Parameters
    ----------
    data : (frame, row) float ndarray
        Rows that vary.

    Returns
    -------
    float
        About 0 after denoising; the temporal signal-to-noise ratio (50 and more) before. NaN without rows.
    """
    spread = data.std(axis=0, dtype=np.float64)
    varies = spread > 0
    return (
        float(np.median(np.abs(data.mean(axis=0, dtype=np.float64)[varies]) / spread[varies]))
        if varies.any()
        else float("nan")
    )


def fast_share(data: FloatArray, *, tr_s: float, edge_hz: float) -> float:
    """Share of the variance above a frequency, each row counting alike.

    Parameters
    ----------
    data : (frame, row) float ndarray
        Rows that vary.
    tr_s : float
    edge_hz : float

    Returns
    -------
    float
        0 to 1; NaN where the repetition time cannot tell (nothing above the edge), or with too few frames.
    """
    n_frames = len(data)
    frequency = np.fft.rfftfreq(n_frames, tr_s) if n_frames else np.zeros(1)
    if n_frames < _FEWEST_FRAMES or frequency[-1] < 1.5 * edge_hz:
        return float("nan")
    scaled = _standardised(_detrended(data))
    power = (np.abs(np.fft.rfft(scaled, axis=0)) ** 2).sum(axis=1)
    return float(power[frequency > edge_hz].sum() / power[1:].sum()) if power[1:].any() else float("nan")


def motion_share(data: FloatArray, motion: FloatArray, *, keep: BoolArray | None = None) -> float:
    """Variance that motion explains, beyond what the same motion reversed in time explains.

    Reversed motion has the same spectrum and cannot have caused anything, so it tells what chance gives. After a
    regression of motion the result is below 0.

    Parameters
    ----------
    data : (frame, row) float ndarray
        Rows that vary.
    motion : (frame, 6) float ndarray
    keep : (frame,) bool ndarray, optional
        Frames to look at.

    Returns
    -------
    float
        Difference of the median R² of the rows; NaN with too few frames.
    """
    keep = np.ones(len(data), dtype=bool) if keep is None else keep
    if int(keep.sum()) < _FEWEST_FRAMES:
        return float("nan")
    rows = _standardised(_detrended(data[keep]))

    def explained(table: FloatArray) -> float:
        both = np.concatenate([table, np.diff(table, axis=0, prepend=table[:1])], axis=1)[keep]
        both = _detrended(both)
        left, size, _ = np.linalg.svd(_standardised(both), full_matrices=False)
        left = left[:, size > 1e-6 * max(float(size[0]), 1e-12)]
        return float(np.median(((left.T @ rows) ** 2).sum(axis=0) / (rows**2).sum(axis=0)))

    return explained(motion) - explained(motion[::-1])


def _detrended(data: FloatArray) -> FloatArray:
    from scipy.signal import detrend

    out: FloatArray = detrend(np.asarray(data, dtype=np.float64), axis=0, type="linear")
    return out


def _standardised(data: FloatArray) -> FloatArray:
    centred = data - data.mean(axis=0)
    spread = centred.std(axis=0)
    out: FloatArray = centred * np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    return out
