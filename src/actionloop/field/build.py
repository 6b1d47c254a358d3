"""A head model from a person's surfaces and T1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from actionloop import facts
from actionloop.brain import Scalp, find_scalp, fit_affine
from actionloop.errors import GeometryError
from actionloop.field.inside import Grid, inside_surface
from actionloop.field.model import CSF, GREY, WHITE, HeadModel
from actionloop.field.shells import boundary, cover_mm, depth_mm, fluid_hull, nest, opened, outer_border_mm
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, Image, IntArray

# Coarser grids than this lose the skull.
_LARGEST_EDGE_MM, _SMALLEST_EDGE_MM = 5.0, 0.5


def build_head(
    anatomy: Anatomy,
    *,
    image: Image | None,
    scalp: Scalp | None,
    edge_mm: float | None = None,
    template: Anatomy | None = None,
) -> HeadModel:
    """Make a head of five tissues from white and pial surfaces, a T1 and the scalp.

    White and grey matter are what lies inside the surfaces; cerebellum and brain stem are what the T1 shows as bright
    as brain below the cortex (grey); fluid fills the brain closed over its sulci, with a layer over the crowns; the
    skull reaches from there to the border that the T1 shows beneath the skin; the rest inside the skin is scalp.

    Parameters
    ----------
    anatomy : Anatomy
    image : Image or None
        T1-weighted, whole head, in the frame of `anatomy`. None: cerebellum and skull are guessed from the cortex and
        the scalp alone.
    scalp : Scalp or None
        In the frame of `anatomy`; None: found in `image`.
    edge_mm : float, optional
        Of the voxels; by default that of data/field.toml.
    template : Anatomy, optional
        In MNI152, same vertices: tells where cerebellum and brain stem are looked for; without it they are left out.

    Returns
    -------
    HeadModel

    Raises
    ------
    GeometryError
        Neither image nor scalp, other frames, an image that is no T1 of this brain, or cortex outside the head.

    Notes
    -----
    Nuclei and ventricles lie inside the white surface and stay white matter, ventricles excepted where the T1 is dark.
    Air in sinuses and ears, eyes and jaw are scalp; the base of the skull has no openings. Fluid over the crowns is a
    layer of fixed depth, since a T1 does not tell it from bone.
    """
    scalp = _usable_scalp(anatomy, image, scalp)
    settings = facts.load("head")
    grid = lay_grid(anatomy, scalp, edge_mm=edge_mm)
    cortex = label_cortex(anatomy, grid)
    head = inside_surface(scalp.vertices, scalp.faces, grid=grid)
    _require_inside(cortex > 0, head, scalp)
    picture = None if image is None else _Picture.of(image, cortex, grid, settings["brightness"])
    depth = depth_mm(head, edge_mm=grid.edge_mm)
    brain, notes = _with_rest(
        cortex,
        anatomy,
        depth,
        picture,
        hind=hind_region(anatomy, template, grid),
        settings=settings,
        edge_mm=grid.edge_mm,
    )
    hull = fluid_hull(brain > 0, depth, edge_mm=grid.edge_mm, settings=settings)
    rim = boundary(hull)
    brightness = None if picture is None else picture.at
    thick_mm, seen = outer_border_mm(rim, hull, depth, grid=grid, brightness=brightness, settings=settings)
    if picture is not None:
        notes.append(f"The T1 showed the outer border of the skull over {seen:.0%} of the upper head.")
    tissue, added = nest(brain, hull, depth, rim, thick_mm, edge_mm=grid.edge_mm, settings=settings)
    if added:
        notes.append(f"{added * grid.edge_mm**3 / 1000:.1f} ml were added outside the scalp to cover brain and skull.")
    made_of = "white and pial surfaces" + ("" if image is None else ", T1") + " and scalp"
    description = f"head model of {grid.edge_mm:g} mm voxels from {made_of} of {anatomy.description}"
    source = scalp.source if image is None else image.source
    return HeadModel(
        tissue, grid.corner_ras, grid.edge_mm, anatomy.frame, description, source=source, notes=tuple(notes)
    )


def lay_grid(anatomy: Anatomy, scalp: Scalp, *, edge_mm: float | None = None) -> Grid:
    """Lay a grid along the axes of the frame around a head, cut below the cortex.

    Raises
    ------
    GeometryError
        An edge that no head model can have.
    """
    edge = float(facts.load("field")["resolution_mm"]["default"] if edge_mm is None else edge_mm)
    if not _SMALLEST_EDGE_MM <= edge <= _LARGEST_EDGE_MM:
        raise GeometryError(
            f"voxels of {edge:g} mm make no head model", fix=f"choose {_SMALLEST_EDGE_MM:g} to {_LARGEST_EDGE_MM:g} mm"
        )
    settings = facts.load("head")["grid"]
    pial = np.concatenate([anatomy.surface(side, "pial").vertices for side in HEMISPHERES])
    both = np.concatenate([pial, scalp.vertices])
    margin = settings["margin_voxels"] * edge
    low, high = both.min(axis=0) - margin, both.max(axis=0) + margin
    # The layer of air below is the last one under the cut, or under the end of the image within the neck.
    low[2] = max(pial[:, 2].min() - settings["cut_below_cortex_mm"], scalp.vertices[:, 2].min()) - edge
    corner = edge * np.append(np.floor(low[:2] / edge + 1e-6), np.ceil(low[2] / edge - 1e-6))
    shape = np.ceil((high - corner) / edge).astype(int) + 1
    return Grid(corner, edge, (int(shape[0]), int(shape[1]), int(shape[2])))


def label_cortex(anatomy: Anatomy, grid: Grid) -> IntArray:
    """Mark white and grey matter inside a person's surfaces; 0 elsewhere, uint8.

    Overlapping hemispheres and surfaces that fold over themselves count once; where the white surface lies outside the
    pial one, white matter is kept.
    """
    tissue = np.zeros(grid.shape, dtype=np.uint8)
    for kind, number in (("pial", GREY), ("white", WHITE)):
        for side in HEMISPHERES:
            surface = anatomy.surface(side, kind)  # type: ignore[arg-type]
            tissue[inside_surface(surface.vertices, surface.faces, grid=grid)] = number
    return tissue


def hind_region(anatomy: Anatomy, template: Anatomy | None, grid: Grid) -> BoolArray | None:
    """Voxels among which cerebellum and brain stem are looked for; None where the vertices are not the template's.

    A convex body in MNI152, brought to the person by an affine through a few vertices that both meshes share.
    """
    if template is None:
        return None
    from scipy.spatial import ConvexHull

    settings = facts.load("head")
    landmarks = settings["landmarks"]
    chosen = slice(landmarks["first_vertex"], None, landmarks["step"])
    own, known = (
        np.concatenate([each.surface(side).vertices[chosen] for side in HEMISPHERES]).astype(np.float64)
        for each in (anatomy, template)
    )
    to_mni = fit_affine(own, known)
    residual = own @ to_mni[:3, :3].T + to_mni[:3, 3] - known
    if np.sqrt((residual**2).sum(axis=1).mean()) > landmarks["largest_residual_mm"]:
        return None
    faces = ConvexHull(np.array(settings["beyond_cortex"]["hind_mni"], dtype=np.float64)).equations
    # Half-spaces in voxel coordinates: n·(A(corner + edge·ijk) + b) + d <= 0.
    normals = faces[:, :3] @ to_mni[:3, :3]
    offsets = normals @ grid.corner_ras + faces[:, :3] @ to_mni[:3, 3] + faces[:, 3]
    within = np.ones(grid.shape, dtype=bool)
    axes = [np.arange(n, dtype=np.float32) * np.float32(grid.edge_mm) for n in grid.shape]
    for (a, b, c), d in zip(normals, offsets, strict=True):
        within &= (a * axes[0])[:, None, None] + (b * axes[1])[:, None] + (c * axes[2] + d) <= 0
    return within


@dataclass(frozen=True, eq=False)
class _Picture:
    """A T1 in shares of the white matter's brightness around each place."""

    image: Image
    white: FloatArray
    share: FloatArray
    grid: Grid

    @classmethod
    def of(cls, image: Image, cortex: IntArray, grid: Grid, settings: dict[str, Any]) -> _Picture:
        """Read how bright white matter is, everywhere."""
        where = image.source or None
        clean = Image(np.nan_to_num(np.asarray(image.data, dtype=np.float32)), image.affine, image.frame, image.source)
        deep = ndimage.binary_erosion(cortex == WHITE)
        inner = deep if deep.any() else cortex == WHITE
        value = _on_grid(clean, grid)
        levels = [float(np.median(value[mask])) for mask in (inner, cortex == GREY)]
        if not (levels[1] > 0 and levels[0] > settings["least_contrast"] * levels[1]):
            raise GeometryError(
                "white matter is not brighter than grey matter inside the surfaces "
                f"({levels[0]:.4g} and {levels[1]:.4g})",
                where=where,
                fix="give the T1-weighted image that the surfaces were made from (not another contrast, not a mask)",
            )
        usable = inner & (value > 0.5 * levels[0]) & (value < 1.5 * levels[0])
        sigma = settings["bias_sigma_mm"] / grid.edge_mm
        # Far from the brain the whole brain's own value takes over.
        near = ndimage.gaussian_filter(usable.astype(np.float32), sigma) + np.float32(1e-3)
        total = ndimage.gaussian_filter(np.where(usable, value, 0).astype(np.float32), sigma)
        white = (total + np.float32(1e-3 * levels[0])) / near
        return cls(clean, white, value / white, grid)

    def at(self, xyz_ras: FloatArray) -> FloatArray:
        """Brightness at places (..., 3), in shares of white matter."""
        places = xyz_ras.reshape(-1, 3)
        to_image = np.linalg.inv(self.image.affine)
        value = ndimage.map_coordinates(
            self.image.data, to_image[:3, :3] @ places.T + to_image[:3, 3:], order=1, mode="constant"
        )
        white = ndimage.map_coordinates(self.white, self.grid.ijk(places).T, order=1, mode="nearest")
        share: FloatArray = (value / white).reshape(xyz_ras.shape[:-1])
        return share


