"""Drawing the pictures of one person's page, with their captions and alternative texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop import figures
from actionloop.report.content import Picture
from actionloop.types import SIDES, Anatomy, FloatArray, Image, NetworkMap, SiteReading, Target


def draw_pictures(  # noqa: PLR0913 - the pictures show all of it
    anatomy: Anatomy,
    network_map: NetworkMap,
    *,
    targets: Sequence[Target] = (),
    sites: Sequence[SiteReading] = (),
    image: Image | None = None,
    signal: NDArray[Any] | None = None,
    fc: Sequence[tuple[str, FloatArray, Sequence[str]]] = (),
    n_close_ups: int = 6,
    progress: Callable[[str], None] | None = None,
) -> list[Picture]:
    """Draw every picture of the page (about 20 s on one core).

    Parameters
    ----------
    anatomy : Anatomy
    network_map : NetworkMap
    targets : sequence of Target
    sites : sequence of SiteReading
    image : Image, optional
        T1 in the frame of `anatomy`; without it there are no slices.
    signal : (grayordinate,) ndarray, optional
        Rows with signal (bool), or the temporal standard deviation; for the coverage.
    fc : sequence of (title, (network, network) float ndarray, names)
        Connectivity between networks.
    n_close_ups : int
        Targets that get a picture of their own, best first.
    progress : callable, optional
        Told the name of each picture before it is drawn.

    Returns
    -------
    list of Picture
    """
    tell = progress or (lambda name: None)
    made: list[Picture] = []
    tell("cortex")
    large = figures.surface_views(anatomy)
    small = figures.surface_views(anatomy, pixels_per_mm=2.0)  # shown side by side, two in a row
    if signal is not None:
        tell("coverage")
        made.append(_coverage(anatomy, network_map, signal, small))
    if image is not None:
        tell("surfaces on the T1")
        made.append(
            Picture(
                "pialont1",
                "quality",
                figures.pial_on_t1(anatomy, image),
                "Twelve slices of the T1 image with the outlines of the pial and white surfaces",
                f"Pial and white surface ({anatomy.description}) on the T1. The outlines should follow the edges of "
                "the cortex in every slice; left is on the left.",
            )
        )
    tell("maps")
    made += _maps(anatomy, network_map, targets, (large, small))
    for target in sorted(targets, key=lambda item: item.rank)[:n_close_ups]:
        tell(f"target {target.rank}")
        made.append(_close_up(anatomy, network_map, target, (targets, sites, image)))
    for i, (title, matrix, names) in enumerate(fc, start=1):
        alt = f"Matrix of the correlation between networks, {title}; the numbers stand in the cells"
        made.append(Picture(f"fc{i}", "controls", figures.fc_matrix(matrix, names, title=title), alt, title))
    return made


def _coverage(anatomy: Anatomy, network_map: NetworkMap, signal: NDArray[Any], views: figures.SurfaceViews) -> Picture:
    valid = signal if signal.dtype == bool else np.isfinite(signal) & (signal > 0)
    share = 100 * float(valid[: network_map.grayordinates.n_cortex].mean())
    return Picture(
        "coverage",
        "quality",
        figures.coverage(anatomy, signal, network_map.grayordinates, views=views),
        f"Inflated cortex, five views: {share:.1f} per cent of the cortical vertices have a signal",
        f"BOLD coverage: {share:.1f} % of the cortical vertices have a signal. Orange vertices have none and are left "
        "out of the map.",
    )


def _maps(
    anatomy: Anatomy,
    network_map: NetworkMap,
    targets: Sequence[Target],
    views: tuple[figures.SurfaceViews, figures.SurfaceViews],
) -> list[Picture]:
    large, small = views
    made = [
        Picture(
            "networks",
            "maps",
            figures.inflated_map(anatomy, network_map, targets=targets, views=large),
            "Networks on the inflated cortex, left and right hemisphere from the side, the middle and above"
            + (f", with {len(targets)} targets marked by their rank" if targets else ""),
            "This person's networks on the inflated cortex. SCAN, AMN, foot, hand and mouth are coloured strongly, "
            "other networks are muted." + (" Numbers mark the targets by rank." if targets else ""),
        )
    ]
    for name in ("SCAN", "AMN"):
        if name in network_map.names:
            made.append(
                Picture(
                    f"probability{name}",
                    "maps",
                    figures.probability_map(anatomy, network_map, name=name, views=small),
                    f"Probability of {name} on the inflated cortex, five views, from 0 to 1",
                    f"Probability of {name}. The line is the border of its label after cleaning.",
                )
            )
    made.append(
        Picture(
            "confidence",
            "maps",
            figures.confidence_map(anatomy, network_map, views=small),
            "Confidence of the map on the inflated cortex, five views, from 0 to 1",
            "Confidence: probability of the winning network minus that of the runner-up. Borders between networks are "
            "where the map is least sure.",
        )
    )
    return made


def _close_up(
    anatomy: Anatomy,
    network_map: NetworkMap,
    target: Target,
    shown: tuple[Sequence[Target], Sequence[SiteReading], Image | None],
) -> Picture:
    others, sites, image = shown
    side = SIDES[target.piece.hemisphere]
    png = figures.target_views(anatomy, network_map, target, image=image, others=others, sites=sites)
    slices = ", and axial, coronal and sagittal T1 slices through it" if image is not None else ""
    alt = f"Target {target.rank}, {target.piece.name} in the {side} hemisphere, on the cortex{slices}"
    return Picture(f"target{target.rank}", "targets", png, alt, "", target.rank)
