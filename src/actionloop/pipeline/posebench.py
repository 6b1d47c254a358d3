"""One head with one coil, on which the poses of a person's targets are searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.field import FieldSolver
from actionloop.pipeline.head import Head
from actionloop.pipeline.headmodels import FieldHead
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.settings import PoseSettings
from actionloop.poses import (
    Aim,
    Chance,
    HandField,
    Hotspot,
    Maps,
    NearbyPoses,
    NetworkShares,
    PoseAim,
    PoseHead,
    PoseSearch,
    SearchSettings,
    conductivity_response,
    estimate_chance,
    hand_field,
    log_response,
    maps_of,
    published_spread,
    search_pose,
    soft_maps,
)
from actionloop.poses.cortex import CortexHead
from actionloop.poses.preview import Sphere, SphereHead, fit_sphere, preview_pose, preview_settings
from actionloop.reliability import Reliability
from actionloop.targets import geometric_matrix
from actionloop.types import HEMISPHERES, BoolArray, Coil, FloatArray, Hemisphere, NetworkMap, SiteReading, Target

if TYPE_CHECKING:
    from actionloop.pipeline.person import PersonJob

# What conductivities do to the field is known to first order only.
_RESPONSE_TOLERANCE = 1e-3


class PoseBench:
    """One head with one coil, set up when the first target needs it.

    With the engine 'sphere' there is no head model: every target has a sphere of its own, fitted to the scalp.
    """

    def __init__(
        self,
        job: PersonJob,
        head: Head,
        network_map: NetworkMap,
        sites: Sequence[SiteReading],
        reliability: Reliability | None,
        made: FieldHead,
        coil: Coil,
    ) -> None:
        self._job, self._head, self._map, self._sites = job, head, network_map, sites
        self._reliability, self._made, self._coil = reliability, made, coil
        self._settings = SearchSettings.default()

    def search(self, target: Target, progress: Progress) -> PoseSearch:
        """Search one target's pose, and say how likely it hits."""
        if self._job.settings.pose.engine == "sphere":
            return self._preview(target, progress)
        if "ready" not in self.__dict__:
            progress.note("setting up the head's equations")
        found = search_pose(
            self.ready,
            PoseAim.of(target),
            self._shares(target.piece.network),
            conventional=self._conventional(target),
            settings=self._settings,
            tell=lambda words, share: progress.note(f"{words} ({share:.0%})"),
        )
        if self._job.settings.pose.draws:
            progress.note(f"{target.name}: chance of hitting {target.piece.network}")
            found = replace(found, chance=self._chance(target, found, self.ready, self._settings))
        return found

    @property
    def wanted(self) -> PoseSettings:
        """What was asked for."""
        return self._job.settings.pose

    def hand(self, hotspot: Hotspot, progress: Progress) -> HandField:
        """Solve the coil flat over the motor hotspot, its handle as of every geometric pose."""
        progress.note("field of the coil over the motor hotspot")
        over = hotspot.given_ras if hotspot.kind == "scalp" else hotspot.xyz_ras
        point, normal, _ = self._made.scalp.nearest(over)
        flat = geometric_matrix(point, normal, hemisphere=hotspot.hemisphere, handle_deg=self._settings.handle_deg)
        return hand_field(self.ready, hotspot, flat, settings=self._settings)

    def sphere(self, aim_ras: FloatArray) -> Sphere:
        """Return the sphere that is fitted to the scalp over a place of the cortex."""
        return fit_sphere(self._made.scalp, aim_ras)

    def _preview(self, target: Target, progress: Progress) -> PoseSearch:
        aim_ras = self._head.anatomy.surface(target.piece.hemisphere).vertices[target.vertex]
        bench = SphereHead(self.sphere(aim_ras), self._head.anatomy, self._made.scalp, self._coil, self._cortex)
        found = preview_pose(
            bench,
            PoseAim.of(target),
            self._shares(target.piece.network),
            conventional=self._conventional(target),
            tell=lambda words, share: progress.note(f"preview: {words} ({share:.0%})"),
        )
        if self._job.settings.pose.draws:
            progress.note(f"preview: {target.name}: chance of hitting {target.piece.network}")
            found = replace(found, chance=self._chance(target, found, bench, preview_settings()))
        return found

    @cached_property
    def ready(self) -> PoseHead:
        """The head with its equations set up."""
        if self._made.model is None:
            raise GeometryError("fields in the head need a head model", fix="search with --engine fem")
        solver = FieldSolver(self._made.model)
        return PoseHead(solver, self._head.anatomy, self._made.scalp, self._coil, self._cortex)

    @cached_property
    def _cortex(self) -> dict[Hemisphere, BoolArray]:
        axis = self._map.grayordinates
        return {side: np.isin(np.arange(axis.n_vertices), axis.vertices(side)) for side in HEMISPHERES}

    def _shares(self, network: str) -> NetworkShares:
        return NetworkShares(
            self._soft(network),
            {name: self._soft(name) for name in _avoided(network) if name in self._map.names},
        )

    def _soft(self, network: str) -> dict[Hemisphere, FloatArray]:
        values = np.asarray(self._map.probability[self._map.names.index(network)], dtype=np.float64)
        return {side: self._map.grayordinates.to_mesh(values, side) for side in HEMISPHERES}

    def _conventional(self, target: Target) -> Mapping[str, FloatArray]:
        """Poses flat on the scalp over the target and over conventional sites of its side."""
        side = target.piece.hemisphere
        places = {"geometric": target.xyz_ras}
        places |= {
            reading.site: reading.xyz_ras
            for reading in self._sites
            if reading.hemisphere == side and not reading.site.startswith("10-20")
        }
        found = {}
        for name, place in places.items():
            point, normal, _ = self._made.scalp.nearest(place)
            found[name] = geometric_matrix(point, normal, hemisphere=side, handle_deg=self._settings.handle_deg)
        return found

    def _chance(self, target: Target, found: PoseSearch, bench: CortexHead, settings: SearchSettings) -> Chance:
        vertices = bench.vertices
        side = np.concatenate([np.full(len(vertices[h]), h == found.hemisphere) for h in HEMISPHERES])
        averaged = np.concatenate([found.averaged[h][vertices[h]] for h in HEMISPHERES])
        nearby = NearbyPoses(bench, found.aim_ras, settings=settings)
        return estimate_chance(
            nearby,
            found.best.matrix,
            Aim(bench.area_mm2, side, averaged, bench.brain_mm.mean(axis=0)),
            self._maps(target, bench),
            response=_response(bench, found) if isinstance(bench, PoseHead) else None,
            spread=published_spread(),
            n=self._job.settings.pose.draws,
            rng=np.random.default_rng([self._job.settings.seed, 5]),
        )

    def _maps(self, target: Target, bench: CortexHead) -> Maps:
        """Equally likely maps of the target's network: resamples where the scan was judged."""
        axis, network = self._map.grayordinates, target.piece.network

        def placed(rows: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([axis.to_mesh(rows, side)[bench.vertices[side]] for side in HEMISPHERES])

        if self._reliability is not None and network in self._reliability.resamples.members:
            resamples = self._reliability.resamples
            judged = self._reliability.of(target)
            members = (placed(resamples.rows_of(network, number)) for number in range(resamples.n))
            return maps_of(members, right=None if judged is None else judged.probability)
        if self._map.measure != "probability":
            return maps_of([placed(self._map.members(network))])
        probability = self._map.probability[self._map.names.index(network)]
        return soft_maps(placed(np.clip(np.asarray(probability, dtype=np.float64), 0, 1)))


def _response(bench: PoseHead, found: PoseSearch) -> FloatArray:
    """Return what conductivities do to the field of the best pose."""
    solved = bench.solved
    number = solved.find(found.best.matrix)
    assert number is not None
    response = conductivity_response(
        bench.solver, solved.potential(number), solved.dadt(number), bench.reader, tolerance=_RESPONSE_TOLERANCE
    )
    return log_response(solved.fields(np.array([number]))[0], response)


def _avoided(network: str) -> list[str]:
    found: list[str] = facts.load("poses")["avoid"].get(network, [])
    return found
