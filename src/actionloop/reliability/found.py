"""What is known of how far a person's map and targets can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from actionloop.errors import OptionError
from actionloop.types import BoolArray, FloatArray, Hemisphere, IntArray, NetworkMap, Target

Verdict = Literal["use", "caution", "none"]


@dataclass(frozen=True, eq=False)
class Halves:
    """Maps of two halves of a scan, and how alike they are.

    Attributes
    ----------
    maps : pair of NetworkMap
        Of interleaved blocks of frames.
    block_s : float
        Length of the blocks.
    minutes : float
        Of each half.
    equal : float
        Share of labelled rows with the same label.
    nmi : float
        Normalised mutual information of the labels.
    dice : mapping of str to float
        By network; NaN where neither half has it.
    agree : (grayordinate,) bool ndarray
        Rows with the same label in both.
    """

    maps: tuple[NetworkMap, NetworkMap]
    block_s: float
    minutes: float
    equal: float
    nmi: float
    dice: Mapping[str, float]
    agree: BoolArray


@dataclass(frozen=True, eq=False)
class Curve:
    """Agreement of halves against minutes, R(T) = Rmax (1 - exp(-k T)), and what more minutes would give.

    Attributes
    ----------
    minutes, agreement : tuple of float
        Minutes of each half, and share of equal labels.
    ceiling : float
        Rmax, 0 to 1; NaN where the points do not determine a curve.
    rate_per_min : float
        k; NaN likewise.
    projected : mapping of float to float
        Minutes to agreement; empty likewise.
    """

    minutes: tuple[float, ...]
    agreement: tuple[float, ...]
    ceiling: float
    rate_per_min: float
    projected: Mapping[float, float]


@dataclass(frozen=True)
class Similarity:
    """Network similarity index (NSI), and its published usability.

    Attributes
    ----------
    value : float
        Median R² of sparse rows' connectivity maps on the prior's; NaN where none could be computed.
    usable : float
        Published probability that such a scan is usable.
    rows : int
        Rows that were looked at.
    prior : str
        Whose templates.
    """

    value: float
    usable: float
    rows: int
    prior: str


@dataclass(frozen=True, eq=False)
class Resamples:
    """What remains of a map when blocks of frames are drawn anew.

    Attributes
    ----------
    n : int
    block_s : float
    seed : int
    stability : (grayordinate,) float32 ndarray
        Share of resamples in which a row keeps its network; 0 where it has none.
    occurrence : (network, grayordinate) float32 ndarray
        Share of resamples in which a row belongs to each network.
    centres : tuple of (resample,) int ndarray
        For each target, the vertex at the centre of its piece; -1 where the piece is absent.
    members : mapping of str to (resample, ceil(grayordinate / 8)) uint8 ndarray
        Which rows belong to each network that targets lie in, as packed bits (`numpy.packbits`).
    """

    n: int
    block_s: float
    seed: int
    stability: FloatArray
    occurrence: FloatArray
    centres: tuple[IntArray, ...]
    members: Mapping[str, IntArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (self.n, -(-len(self.stability) // 8))
        for name, packed in self.members.items():
            if packed.shape != shape or packed.dtype != np.uint8:
                raise OptionError(f"expected packed rows of {name} as uint8 of shape {shape}, found {packed.shape}")

    def rows_of(self, network: str, resample: int) -> BoolArray:
        """Tell which rows belong to a network in one resample; (grayordinate,).

        Raises
        ------
        OptionError
            The network's rows were not kept, or there is no such resample.
        """
        if network not in self.members or not 0 <= resample < self.n:
            raise OptionError(f"the rows of {network} in resample {resample} of {self.n} were not kept")
        return np.unpackbits(self.members[network][resample], count=len(self.stability)).astype(bool)


@dataclass(frozen=True)
class TargetReliability:
    """How far one target can be trusted.

    Attributes
    ----------
    name : str
        Of the target.
    hemisphere : {'L', 'R'}
    spread_mm, spread_95_mm : float
        Median and 95th percentile, over resamples, of the geodesic distance from the target to the centre of its piece.
    present : float
        Share of resamples that have the piece.
    within : float
        Share of resamples with the centre within `near_mm`.
    near_mm : float
    halves_mm : float
        Between the centres of the two halves' pieces; NaN where one lacks it.
    probability : float
        Calibrated probability that the true node lies within `near_mm`.
    verdict : {'use', 'caution', 'none'}
    reasons : tuple of str
        Sentences.
    minutes_more : float or None
        Further minutes that would help; None where that cannot be said or none are needed.
    """

    name: str
    hemisphere: Hemisphere
    spread_mm: float
    spread_95_mm: float
    present: float
    within: float
    near_mm: float
    halves_mm: float
    probability: float
    verdict: Verdict
    reasons: tuple[str, ...]
    minutes_more: float | None = None


@dataclass(frozen=True, eq=False)
class Reliability:
    """Everything of one person.

    Attributes
    ----------
    minutes : float
        Usable minutes that were mapped.
    halves : Halves
    resamples : Resamples
    curve : Curve
    similarity : Similarity or None
        None where the prior has no templates.
    targets : tuple of TargetReliability
        In the order of the ranked targets.
    """

    minutes: float
    halves: Halves
    resamples: Resamples
    curve: Curve
    similarity: Similarity | None
    targets: tuple[TargetReliability, ...]

    def of(self, target: Target) -> TargetReliability | None:
        """Return the verdict on a target; None where it was not judged."""
        return next((one for one in self.targets if one.name == target.name), None)
