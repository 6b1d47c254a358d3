"""Surrogates of a map with its variogram, made by a program of its own, and the overlap of volumes against them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from actionloop import facts
from actionloop.errors import GeometryError, InputError, OptionError, ResourceError
from actionloop.evidence.against import Against
from actionloop.evidence.overlap import Overlap, conclude
from actionloop.types import FloatArray

_FACTS: dict[str, Any] = facts.load("evidence")["variogram"]
_AT_ONCE = 64
_ROWS = 512
_MAP, _DISTANCE, _NEAREST, _MADE = "map.txt", "distance.txt", "nearest.txt", "surrogates.txt"

Run = Callable[[Sequence[str], Path], tuple[int, str]]
"""Runs a Python that has brainsmash with these arguments in this folder; returns its exit status and what it said."""

PROGRAM = f"""\
import sys
import numpy
kind, n, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
values, distance = numpy.loadtxt("{_MAP}"), numpy.loadtxt("{_DISTANCE}")
if kind == "whole":
    from brainsmash.mapgen.base import Base
    make = Base(values, distance, seed=seed)
else:
    from brainsmash.mapgen.sampled import Sampled
    nearest = numpy.loadtxt("{_NEAREST}", dtype=int)
    make = Sampled(values, distance, nearest, knn=distance.shape[1] - 1, seed=seed)
