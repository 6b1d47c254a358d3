"""Fluid, skull and scalp as shells around the brain, none with a hole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from actionloop.field.inside import Grid
from actionloop.field.model import CSF, SCALP, SKULL
from actionloop.types import BoolArray, FloatArray, IntArray

_AROUND = np.ones((3, 3, 3), dtype=bool)


def fluid_hull(brain: BoolArray, depth: FloatArray, *, edge_mm: float, settings: dict[str, Any]) -> BoolArray:
    """Fill the inside of the skull: the brain closed over its sulci and fissures, and a layer of fluid.

    Parameters
    ----------
    brain : (i, j, k) bool ndarray
    depth : (i, j, k) float ndarray
        `depth_mm` of the head: room is left for skull and skin, except over the brain itself.
    edge_mm : float
        Of a voxel.
    settings : dict
        data/head.toml.

    Returns
    -------
    (i, j, k) bool ndarray
        The brain and at least one voxel all round.
    """
    closing_mm, layer_mm = settings["csf"]["closing_mm"], max(settings["csf"]["layer_mm"], edge_mm)
    box = tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(brain))
    margin = int(np.ceil((closing_mm + layer_mm) / edge_mm)) + 2
    part = np.pad(brain[box], margin)
    grown = ndimage.distance_transform_edt(~part, sampling=edge_mm) <= closing_mm
    # Closing by r and a layer of l: everything deeper than r − l in what was grown by r.
    closed = ndimage.distance_transform_edt(grown, sampling=edge_mm) > closing_mm - layer_mm
    hull = np.pad(np.zeros_like(brain), margin)
    hull[tuple(slice(at.start, at.stop + 2 * margin) for at in box)] = ndimage.binary_fill_holes(closed)
    room = depth >= cover_mm(edge_mm, settings)
    filled: BoolArray = (hull[(slice(margin, -margin),) * 3] & room) | _grown(brain)
    return filled


def opened(mask: BoolArray, *, radius_mm: float, edge_mm: float) -> BoolArray:
    """Return what of a mask a ball of this radius can reach inside it."""
    if not mask.any():
        return mask
    kept = ndimage.distance_transform_edt(mask, sampling=edge_mm) > radius_mm
    if not kept.any():
        return np.zeros_like(mask)
    reach: BoolArray = mask & (ndimage.distance_transform_edt(~kept, sampling=edge_mm) <= radius_mm)
    return reach


def depth_mm(mask: BoolArray, *, edge_mm: float) -> FloatArray:
    """Depth of each voxel's centre below the surface of a mask, mm; 0 outside."""
    centres = ndimage.distance_transform_edt(mask, sampling=edge_mm).astype(np.float32)
    depth: FloatArray = np.maximum(centres - np.float32(edge_mm / 2), 0)
    return depth


def cover_mm(edge_mm: float, settings: dict[str, Any]) -> float:
    """Least depth of fluid and brain below the skin, mm: the thinnest skull and scalp, a voxel of each at least."""
    return max(edge_mm, float(settings["skull"]["least_mm"])) + max(edge_mm, float(settings["scalp"]["least_mm"]))


