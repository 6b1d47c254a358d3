"""Several comparisons in one analysis: Holm's step-down procedure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actionloop.errors import InputError
from actionloop.trial.estimates import library


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Return Holm's adjusted p values, in the order given.

    Raises
    ------
    InputError
        A p that is no probability.
    OptionError
        statsmodels is not installed.

    References
    ----------
    .. [1] Holm 1979, Scandinavian Journal of Statistics 6:65
    """
    values = np.asarray(p, float)
    if not values.size or not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"p values lie between 0 and 1, found {list(p)}")
    adjusted = library("statsmodels.stats.multitest").multipletests(values, method="holm")[1]
    return tuple(float(one) for one in adjusted)
