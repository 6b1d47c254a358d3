"""What a group of people says of a network's profile, and how far people, sessions and rows stray from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.errors import PriorError
from actionloop.networks.profiles import as_directions, find_rows, name_rows, regular_seeds
from actionloop.networks.vonmises import concentration
from actionloop.types import BoolArray, FloatArray, Grayordinates, IntArray, Prior

_DEFAULTS: dict[str, Any] = facts.load("mapping")["hierarchical"]
_FEWEST = 3
"""Seeds without which there is no profile."""


@dataclass(frozen=True, eq=False)
class GroupParameters:
    """Parameters that all people share in the hierarchical model.

    Attributes
    ----------
    names : tuple of str
        Networks.
    mu : (network, seed) float ndarray
        Mean profile of each network: sums to 0, length 1.
    epsilon : (network,) float ndarray
        Concentration of people's mean profiles around `mu` (inter-subject).
    sigma : (network,) float ndarray
        Concentration of sessions' mean profiles around the person's (intra-subject).
    kappa : (network,) float ndarray
        Concentration of rows' profiles around their network's in a session.
    seeds : (seed, 2) int ndarray
        Cortical rows as (hemisphere, vertex); hemisphere 0 left, 1 right.
    n_people : int
        How many people were trained on; 0 where the parameters come from a prior alone.
    source : str

    Raises
    ------
    PriorError
        Shapes that do not fit, values that are not finite, or concentrations not above 0.
    """

    names: tuple[str, ...]
    mu: FloatArray
    epsilon: FloatArray
    sigma: FloatArray
    kappa: FloatArray
    seeds: IntArray
    n_people: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        where = self.source or None
        if self.mu.shape != (len(self.names), len(self.seeds)) or self.seeds.shape[1:] != (2,):
            raise PriorError(
                f"expected mean profiles of shape ({len(self.names)}, {len(self.seeds)}) with seeds as (hemisphere, "
                f"vertex), found {self.mu.shape} and {self.seeds.shape}",
                where=where,
            )
        for name, values in (("epsilon", self.epsilon), ("sigma", self.sigma), ("kappa", self.kappa)):
            if values.shape != (len(self.names),) or not (np.isfinite(values) & (values > 0)).all():
                raise PriorError(f"expected {name} above 0 for each of {len(self.names)} networks", where=where)
        if not np.isfinite(self.mu).all():
            raise PriorError("mean profiles hold NaN or infinite values", where=where)

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the space of profiles, which sum to 0 over the seeds."""
        return len(self.seeds) - 1

    def on(self, grayordinates: Grayordinates, valid: BoolArray) -> tuple[GroupParameters, IntArray]:
        """Keep the seeds that one person has.

        Parameters
        ----------
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
            Fewer than half of the seeds are left.
        """
        rows = find_rows(grayordinates, self.seeds)
        kept = (rows >= 0) & valid[rows]
        if kept.sum() < max(len(rows) / 2, _FEWEST):
            raise PriorError(
                f"only {kept.sum()} of the {len(rows)} seeds of the group parameters carry signal in this person",
                where=self.source or None,
                fix="use group parameters trained on the same rows",
            )
        ratio = (kept.sum() - 1) / self.n_dimensions  # for a given cosine, concentrations grow with the dimensions
        concentrations = {name: getattr(self, name) * ratio for name in ("epsilon", "sigma", "kappa")}
        fewer = replace(self, mu=as_directions(self.mu[:, kept]), seeds=self.seeds[kept], **concentrations)
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
