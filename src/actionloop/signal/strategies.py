"""Named ways of cleaning: which confounds are regressed; defined in cleaning.toml."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from actionloop import facts
from actionloop.errors import OptionError
from actionloop.types import FloatArray

TERMS = ("value", "derivative1", "power2", "derivative1_power2")
"""What a confound is expanded to, under fMRIPrep's names."""


@dataclass(frozen=True)
class Strategy:
    """What a named cleaning regresses, beside the global signal.

    Attributes
    ----------
    key : str
        What the user writes, e.g. '36P'.
    name, name_without : str
        Name with and without regression of the global signal.
    motion : tuple of str
        Terms of the six motion parameters, of `TERMS`; empty for none.
    tissues : tuple of str
        Columns of the confound table that are taken with all `TERMS`.
    global_column : str
        Column of the global signal, taken likewise; empty where the mean over the series is regressed instead.
    components : tuple of str
        Prefixes of numbered columns; the first that the table has counts.
    n_components : int
        How many of them; 0 for all.
    drifts : str
        Prefix of the columns of slow drifts; needed only where nothing is filtered.
    orthogonal : bool
        For rejected components: leave what accepted ones hold as well.
    words, reference : str
    version : int
    """

    key: str
    name: str
    name_without: str
    motion: tuple[str, ...]
    tissues: tuple[str, ...]
    global_column: str
    components: tuple[str, ...]
    n_components: int
    drifts: str
    orthogonal: bool
    words: str
    reference: str
    version: int

    def full_name(self, *, with_global_signal: bool, censored: bool) -> str:
        """Name for the report, e.g. '24P+GSR+censoring'."""
        return (self.name if with_global_signal else self.name_without) + ("+censoring" if censored else "")


def strategy_names() -> tuple[str, ...]:
    """Return the names that `find_strategy` knows."""
    return tuple(name for name, about in facts.load("cleaning")["strategies"].items() if isinstance(about, dict))


@cache
def find_strategy(name: str | None = None) -> Strategy:
    """Return a strategy by name, in upper or lower case; the default one for None.

    Raises
    ------
    OptionError
        No such strategy.
    """
    stated = facts.load("cleaning")["strategies"]
    wanted = str(stated["default"]) if name is None else name
    known = {key.casefold(): key for key in strategy_names()}
    if wanted.casefold() not in known:
        raise OptionError(
            f"there is no cleaning {wanted!r}", fix=f"choose one of {', '.join(known.values())} for --cleaning"
        )
    key = known[wanted.casefold()]
    about = stated[key]
    return Strategy(
        key=key,
        name=str(about["name"]),
        name_without=str(about["name_without"]),
        motion=tuple(about["motion"]),
        tissues=tuple(about.get("tissues", ())),
        global_column=str(about.get("global_column", "")),
        components=tuple(about.get("components", ())),
        n_components=int(about.get("n_components", 0)),
        drifts=str(about.get("drifts", "")),
        orthogonal=bool(about.get("orthogonal", False)),
        words=str(about["words"]),
        reference=str(about["reference"]),
        version=int(about["version"]),
    )


@dataclass(frozen=True)
class Cleaning:
    """What is removed from a run; defaults in cleaning.toml.

    Attributes
    ----------
    name : str
        For the report, e.g. '24P+GSR+censoring'.
    motion24 : bool
        Regress the six motion parameters, their derivatives, and the squares of both.
    global_signal : bool
        Regress the mean signal.
    fd_threshold_mm : float or None
        Leave out frames that moved more; None keeps all.
    band_hz : (float, float) or None
        Butterworth band-pass; None for no filter.
    others : str
        What else is regressed, in words: the confounds that `clean` is given.
    version : int
    """

    name: str
    motion24: bool = True
    global_signal: bool = True
    fd_threshold_mm: float | None = None
    band_hz: tuple[float, float] | None = None
    others: str = ""
    version: int = 0

    def __post_init__(self) -> None:
        if self.fd_threshold_mm is not None and not self.fd_threshold_mm > 0:
            raise OptionError(f"the motion threshold must be above 0 mm, found {self.fd_threshold_mm}")
        if self.band_hz is not None and not 0 < self.band_hz[0] < self.band_hz[1]:
            raise OptionError(f"the pass band must be two rising frequencies in Hz, found {self.band_hz}")


