"""Nasion, inion and the two tragi: given by hand, or found on a scalp and said to be so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actionloop import facts
from actionloop.brain.affine import fit_affine
from actionloop.brain.scalp import Scalp
from actionloop.errors import GeometryError
from actionloop.types import FloatArray

NAMES = ("nasion", "inion", "left", "right")


@dataclass(frozen=True, eq=False)
class Fiducials:
    """Landmarks of one head, on its scalp.

    Attributes
    ----------
    nasion, inion : (3,) float64 ndarray
        RAS mm.
    left, right : (3,) float64 ndarray
        Tragus (or the preauricular point just in front of it) of the person's own left and right ear, RAS mm.
    frame : str
    uncertainty_mm : float
        How far each may lie from the place that a hand finds on the person; root mean square.
    found : bool
        True where they were not given but carried from MNI.
    doubts : tuple of str
        Why they may be wrong, in sentences; empty when nothing speaks against them.

    Raises
    ------
    GeometryError
        Not finite, left and right or front and back exchanged, or distances that no head has.
    """

    nasion: FloatArray
    inion: FloatArray
    left: FloatArray
    right: FloatArray
    frame: str
    uncertainty_mm: float
    found: bool
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in NAMES:
            place = getattr(self, name)
            if np.shape(place) != (3,) or not np.isfinite(place).all():
                raise GeometryError(f"the landmark {name!r} is not three finite numbers (RAS mm)")
        if self.left[0] >= self.right[0]:
            raise GeometryError(
                f"the left ear lies at x = {self.left[0]:+.0f} mm, to the right of the right ear "
                f"(x = {self.right[0]:+.0f} mm); RAS: left is negative",
                fix="left and right are exchanged, or the landmarks are in LPS; find out which, do not rename them",
            )
        if self.nasion[1] <= self.inion[1]:
            raise GeometryError(
                f"the nasion (y = {self.nasion[1]:+.0f} mm) lies behind the inion (y = {self.inion[1]:+.0f} mm)",
                fix="the landmarks are exchanged or in LPS; RAS has the front at positive y",
            )
        sane = facts.load("measure")["sane"]
        for what, apart, (least, most) in (
            ("ears", np.linalg.norm(self.left - self.right), sane["tragus_straight_mm"]),
            ("nasion and inion", np.linalg.norm(self.nasion - self.inion), sane["nasion_inion_straight_mm"]),
        ):
            if not least <= apart <= most:
                raise GeometryError(
                    f"the {what} are {apart:.0f} mm apart in a straight line; heads have {least:.0f} to {most:.0f} mm",
                    fix="check the landmarks and their unit (mm)",
                )

    def moved(self, name: str, place: FloatArray) -> Fiducials:
        """Return the same landmarks with one elsewhere."""
        changed: dict[str, Any] = {name: place}
        return replace(self, **changed)


def place_fiducials(
    scalp: Scalp, places: Mapping[str, FloatArray], *, uncertainty_mm: float | None = None
) -> Fiducials:
    """Lay landmarks that somebody gave on the scalp.

    Parameters
    ----------
    scalp : Scalp
    places : mapping of 'nasion', 'inion', 'left', 'right' to (3,) float ndarray
        RAS mm in the frame of the scalp.
    uncertainty_mm : float, optional
        Default: data/measure.toml, given.

    Returns
    -------
    Fiducials

    Raises
    ------
    GeometryError
        A landmark is missing, exchanged, or far from the scalp.
    """
    missing = [name for name in NAMES if name not in places]
    if missing:
        raise GeometryError(f"expected the landmarks {', '.join(NAMES)}; missing: {', '.join(missing)}")
    expected = float(facts.load("measure")["uncertainty"]["given_mm"] if uncertainty_mm is None else uncertainty_mm)
    if not (np.isfinite(expected) and expected >= 0):
        raise GeometryError(f"expected an uncertainty of 0 mm or more, found {expected}")
    return _laid(scalp, places, uncertainty_mm=expected, found=False)


def find_fiducials(scalp: Scalp, *, from_mni: FloatArray | Callable[[FloatArray], FloatArray]) -> Fiducials:
    """Find the landmarks of a head from where they lie in MNI.

    Parameters
    ----------
    scalp : Scalp
    from_mni : (4, 4) float ndarray, or callable of (point, 3) to (point, 3)
        From MNI mm to the frame of the scalp, e.g. `carry_affine` of the vertices that the two cortices share.

    Returns
    -------
    Fiducials
        With `found` set; a hand on the person is better.

    Raises
    ------
    GeometryError
        A map that mirrors, or landmarks that come to lie far from the scalp (a face cut away, a wrong frame).

    References
    ----------
    .. [1] Oostenveld & Praamstra 2001, doi:10.1016/S1388-2457(00)00527-7
    """
    settings = facts.load("measure")
    mni = np.array([settings["fiducials"][name] for name in NAMES])
    if callable(from_mni):
        places = np.asarray(from_mni(mni), dtype=np.float64)
    else:
        matrix = np.asarray(from_mni, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.linalg.det(matrix[:3, :3]) > 0:
            raise GeometryError(
                "the map from MNI is not a 4 x 4 affine, or it mirrors left and right",
                fix="fit it to vertices in RAS mm on both sides",
            )
        places = mni @ matrix[:3, :3].T + matrix[:3, 3]
    if places.shape != (len(NAMES), 3):
        raise GeometryError(f"expected the map from MNI to return shape (4, 3), found {places.shape}")
    expected = float(settings["uncertainty"]["found_mm"])
    return _laid(scalp, dict(zip(NAMES, places, strict=True)), uncertainty_mm=expected, found=True)


def carry_affine(template: FloatArray, own: FloatArray) -> FloatArray:
    """Fit the affine that takes one cortex to another whose vertices correspond (fsLR).

    Parameters
    ----------
    template, own : (vertex, 3) float ndarray
        RAS mm of the same vertices, both hemispheres.

    Returns
    -------
    (4, 4) float64 ndarray

    Raises
    ------
    GeometryError
        Other numbers of vertices, or vertices that do not correspond (as for head models, data/head.toml).
    """
    if template.shape != own.shape or template.ndim != 2 or template.shape[1] != 3 or len(own) < 4:
        raise GeometryError(f"expected the same vertices of two cortices, found {template.shape} and {own.shape}")
    affine = fit_affine(template, own)
    residual = template @ affine[:3, :3].T + affine[:3, 3] - own
    apart = float(np.sqrt((residual**2).sum(axis=1).mean()))
    most = float(facts.load("head")["landmarks"]["largest_residual_mm"])
    if not apart <= most or not np.linalg.det(affine[:3, :3]) > 0:
        raise GeometryError(
            f"the vertices of the two cortices do not correspond ({apart:.0f} mm apart after an affine)",
            fix="give surfaces on the fsLR-32k mesh, resampled with the registration spheres",
        )
    return affine


def _laid(scalp: Scalp, places: Mapping[str, FloatArray], *, uncertainty_mm: float, found: bool) -> Fiducials:
    sane, doubts, on = facts.load("measure")["sane"], [], {}
    rim = scalp.vertices[scalp.rim]
    for name in NAMES:
        place = np.asarray(places[name], dtype=np.float64)
        if place.shape != (3,) or not np.isfinite(place).all():
            raise GeometryError(f"the landmark {name!r} is not three finite numbers (RAS mm)")
        on[name], _, away = scalp.nearest(place)
        said = name if name in ("nasion", "inion") else f"{name} ear"
        if away > sane["most_snap_mm"]:
            raise GeometryError(
                f"the {said} lies {away:.0f} mm from the scalp: the landmarks are of another head or frame, or this "
                "part of the head is not in the image",
                where=scalp.source or None,
                fix="give the landmarks by hand in the frame of the scalp, from an image that holds the whole head",
            )
        if away > sane["doubtful_snap_mm"]:
            doubts.append(f"The {said} was moved {away:.0f} mm to lie on the scalp.")
        if len(rim) and np.linalg.norm(rim - on[name], axis=1).min() < sane["rim_mm"]:
            doubts.append(f"The {said} lies at the edge of the imaged scalp, where the head may be cut.")
    return Fiducials(**on, frame=scalp.frame, uncertainty_mm=uncertainty_mm, found=found, doubts=tuple(doubts))
