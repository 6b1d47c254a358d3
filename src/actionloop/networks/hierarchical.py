"""The multi-session hierarchical Bayesian model (MS-HBM): one person's networks, given a group's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import sparse

from actionloop import facts
from actionloop.arrays import Device
from actionloop.brain import adjacency
from actionloop.errors import GeometryError, OptionError, PriorError, SignalError
from actionloop.networks.expectation import Fit, fit_person, log_likelihood, softmax
from actionloop.networks.group import keep_seeds, prior_parameters
from actionloop.networks.profiles import seed_profiles
from actionloop.networks.task import Task, conclude, prepare
from actionloop.types import (
    HEMISPHERES,
    Anatomy,
    Basis,
    BoolArray,
    FloatArray,
    Grayordinates,
    GroupParameters,
    IntArray,
    NetworkMap,
    Prior,
)

_DEFAULTS: dict[str, Any] = facts.load("mapping")["hierarchical"]


@dataclass(frozen=True)
class HierarchicalSettings:
    """Options of the hierarchical model; defaults from data/mapping.toml.

    Attributes
    ----------
    prior_weight : float
        w: exponent of the spatial prior, 0 or more.
    smoothness : float
        c: half of what a neighbour in another network costs, 0 or more. Both are meant for the published number of
        seeds (`weight_seeds`) and go up and down with the number there is, as the evidence does.
    weight_seeds : int
    profile_share : float
        Largest correlations of a session that count as connected, 0 to 1.
    n_seeds : int
        Seeds of the profiles where the group brings none.
    refit_kappa : bool
        Concentration within networks is estimated for this person, one for all networks; the group's otherwise.
    prior_floor : float
        Smallest spatial probability, above 0.
    max_rounds : int
    tolerance : float
        Share of rows that change network, below which the rounds end.
    """

    prior_weight: float = _DEFAULTS["prior_weight"]
    smoothness: float = _DEFAULTS["smoothness"]
    weight_seeds: int = _DEFAULTS["weight_seeds"]
    profile_share: float = _DEFAULTS["profile_share"]
    n_seeds: int = _DEFAULTS["n_seeds"]
    refit_kappa: bool = _DEFAULTS["refit_kappa"]
    prior_floor: float = _DEFAULTS["prior_floor"]
    max_rounds: int = _DEFAULTS["max_rounds"]
    tolerance: float = _DEFAULTS["tolerance"]

    def __post_init__(self) -> None:
        if not (0 <= self.prior_weight < np.inf and 0 <= self.smoothness < np.inf):
            raise OptionError("the weights of the hierarchical model must be finite and not negative")
        if not 0 < self.profile_share < 1 or not 0 < self.prior_floor < 0.1:
            raise OptionError("profile_share must lie between 0 and 1 and prior_floor between 0 and 0.1")
        if min(self.n_seeds, self.weight_seeds) < 3 or self.max_rounds < 1 or not self.tolerance >= 0:
            raise OptionError("the hierarchical model needs at least 3 seeds and one round, and no negative tolerance")


def map_hierarchical(
    basis: Basis,
    prior: Prior,
    anatomy: Anatomy | None,
    *,
    settings: HierarchicalSettings | None = None,
    exclude: BoolArray | None = None,
    device: Device | None = None,
    sessions: Sequence[Basis] | None = None,
    group: GroupParameters | None = None,
) -> NetworkMap:
    """Map one person's networks with the multi-session hierarchical Bayesian model [1]_.

    Each row has a profile per session: which seeds are among the largest tenth of all correlations, centred and brought
    to length 1. Profiles scatter (von Mises-Fisher) around the mean profile of the row's network in that session, those
    around the person's, those around the group's; memberships follow from the profiles, the spatial prior to the power
    w, and the neighbours on the mesh. All is found by variational expectation-maximisation, in one loop from the
    group's means instead of the published nested ones with restarts.

    The model tells what differs between sessions from what differs between people, so that it wants two sessions or
    more; from a single run the published code makes two by cutting it in half. A basis keeps no time and cannot be cut,
    so halves are compressed separately and given as `sessions`. Without, the whole run counts as one session: half the
    evidence against the same prior.

    Voxels take no part in the estimation, which is published for the cortex. Their profiles (the largest tenth among
    voxels) are compared with the networks found there, without smoothness.

    Parameters
    ----------
    basis : Basis
        The whole run.
    prior : Prior
        On the same rows; the spatial prior θ, and the group parameters, or templates to derive them from.
    anatomy : Anatomy or None
        Whose mesh tells neighbours; None for no smoothness.
    settings : HierarchicalSettings, optional
    exclude : (grayordinate,) bool ndarray, optional
    device : Device, optional
    sessions : sequence of Basis, optional
        Sessions or halves, on the rows of `basis`.
    group : GroupParameters, optional
        From `train_hierarchical`; by default those of the prior, else derived from its templates.

    Returns
    -------
    NetworkMap
        `probability` is the posterior, which at the published weights is close to 0 or 1 almost everywhere and no
        measure of doubt; rows without a profile are unassigned. Not cleaned.

    Raises
    ------
    PriorError
        Other rows or networks, or neither group parameters nor templates.
    SignalError
        No cortical row with signal, or sessions on other rows.

    References
    ----------
    .. [1] Kong et al. 2019, doi:10.1093/cercor/bhy123
    """
    settings = settings or HierarchicalSettings()
    runs = tuple(sessions) if sessions is not None else (basis,)
    task = common_rows(prepare(basis, prior, exclude), runs)
    group = group or prior.group or prior_parameters(prior, n_seeds=settings.n_seeds, usable=task.valid)
    fit, own, seeds = fit_cortex(task, runs, group, anatomy, settings=settings, device=device)
    n_cortex = task.basis.grayordinates.n_cortex
    score = np.zeros(prior.probability.shape)
    score[:, np.flatnonzero(task.valid[:n_cortex])] = fit.posterior.T
    voxels = n_cortex + np.flatnonzero(task.valid[n_cortex:])
    if voxels.size:
        seen = [seed_profiles(r, rows=voxels, seeds=seeds, share=settings.profile_share, device=device) for r in runs]
        evidence = log_likelihood(seen, fit.session_means, fit.kappa) + log_prior(task, voxels, own, settings)
        score[:, voxels] = softmax(evidence, np.any([s.present for s in seen], axis=0)).T
    recorded = {
        **asdict(settings),
        "sessions": len(runs),
        "rounds": len(fit.objective),
        "kappa": [float(k) for k in fit.kappa],
        "seeds": own.n_dimensions + 1,
        "group": f"{group.n_people} people" if group.n_people else "templates of the prior",
    }
    return conclude(task, score, method="hierarchical", measure="probability", settings=recorded)


def common_rows(task: Task, sessions: Sequence[Basis]) -> Task:
    """Keep the rows that have signal in every session.

    Raises
    ------
    SignalError
        No sessions, other rows, or no cortical row that has signal throughout.
    """
    if not sessions:
        raise SignalError("the hierarchical model needs at least one session", where=task.basis.source or None)
    axis = task.basis.grayordinates
    for session in sessions:
        if len(session.grayordinates) != len(axis) or not session.grayordinates.same_cortex(axis):
            raise SignalError(
                f"a session has {len(session.grayordinates)} rows and the run {len(axis)}; all must have the same",
                where=session.source or None,
            )
    valid = np.logical_and.reduce([task.valid, *(session.valid for session in sessions)])
    if not valid[: axis.n_cortex].any():
        raise SignalError("no cortical row carries signal in every session", where=task.basis.source or None)
    return Task(task.basis, task.prior, valid)


def fit_cortex(
    task: Task,
    sessions: Sequence[Basis],
    group: GroupParameters,
    anatomy: Anatomy | None,
    *,
    settings: HierarchicalSettings,
    device: Device | None = None,
) -> tuple[Fit, GroupParameters, IntArray]:
    """Infer the memberships of the cortical rows.

    Parameters
    ----------
    task : Task
        From `common_rows`.
    sessions : sequence of Basis
    group : GroupParameters
    anatomy : Anatomy or None
    settings : HierarchicalSettings
    device : Device, optional

    Returns
    -------
    Fit
        Of the valid cortical rows.
    GroupParameters
        Over the seeds that this person has.
    (seed,) int ndarray
        Rows of those seeds.

    Raises
    ------
    PriorError
        The group has other networks, or its seeds are missing.
    """
    if group.names != task.prior.names:
        raise PriorError(
            f"the group parameters are of {', '.join(group.names)}, the prior of {', '.join(task.prior.names)}",
            where=group.source or None,
            fix="train the group parameters with the prior that maps",
        )
    axis = task.basis.grayordinates
    own, seeds = keep_seeds(group, axis, task.valid)
    rows = np.flatnonzero(task.valid[: axis.n_cortex])
    fit = fit_person(
        [seed_profiles(s, rows=rows, seeds=seeds, share=settings.profile_share, device=device) for s in sessions],
        log_prior(task, rows, own, settings),
        own,
        neighbours=None if anatomy is None else mesh_neighbours(axis, anatomy, rows),
        smoothness=settings.smoothness * weight_scale(own, settings),
        refit_kappa=settings.refit_kappa,
        stop=(settings.max_rounds, settings.tolerance),
    )
    return fit, own, seeds


def mesh_neighbours(grayordinates: Grayordinates, anatomy: Anatomy, rows: IntArray) -> Any:
    """Tell which of some cortical rows share an edge.

    Parameters
    ----------
    grayordinates : Grayordinates
    anatomy : Anatomy
    rows : (row,) int ndarray
        Cortical.

    Returns
    -------
    (row, row) float64 csr_array
        1 where they do.

    Raises
    ------
    GeometryError
        The anatomy is on another mesh.
    """
    parts = []
    for hemisphere in HEMISPHERES:
        surface = anatomy.surface(hemisphere)
        if surface.n_vertices != grayordinates.n_vertices:
            raise GeometryError(
                f"the rows are of a mesh of {grayordinates.n_vertices} vertices, the surface has {surface.n_vertices}",
                where=surface.source or None,
            )
        vertices = grayordinates.vertices(hemisphere)
        parts.append(adjacency(surface.faces, surface.n_vertices)[vertices][:, vertices])
    both = sparse.csr_array(sparse.block_diag(parts, format="csr"))
    return both[rows][:, rows].astype(np.float64)


def log_prior(task: Task, rows: IntArray, group: GroupParameters, settings: HierarchicalSettings) -> FloatArray:
    """Weighted logarithm of the spatial prior; (row, network)."""
    spatial = np.maximum(task.spatial[:, rows].T, settings.prior_floor)
    return np.asarray(settings.prior_weight * weight_scale(group, settings) * np.log(spatial))


def weight_scale(group: GroupParameters, settings: HierarchicalSettings) -> float:
    """Dimensions that profiles have, over those that the weights are meant for.

    At a given cosine, log-likelihoods grow with the dimensions: weights that stayed the same would drown the evidence
    of parcels, or of people who lack seeds.
    """
    return group.n_dimensions / (settings.weight_seeds - 1)