def boundary(mask: BoolArray) -> IntArray:
    """Voxels of a mask that have a face in common with what is outside it; (voxel, 3)."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def outer_border_mm(
    rim: IntArray,
    hull: BoolArray,
    depth: FloatArray,
    *,
    grid: Grid,
    brightness: Callable[[FloatArray], FloatArray] | None,
    settings: dict[str, Any],
) -> tuple[FloatArray, float]:
    """Find how thick the skull is over each voxel of the rim of the fluid.

    Along a ray outwards from the fluid a T1 is dark (fluid, inner table), sometimes bright (marrow), dark (outer
    table), and bright (skin and fat). Coming from the skin, the first dark place below the bright one is the outer
    border of the skull. Where no such place is found within the bounds, a fixed share of the gap stands in. What is
    found is smoothed over the head.

    Parameters
    ----------
    rim : (voxel, 3) int ndarray
        `boundary` of `hull`.
    hull : (i, j, k) bool ndarray
        Inside of the skull.
    depth : (i, j, k) float ndarray
        `depth_mm` of the head.
    grid : Grid
    brightness : callable or None
        Of places (..., 3) in RAS mm, in shares of white matter; None without a T1: every place takes the fixed share.
    settings : dict
        data/head.toml.

    Returns
    -------
    (voxel,) float64 ndarray
        mm, within the bounds.
    float
        Share of the rim over the upper head where the T1 showed the border.
    """
    skull, scalp = settings["skull"], settings["scalp"]
    steps = np.arange(0.0, skull["ray_mm"], skull["ray_step_mm"])
    start, outward = _rays(rim, hull, grid.edge_mm)
    along = start[:, None] + outward[:, None] * (steps / grid.edge_mm)[None, :, None]
    below = _read(depth, along)
    under_skin = below > grid.edge_mm / 4
    reaches = ~under_skin.all(axis=1)
    gap = np.where(reaches, np.argmin(under_skin, axis=1) * skull["ray_step_mm"], skull["ray_mm"])
    unseen = np.minimum(skull["share_of_gap"] * gap, skull["most_unseen_mm"])
    seen = np.full(len(rim), np.nan)
    if brightness is not None:
        bright = brightness(grid.xyz(along))
        seen = _first_bone(bright, steps, gap, bone_below=settings["brightness"]["bone_below"])
        seen[~reaches | (seen > skull["most_mm"] + 4)] = np.nan
    thick = np.clip(np.where(np.isfinite(seen), seen, unseen), skull["least_mm"], skull["most_mm"])
    thick = _smoothed(thick, np.isfinite(seen), rim, hull.shape, skull["smoothing_mm"] / grid.edge_mm)
    upper = outward[:, 2] > 0.3
    share = float(np.isfinite(seen[upper]).mean()) if upper.any() else 0.0
    room = np.maximum(gap - scalp["least_mm"], skull["least_mm"])
    return np.clip(np.minimum(thick, room), skull["least_mm"], skull["most_mm"]), share


def nest(
    brain: IntArray,
    hull: BoolArray,
    depth: FloatArray,
    rim: IntArray,
    thick_mm: FloatArray,
    *,
    edge_mm: float,
    settings: dict[str, Any],
) -> tuple[IntArray, int]:
    """Put fluid, skull and scalp around the brain so that each covers the last with at least one voxel.

    Parameters
    ----------
    brain : (i, j, k) uint8 ndarray
        Tissues of the brain (fluid in its ventricles included), 0 elsewhere.
    hull : (i, j, k) bool ndarray
        Inside of the skull.
    depth : (i, j, k) float ndarray
        `depth_mm` of the head.
    rim : (voxel, 3) int ndarray
        `boundary` of `hull`.
    thick_mm : (voxel,) float ndarray
        Of the skull, over each voxel of the rim.
    edge_mm : float
    settings : dict
        data/head.toml.

    Returns
    -------
    (i, j, k) uint8 ndarray
        Tissues, with a voxel of air all round.
    int
        Voxels that had to be added outside the skin that was given.
    """
    away, nearest = ndimage.distance_transform_edt(~hull, sampling=edge_mm, return_indices=True)
    over = np.zeros(hull.shape, dtype=np.float32)
    over[tuple(rim.T)] = thick_mm
    bone = (away > 0) & (away - edge_mm / 2 <= over[tuple(nearest)])
    del nearest
    bone &= depth >= max(edge_mm / 2, settings["scalp"]["least_mm"])
    bone |= _grown(hull)
    head = depth > 0
    skin = head | _grown(bone | hull)
    tissue = np.zeros(hull.shape, dtype=np.uint8)
    tissue[skin] = SCALP
    tissue[bone] = SKULL
    tissue[hull] = CSF
    inner = (brain > 0) & hull
    tissue[inner] = brain[inner]
    for axis in range(3):
        for end in (0, -1):
            np.moveaxis(tissue, axis, 0)[end] = 0
    return tissue, int((skin & ~head).sum())


def _grown(mask: BoolArray) -> BoolArray:
    """One voxel more all round, over edges and corners too."""
    grown: BoolArray = ndimage.binary_dilation(mask, _AROUND)
    return grown


def _rays(rim: IntArray, hull: BoolArray, edge_mm: float) -> tuple[FloatArray, FloatArray]:
    """Start (voxel coordinates, on the hull's surface) and outward direction of a ray over each voxel of the rim."""
    soft = ndimage.gaussian_filter(hull.astype(np.float32), max(1.0, 4.0 / edge_mm))
    slope = np.stack([_read(np.gradient(soft, axis=axis), rim) for axis in range(3)], axis=1)
    outward = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    return rim + 0.5 * outward, outward


def _read(volume: FloatArray, ijk: FloatArray | IntArray) -> FloatArray:
    places = np.asarray(ijk, dtype=np.float32).reshape(-1, 3).T
    found: FloatArray = ndimage.map_coordinates(volume, places, order=1, mode="nearest")
    return found.reshape(ijk.shape[:-1])


def _first_bone(bright: FloatArray, steps: FloatArray, gap: FloatArray, *, bone_below: float) -> FloatArray:
    """Coming from the skin: where it is first dark below the first bright place, mm from the fluid; else NaN."""
    within = steps[None, :] < gap[:, None]
    # From outside in, so that "first" is an argmax.
    is_bright = (within & (bright > bone_below))[:, ::-1]
    is_dark = (within & (bright <= bone_below))[:, ::-1]
    after_skin = np.cumsum(is_bright, axis=1) > 0
    bone = is_dark & after_skin
    at = len(steps) - 1 - np.argmax(bone, axis=1)
    found: FloatArray = np.where(bone.any(axis=1), steps[at] + (steps[1] - steps[0]) / 2, np.nan)
    return found


def _smoothed(
    values: FloatArray, trusted: BoolArray, rim: IntArray, shape: tuple[int, ...], sigma_voxels: float
) -> FloatArray:
    """Mean over the rim with a Gaussian weight; places where nothing was seen count a tenth."""
    weight = np.zeros(shape, dtype=np.float32)
    total = np.zeros(shape, dtype=np.float32)
    weight[tuple(rim.T)] = np.where(trusted, 1.0, 0.1)
    total[tuple(rim.T)] = weight[tuple(rim.T)] * values
    around = ndimage.gaussian_filter(total, sigma_voxels, truncate=3)[tuple(rim.T)]
    counted = ndimage.gaussian_filter(weight, sigma_voxels, truncate=3)[tuple(rim.T)]
    mean: FloatArray = around / np.maximum(counted, 1e-9)
    return mean.astype(np.float64)
