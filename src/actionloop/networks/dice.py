"""Template matching by Dice: a row's strongest correlations against the strongest of each network's template."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.arrays import Device
from actionloop.brain import Nearby
from actionloop.errors import OptionError
from actionloop.networks.pairs import Neighbourhood, count_strongest
from actionloop.networks.pieces import clean_pieces
from actionloop.networks.task import Task, conclude, prepare
from actionloop.types import Anatomy, Basis, BoolArray, FloatArray, NetworkMap, Prior

_DEFAULTS: dict[str, Any] = facts.load("mapping")["dice"]


@dataclass(frozen=True)
class DiceSettings:
    """Options of template matching by Dice; defaults from data/mapping.toml.

    Attributes
    ----------
    template_share : float
        Share of all values of all templates that count as connected.
    share : float
        Share of all pairs of the person's rows that count as connected.
    exclusion_mm : float
        Pairs no farther apart than this are left out (along the surface; straight between hemispheres). 0 keeps all.
    min_piece_mm2 : float
        Smaller pieces are refilled from their border.
    seed : int
        Of the sample that brackets the threshold; it has no bearing on the map.
    """

    template_share: float = _DEFAULTS["template_share"]
    share: float = _DEFAULTS["share"]
    exclusion_mm: float = _DEFAULTS["exclusion_mm"]
    min_piece_mm2: float = facts.load("mapping")["cleaning"]["min_piece_mm2"]
    seed: int = _DEFAULTS["seed"]

    def __post_init__(self) -> None:
        if not (0 < self.template_share < 1 and 0 < self.share < 1):
            raise OptionError("the shares of connected pairs must lie between 0 and 1")
        if not (0 <= self.exclusion_mm < np.inf and 0 <= self.min_piece_mm2 < np.inf):
            raise OptionError("exclusion_mm and min_piece_mm2 must be 0 or more")


def map_dice(
    basis: Basis,
    prior: Prior,
    anatomy: Anatomy | None,
    *,
    settings: DiceSettings | None = None,
    exclude: BoolArray | None = None,
    device: Device | None = None,
) -> NetworkMap:
    """Label every row with the template whose strongest connections it shares most.

    A are the columns where a template reaches the top share of all values of all templates, B those where the row's r
    reaches the top share of all pairs of rows. Columns near the row are left out of both, as is the row itself, and
    Dice = 2 |A ∩ B| / (|A| + |B|) is that of the columns left. The largest wins, the first on ties; a row that shares
    nothing stays unassigned [1]_.

    The templates' threshold is that of every row they cover, so that it does not depend on the person. The person's is
    that of all pairs of rows with signal, near ones included, and exact (see `pairs`).

    Parameters
    ----------
    basis : Basis
    prior : Prior
        On the same rows, with templates (`fingerprint`).
    anatomy : Anatomy or None
        For distances and for the pieces that are cleaned; None leaves out neither near pairs nor small pieces.
    settings : DiceSettings, optional
    exclude : (grayordinate,) bool ndarray, optional
    device : Device, optional

    Returns
    -------
    NetworkMap
        `probability` holds Dice (0 to 1, networks do not sum to 1); `settings["threshold_r"]` the person's threshold.

    Raises
    ------
    PriorError
        Other rows, no templates, empty or constant ones.
    SignalError
        Fewer than two rows with signal.

    References
    ----------
    .. [1] Gordon et al. 2017, doi:10.1016/j.neuron.2017.07.011
    """
    settings = settings or DiceSettings()
    task = prepare(basis, prior, exclude)
    nearby = None
    if anatomy is not None and settings.exclusion_mm > 0:
        nearby = Nearby(basis.grayordinates, anatomy, radius_mm=settings.exclusion_mm)
    score, threshold = compare(task, nearby, settings=settings, device=device)
    kept = {
        **asdict(settings),
        "exclusion_mm": 0.0 if nearby is None else settings.exclusion_mm,
        "threshold_r": threshold,
    }
    made = conclude(task, score, method="dice", measure="Dice", settings=kept)
    return made if anatomy is None else clean_pieces(made, anatomy, min_area_mm2=settings.min_piece_mm2)


def compare(
    task: Task, nearby: Neighbourhood | None, *, settings: DiceSettings, device: Device | None = None
) -> tuple[FloatArray, float]:
    """Dice of every row with every template, (network, grayordinate), and the person's threshold (r)."""
    columns = task.informed & task.valid
    templates = task.fingerprint("dice")
    strong = (templates >= largest(templates[:, task.informed], settings.template_share)) & columns
    counts = count_strongest(
        task.basis,
        np.concatenate([columns[None], strong]),
        valid=task.valid,
        share=settings.share,
        nearby=nearby,
        seed=settings.seed,
        device=device,
    )
    total = counts.size[1:] + counts.common[:1]
    return 2 * counts.common[1:] / np.maximum(total, 1), counts.threshold


def largest(values: FloatArray, share: float) -> float:
    """Smallest of the largest `share` of some values."""
    rank = max(1, round(share * values.size))
    return float(np.partition(values, -rank, axis=None)[-rank])
