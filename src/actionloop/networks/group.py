"""What a group of people says of a network's profile, and how far people, sessions and rows stray from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import PriorError
from actionloop.networks.profiles import as_directions, find_rows, name_rows, regular_seeds
from actionloop.networks.vonmises import concentration
from actionloop.types import BoolArray, Grayordinates, GroupParameters, IntArray, Prior

_DEFAULTS: dict[str, Any] = facts.load("mapping")["hierarchical"]
_FEWEST = 3
"""Seeds without which there is no profile."""


def keep_seeds(
    group: GroupParameters, grayordinates: Grayordinates, valid: BoolArray
) -> tuple[GroupParameters, IntArray]:
    """Keep the seeds that one person has.

    Parameters
    ----------
    group : GroupParameters
    grayordinates : Grayordinates
    valid : (grayordinate,) bool ndarray
        Rows with signal.

    Returns
    -------
    GroupParameters
        Mean profiles over those seeds; concentrations for so many dimensions, at the same expected cosine.
    (seed,) int64 ndarray
        Their rows.

    Raises
    ------
    PriorError
        Fewer than half of the seeds are left, or a network's mean profile does not vary over those.
    """
    rows = find_rows(grayordinates, group.seeds)
    kept = (rows >= 0) & valid[rows]
    if kept.sum() < max(len(rows) / 2, _FEWEST):
        raise PriorError(
            f"only {kept.sum()} of the {len(rows)} seeds of the group parameters carry signal in this person",
            where=group.source or None,
            fix="use group parameters trained on the same rows",
        )
    ratio = (kept.sum() - 1) / group.n_dimensions  # for a given cosine, concentrations grow with the dimensions
    concentrations = {name: getattr(group, name) * ratio for name in ("epsilon", "sigma", "kappa")}
    fewer = replace(group, mu=as_directions(group.mu[:, kept]), seeds=group.seeds[kept], **concentrations)
    return fewer, rows[kept]


def prior_parameters(prior: Prior, *, n_seeds: int, usable: BoolArray | None = None) -> GroupParameters:
    """Derive group parameters from a prior alone, for want of people to train on.

    Mean profiles are the prior's templates at the seeds. The concentrations are defaults (data/mapping.toml) that were
    set on simulated people.

    Parameters
    ----------
    prior : Prior
        With templates.
    n_seeds : int
        Taken at even steps along the cortical rows that have a template.
    usable : (grayordinate,) bool ndarray, optional
        Rows to choose from.

    Returns
    -------
    GroupParameters

    Raises
    ------
    PriorError
        No templates, too few rows with one, or templates that do not vary over the seeds.
    """
    where = prior.source or None
    if prior.fingerprint is None:
        raise PriorError(
            "the hierarchical model needs group parameters or a prior with connectivity templates",
            where=where,
            fix="train them (train_hierarchical), give a prior with templates, or choose --method iterative",
        )
    known = np.asarray(prior.fingerprint.any(axis=0))
    known = known if usable is None else known & usable
    rows = regular_seeds(np.flatnonzero(known[: prior.grayordinates.n_cortex]), n_seeds)
    if len(rows) < _FEWEST:
        raise PriorError(f"only {len(rows)} cortical rows have both a template and signal", where=where)
    mu = as_directions(prior.fingerprint[:, rows])
    if flat := [name for name, profile in zip(prior.names, mu, strict=True) if not profile.any()]:
        raise PriorError(f"templates that do not vary over the seeds: {', '.join(flat)}", where=where)
    every = np.ones(len(prior.names))
    return GroupParameters(
        names=prior.names,
        mu=mu,
        epsilon=every * concentration(_DEFAULTS["epsilon_cosine"], len(rows) - 1),
        sigma=every * concentration(_DEFAULTS["sigma_cosine"], len(rows) - 1),
        kappa=every * concentration(_DEFAULTS["kappa_cosine"], len(rows) - 1),
        seeds=name_rows(prior.grayordinates, rows),
        source=prior.source,
    )
