"""A prior as one .npz file with its axis: what 'prior build' writes and `read_prior` reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import GeometryError, PriorError
from actionloop.files.atomic import atomic_path
from actionloop.files.opening import check_file, reading
from actionloop.types import FloatArray, Grayordinates, GroupParameters, IntArray, Prior, Voxels

VERSION = 1
_ROWS = ("left", "right", "n_vertices")
_VOXELS = ("voxel_ijk", "voxel_structure", "voxel_affine", "voxel_shape")
_TEXT = ("source", "terms")
_ARRAYS = ("names", "keys", "colours", "probability")
_GROUP = ("group_mu", "group_epsilon", "group_sigma", "group_kappa", "group_seeds", "group_people", "group_source")
_OWN = frozenset(("version", "fingerprint", *_ROWS, *_VOXELS, *_TEXT, *_ARRAYS, *_GROUP))
_SLACK = 0.01


def write_prior(path: str | Path, prior: Prior, **extras: NDArray[Any]) -> None:
    """Write a prior with its axis and its group parameters, and arrays that go with it.

    Parameters
    ----------
    path : path
        Ends in '.npz'.
    prior : Prior
    **extras
        Further arrays, for example variability or people; nothing is checked. ``unassigned``, (grayordinate,), is what
        the probabilities lack of 1.

    Raises
    ------
    PriorError
        An extra array has the name of one of the prior's own.
    """
    clash = sorted(_OWN & extras.keys())
    if clash:
        raise PriorError(f"these names are the prior's own: {', '.join(clash)}", where=path)
    axis = prior.grayordinates
    arrays: dict[str, NDArray[Any]] = {
        "version": np.array(VERSION),
        "names": np.array(prior.names),
        "keys": np.asarray(prior.keys),
        "colours": np.asarray(prior.colours),
        "probability": prior.probability,
        "left": axis.left,
        "right": axis.right,
        "n_vertices": np.array(axis.n_vertices),
        "source": np.array(prior.source),
        "terms": np.array(prior.terms),
    }
    if prior.fingerprint is not None:
        arrays["fingerprint"] = prior.fingerprint
    if axis.voxels is not None:
        arrays |= {
            "voxel_ijk": axis.voxels.ijk,
            "voxel_structure": axis.voxels.structure.astype(str),
            "voxel_affine": axis.voxels.affine,
            "voxel_shape": np.array(axis.voxels.shape),
        }
    if prior.group is not None:
        group = prior.group
        held = (group.mu, group.epsilon, group.sigma, group.kappa, group.seeds, group.n_people, group.source)
        arrays |= {name: np.asarray(value) for name, value in zip(_GROUP, held, strict=True)}
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **arrays, **extras)  # type: ignore[arg-type]


def is_archive(path: Path) -> bool:
    """Tell whether a .npz file holds a prior with its axis."""
    with reading(path, "NumPy (.npz)"), np.load(path, allow_pickle=False) as stored:
        return {"probability", "left", "right"} <= set(stored.files)


def read_archive(path: str | Path) -> tuple[Prior, dict[str, NDArray[Any]]]:
    """Read what `write_prior` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    Prior
        Its `source` begins with the path, and so does that of its group parameters.
    dict of str to ndarray
        The arrays that go with it.

    Raises
    ------
    InputError
        Missing, damaged, or no .npz file.
    PriorError
        An array is missing or does not fit, or probabilities that do not sum to 0 or 1, or group parameters that are
        none.
    """
    path = check_file(path)
    with reading(path, "NumPy (.npz)"):
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
        return _made(arrays, path), {name: value for name, value in arrays.items() if name not in _OWN}


def _made(arrays: dict[str, NDArray[Any]], path: Path) -> Prior:
    lacking = [name for name in (*_ARRAYS, *_ROWS) if name not in arrays]
    if lacking:
        raise PriorError(
            f"the file lacks {', '.join(lacking)}; expected what 'actionloop prior build' writes", where=path
        )
    grayordinates = _axis(arrays, path)
    n_networks, n_rows = len(arrays["names"]), len(grayordinates)
    whole = {"probability": (n_networks, n_rows), "fingerprint": (n_networks, n_rows), "unassigned": (n_rows,)}
    _require_shapes(arrays, {**whole, "keys": (n_networks,), "colours": (n_networks, 3)}, path)
    total = arrays["probability"].sum(axis=0, dtype=np.float64)
    require_whole(total + arrays.get("unassigned", np.zeros(n_rows)), path)
    stated = str(arrays["source"]) if "source" in arrays else ""
    names = tuple(str(name) for name in arrays["names"])
    return Prior(
        names=names,
        keys=arrays["keys"].astype(np.int64),
        colours=arrays["colours"].astype(np.float64),
        probability=arrays["probability"].astype(np.float32),
        grayordinates=grayordinates,
        fingerprint=arrays["fingerprint"].astype(np.float32) if "fingerprint" in arrays else None,
        source=f"{path} ({stated})" if stated else str(path),
        terms=str(arrays["terms"]) if "terms" in arrays else "",
        group=_group(arrays, names, path),
    )


def _group(arrays: dict[str, NDArray[Any]], names: tuple[str, ...], path: Path) -> GroupParameters | None:
    lacking = [name for name in _GROUP if name not in arrays]
    if len(lacking) == len(_GROUP):
        return None
    if lacking:
        raise PriorError(f"the file has group parameters but lacks {', '.join(lacking)}", where=path)
    _require_shapes(arrays, {"group_seeds": (len(arrays["group_seeds"]), 2), "group_people": ()}, path)
    return GroupParameters(
        names=names,
        mu=arrays["group_mu"].astype(np.float64),
        epsilon=arrays["group_epsilon"].astype(np.float64),
        sigma=arrays["group_sigma"].astype(np.float64),
        kappa=arrays["group_kappa"].astype(np.float64),
        seeds=arrays["group_seeds"].astype(np.int64),
        n_people=int(arrays["group_people"]),
        source=f"{path} ({arrays['group_source']})",
    )


def require_whole(total: NDArray[np.floating[Any]], path: str | Path) -> None:
    """Refuse probabilities whose sums over networks, (row,), are neither 0 nor 1 to within 1 %.

    Raises
    ------
    PriorError
        Says in how many rows, and between which sums.
    """
    if not np.isfinite(total).all():
        raise PriorError("the probability maps hold NaN or infinite values", where=path)
    partial = (total > _SLACK) & (np.abs(total - 1) > _SLACK)
    if partial.any():
        raise PriorError(
            f"expected probabilities that sum to 0 or 1 over networks; in {int(partial.sum()):,} of {len(total):,} "
            f"rows they do not (sums from {total[partial].min():.3g} to {total[partial].max():.3g})",
            where=path,
            fix="divide the maps by their sum, or add a map named 'unassigned' with what is lacking",
        )


def _axis(arrays: dict[str, NDArray[Any]], path: Path) -> Grayordinates:
    voxels = None
    if "voxel_ijk" in arrays:
        lacking = [name for name in _VOXELS if name not in arrays]
        if lacking:
            raise PriorError(f"the file has voxels but lacks {', '.join(lacking)}", where=path)
        n_voxels = len(arrays["voxel_ijk"])
        shapes = {
            "voxel_ijk": (n_voxels, 3),
            "voxel_structure": (n_voxels,),
            "voxel_affine": (4, 4),
            "voxel_shape": (3,),
        }
        _require_shapes(arrays, shapes, path)
        i, j, k = (int(size) for size in arrays["voxel_shape"])
        ijk: IntArray = arrays["voxel_ijk"].astype(np.int64)
        affine: FloatArray = arrays["voxel_affine"].astype(np.float64)
        voxels = Voxels(ijk, arrays["voxel_structure"].astype(str), affine, (i, j, k))
    try:
        return Grayordinates(
            arrays["left"].astype(np.int64), arrays["right"].astype(np.int64), int(arrays["n_vertices"]), voxels
        )
    except GeometryError as error:
        raise PriorError(f"the axis of the prior cannot be used: {error.problem}", where=path) from error


def _require_shapes(arrays: dict[str, NDArray[Any]], shapes: dict[str, tuple[int, ...]], path: Path) -> None:
    for name, shape in shapes.items():
        if name in arrays and arrays[name].shape != shape:
            raise PriorError(f"expected {name} of shape {shape}, found {arrays[name].shape}", where=path)
