"""Pictures of the report's section on the coil, with their captions and alternative texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actionloop import figures
from actionloop.brain import Scalp
from actionloop.pipeline.posewords import Current, alone_words, number, percent
from actionloop.poses.found import PoseSearch
from actionloop.report import CoiledHead, Picture, PlacedCoil
from actionloop.types import HEMISPHERES, SIDES, Anatomy, BoolArray, Coil, FloatArray, Hemisphere, NetworkMap

_PIXELS_PER_MM = 3.0


@dataclass(frozen=True, eq=False)
class Posed:
    """One search as the page shows it.

    Attributes
    ----------
    search : PoseSearch
    mark : str
        Stands beside the coil and in the headings.
    index : int
        From 1; of the file names of its pictures.
    coil : Coil or None
        None where only its name is known.
    current : Current
    """

    search: PoseSearch
    mark: str
    index: int
    coil: Coil | None
    current: Current

    @property
    def colour(self) -> str:
        """Of the coil in pictures, '#rrggbb'."""
        return figures.POSE_COLOURS[(self.index - 1) % len(figures.POSE_COLOURS)]


def draw_poses(
    posed: Sequence[Posed],
    network_map: NetworkMap,
    anatomy: Anatomy,
    scalp: Scalp | None,
    progress: Callable[[str], None],
) -> list[list[Picture]]:
    """Draw coil, field, curves and chance of every search; the pictures of one search in a list."""
    if not posed:
        return []
    progress("cortex for the field")
    views = figures.surface_views(anatomy, pixels_per_mm=_PIXELS_PER_MM)
    found = []
    for one in posed:
        progress(f"coil for {one.search.name}")
        network = _members(network_map, one.search.network)
        made = [_coil(one, network, anatomy, scalp), _field(one, network, views)]
        if one.search.curves:
            made.append(_curves(one))
        if one.search.chance is not None and len(one.search.chance.shares):
            made.append(_chance(one))
        found.append(made)
    return found


def coiled_head(posed: Sequence[Posed], scalp: Scalp) -> CoiledHead:
    """Gather the scalp and every coil on it for the view that can be turned."""
    coils = []
    for one in posed:
        matrix, shape = one.search.best.matrix, figures.coil_shape(one.coil)
        side = SIDES[one.search.hemisphere]
        coils.append(
            PlacedCoil(
                mark=one.mark,
                name=f"{one.search.name} ({side}), {one.search.coil}",
                hemisphere=one.search.hemisphere,
                colour=one.colour,
                lines=figures.outlines(shape, matrix),
                handle=figures.moved(shape.handle_mm, matrix),
                middle=np.asarray(matrix[:3, 3]),
                aim=np.asarray(one.search.aim_ras),
            )
        )
    return CoiledHead(scalp.vertices, scalp.faces, coils)


def _members(network_map: NetworkMap, name: str) -> dict[Hemisphere, BoolArray]:
    """Vertices of a network; none of one that the map does not have."""
    axis = network_map.grayordinates
    rows = network_map.members(name) if name in network_map.names else np.zeros(len(axis), dtype=bool)
    return {side: axis.to_mesh(rows, side) for side in HEMISPHERES}


def _scale(one: Posed) -> figures.FieldScale:
    """Colours end at the peak of this pose: the 99.9th percentile, or the maximum where that is not known."""
    limit = one.search.best.peak_v_per_m
    if not (np.isfinite(limit) and limit > 0):
        limit = max((float(np.nanmax(values)) for values in one.search.field_v_per_m.values()), default=1.0)
    return figures.FieldScale(float(limit), one.current.didt_a_per_us)


def _coil(one: Posed, network: Mapping[Hemisphere, BoolArray], anatomy: Anatomy, scalp: Scalp | None) -> Picture:
    search, side = one.search, SIDES[one.search.hemisphere]
    n_vertices = anatomy.surface(search.hemisphere).n_vertices
    unknown: FloatArray = np.full(n_vertices, np.nan)
    seen = figures.SeenField(
        search.field_v_per_m.get(search.hemisphere, unknown),
        search.averaged.get(search.hemisphere, np.zeros(n_vertices, dtype=bool)),
        network[search.hemisphere],
        _scale(one),
    )
    png = figures.coil_on_head(
        anatomy,
        scalp,
        figures.coil_shape(one.coil),
        search.best.matrix,
        hemisphere=search.hemisphere,
        seen=seen,
        colour=one.colour,
        title=f"{one.mark}. {search.name}, {search.coil}",
    )
    on_head = f"{search.coil} on the scalp from above and from the {side}; " if scalp is not None else ""
    outline = "" if one.coil is not None else " Its windings are not known here: only the handle is drawn."
    return Picture(
        f"coil{one.index}",
        "coil",
        png,
        f"{on_head}|E| on the cortex as the coil sees it, {side} hemisphere ({search.hemisphere})",
        f"Best pose for {search.name}, {side} hemisphere ({search.hemisphere}). Tubes: windings, and the handle in a "
        f"darker shade.{outline} At the right the field on the pial surface under the coil, colours from 0 to "
        f"{number(search.best.peak_v_per_m)} V/m per A/µs (99.9th percentile of the cortex).",
    )


def _field(one: Posed, network: Mapping[Hemisphere, BoolArray], views: figures.SurfaceViews) -> Picture:
    search, side = one.search, SIDES[one.search.hemisphere]
    png = figures.field_map(
        views,
        search.field_v_per_m,
        scale=_scale(one),
        target=search.averaged,
        network=network,
        network_name=search.network,
    )
    return Picture(
        f"field{one.index}",
        "coil",
        png,
        f"|E| of the best pose for {search.name} on the inflated cortex, five views; strongest on the {side} side",
        f"|E| of the best pose on the inflated cortex, V/m for a current that rises at 1 A/µs. White line: the target; "
        f"dark line: border of {search.network}.",
    )


def _curves(one: Posed) -> Picture:
    search = one.search
    ordered = dict(sorted(search.curves.items(), key=lambda item: item[0] != "best"))
    means = "; ".join(
        f"{name} {percent(float(np.mean(values)) if len(values) else np.nan)}" for name, values in ordered.items()
    )
    return Picture(
        f"curve{one.index}",
        "coil",
        figures.on_target_curves(search.thresholds_percent, ordered),
        f"Share of the stimulated cortex on target against the threshold, mean over thresholds: {means}",
        "Share of the cortex above each threshold of |E| that lies on target, for the best, the geometric and the "
        "conventional poses. A pose whose line lies higher stimulates less beside the target.",
    )


def _chance(one: Posed) -> Picture:
    search, chance = one.search, one.search.chance
    if chance is None:
        raise ValueError("a search without a chance has no picture of it")
    low, middle, high = np.nanpercentile(chance.shares, (5, 50, 95))
    # Draws are judged by the strongest field alone, which is the last threshold of the curve.
    curve = search.curves.get("best")
    planned = search.best.on_target if curve is None else float(curve[-1])
    png = figures.share_histogram(chance.shares, undisturbed=planned, network=search.network, alone=alone_words(chance))
    return Picture(
        f"chance{one.index}",
        "coil",
        png,
        f"Histogram of the share on target over {chance.draws} draws: median {percent(float(middle))}, 5th to 95th "
        f"percentile {percent(float(low))} to {percent(float(high))}",
        f"Share of the cortex with the strongest field that lies in {search.network}, over {chance.draws:,} draws; "
        f"median {percent(float(middle))}, nine of ten from {percent(float(low))} to {percent(float(high))}. At the "
        "right, the share of draws that hit when one thing alone is uncertain.",
    )
