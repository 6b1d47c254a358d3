"""How alike two maps of the same rows are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actionloop.types import NetworkMap

_NAN = float("nan")


@dataclass(frozen=True)
class Likeness:
    """How alike two maps are.

    Attributes
    ----------
    nmi : float
        Normalised mutual information of the labels, over the arithmetic mean of their entropies.
    equal : float
        Share of rows with the same label.
    dice : mapping of str to float
        By network; NaN where neither map has it.
    """

    nmi: float
    equal: float
    dice: Mapping[str, float]


def compare_maps(one: NetworkMap, other: NetworkMap) -> Likeness:
    """Compare the labels of two maps on the same rows.

    Parameters
    ----------
    one, other : NetworkMap

    Returns
    -------
    Likeness
        Over the rows that either map labels; unassigned is one more label there. NaN where there are none.

    References
    ----------
    .. [1] Strehl & Ghosh 2002, J Mach Learn Res 3:583
    """
    from sklearn.metrics import normalized_mutual_info_score  # type: ignore[import-untyped]

    dice = {}
    for name in (name for name in one.names if name in other.names):
        first, second = one.members(name), other.members(name)
        total = int(first.sum()) + int(second.sum())
        dice[name] = 2 * int((first & second).sum()) / total if total else _NAN
    known = (one.label > 0) | (other.label > 0)
    if not known.any():
        return Likeness(_NAN, _NAN, dice)
    first_label, second_label = one.label[known], other.label[known]
    nmi = float(normalized_mutual_info_score(first_label, second_label))
    return Likeness(nmi, float((first_label == second_label).mean()), dice)