def _on_grid(image: Image, grid: Grid) -> FloatArray:
    """Read an image at the voxels of a grid."""
    to_image = np.linalg.inv(image.affine)
    matrix = to_image[:3, :3] * grid.edge_mm
    offset = to_image[:3, :3] @ grid.corner_ras + to_image[:3, 3]
    value: FloatArray = ndimage.affine_transform(image.data, matrix, offset, grid.shape, order=1, output=np.float32)
    return value


def _usable_scalp(anatomy: Anatomy, image: Image | None, scalp: Scalp | None) -> Scalp:
    if scalp is None and image is None:
        raise GeometryError(
            "a head model needs a T1 or a scalp", fix="give the T1, or carry the template's head over (carry_head)"
        )
    for what, found in (("T1", image), ("scalp", scalp)):
        if found is not None and found.frame != anatomy.frame:
            raise GeometryError(
                f"the {what} is in the frame {found.frame!r}, the surfaces in {anatomy.frame!r}",
                where=found.source or None,
                fix="give surfaces and T1 of one person in one space",
            )
    if scalp is None:
        assert image is not None
        scalp = find_scalp(image)
    if not np.isfinite(scalp.vertices).all():
        raise GeometryError("scalp coordinates hold NaN or infinite values", where=scalp.source or None)
    return scalp


