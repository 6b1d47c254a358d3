"""The default prior: built from published coordinates and permissively licensed atlases, never shipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop import facts
from actionloop.brain import Geodesic, smooth
from actionloop.errors import PriorError
from actionloop.types import (
    HEMISPHERES,
    Anatomy,
    BoolArray,
    FloatArray,
    Grayordinates,
    Hemisphere,
    IntArray,
    Prior,
    Surface,
)


@dataclass(frozen=True, eq=False)
class PriorIngredients:
    """What the default prior is made of; all on the cortical rows of `grayordinates`.

    Attributes
    ----------
    template : Anatomy
        S1200 average surfaces, MNI mm.
    grayordinates : Grayordinates
    yeo17 : (grayordinate,) int ndarray
        1 to 17; 0 unlabelled.
    area : (grayordinate,) str ndarray
        HCP-MMP area without side, e.g. '3b'; '' where none.
    parcel : (grayordinate,) int ndarray, optional
        Parcel of the group connectivity, 1-based; 0 where none.
    parcel_fc : (parcel, parcel) float ndarray, optional
        Group connectivity, Pearson r.
    terms : str
        Licences and data terms of all of these.
    """

    template: Anatomy
    grayordinates: Grayordinates
    yeo17: IntArray
    area: NDArray[np.str_]
    parcel: IntArray | None = None
    parcel_fc: FloatArray | None = None
    terms: str = ""

    def __post_init__(self) -> None:
        n_rows = len(self.grayordinates)
        if self.yeo17.shape != (n_rows,) or self.area.shape != (n_rows,):
            raise PriorError(f"atlas labels do not fit the {n_rows} cortical rows")
        if (self.parcel is None) != (self.parcel_fc is None):
            raise PriorError("parcels and their group connectivity are needed together")


def default_prior(ingredients: PriorIngredients) -> Prior:
    """Build the default prior.

    The cortex is drawn first: large networks are unions of the 17-network parcellation; its somatomotor networks
    (with HCP-MMP areas 4, 3a, 3b, 1, 2) are divided into foot, hand and mouth by the nearest effector centre along
    the surface; auditory areas are taken out; AMN is the mean of two drawings, network 7 of that parcellation and a
    list of HCP-MMP areas; SCAN is a geodesic disc around each published node. The drawing is then blurred along the
    surface, and the shares are the probabilities. Fingerprints are the group connectivity of the parcels that a
    network covers.

    Parameters
    ----------
    ingredients : PriorIngredients

    Returns
    -------
    Prior
        19 networks; columns sum to 1 except where no atlas has a label.

    Raises
    ------
    PriorError
        The atlases leave a network empty.

    References
    ----------
    .. [1] Gordon et al. 2023, doi:10.1038/s41586-023-05964-2 (Table S1)
    .. [2] Yeo et al. 2011, doi:10.1152/jn.00338.2011
    .. [3] Glasser et al. 2016, doi:10.1038/nature18933
    .. [4] Schaefer et al. 2018, doi:10.1093/cercor/bhx179
    """
    table = facts.load("networks")
    networks = table["network"]
    names = tuple(str(network["name"]) for network in networks)
    axis = ingredients.grayordinates
    drawn_share = np.zeros((len(names), len(axis)))
    for hemisphere in HEMISPHERES:
        drawn = _draw(ingredients, hemisphere, names)
        surface = ingredients.template.surface(hemisphere)
        rows, vertices = axis.rows(hemisphere), axis.vertices(hemisphere)
        cortex = np.zeros(surface.n_vertices, dtype=bool)
        cortex[vertices] = True
        mesh: FloatArray = np.zeros((len(names), surface.n_vertices))
        for drawing in (drawn, _redraw_amn(drawn, ingredients.area[rows], names)):
            mesh[drawing[drawing >= 0], vertices[drawing >= 0]] += 0.5
        mesh = smooth(mesh, surface, fwhm_mm=table["strip"]["fwhm_mm"], valid=cortex)
        drawn_share[:, rows] = np.clip(mesh[:, vertices], 0, None)
    total = drawn_share.sum(axis=0)
    probability: FloatArray = np.where(total > 1e-6, drawn_share / np.maximum(total, 1e-6), 0)
    return Prior(
        names=names,
        keys=np.array([network["key"] for network in networks], dtype=np.int64),
        colours=np.array([_rgb(network["colour"]) for network in networks]),
        probability=probability.astype(np.float32),
        grayordinates=axis,
        fingerprint=_fingerprints(ingredients, probability),
        source=f"actionloop default prior, version {table['version']}",
        terms=ingredients.terms,
    )


def node_vertex(surface: Surface, vertices: IntArray, xyz_mni: FloatArray) -> int:
    """Return the mesh vertex among `vertices` that lies nearest to a point (mm)."""
    return int(vertices[np.linalg.norm(surface.vertices[vertices] - np.asarray(xyz_mni), axis=1).argmin()])


def _draw(ingredients: PriorIngredients, hemisphere: Hemisphere, names: tuple[str, ...]) -> IntArray:
    """Draw one hemisphere: index of the network of each row, -1 where there is none."""
    table, scan = facts.load("networks"), facts.load("scan")
    strip_facts = table["strip"]
    rows = ingredients.grayordinates.rows(hemisphere)
    vertices = ingredients.grayordinates.vertices(hemisphere)
    yeo17, area = ingredients.yeo17[rows], ingredients.area[rows]
    surface = ingredients.template.surface(hemisphere)
    geodesic = Geodesic(surface)

    def distance_mm(point: dict[str, Any]) -> FloatArray:
        start = node_vertex(surface, vertices, np.asarray(point[hemisphere], dtype=float))
        reached: FloatArray = geodesic.from_vertices(start)[vertices]
        return reached

    drawn = np.full(len(vertices), -1, dtype=np.int64)
    for index, network in enumerate(table["network"]):
        drawn[np.isin(yeo17, network["yeo17"])] = index
    strip: BoolArray = np.isin(yeo17, strip_facts["yeo17"]) | np.isin(area, strip_facts["areas"])
    effectors = scan["effector"]
    nearest = np.stack([distance_mm(effector) for effector in effectors]).argmin(axis=0)
    drawn[strip] = np.array([names.index(effector["name"]) for effector in effectors])[nearest[strip]]
    drawn[np.isin(area, table["amn"]["both"])] = names.index("AMN")
    hearing = np.isin(area, strip_facts["auditory"]) & (strip | (drawn < 0))
    drawn[hearing] = names.index("auditory")
    for node in scan["node"]:
        if node["name"] not in strip_facts["discs"]:
            continue
        on_medial_wall = node["name"] == "SMA"
        radius_mm = strip_facts["medial_radius_mm" if on_medial_wall else "m1_radius_mm"]
        drawn[distance_mm(node) < radius_mm] = names.index("SCAN")
    return drawn


def _redraw_amn(drawn: IntArray, area: NDArray[np.str_], names: tuple[str, ...]) -> IntArray:
    """Draw AMN a second time, from HCP-MMP areas, over everything but the somatomotor strip.

    The two atlases disagree on where AMN ends; the prior averages both.
    """
    amn_areas = facts.load("networks")["amn"]["areas"]
    body = [names.index(name) for name in ("SCAN", "foot", "hand", "mouth", "auditory")]
    return np.where(np.isin(area, amn_areas) & ~np.isin(drawn, body), names.index("AMN"), drawn)


def _fingerprints(ingredients: PriorIngredients, probability: FloatArray) -> FloatArray | None:
    """Group connectivity of each network with each row, where parcels exist (0 elsewhere)."""
    if ingredients.parcel is None or ingredients.parcel_fc is None:
        return None
    n_parcels = len(ingredients.parcel_fc)
    covered = ingredients.parcel > 0
    share = np.zeros((len(probability), n_parcels))
    np.add.at(share.T, ingredients.parcel[covered] - 1, probability[:, covered].T)
    # A parcel's correlation with itself is 1 whatever the network: it says nothing, so it is left out.
    others = ingredients.parcel_fc * (1 - np.eye(n_parcels))
    weight = share @ (1 - np.eye(n_parcels))
    per_parcel = np.divide(share @ others, weight, out=np.zeros_like(share), where=weight > 0)
    fingerprint = np.zeros(probability.shape, dtype=np.float32)
    fingerprint[:, covered] = per_parcel[:, ingredients.parcel[covered] - 1]
    return fingerprint


def _rgb(colour: str) -> tuple[float, float, float]:
    """Turn '#rrggbb' into three numbers from 0 to 1."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue
