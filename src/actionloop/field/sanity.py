"""Whether a head is a human one, whole, and the right way round."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from actionloop import facts
from actionloop.errors import GeometryError
from actionloop.field.inside import Grid
from actionloop.field.model import AIR, CSF, GREY, SCALP, SKULL, TISSUES, WHITE, HeadModel
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, Hemisphere

# Cortex thinner than this (medial wall) has no grey matter of its own.
_THIN_MM = 0.3


def check_head(head: HeadModel, anatomy: Anatomy) -> tuple[str, ...]:
    """Check a head model against the cortex it is meant for, and against what heads are like.

    Volumes, shells without holes, cortex in the brain, each hemisphere's grey matter on its own side.

    Parameters
    ----------
    head : HeadModel
    anatomy : Anatomy
        In the same frame.

    Returns
    -------
    tuple of str
        What to know, in sentences; the notes of `head` are not repeated.

    Raises
    ------
    GeometryError
        A head that no field should be computed in, with the reason and what to do.
    """
    sane = facts.load("head")["sane"]
    if head.frame != anatomy.frame:
        raise GeometryError(
            f"the head model is in the frame {head.frame!r}, the surfaces in {anatomy.frame!r}",
            where=head.source or None,
            fix="give a head model of this person in the space of the surfaces",
        )
    notes = [_require_cortex(head, anatomy, sane), _require_volumes(head, sane)]
    notes += _require_nesting(head, sane)
    return tuple(notes)


def _require_volumes(head: HeadModel, sane: dict[str, Any]) -> str:
    volumes = head.volumes_ml()
    volumes["brain"] = volumes["white"] + volumes["grey"]
    volumes["intracranial"] = volumes["brain"] + volumes["csf"]
    wrong = [
        f"{name} {volume:.0f} ml (expected {sane[f'{name}_ml'][0]} to {sane[f'{name}_ml'][1]})"
        for name, volume in volumes.items()
        if not sane[f"{name}_ml"][0] <= volume <= sane[f"{name}_ml"][1]
    ]
    if wrong:
        raise GeometryError(
            f"the head model is not that of an adult head: {', '.join(wrong)}",
            where=head.source or None,
            fix="check that T1 and surfaces are in millimetres and of one person, and that the T1 shows the whole head",
        )
    return "Volumes: " + ", ".join(f"{name} {volumes[name]:.0f} ml" for name in TISSUES[1:]) + "."


def _require_cortex(head: HeadModel, anatomy: Anatomy, sane: dict[str, Any]) -> str:
    """Refuse cortex that lies outside the brain of the model, and sides that are exchanged."""
    grid = head.grid
    pial = np.concatenate([anatomy.surface(side, "pial").vertices for side in HEMISPHERES])
    inside = float(np.isin(_at(head.tissue, grid.ijk(pial)), (WHITE, GREY, CSF)).mean())
    near_grey = ndimage.binary_dilation(head.tissue == GREY)
    shares = {side: _on_grey(anatomy, side, near_grey, grid, mirrored=False) for side in HEMISPHERES}
    mirrored = {side: _on_grey(anatomy, side, near_grey, grid, mirrored=True) for side in HEMISPHERES}
    lowest = min(shares.values())
    where = head.source or None
    if min(mirrored.values()) > lowest and lowest < 1 - 1e-9 and sum(mirrored.values()) > sum(shares.values()) + 0.02:
        raise GeometryError(
            "left and right of the head model are exchanged: the mirrored cortex fits its grey matter better "
            f"({min(mirrored.values()):.0%}) than the cortex as it is ({lowest:.0%})",
            where=where,
            fix="look for a flipped axis in the head model or the T1 before anything else",
        )
    if inside < sane["least_cortex_inside"] or lowest < sane["least_cortex_grey"]:
        raise GeometryError(
            f"the head model does not fit the surfaces: {inside:.0%} of the pial surface lies in its brain or fluid, "
            f"{lowest:.0%} of the cortex in its grey matter",
            where=where,
            fix="give a head model made from the T1 that the surfaces belong to",
        )
    middles = _middles(head, anatomy, grid)
    if not middles["L"] < middles["R"]:
        raise GeometryError(
            f"grey matter of the left hemisphere lies to the right of the other's (x = {middles['L']:+.0f} and "
            f"{middles['R']:+.0f} mm)",
            where=where,
            fix="look for left and right files that are exchanged",
        )
    return f"{inside:.1%} of the pial surface lies in the brain of the head model, {lowest:.0%} of the cortex in grey."


def _require_nesting(head: HeadModel, sane: dict[str, Any]) -> list[str]:
    """Refuse brain or fluid that borders on scalp or air, and skull that borders on air, above the lowest layer."""
    tissue = head.tissue
    lowest = int(np.flatnonzero((tissue != AIR).any(axis=(0, 1)))[0])
    inner, outer = _shared_faces(np.isin(tissue, (WHITE, GREY, CSF)), np.isin(tissue, (AIR, SCALP)), lowest)
    bare, skull_faces = _shared_faces(tissue == SKULL, tissue == AIR, lowest)
    for share, most, what in (
        (inner / max(outer, 1), sane["most_unnested"], "brain or fluid borders on scalp or air"),
        (bare / max(skull_faces, 1), sane["most_open"], "skull borders on air"),
    ):
        if share > most:
            raise GeometryError(
                f"the shells of the head model have holes: {what} over {share:.1%} of its surface",
                where=head.source or None,
                fix="give a T1 of a whole head (neither defaced nor cut above the ears), or the template's head",
            )
    notes = []
    if inner:
        notes.append(f"Brain or fluid borders on scalp or air over {inner / outer:.2%} of its surface.")
    if bare:
        notes.append(f"Skull borders on air over {bare / skull_faces:.2%} of its surface.")
    return notes


def _shared_faces(mask: BoolArray, other: BoolArray, lowest: int) -> tuple[int, int]:
    """Faces between a mask and another one, and all faces of the mask; what looks down out of the cut is left out."""
    shared, outer = 0, 0
    for axis in range(3):
        for step in (1, -1):
            # With air all round, nothing comes in again on the far side.
            faces = mask & ~np.roll(mask, step, axis)
            touching = mask & np.roll(other, step, axis)
            first = lowest + 1 if (axis, step) == (2, 1) else 0
            outer, shared = outer + int(faces[:, :, first:].sum()), shared + int(touching[:, :, first:].sum())
    return shared, outer


def _on_grey(anatomy: Anatomy, side: Hemisphere, near_grey: BoolArray, grid: Grid, *, mirrored: bool) -> float:
    """Share of a hemisphere's cortex that lies within a voxel of grey matter."""
    white, pial, middle = (anatomy.surface(side, kind).vertices for kind in ("white", "pial", "midthickness"))
    places = middle[np.linalg.norm(pial - white, axis=1) > _THIN_MM]
    if mirrored:
        both = np.concatenate([anatomy.surface(each).vertices for each in HEMISPHERES])
        centre = float(both[:, 0].min() + both[:, 0].max()) / 2
        places = places * [-1, 1, 1] + [2 * centre, 0, 0]
    return float(_at(near_grey, grid.ijk(places)).mean()) if len(places) else 0.0


def _middles(head: HeadModel, anatomy: Anatomy, grid: Grid) -> dict[Hemisphere, float]:
    """Mean x of the grey matter that is nearest each hemisphere's cortex."""
    middles: dict[Hemisphere, float] = {}
    for side in HEMISPHERES:
        places = anatomy.surface(side).vertices
        grey = _at(head.tissue, grid.ijk(places)) == GREY
        middles[side] = float(places[grey, 0].mean()) if grey.any() else float("nan")
    return middles


def _at(volume: Any, ijk: FloatArray) -> Any:
    """Nearest voxel's value; 0 outside the grid."""
    nearest = np.rint(ijk).astype(np.int64)
    within = ((nearest >= 0) & (nearest < volume.shape)).all(axis=1)
    values = np.zeros(len(nearest), dtype=volume.dtype)
    values[within] = volume[tuple(nearest[within].T)]
    return values