def _require_inside(cortex: BoolArray, head: BoolArray, scalp: Scalp) -> None:
    least = facts.load("head")["sane"]["least_cortex_inside"]
    share = float(head[cortex].mean()) if cortex.any() else 0.0
    if share < least:
        raise GeometryError(
            f"only {share:.0%} of the cortex lies inside the scalp",
            where=scalp.source or None,
            fix="give surfaces and T1 of one person in one space, and a T1 that was neither defaced nor skull-stripped",
        )


def _with_rest(
    cortex: IntArray,
    anatomy: Anatomy,
    depth: FloatArray,
    picture: _Picture | None,
    *,
    hind: BoolArray | None,
    settings: dict[str, Any],
    edge_mm: float,
) -> tuple[IntArray, list[str]]:
    """Add cerebellum, stem and (of averaged surfaces) the brain around the cortex; and the ventricles."""
    rest, bright = settings["beyond_cortex"], settings["brightness"]
    edge, notes = edge_mm, []
    if hind is None:
        notes.append("The mesh is not the template's: cerebellum and brain stem are not in the model.")
        hind = np.zeros(cortex.shape, dtype=bool)
    brain = cortex.copy()
    room = depth >= cover_mm(edge, settings)
    allowed = hind & (cortex == 0) & room
    if picture is None:
        notes.append("No T1: cerebellum and brain stem have the shape of the template's, ventricles are left out.")
        brain[allowed] = GREY
        return brain, notes
    share = picture.share
    if not anatomy.own:
        allowed |= (cortex == 0) & room & _reached(cortex > 0, share > bright["brain_from"], rest, edge_mm=edge)
        notes.append("Averaged surfaces lie inside the brain they stand for: brain around them in the T1 is grey.")
    found = allowed & (share > bright["brain_from"]) & (share < bright["brain_to"])
    # Together with the cortex, so that a thin place beside it is not taken for thin.
    found = opened(found | (cortex > 0), radius_mm=rest["opening_mm"], edge_mm=edge) & found
    pieces, count = ndimage.label(found)
    small = np.bincount(pieces.ravel(), minlength=count + 1) * edge**3 / 1000 < rest["least_ml"]
    small[0] = True
    brain[~small[pieces]] = GREY
    deep = depth_mm(cortex == WHITE, edge_mm=edge) >= bright["ventricle_depth_mm"]
    brain[deep & (share < bright["ventricle_below"])] = CSF
    return brain, notes


def _reached(cortex: BoolArray, bright: BoolArray, rest: dict[str, Any], *, edge_mm: float) -> BoolArray:
    """Bright voxels that lie near the cortex on a way through bright voxels, so that dark bone is not jumped over."""
    near = ndimage.distance_transform_edt(~cortex, sampling=edge_mm) <= rest["around_average_mm"]
    steps = max(1, round(rest["around_average_mm"] / edge_mm))
    reached: BoolArray = ndimage.binary_dilation(
        cortex, ndimage.generate_binary_structure(3, 2), iterations=steps, mask=(bright & near) | cortex
    )
    return reached
