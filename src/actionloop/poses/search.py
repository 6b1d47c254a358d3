"""The search for the coil pose that reaches a target's network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from actionloop.errors import EmptyRegionError
from actionloop.poses.cortex import CortexHead
from actionloop.poses.first import mean_fields
from actionloop.poses.found import PoseSearch, ScoredPose
from actionloop.poses.head import PoseHead
from actionloop.poses.pool import Pool, gather_pool
from actionloop.poses.second import SecondStage
from actionloop.poses.settings import SearchSettings
from actionloop.poses.share import NetworkShares
from actionloop.poses.target import Focus, PoseAim, gather_focus
from actionloop.types import HEMISPHERES, BoolArray, FloatArray, Hemisphere, IntArray

Tell = Callable[[str, float], None]
FirstStage = Callable[[Focus, FloatArray], FloatArray]
"""Mean field over a focus of every pose, (pose, 4, 4) to (pose, 3) V/m at 1 A/µs."""
# How far a search is when it begins, has the mean fields, and has solved the poses that make up all others.
_BEGIN, _FIRST, _MODES = 0.01, 0.3, 0.9
_DIGITS = 6
"""Scores that agree so far are a tie, settled by the field on the target."""


def search_pose(
    head: PoseHead,
    aim: PoseAim,
    networks: NetworkShares,
    *,
    conventional: Mapping[str, FloatArray] | None = None,
    settings: SearchSettings | None = None,
    tell: Tell | None = None,
) -> PoseSearch:
    """Find the pose whose strongest field lies in the target's network.

    Every candidate pose is scored for the mean field over the target by reciprocity [1]_. Of those that reach the
    target well, the field on the whole cortex is combined from a few poses that are solved; the share of the
    stimulated cortex that lies in the network, less that in networks to avoid, averaged over thresholds and over the
    navigation error, decides [2]_. The best pose is solved on its own.

    Parameters
    ----------
    head : PoseHead
        Keeps what it solved for the next target.
    aim : PoseAim
    networks : NetworkShares
    conventional : mapping of str to (4, 4) float ndarray, optional
        Poses to compare with, by their labels; lifted off the head where their casing is in it.
    settings : SearchSettings, optional
    tell : callable of (str, float), optional
        Told what is done and how far it is, 0 to 1.

    Returns
    -------
    PoseSearch
        Without its chance.

    Raises
    ------
    GeometryError
        A target outside the head or without scalp near it, no pose clear of the head, or parts that do not fit.
    EmptyRegionError
        A target outside the cortex, or no vertex of the network.

    References
    ----------
    .. [1] Gomez et al. 2021, doi:10.1016/j.neuroimage.2020.117696
    .. [2] Lynch et al. 2022, doi:10.1016/j.neuron.2022.08.012
    """
    settings = SearchSettings.default() if settings is None else settings
    return search_by(
        lambda focus, matrices: mean_fields(head, focus, matrices, table_mm=settings.table_mm),
        head,
        aim,
        networks,
        conventional=conventional,
        settings=settings,
        tell=tell,
    )


def search_by(
    first: FirstStage,
    head: CortexHead,
    aim: PoseAim,
    networks: NetworkShares,
    *,
    conventional: Mapping[str, FloatArray] | None = None,
    settings: SearchSettings,
    tell: Tell | None,
) -> PoseSearch:
    """Find the pose as `search_pose` does, whichever way fields are computed.

    Parameters
    ----------
    first : callable
        Mean field over the target of every candidate.
    head : CortexHead
    aim, networks, conventional, settings, tell
        As of `search_pose`.

    Returns
    -------
    PoseSearch
        Without its chance.

    Raises
    ------
    GeometryError, EmptyRegionError
        As `search_pose`.
    """
    tell = _silent if tell is None else tell
    surface = head.anatomy.surface(aim.hemisphere)
    focus = _on_cortex(head, gather_focus(aim, surface, radius_mm=settings.target_mm), aim)
    weights = head.weigh(networks, settings)
    pool = gather_pool(head, aim, {} if conventional is None else conventional, settings)
    tell(f"{aim.name}: field of {len(pool.candidates)} poses on the target", _BEGIN)
    means = first(focus, pool.candidates.matrices)
    second = SecondStage(
        head,
        pool,
        weights,
        settings,
        aim_mm=surface.vertices[aim.vertex],
        tell=lambda words, share: tell(f"{aim.name}: {words}", _FIRST + (_MODES - _FIRST) * share),
    )
    look = _Look(head, pool, focus, second, means)
    order = _rank(look, settings)
    tell(f"{aim.name}: the best pose's own field", _MODES)
    order, field, error = _verified(look, order, settings)
    best = look.verified(int(order[0]), field)
    ranked = (best, *(look.scored(int(pose)) for pose in order[1 : settings.ranked]))
    # The best pose's curve is that of its own field, as `verified` has put it in place of the combined one.
    curves = {"best": second.share[0, order[0]]} | {label: second.share[0, at] for label, at in pool.sites.items()}
    tell(f"{aim.name}: done", 1.0)
    return PoseSearch(
        name=aim.name,
        network=aim.network,
        hemisphere=aim.hemisphere,
        aim_ras=surface.vertices[aim.vertex],
        coil=head.coil.name,
        n_poses=len(pool.candidates),
        n_solved=second.n_solved,
        best=best,
        ranked=ranked,
        conventional=tuple(look.scored(at, label) for label, at in pool.sites.items()),
        thresholds_percent=np.array(settings.percentiles),
        curves=curves,
        field_v_per_m=head.spread(np.linalg.norm(field, axis=1).astype(np.float32)),
        averaged=_mask(head, focus),
        numerical_error=error,
    )


@dataclass(frozen=True, eq=False)
class _Look:
    """What is known of the poses of one search.

    Attributes
    ----------
    head, pool, focus, second
    means : (candidate, 3) float64 ndarray
        Mean field over the target, of the first stage.
    """

    head: CortexHead
    pool: Pool
    focus: Focus
    second: SecondStage
    means: FloatArray

    def mean(self, pose: int) -> FloatArray:
        """Mean field of a pose over the target; (3,)."""
        found: FloatArray = self.means[pose] if pose < len(self.means) else self.mean_of(self.second.field(pose))
        return found

    def mean_of(self, field: FloatArray) -> FloatArray:
        """Mean over the target of a field on the cortex."""
        rows = self.head.rows(self.focus.hemisphere, self.focus.vertices)
        mean: FloatArray = self.focus.share @ field[rows].astype(np.float64)
        return mean

    def scored(self, pose: int, label: str = "") -> ScoredPose:
        """Everything that is known of one pose."""
        mean = self.mean(pose)
        return ScoredPose(
            matrix=self.pool.matrices[pose].copy(),
            lift_mm=float(self.pool.lift_mm[pose]),
            target_v_per_m=float(np.linalg.norm(mean)),
            normal_v_per_m=float(mean @ self.focus.inward),
            on_target=float(self.second.share[0, pose].mean()),
            avoided=float(self.second.share[1, pose].mean()),
            peak_v_per_m=float(self.second.peak[pose]),
            score=float(self.second.averaged(np.array([pose]))[0]),
            label=label,
        )

    def verified(self, pose: int, field: FloatArray) -> ScoredPose:
        """Return the best pose, with what its own field says."""
        mean = self.mean_of(field)
        return replace(
            self.scored(pose, "best"),
            target_v_per_m=float(np.linalg.norm(mean)),
            normal_v_per_m=float(mean @ self.focus.inward),
        )


def _rank(look: _Look, settings: SearchSettings) -> IntArray:
    """Look at poses that reach the target well, then closer around the best of them; candidates, best first."""
    candidates, second = look.pool.candidates, look.second
    strength = np.linalg.norm(look.means, axis=1)
    strong = strength >= settings.least_field * strength.max()
    coarse = np.flatnonzero(strong & (candidates.turn % settings.turn_step == 0))
    coarse = np.sort(coarse[np.argsort(-strength[coarse], kind="stable")][: settings.most_poses])
    sites = np.array(list(look.pool.sites.values()), dtype=np.int64)
    second.open(look.pool.with_near(np.concatenate([coarse, sites])))
    order = _ordered(look, coarse)
    closer = np.concatenate([_around(look.pool, int(pose), settings) for pose in order[: settings.refined]])
    closer = np.unique(closer[strong[closer]])
    new = np.setdiff1d(look.pool.with_near(closer), second.looked_at)
    if new.size:
        second.look(new)
    return _ordered(look, np.union1d(coarse, closer))


def _ordered(look: _Look, poses: IntArray) -> IntArray:
    """Poses by score, then by the field on the target."""
    score = np.round(look.second.averaged(poses), _DIGITS)
    strength = np.linalg.norm(look.means[poses], axis=1)
    ordered: IntArray = poses[np.lexsort((-strength, -score))]
    return ordered


def _around(pool: Pool, pose: int, settings: SearchSettings) -> IntArray:
    """Candidates at the same and the next places, turned by less than the coarse step."""
    candidates = pool.candidates
    here = candidates.places_mm[candidates.place[pose]]
    next_to = np.linalg.norm(candidates.places_mm - here, axis=1) <= 1.2 * settings.spacing_mm
    n_turns = round(180 / settings.turn_deg)
    away = np.abs(candidates.turn - candidates.turn[pose])
    turned = np.minimum(away, n_turns - away) < settings.turn_step
    found: IntArray = np.flatnonzero(next_to[candidates.place] & turned & (candidates.tilt == candidates.tilt[pose]))
    return found


def _verified(look: _Look, order: IntArray, settings: SearchSettings) -> tuple[IntArray, FloatArray, float]:
    """Solve the best pose on its own; where it differs too much, let it help and rank again.

    Returns the order, the best pose's own field on the cortex, and the error of it as found: as it was combined, or of
    its mean over the target in the first stage, whichever is larger.
    """
    field, error = _own_field(look, int(order[0]))
    for _ in range(settings.repeats):
        if error <= settings.largest_error:
            break
        look.second.look(look.second.looked_at)
        order = _ordered(look, order)
        field, error = _own_field(look, int(order[0]))
    mean = look.mean_of(field)
    by_reciprocity = float(np.linalg.norm(look.means[order[0]] - mean) / max(float(np.linalg.norm(mean)), 1e-300))
    return order, field, max(error, by_reciprocity)


def _own_field(look: _Look, pose: int) -> tuple[FloatArray, float]:
    """Solve a pose on its own; return its field on the cortex, and how far off the combined one is."""
    found = look.second.field(pose)
    own = look.second.own(pose)
    area = look.head.area_mm2[:, None]
    size = float((area * own.astype(np.float64) ** 2).sum())
    return own, float(np.sqrt((area * (found - own) ** 2).sum() / max(size, 1e-300)))


def _on_cortex(head: CortexHead, focus: Focus, aim: PoseAim) -> Focus:
    """Keep the part of the focus that lies on the cortex."""
    kept = np.isin(focus.vertices, head.vertices[focus.hemisphere])
    if aim.vertex not in focus.vertices[kept]:
        raise EmptyRegionError(f"{aim.name} aims at a vertex outside the cortex", fix="choose a vertex of the cortex")
    share = focus.share[kept] / focus.share[kept].sum()
    return replace(focus, vertices=focus.vertices[kept], points_mm=focus.points_mm[kept], share=share)


def _mask(head: CortexHead, focus: Focus) -> dict[Hemisphere, BoolArray]:
    """Vertices that the field was averaged over, on both meshes."""
    mask: dict[Hemisphere, BoolArray] = {}
    for hemisphere in HEMISPHERES:
        mask[hemisphere] = np.zeros(head.anatomy.surface(hemisphere).n_vertices, dtype=bool)
    mask[focus.hemisphere][focus.vertices] = True
    return mask


def _silent(words: str, share: float) -> None:
    """Tell nobody."""