def plain_cleaning(*, with_global_signal: bool = True) -> Cleaning:
    """Return the default cleaning, or the same without global signal regression."""
    plain = facts.load("cleaning")["plain"]
    return named_cleaning(
        with_global_signal=with_global_signal and bool(plain["global_signal"]),
        fd_threshold_mm=float(plain["fd_threshold_mm"]),
        band_hz=(float(plain["band_hz"][0]), float(plain["band_hz"][1])),
    )


def named_cleaning(
    name: str | None = None,
    *,
    with_global_signal: bool,
    fd_threshold_mm: float | None,
    band_hz: tuple[float, float] | None,
) -> Cleaning:
    """Return what a named strategy removes.

    Parameters
    ----------
    name : str, optional
        As `find_strategy` knows it; the default strategy if left out.
    with_global_signal : bool
    fd_threshold_mm, band_hz
        As in `Cleaning`.

    Returns
    -------
    Cleaning
        Where it has `others`, those confounds are to be given to `clean`.

    Raises
    ------
    OptionError
        No such strategy, or values out of bounds.
    """
    strategy = find_strategy(name)
    only_motion = not (strategy.tissues or strategy.components) and len(strategy.motion) == 4
    others = "" if only_motion else strategy.words
    if strategy.global_column and with_global_signal:
        others += ", global signal likewise"
    return Cleaning(
        name=strategy.full_name(with_global_signal=with_global_signal, censored=fd_threshold_mm is not None),
        motion24=only_motion,
        global_signal=with_global_signal and not strategy.global_column,
        fd_threshold_mm=fd_threshold_mm,
        band_hz=band_hz,
        others=others,
        version=int(facts.load("cleaning")["plain"]["version"]) if only_motion else strategy.version,
    )


def expand(columns: FloatArray, terms: Sequence[str] = TERMS) -> FloatArray:
    """Confounds with their backward differences and the squares of both, term by term.

    Parameters
    ----------
    columns : (frame, column) float ndarray
    terms : sequence of str
        Of `TERMS`.

    Returns
    -------
    (frame, column x term) float64 ndarray
        The first frame has differences 0, where fMRIPrep's tables say n/a.

    References
    ----------
    .. [1] Satterthwaite et al. 2013, doi:10.1016/j.neuroimage.2012.08.052
    """
    columns = np.asarray(columns, dtype=np.float64)
    change = np.diff(columns, axis=0, prepend=columns[:1])
    every = {"value": columns, "derivative1": change, "power2": columns**2, "derivative1_power2": change**2}
    return np.concatenate([every[term] for term in terms], axis=1) if terms else columns[:, :0]


def orthogonalise(
    columns: FloatArray, others: FloatArray, *, seen: Callable[[FloatArray], FloatArray] = lambda given: given
) -> FloatArray:
    """Take so much of other columns from some that what is seen of both is uncorrelated.

    Parameters
    ----------
    columns : (frame, column) float ndarray
    others : (frame, other) float ndarray
    seen : callable
        Linear in time, such as a filter; all of it by default.

    Returns
    -------
    (frame, column) float64 ndarray
        `columns` less a combination of `others`.
    """
    size = np.linalg.norm(others, axis=0).clip(1e-12)
    left, right = (part - part.mean(axis=0) for part in (seen(others / size), seen(columns)))
    share = np.linalg.lstsq(left, right, rcond=1e-8)[0]
    return np.asarray(columns - others / size @ share)
