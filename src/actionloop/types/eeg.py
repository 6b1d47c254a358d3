"""Electroencephalography: where electrodes sit, a recording with its pulses, and trials cut around them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from actionloop.errors import GeometryError, SignalError
from actionloop.types.basic import BoolArray, FloatArray, IntArray

NEAREST_MM = 1.0
HEAD_MM = (50.0, 160.0)
SAME_TIME = 1e-6


@dataclass(frozen=True, eq=False)
class Montage:
    """Electrodes on one head.

    Attributes
    ----------
    names : tuple of str
    xyz_head_mm : (channel, 3) float64 ndarray
        Head coordinates: origin between the ears, x to the right ear, y to the nasion, z up, mm.

    Raises
    ------
    GeometryError
        Names that do not fit the places, two of a name or at one place, places that lie on no head.
    """

    names: tuple[str, ...]
    xyz_head_mm: FloatArray

    def __post_init__(self) -> None:
        xyz = np.ascontiguousarray(self.xyz_head_mm, dtype=np.float64)
        object.__setattr__(self, "xyz_head_mm", xyz)
        if xyz.shape != (len(self.names), 3):
            raise GeometryError(f"expected one place for each of {len(self.names)} electrodes, found {xyz.shape}")
        if len(set(self.names)) < len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise GeometryError(f"electrodes of one name: {', '.join(twice)}", fix="rename them")
        if not np.isfinite(xyz).all():
            lost = [name for name, place in zip(self.names, xyz, strict=True) if not np.isfinite(place).all()]
            raise GeometryError(f"no place is known of {', '.join(lost)}", fix="name a montage, or mark them as bad")
        far = np.linalg.norm(xyz, axis=1)
        outside = [name for name, one in zip(self.names, far, strict=True) if not HEAD_MM[0] <= one <= HEAD_MM[1]]
        if outside:
            raise GeometryError(
                f"electrodes lie {HEAD_MM[0]:g} to {HEAD_MM[1]:g} mm from the head's middle, but {outside[0]} lies "
                f"at {far[self.names.index(outside[0])]:.4g} mm",
                fix="check the unit of the electrode positions (m, cm, mm) and the montage's name",
            )
        gaps = np.linalg.norm(xyz[:, None] - xyz[None], axis=2) + np.eye(len(xyz)) * HEAD_MM[1]
        if gaps.size and gaps.min() < NEAREST_MM:
            one, other = np.unravel_index(int(gaps.argmin()), gaps.shape)
            raise GeometryError(
                f"{self.names[one]} and {self.names[other]} lie at one place", fix="check the montage's name"
            )

    def index(self, name: str) -> int:
        """Return the place of a channel in the list.

        Raises
        ------
        SignalError
            No such channel.
        """
        if name not in self.names:
            raise SignalError(f"there is no channel {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def only(self, mask: BoolArray) -> Montage:
        """Return the electrodes of a mask."""
        return Montage(tuple(name for name, kept in zip(self.names, mask, strict=True) if kept), self.xyz_head_mm[mask])


def _require_numbers(values: FloatArray, names: tuple[str, ...], bads: tuple[str, ...]) -> None:
    """Refuse NaN in channels that are not marked as bad, and bad channels that are not there."""
    unknown = [name for name in bads if name not in names]
    if unknown:
        raise SignalError(f"channels marked as bad are not in the recording: {', '.join(unknown)}")
    axes = tuple(axis for axis in range(values.ndim) if axis != values.ndim - 2)
    broken = np.atleast_1d(~np.isfinite(values).all(axis=axes))
    named = [name for name, lost in zip(names, broken, strict=True) if lost and name not in bads]
    if named:
        raise SignalError(f"values that are no numbers in {', '.join(named)}", fix="mark these channels as bad")


@dataclass(frozen=True, eq=False)
class Recording:
    """One continuous recording of one stimulated site.

    Attributes
    ----------
    data : (channel, sample) float64 ndarray
        Volts.
    sfreq_hz : float
    pulses : (pulse,) int ndarray
        Samples at which TMS pulses begin, ascending.
    montage : Montage
    bads : tuple of str
        Channels marked as bad.
    site : str
        Stimulated site, such as 'M1'.
    condition : str
        'active', 'sham' or 'masked'.
    source : str
        The file, for messages.

    Raises
    ------
    SignalError
        Shapes that do not fit, no rate, pulses outside the recording or out of order, values that are no numbers.
    """

    data: FloatArray
    sfreq_hz: float
    pulses: IntArray
    montage: Montage
    bads: tuple[str, ...] = ()
    site: str = ""
    condition: str = "active"
    source: str = ""

    def __post_init__(self) -> None:
        data = np.asarray(self.data, dtype=np.float64)
        pulses = np.asarray(self.pulses, dtype=np.int64)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "pulses", pulses)
        where = self.source or None
        if data.ndim != 2 or data.shape[0] != len(self.montage.names):
            raise SignalError(
                f"expected {len(self.montage.names)} channels by samples, found {data.shape}", where=where
            )
        if not (np.isfinite(self.sfreq_hz) and self.sfreq_hz > 0):
            raise SignalError(f"the sampling rate is {self.sfreq_hz!r} Hz", where=where)
        if len(pulses) and (np.diff(pulses) <= 0).any():
            raise SignalError("pulses are not in ascending order", where=where)
        if len(pulses) and not (pulses[0] >= 0 and pulses[-1] < data.shape[1]):
            raise SignalError("pulses lie outside the recording", where=where, fix="check the events' onsets")
        _require_numbers(data, self.montage.names, self.bads)

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names."""
        return self.montage.names


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials cut around the pulses of one site; the pulse is at time 0.

    Attributes
    ----------
    data : (trial, channel, sample) float64 ndarray
        Volts.
    sfreq_hz : float
    start_s : float
        Time of the first sample, s; below 0.
    montage : Montage
    bads : tuple of str
    site, condition, source : str
    reference : str
        What the values are against: 'recorded', 'average'.

    Raises
    ------
    SignalError
        Shapes that do not fit, no trial, no rate, no sample before or after the pulse, values that are no numbers.
    """

    data: FloatArray
    sfreq_hz: float
    start_s: float
    montage: Montage
    bads: tuple[str, ...] = ()
    site: str = ""
    condition: str = "active"
    source: str = ""
    reference: str = "recorded"

    def __post_init__(self) -> None:
        data = np.asarray(self.data, dtype=np.float64)
        object.__setattr__(self, "data", data)
        where = self.source or None
        if data.ndim != 3 or data.shape[1] != len(self.montage.names):
            raise SignalError(
                f"expected trials by {len(self.montage.names)} channels by samples, found {data.shape}", where=where
            )
        if not len(data):
            raise SignalError("there is no trial", where=where)
        if not (np.isfinite(self.sfreq_hz) and self.sfreq_hz > 0):
            raise SignalError(f"the sampling rate is {self.sfreq_hz!r} Hz", where=where)
        if not self.start_s < 0 < self.times_s[-1]:
            raise SignalError("trials need samples before and after the pulse", where=where)
        _require_numbers(data, self.montage.names, self.bads)

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names."""
        return self.montage.names

    @property
    def times_s(self) -> FloatArray:
        """Time of each sample against the pulse, s."""
        times: FloatArray = self.start_s + np.arange(self.data.shape[2]) / self.sfreq_hz
        return times

    @property
    def good(self) -> BoolArray:
        """Channels that are not marked as bad."""
        return np.array([name not in self.bads for name in self.names], dtype=np.bool_)

    def window(self, start_s: float, stop_s: float) -> BoolArray:
        """Return the samples of a window, both ends included.

        Raises
        ------
        SignalError
            The window reaches beyond the trial.
        """
        times = self.times_s
        if start_s < times[0] - SAME_TIME or stop_s > times[-1] + 1 / self.sfreq_hz:
            raise SignalError(
                f"the window of {start_s * 1000:g} to {stop_s * 1000:g} ms reaches beyond the trials, which last from "
                f"{times[0] * 1000:.0f} to {times[-1] * 1000:.0f} ms",
                where=self.source or None,
                fix="cut longer trials, or ask for a shorter window",
            )
        return (times >= start_s - SAME_TIME) & (times <= stop_s + SAME_TIME)

    def with_data(self, data: FloatArray, **changes: object) -> Trials:
        """Return the same trials with other values, and what else changed."""
        return replace(self, data=data, **changes)  # type: ignore[arg-type]
