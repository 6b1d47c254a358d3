"""The output of a stimulator that gives a target the field which the motor threshold makes at the hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from actionloop.errors import GeometryError, OptionError

_MOST_PERCENT = 100.0


@dataclass(frozen=True)
class Dose:
    """Equal fields at the hand and at one target, by the same coil.

    Attributes
    ----------
    hand_v_per_m, target_v_per_m : float
        Length of the mean field over each, at the same dI/dt.
    ratio : float
        Output at the target over output at the hand: the first over the second.
    threshold_percent, output_percent : float or None
        Motor threshold, and the output that equals its field at the target, per cent of the stimulator's largest; None
        where no threshold is known.
    ratios : mapping of str to float
        The ratio by other choices of the cortex that counts and of what is taken of its field; empty where there are
        none.
    """

    hand_v_per_m: float
    target_v_per_m: float
    ratio: float
    threshold_percent: float | None = None
    output_percent: float | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio_range(self) -> tuple[float, float]:
        """Smallest and largest ratio by any choice; twice the ratio itself where nothing else is known."""
        every = (self.ratio, *self.ratios.values())
        return min(every), max(every)

    @property
    def output_range_percent(self) -> tuple[float, float] | None:
        """The same of the output; None without a threshold."""
        if self.threshold_percent is None:
            return None
        low, high = self.ratio_range
        return self.threshold_percent * low, self.threshold_percent * high

    @property
    def possible(self) -> bool | None:
        """False where the stimulator cannot give it; None without a threshold."""
        return None if self.output_percent is None else self.output_percent <= _MOST_PERCENT


def equal_field(
    hand_v_per_m: float,
    target_v_per_m: float,
    *,
    threshold_percent: float | None = None,
    around: tuple[Mapping[str, float], Mapping[str, float]] = ({}, {}),
) -> Dose:
    """Work out the output that makes the same field at a target as another makes at the hand.

    The field grows in proportion to dI/dt, and dI/dt to the output (as stimulators are built; a display that does not
    show output in proportion to dI/dt is off by that).

    Parameters
    ----------
    hand_v_per_m, target_v_per_m : float
        At the same dI/dt of the same coil, V/m; above 0.
    threshold_percent : float, optional
        Motor threshold, per cent of maximum stimulator output, above 0 and at most 100.
    around : (mapping of str to float, mapping of str to float)
        Fields at the hand and at the target by other choices (`fields_around`), V/m at the same dI/dt; those that both
        have are compared.

    Returns
    -------
    Dose

    Raises
    ------
    GeometryError
        A field that is 0 or not finite.
    OptionError
        A threshold that no stimulator gives.
    """
    at_hand, at_target = around
    shared = [name for name in at_hand if name in at_target]
    for where, lengths in (
        ("hand", [hand_v_per_m, *(at_hand[name] for name in shared)]),
        ("target", [target_v_per_m, *(at_target[name] for name in shared)]),
    ):
        wrong = next((one for one in lengths if not (math.isfinite(one) and one > 0)), None)
        if wrong is not None:
            raise GeometryError(
                f"expected a field above 0 V/m at the {where}, found {wrong:g}; no output can be worked out",
                fix="check the coil file, the hotspot and the target",
            )
    require_threshold(threshold_percent)
    ratio = hand_v_per_m / target_v_per_m
    output = None if threshold_percent is None else threshold_percent * ratio
    ratios = {name: at_hand[name] / at_target[name] for name in shared}
    return Dose(hand_v_per_m, target_v_per_m, ratio, threshold_percent, output, ratios)


def require_threshold(percent: float | None) -> None:
    """Refuse a motor threshold that no stimulator gives.

    Raises
    ------
    OptionError
    """
    if percent is not None and not (math.isfinite(percent) and 0 < percent <= _MOST_PERCENT):
        raise OptionError(
            f"expected a motor threshold above 0 and up to 100 % of maximum stimulator output, found {percent:g}",
            where="--motor-threshold",
            fix="give what the stimulator's display showed, e.g. 52",
        )
