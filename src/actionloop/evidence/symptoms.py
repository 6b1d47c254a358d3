"""Which connectivity of many lesions goes with a symptom, against exchanged labels of the symptom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import InputError, OptionError
from actionloop.types import FloatArray

_FACTS: dict[str, Any] = facts.load("lesion")["symptoms"]
_BLOCK = 4096  # rows worked on at a time
_MOST_R = 1 - 1e-12
_SLACK = 1e-9  # orders of labels that give the same maximum but for rounding count as reached


@dataclass(frozen=True, eq=False)
class SymptomEvidence:
    """How lesions' connectivity goes with a symptom.

    Attributes
    ----------
    t : (row,) float32 ndarray
        Of the slope of the symptom's score on connectivity, given the covariates; 0 in rows that do not vary.
    p_max : (row,) float32 ndarray
        Two-sided, family-wise: against the largest |t| of all rows under exchanged labels.
    largest : (order,) float ndarray
        That largest |t|, for each order of the labels.
    freedom : int
        Degrees of freedom of t.
    """

    t: FloatArray
    p_max: FloatArray
    largest: FloatArray
    freedom: int


def symptom_evidence(
    maps: FloatArray,
    score: FloatArray,
    *,
    covariates: FloatArray | None = None,
    n: int | None = None,
    rng: np.random.Generator,
) -> SymptomEvidence:
    """Test at every row whether the connectivity of lesions goes with a symptom.

    Parameters
    ----------
    maps : (lesion, row) float ndarray
        Fisher z, or one column for each network.
    score : (lesion,) float ndarray
        Of the symptom; 0 and 1 for absent and present.
    covariates : (lesion, covariate) float ndarray, optional
        E.g. the size of the lesion. What they leave of the scores is exchanged [1]_.
    n : int, optional
        Orders of the labels; `symptoms.n` of data/lesion.toml unless given.
    rng : numpy Generator

    Returns
    -------
    SymptomEvidence

    Raises
    ------
    InputError
        Shapes that do not fit, values that are not finite, too few lesions, or a score that does not vary beyond its
        covariates.
    OptionError
        No orders of the labels.

    References
    ----------
    .. [1] Freedman & Lane 1983, doi:10.2307/1391660
    """
    n = int(_FACTS["n"]) if n is None else n
    if n < 1:
        raise OptionError(f"expected 1 order of the labels or more, found {n}")
    design = _design(maps, score, covariates)
    freedom = len(score) - design.shape[1] - 1
    rest = score - design @ (design.T @ score)
    if np.linalg.norm(rest) <= 1e-9 * max(float(np.linalg.norm(score)), 1e-300):
        raise InputError("the symptom's score does not vary between lesions, beyond what covariates tell")
    drawn = np.stack([rest, *(rest[rng.permutation(len(rest))] for _ in range(n))])
    drawn -= (drawn @ design) @ design.T
    length = np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn = np.divide(drawn, length, out=np.zeros_like(drawn), where=length > 0)
    observed, largest = np.zeros(maps.shape[1]), np.zeros(n + 1)
    for first in range(0, maps.shape[1], _BLOCK):
        part = slice(first, first + _BLOCK)
        block = maps[:, part].astype(np.float64)
        whole = np.linalg.norm(block, axis=0)
        block -= design @ (design.T @ block)
        size = np.linalg.norm(block, axis=0)
        block = np.divide(block, size, out=np.zeros_like(block), where=size > 1e-6 * whole)
        r = drawn @ block
        observed[part] = r[0]
        np.maximum(largest, np.abs(r).max(axis=1), out=largest)
    ordered = np.sort(largest[1:])
    above = len(ordered) - np.searchsorted(ordered, np.abs(observed) - _SLACK)
    return SymptomEvidence(
        t=_t(observed, freedom).astype(np.float32),
        p_max=((1 + above) / (1 + n)).astype(np.float32),
        largest=_t(largest[1:], freedom),
        freedom=freedom,
    )


def _design(maps: FloatArray, score: FloatArray, covariates: FloatArray | None) -> FloatArray:
    """Orthonormal columns of the mean and the covariates; refuses what does not fit."""
    n = len(score)
    given = np.zeros((n, 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    if score.ndim != 1 or maps.ndim != 2 or len(maps) != n or given.ndim != 2 or len(given) != n:
        raise InputError(f"expected a map and covariates for each of {n} scores, found {maps.shape} and {given.shape}")
    if not (np.isfinite(score).all() and np.isfinite(given).all() and np.isfinite(maps).all()):
        raise InputError("maps, scores or covariates hold NaN or infinite values")
    least = int(_FACTS["least_lesions"]) + given.shape[1]
    if n < least:
        raise InputError(
            f"{n} lesions are too few to exchange the labels of a symptom; {least} are needed",
            fix="for fewer lesions compare each with lesions of its size elsewhere",
        )
    stacked = np.column_stack([np.ones(n), given])
    vectors, size, _ = np.linalg.svd(stacked / np.maximum(np.linalg.norm(stacked, axis=0), 1e-300), full_matrices=False)
    design: FloatArray = vectors[:, size > 1e-9]
    return design


def _t(r: FloatArray, freedom: int) -> FloatArray:
    limited = np.clip(r, -_MOST_R, _MOST_R)
    t: FloatArray = limited * np.sqrt(freedom / (1 - limited**2))
    return t
