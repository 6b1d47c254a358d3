"""The template's head, carried over to a person whose T1 is not there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from actionloop import facts
from actionloop.brain import Scalp, fit_affine
from actionloop.errors import GeometryError
from actionloop.field.build import build_head, hind_region, label_cortex, lay_grid
from actionloop.field.inside import Grid, inside_surface
from actionloop.field.model import CSF, GREY, SKULL, WHITE, HeadModel
from actionloop.field.shells import boundary, depth_mm, fluid_hull, nest
from actionloop.types import HEMISPHERES, Anatomy, BoolArray, FloatArray, IntArray

# Rounds of the inversion of the warp, and how exactly it has to come back, mm.
_ROUNDS, _EXACT_MM = 60, 0.05
# How often the warp is made stiffer before it is given up.
_STIFFER = 6


@dataclass(frozen=True, eq=False)
class Warp:
    """A smooth map between two frames: an affine, and a residual that fades away from the cortex.

    Attributes
    ----------
    affine : (4, 3) float64 ndarray
        On (x, y, z, 1).
    places : (patch, 3) float64 ndarray
        mm, in the first frame.
    weights : (patch, 3) float64 ndarray
        Of the Gaussian bumps at `places`.
    length_mm : float
    """

    affine: FloatArray
    places: FloatArray
    weights: FloatArray
    length_mm: float

    def straight(self, xyz: FloatArray) -> FloatArray:
        """Carry places (point, 3) by the affine alone."""
        moved: FloatArray = xyz @ self.affine[:3] + self.affine[3]
        return moved

    def residual(self, xyz: FloatArray) -> FloatArray:
        """Return what is added to the affine at places (point, 3); (point, 3)."""
        added = np.empty((len(xyz), 3))
        for start in range(0, len(xyz), 8192):
            part = slice(start, start + 8192)
            added[part] = _bumps(xyz[part], self.places, self.length_mm) @ self.weights
        return added

    def __call__(self, xyz: FloatArray) -> FloatArray:
        """Carry places (point, 3)."""
        return self.straight(xyz) + self.residual(xyz)

    def slope(self, xyz: FloatArray) -> FloatArray:
        """Return the derivative at places; (point, 3, 3), rows are the axes of the second frame."""
        slope = np.empty((len(xyz), 3, 3))
        for start in range(0, len(xyz), 8192):
            part = xyz[start : start + 8192]
            bumps = _bumps(part, self.places, self.length_mm)
            for axis in range(3):
                towards = (self.places[None, :, axis] - part[:, None, axis]) / self.length_mm**2
                slope[start : start + 8192, :, axis] = (bumps * towards) @ self.weights + self.affine[axis]
        return slope


def fit_warp(template: Anatomy, anatomy: Anatomy, *, around: FloatArray | None = None) -> Warp:
    """Fit a smooth map from one head to another by the vertices that fsLR meshes share.

    An affine through all vertices; what it leaves over is averaged over patches of cortex, smoothed (Gaussian process
    regression), and fades beyond the cortex. Where that would fold space, it is made stiffer.

    Parameters
    ----------
    template, anatomy : Anatomy
        From and to; fsLR-32k.
    around : (point, 3) float ndarray, optional
        Further places that the map must not fold, mm in the frame of `template`.

    Returns
    -------
    Warp

    Raises
    ------
    GeometryError
        Vertices that do not correspond, or a map that folds however stiff it is.
    """
    settings = facts.load("head")["carried"]
    from_, to = (
        np.concatenate([each.surface(side).vertices for side in HEMISPHERES]).astype(np.float64)
        for each in (template, anatomy)
    )
    affine = fit_affine(from_, to)[:3].T.copy()
    left_over = to - (from_ @ affine[:3] + affine[3])
    root_mean_square = float(np.sqrt((left_over**2).sum(axis=1).mean()))
    volume = float(np.linalg.det(affine[:3]))
    limit = facts.load("head")["landmarks"]["largest_residual_mm"]
    if root_mean_square > limit or not volume > 0:
        raise GeometryError(
            f"the vertices of the two cortices do not correspond ({root_mean_square:.0f} mm apart after an affine, "
            f"determinant {volume:+.2f})",
            fix="give surfaces on the fsLR-32k mesh, resampled with the registration spheres",
        )
    places, patch = _patches(from_, int(settings["patches"]))
    counts = np.bincount(patch, minlength=len(places))[:, None]
    mean = np.stack([np.bincount(patch, left_over[:, axis], len(places)) for axis in range(3)], axis=1) / counts
    bumps = _bumps(places, places, settings["length_mm"])
    amplitude = max(float((mean**2).mean()), 1e-12)
    noise = settings["noise_mm"] ** 2 / amplitude
    test = from_[::20] if around is None else np.concatenate([from_[::20], around])
    for _ in range(_STIFFER):
        weights = np.linalg.solve(bumps + noise * np.eye(len(places)), mean)
        warp = Warp(affine, places, weights, settings["length_mm"])
        if np.linalg.det(warp.slope(test)).min() > settings["least_stretch"] * volume:
            return warp
        noise *= 4
    raise GeometryError(
        "the map between the two cortices folds",
        fix="check that both surfaces are whole, of the same mesh and not of different species or resolutions",
    )


def carry_head(
    template_anatomy: Anatomy,
    template_scalp: Scalp,
    template_head: HeadModel | None,
    anatomy: Anatomy,
    *,
    edge_mm: float | None = None,
) -> tuple[HeadModel, Scalp]:
    """Carry the template's scalp, skull, cerebellum and stem to a person by the cortices' shared vertices.

    White and grey matter come from the person's own surfaces, fluid from their closed hull.

    Parameters
    ----------
    template_anatomy : Anatomy
    template_scalp : Scalp
    template_head : HeadModel or None
        Of the template; None: made from `template_scalp` without a T1.
    anatomy : Anatomy
        The person's, on the same mesh.
    edge_mm : float, optional
        Of the voxels; by default that of data/field.toml.

    Returns
    -------
    HeadModel
        `approximate` is True.
    Scalp
        In the frame of `anatomy`.

    Raises
    ------
    GeometryError
        Cortices whose vertices do not correspond.
    """
    settings = facts.load("head")
    if template_head is None:
        template_head = build_head(
            template_anatomy, image=None, scalp=template_scalp, edge_mm=edge_mm, template=template_anatomy
        )
    if not template_anatomy.frame == template_scalp.frame == template_head.frame:
        raise GeometryError("the template's surfaces, scalp and head model are not in one frame")
    warp = fit_warp(template_anatomy, anatomy, around=template_scalp.vertices[::10])
    scalp = _carried_scalp(template_scalp, warp, anatomy.frame)
    grid = lay_grid(anatomy, scalp, edge_mm=edge_mm or template_head.edge_mm)
    cortex = label_cortex(anatomy, grid)
    back = _backwards(warp, grid, settings["carried"]["lattice_mm"])
    within_skull, rest, ventricles = _template_parts(template_head, template_anatomy, ring=not anatomy.own)
    brain = cortex.copy()
    brain[(cortex == 0) & _read(rest, template_head, back)] = GREY
    brain[(cortex == WHITE) & _read(ventricles, template_head, back)] = CSF
    edge = grid.edge_mm
    depth = depth_mm(inside_surface(scalp.vertices, scalp.faces, grid=grid), edge_mm=edge)
    hull = fluid_hull(brain > 0, depth, edge_mm=edge, settings=settings)
    rim = boundary(hull)
    # As far as the carried skull reaches over the person's own fluid.
    reach = depth_mm(_read(within_skull, template_head, back), edge_mm=edge)[tuple(rim.T)]
    thick_mm = np.clip(reach - edge / 4, settings["skull"]["least_mm"], settings["skull"]["most_mm"])
    tissue, added = nest(brain, hull, depth, rim, thick_mm, edge_mm=edge, settings=settings)
    notes = [
        "Scalp, skull, cerebellum and brain stem are the template's, carried over by the shape of the cortex: they are "
        "not this person's."
    ]
    if added:
        notes.append(f"{added * edge**3 / 1000:.1f} ml were added outside the carried scalp to cover brain and skull.")
    description = f"head of {template_anatomy.description}, carried over to {anatomy.description} ({edge:g} mm voxels)"
    model = HeadModel(
        tissue,
        grid.corner_ras,
        edge,
        anatomy.frame,
        description,
        approximate=True,
        source=template_head.source,
        notes=tuple(notes),
    )
    return model, scalp


def _bumps(xyz: FloatArray, places: FloatArray, length_mm: float) -> FloatArray:
    squared = (xyz**2).sum(axis=1)[:, None] + (places**2).sum(axis=1)[None] - 2 * xyz @ places.T
    bumps: FloatArray = np.exp(-np.maximum(squared, 0) / (2 * length_mm**2))
    return bumps


def _patches(vertices: FloatArray, n_patches: int) -> tuple[FloatArray, IntArray]:
    """Middles of patches spread over the cortex (farthest first), and the patch of each vertex."""
    candidates = vertices[:: max(1, len(vertices) // 8000)]
    chosen = [0]
    nearest = np.linalg.norm(candidates - candidates[0], axis=1)
    for _ in range(min(n_patches, len(candidates)) - 1):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(candidates - candidates[chosen[-1]], axis=1))
    patch = np.asarray(cKDTree(candidates[chosen]).query(vertices)[1], dtype=np.int64)
    counts = np.bincount(patch, minlength=len(chosen))[:, None]
    middles = np.stack([np.bincount(patch, vertices[:, axis], len(chosen)) for axis in range(3)], axis=1) / counts
    return middles, patch


def _carried_scalp(scalp: Scalp, warp: Warp, frame: str) -> Scalp:
    slopes = warp.slope(scalp.vertices)
    # Normals go with the inverse transpose.
    normals = np.linalg.solve(slopes.transpose(0, 2, 1), scalp.normals[..., None])[..., 0]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return replace(scalp, vertices=warp(scalp.vertices), normals=normals, frame=frame)


def _backwards(warp: Warp, grid: Grid, lattice_mm: float) -> FloatArray:
    """Where each voxel of a person's grid comes from: (3, i, j, k) float32, RAS mm of the template.

    Solved on a coarse lattice (the warp is smooth) by Newton's rule, and interpolated.
    """
    step = max(1, round(lattice_mm / grid.edge_mm))
    counts = [int(np.ceil((n - 1) / step)) + 1 for n in grid.shape]
    ijk = np.stack(np.meshgrid(*[np.arange(n) * step for n in counts], indexing="ij"), axis=-1).reshape(-1, 3)
    goal = grid.xyz(ijk)
    inverse = np.linalg.inv(warp.affine[:3])
    start = (goal - warp.affine[3]) @ inverse
    place, off = start, np.full(len(goal), np.inf)
    for _ in range(_ROUNDS):
        error = warp(place) - goal
        off = np.linalg.norm(error, axis=1)
        if off.max() < _EXACT_MM:
            break
        place = place - 0.85 * error @ inverse
    if not off.max() < 20 * _EXACT_MM:
        raise GeometryError("the map between the two cortices cannot be turned round")
    coarse = place.reshape(*counts, 3)
    axes = [np.arange(n, dtype=np.float32) / step for n in grid.shape]
    at = np.stack(np.meshgrid(*axes, indexing="ij"))
    return np.stack([ndimage.map_coordinates(coarse[..., axis], at, order=1, output=np.float32) for axis in range(3)])


def _template_parts(head: HeadModel, anatomy: Anatomy, *, ring: bool) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return what is carried: all within the outer border of the skull; brain beyond the cortex; ventricles.

    Around averaged surfaces there is brain that a person's own surfaces cover: only averaged ones take it (`ring`).
    """
    grid = head.grid
    cortex = label_cortex(anatomy, grid)
    rest = (head.tissue == GREY) & (cortex == 0)
    if not ring and (hind := hind_region(anatomy, anatomy, grid)) is not None:
        rest &= hind
    within_skull = (head.tissue > 0) & (head.tissue <= SKULL)
    ventricles = (head.tissue == CSF) & (cortex == WHITE)
    return within_skull.astype(np.float32), rest.astype(np.float32), ventricles.astype(np.float32)


def _read(part: FloatArray, head: HeadModel, back: FloatArray) -> BoolArray:
    """Carry a part of the template's head to the person's grid."""
    at = (back - head.corner_ras[:, None, None, None].astype(np.float32)) / np.float32(head.edge_mm)
    found: BoolArray = ndimage.map_coordinates(part, at, order=1, mode="constant", output=np.float32) > 0.5
    return found
