"""Paired tests over people, with the maximum statistic and the false discovery rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy import stats

from actionloop import facts
from actionloop.errors import InputError, OptionError
from actionloop.types import FloatArray, IntArray

TESTS = ("t", "wilcoxon")
_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class PairedTests:
    """Whether differences are other than 0 over people; every array has the shape of one person's.

    Attributes
    ----------
    test : {'t', 'wilcoxon'}
    mean : float64 ndarray
    statistic : float64 ndarray
        t, or the standardised sum of signed ranks.
    p : float64 ndarray
        Two-sided, uncorrected: Student's t, or Wilcoxon's.
    p_fwe : float64 ndarray
        Two-sided, of the largest absolute statistic over all tests under exchanged signs.
    p_fdr : float64 ndarray
        Benjamini and Hochberg, from `p`.
    people : int ndarray
        Who has a value.
    n_flips : int
        Assignments of signs, that of the data among them.
    all_flips : bool
        Every assignment was gone through.
    """

    test: str
    mean: FloatArray
    statistic: FloatArray
    p: FloatArray
    p_fwe: FloatArray
    p_fdr: FloatArray
    people: IntArray
    n_flips: int
    all_flips: bool


def paired_tests(
    differences: FloatArray, *, rng: Generator, test: str = "t", n_flips: int | None = None
) -> PairedTests:
    """Test each difference against 0 over people, and all of them together.

    Under the null a person's differences are as likely as their negatives: the signs of whole people are exchanged, so
    that what is alike between tests stays so [1]_. Where there are few people all assignments are gone through.

    Parameters
    ----------
    differences : (person, ...) float ndarray
        NaN where a person has no value; tests of too few people come out as NaN.
    rng : Generator
    test : {'t', 'wilcoxon'}
    n_flips : int, optional
        10,000 (data/contrast.toml) unless given.

    Returns
    -------
    PairedTests

    Raises
    ------
    OptionError
        No such test, or no flips.
    InputError
        Too few people, or infinite values.

    References
    ----------
    .. [1] Nichols & Holmes 2002, doi:10.1002/hbm.1058 (maximum statistic); Winkler et al. 2014,
       doi:10.1016/j.neuroimage.2014.01.060 (signs); Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x
    """
    settings = facts.load("contrast")["cohort"]
    n_flips = int(settings["flips"]) if n_flips is None else n_flips
    if test not in TESTS or n_flips < 1:
        raise OptionError(
            f"expected a test and 1 flip or more, found {test!r} and {n_flips}",
            fix=f"choose one of {', '.join(TESTS)}",
        )
    values = np.asarray(differences, dtype=np.float64)
    least, shape = int(settings["least_people"]), values.shape[1:]
    table = values.reshape(len(values), -1)
    if np.isinf(table).any():
        raise InputError("differences hold infinite values", fix="look for a correlation of 1: a series against itself")
    people = np.isfinite(table).sum(axis=0)
    enough = people >= least
    if not enough.any():
        raise InputError(
            f"no difference has values of {least} people; the most is {int(people.max(initial=0))}",
            fix=f"a paired test needs {least} people or more",
        )
    mean, statistic, p, p_fwe, p_fdr = (np.full(table.shape[1], np.nan) for _ in range(5))
    kept = table[:, enough]
    mean[enough] = np.nanmean(kept, axis=0)
    scores = kept if test == "t" else _signed_ranks(kept)
    statistic[enough], largest, everything = _flipped(scores, test, n_flips, rng)
    p[enough] = _uncorrected(kept, statistic[enough], test)
    # A hair of slack: assignments that give the same statistic differ in rounding.
    reached = (largest[:, None] >= np.abs(statistic[enough]) * (1 - 1e-9)).sum(axis=0)
    p_fwe[enough] = reached / len(largest) if everything else (reached + 1) / (len(largest) + 1)
    p_fdr[enough] = stats.false_discovery_control(p[enough])
    return PairedTests(
        test=test,
        mean=mean.reshape(shape),
        statistic=statistic.reshape(shape),
        p=p.reshape(shape),
        p_fwe=p_fwe.reshape(shape),
        p_fdr=p_fdr.reshape(shape),
        people=people.reshape(shape),
        n_flips=len(largest) + (not everything),
        all_flips=everything,
    )


def between_regions(differences: FloatArray, regions: tuple[str, ...], name: str) -> tuple[FloatArray, tuple[str, ...]]:
    """Set one region against each of the others: CM against the other nuclei, say.

    Parameters
    ----------
    differences : (person, effector, region) float ndarray
    regions : tuple of str
    name : str
        The one.

    Returns
    -------
    (person, effector, other region) float64 ndarray
        For `paired_tests`.
    others : tuple of str

    Raises
    ------
    OptionError
        No such region, or no other.
    """
    if name not in regions or len(regions) < 2 or differences.shape[-1] != len(regions):
        raise OptionError(f"expected {name!r} and others among the regions, found {', '.join(regions)}")
    at = regions.index(name)
    rest = [other for other in range(len(regions)) if other != at]
    return differences[..., [at]] - differences[..., rest], tuple(regions[other] for other in rest)


def _flipped(scores: FloatArray, test: str, n_flips: int, rng: Generator) -> tuple[FloatArray, FloatArray, bool]:
    """Statistics of the data, and the largest of each assignment of signs; the sums of squares never change."""
    known = np.isfinite(scores)
    filled, n = np.where(known, scores, 0), known.sum(axis=0)
    square = (filled**2).sum(axis=0)

    def statistic(total: FloatArray) -> FloatArray:
        if test == "wilcoxon":
            spread = np.sqrt(square)
            return _ratio(total, np.broadcast_to(spread, total.shape))
        left = np.maximum(square - total**2 / n, 0) / (n - 1)
        # Equal values throughout: t has no bound, and rounding must not choose it.
        root = np.sqrt(np.maximum(n * left, n * square * 1e-15))
        return _ratio(total, root)

    everything = len(scores) < 63 and 2 ** len(scores) <= n_flips
    largest = [np.abs(statistic(signs @ filled)).max(axis=1) for signs in _signs(len(scores), n_flips, everything, rng)]
    return statistic(filled.sum(axis=0)), np.concatenate(largest), everything


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    ratio: FloatArray = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return ratio


def _signs(n_people: int, n_flips: int, everything: bool, rng: Generator) -> Iterator[FloatArray]:
    """Go through assignments of signs, some at a time; (flip, person)."""
    total = 2**n_people if everything else n_flips
    for first in range(0, total, _AT_ONCE):
        count = min(_AT_ONCE, total - first)
        if everything:
            bits = (np.arange(first, first + count)[:, None] >> np.arange(n_people)) & 1
        else:
            bits = rng.integers(2, size=(count, n_people))
        yield 1.0 - 2.0 * bits


def _signed_ranks(values: FloatArray) -> FloatArray:
    """Ranks of absolute values with their signs; zeros have rank 0 and are left out of the ranking."""
    size = np.where(values != 0, np.abs(values), np.nan)
    ranks = stats.rankdata(size, axis=0, nan_policy="omit")
    return np.where(np.isnan(values), np.nan, np.sign(values) * np.nan_to_num(ranks))


def _uncorrected(values: FloatArray, statistic: FloatArray, test: str) -> FloatArray:
    if test == "t":
        freedom = np.isfinite(values).sum(axis=0) - 1
        p: FloatArray = 2 * stats.t.sf(np.abs(statistic), freedom)
        return p
    columns = [column[np.isfinite(column)] for column in values.T]
    return np.array([stats.wilcoxon(column).pvalue if column.any() else 1.0 for column in columns])