numpy.savetxt("{_MADE}", numpy.atleast_2d(make(n=n)), fmt="%.7g")
"""
"""What that Python does: it reads the map and distances in its folder and writes the surrogates there."""


def surrogates(values: FloatArray, xyz_mm: FloatArray, *, n: int | None = None, seed: int, run: Run) -> FloatArray:
    """Have surrogates made of a map that vary over distance as it does.

    The program brainsmash is under the GPL, so that it is never imported: it gets text files and leaves one. Up to
    `variogram.whole_places` of data/evidence.toml it gets all straight distances, above that those to the nearest
    places.

    Parameters
    ----------
    values : (place,) float ndarray
        All known.
    xyz_mm : (place, 3) float ndarray
        Where, for example the centres of voxels.
    n : int, optional
        Surrogates; `variogram.n` by default.
    seed : int
        0 or more.
    run : callable
        ``run(arguments, folder) -> (status, said)``: Python of an environment with brainsmash.

    Returns
    -------
    (surrogate, place) float32 ndarray

    Raises
    ------
    InputError
        Values that are not finite or all the same.
    GeometryError
        Places that do not fit, are not finite or coincide, or too many of them.
    OptionError
        No surrogates, or a negative seed.
    ResourceError
        The program is missing, fails, or leaves something else than surrogates.

    References
    ----------
    .. [1] Burt et al. 2020, doi:10.1016/j.neuroimage.2020.117038
    """
    wanted = int(_FACTS["n"]) if n is None else n
    given, places = _checked(values, xyz_mm)
    if wanted < 1 or seed < 0:
        raise OptionError(f"cannot make {wanted} surrogates with seed {seed}", fix="give n >= 1 and seed >= 0")
    with tempfile.TemporaryDirectory(prefix="actionloop-") as name:
        folder = Path(name)
        np.savetxt(folder / _MAP, given, fmt="%.9g")
        kind = _write_distances(folder, places)
        try:
            status, said = run(("-c", PROGRAM, kind, str(wanted), str(seed)), folder)
        except OSError as error:
            raise ResourceError(f"the Python that should run brainsmash does not start: {error}", fix=_HOW) from error
        if status:
            if "No module named 'brainsmash'" in said:
                raise ResourceError("variogram nulls need brainsmash, which is not installed", fix=_HOW)
            last = " ".join(said.strip().splitlines()[-3:])
            raise ResourceError(f"brainsmash failed (exit {status}): {last or 'it said nothing'}", fix=_HOW)
        return _read(folder / _MADE, (wanted, len(given)))


def correlate_surrogates(
    map_: FloatArray,
    others: FloatArray,
    made: FloatArray,
    *,
    names: Sequence[str],
    measure: Literal["pearson", "spearman"] = "pearson",
) -> Overlap:
    """Correlate a map of voxels with every network's map, against surrogates of the map.

    Parameters
    ----------
    map_ : (voxel,) float ndarray
        Of one structure or the whole volume; NaN where not known.
    others : (network, voxel) float ndarray
        Likewise.
    made : (surrogate, known voxel) float ndarray
        From `surrogates`, of the voxels where the map is known.
    names : sequence of str
    measure : {'pearson', 'spearman'}

    Returns
    -------
    Overlap

    Raises
    ------
    InputError, GeometryError, EmptyRegionError, OptionError
        As `overlap.correlate`; surrogates of other voxels, or that hold NaN or are the same everywhere.
    """
    if measure not in ("pearson", "spearman"):
        raise OptionError(f"{measure!r} is no correlation", fix="choose 'pearson' or 'spearman'")
    against = Against(others, names, measure=measure)
    scaled = against.scale(map_)
    known = ~np.isnan(scaled)
    drawn = np.asarray(made)
    if drawn.ndim != 2 or drawn.shape[1] != known.sum() or not len(drawn):
        raise GeometryError(f"expected surrogates of the {known.sum():,} known voxels, found {drawn.shape}")
    if not np.isfinite(drawn).all():
        raise InputError("surrogates hold NaN or infinite values", fix="have them made afresh")
    values = []
    for first in range(0, len(drawn), _AT_ONCE):
        block = np.full((len(drawn[first : first + _AT_ONCE]), len(scaled)), np.nan)
        block[:, known] = drawn[first : first + _AT_ONCE]
        values.append(against.measured(np.stack([against.scale(row) for row in block]))[0])
    value, common = against.measured(scaled[None])
    return conclude(against, value[0], common[0], np.concatenate(values), null="variogram")


_HOW = "install it in an environment of its own (pip install brainsmash) and give the Python of that environment"


def _checked(values: FloatArray, xyz_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    given, places = np.asarray(values, dtype=np.float64), np.asarray(xyz_mm, dtype=np.float64)
    if given.ndim != 1 or places.shape != (len(given), 3) or not np.isfinite(places).all():
        raise GeometryError(f"expected finite places of shape ({given.size}, 3), found {places.shape}")
    if not np.isfinite(given).all():
        raise InputError("the map holds NaN or infinite values", fix="give the known voxels alone")
    if len(given) < 3 or np.ptp(given) == 0:
        raise InputError("the map is the same everywhere, so that it has no variogram")
    if len(given) > int(_FACTS["most_places"]):
        raise GeometryError(
            f"surrogates can be made of at most {_FACTS['most_places']:,} voxels, not {len(given):,}",
            fix="resample to larger voxels, or compare within one structure",
        )
    if len(np.unique(places, axis=0)) < len(places):
        raise GeometryError("some voxels lie at the same place", fix="give each voxel once")
    return given, places


def _write_distances(folder: Path, places: FloatArray) -> str:
    whole = len(places) <= int(_FACTS["whole_places"])
    near = min(int(_FACTS["nearest_places"]) + 1, len(places))
    tree: Any = None if whole else cKDTree(places)
    with (folder / _DISTANCE).open("w") as distances, (folder / _NEAREST).open("w") as nearest:
        for first in range(0, len(places), _ROWS):
            some = places[first : first + _ROWS]
            if tree is None:
                np.savetxt(distances, cdist(some, places), fmt="%.5g")
                continue
            apart, index = tree.query(some, k=near)
            np.savetxt(distances, apart, fmt="%.5g")
            np.savetxt(nearest, index, fmt="%d")
    return "whole" if whole else "nearest"


def _read(path: Path, shape: tuple[int, int]) -> FloatArray:
    if not path.is_file():
        raise ResourceError("brainsmash ended without leaving surrogates", fix=_HOW)
    try:
        made: FloatArray = np.loadtxt(path, dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise ResourceError(f"what brainsmash left cannot be read: {error}", fix=_HOW) from error
    if made.shape != shape or not np.isfinite(made).all():
        raise ResourceError(
            f"expected {shape[0]:,} surrogates of {shape[1]:,} finite values, found {made.shape} or NaN", fix=_HOW
        )
    return made
