"""Heads from other programs: tissue numbers of an image or of tetrahedra, put on the grid of a head model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop import facts
from actionloop.errors import GeometryError, OptionError
from actionloop.field.filling import fill_by_majority, fill_tetrahedra
from actionloop.field.model import AIR, CSF, SCALP, SKULL, TISSUES, WHITE, HeadModel
from actionloop.types import FloatArray, Image, IntArray, Mesh

# Voxels of a head model, mm; and how many of them at most (a mesh in another unit, a stray node).
_LEAST_EDGE_MM, _MOST_EDGE_MM = 0.5, 5.0
_MOST_VOXELS = 200_000_000
# Labels that lie no farther apart are looked up in a table.
_MOST_SPAN = 1_000_000
# A voxel is asked at this many points along each axis for every voxel of the image that it spans; at most so many.
_POINTS_PER_VOXEL, _MOST_POINTS = 2, 8


@cache
def known_labels() -> dict[str, dict[int, str]]:
    """Return the numbers that other programs give to tissues, by the name of the list.

    Returns
    -------
    dict of str to dict of int to str
        'simnibs', 'samseg' and 'freesurfer_head'; do not change it.
    """
    return {name: _expanded(entry) for name, entry in facts.load("tissuelabels").items() if isinstance(entry, dict)}


def choose_labels(present: IntArray, *, source: str = "") -> tuple[str, dict[int, str]]:
    """Choose the list of numbers that fits, if just one does.

    A list fits when it names every number (0 is background) and the head then has grey and white matter, fluid, skull
    and scalp. Lists that agree on every number are one.

    Parameters
    ----------
    present : (number,) int ndarray
        Numbers in the image or mesh.
    source : str
        File, for the error.

    Returns
    -------
    name : str
        Of the list in `known_labels`.
    labels : dict of int to str

    Raises
    ------
    OptionError
        None fits, or several that differ: the user has to say.
    """
    numbers = sorted({int(value) for value in present} - {0})
    fitting = {
        name: labels
        for name, labels in known_labels().items()
        if set(numbers) <= labels.keys() and {labels[k] for k in numbers} >= set(TISSUES[1:])
    }
    meanings = {tuple(labels[k] for k in numbers) for labels in fitting.values()}
    if len(meanings) == 1:
        return next(iter(fitting.items()))
    titles = [f"{name} ({facts.load('tissuelabels')[name]['title']})" for name in fitting or known_labels()]
    raise OptionError(
        f"which tissues the labels {_listed(numbers)} stand for is not certain: "
        + (f"{' and '.join(titles)} fit and differ" if fitting else f"none of {'; '.join(titles)} fits"),
        where=source or None,
        fix='name the list, or give your own as a .toml file with lines such as 1 = "white"',
    )


def head_from_labels(image: Image, *, labels: Mapping[int, str | None], edge_mm: float) -> HeadModel:
    """Put an image of tissue numbers on the grid of a head model.

    Each voxel takes the tissue that fills most of it; of equal ones the one at its centre. An image whose axes lie
    along the frame's and whose voxels have the same edge is taken over unchanged.

    Parameters
    ----------
    image : Image
        Whole numbers; any affine.
    labels : mapping of int to str or None
        Tissue of each number ('white', 'grey', 'csf', 'skull', 'scalp', 'air'); None leaves it out (air). 0 is air
        unless it is named.
    edge_mm : float

    Returns
    -------
    HeadModel

    Raises
    ------
    GeometryError
        Values that are not whole numbers, numbers or tissues that are not known (all in one error), no grey matter, no
        skull or no scalp, or a grid that is too large.
    """
    where = image.source
    _require_edge(edge_mm)
    data = np.asarray(image.data)
    if not np.issubdtype(data.dtype, np.integer) and not (np.isfinite(data).all() and (np.rint(data) == data).all()):
        raise GeometryError(
            "expected an image of whole numbers (labels)", where=where or None, fix="give labels, not probabilities"
        )
    tissue = _translated(data, labels, where)
    _require_head(tissue, where)
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    corner, shape = _grid_over(tissue, np.asarray(image.affine, dtype=np.float64), edge_mm, where)
    points = min(_MOST_POINTS, _POINTS_PER_VOXEL * max(1, int(np.ceil(edge_mm / spacing.min() - 1e-6))))
    inverse = np.linalg.inv(image.affine)
    grid = np.zeros(shape, np.uint8)
    fill_by_majority(grid, tissue, inverse[:3, :3] * edge_mm, inverse[:3, :3] @ corner + inverse[:3, 3], points)
    return _head(grid, corner, edge_mm, image.frame, where, _cut_notes(tissue, image.affine))


def head_from_mesh(mesh: Mesh, *, labels: Mapping[int, str | None], edge_mm: float) -> HeadModel:
    """Put a head of tetrahedra on the grid of a head model: each voxel by its centre.

    Parameters
    ----------
    mesh : Mesh
    labels : mapping of int to str or None
        Tissue of each of the mesh's tissue numbers; None leaves it out.
    edge_mm : float

    Returns
    -------
    HeadModel

    Raises
    ------
    GeometryError
        Numbers or tissues that are not known (all in one error), no grey matter, no skull or no scalp, or a grid that
        is too large.
    """
    where = mesh.source
    _require_edge(edge_mm)
    tissue = _translated(mesh.region, labels, where)
    _require_head(tissue, where)
    kept = tissue != AIR
    corners = mesh.nodes_mm[mesh.tetrahedra[kept]]
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    corner = (np.floor(low / edge_mm) - 1) * edge_mm
    grid = np.zeros(_shape(corner, high + edge_mm, edge_mm, where), np.uint8)
    fill_tetrahedra(grid, (corners - corner) / edge_mm, tissue[kept])
    return _head(grid, corner, edge_mm, mesh.frame, where, ())


def _expanded(entry: Mapping[str, Any]) -> dict[int, str]:
    """Labels of one list, spans such as '1000-1035' written out."""
    found: dict[int, str] = {}
    for group in entry["groups"]:
        for key, tissue in group["labels"].items():
            first, _, last = key.partition("-")
            found |= dict.fromkeys(range(int(first), int(last or first) + 1), tissue)
    return found


def _translated(data: NDArray[Any], labels: Mapping[int, str | None], where: str) -> IntArray:
    """Tissue number of each label in an array."""
    low, high = int(data.min()), int(data.max())
    if high - low > _MOST_SPAN:
        present, index = np.unique(data, return_inverse=True)
        found: IntArray = _tissues_of(present.astype(np.int64), labels, where)[index.reshape(data.shape)]
        return found
    index = (data - low).astype(np.int64)
    seen = np.bincount(index.ravel(), minlength=high - low + 1) > 0
    table = np.zeros(len(seen), np.uint8)
    table[seen] = _tissues_of(np.flatnonzero(seen) + low, labels, where)
    return table[index]


def _tissues_of(present: IntArray, labels: Mapping[int, str | None], where: str) -> IntArray:
    """Tissue of each number, or one error with everything that is not known."""
    named: dict[int, str | None] = {0: "air", **labels}
    strange = sorted({str(tissue) for tissue in labels.values() if tissue is not None and tissue not in TISSUES})
    missing = [int(value) for value in present if int(value) not in named]
    problems = [f"{', '.join(strange)} is no tissue"] if strange else []
    problems += [f"no tissue is named for the labels {_listed(missing)}"] if missing else []
    if problems:
        raise GeometryError(
            "the list of labels does not fit: " + "; ".join(problems),
            where=where or None,
            fix=f"name {', '.join(TISSUES[1:])}, air or ignore for each label, or another list",
        )
    # Sorted, so that every number finds its own.
    numbers = [TISSUES.index(tissue) if (tissue := named[int(value)]) is not None else AIR for value in present]
    return np.array(numbers, dtype=np.uint8)


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(str(value) for value in numbers[:30])
    return f"{shown} and {len(numbers) - 30} more" if len(numbers) > 30 else shown or "(none)"


def _require_head(tissue: IntArray, where: str) -> None:
    counts = np.bincount(tissue.ravel(), minlength=len(TISSUES))
    lacking = [TISSUES[k] for k in range(1, len(TISSUES)) if not counts[k] and k not in (WHITE, CSF)]
    if lacking:
        raise GeometryError(
            f"the labels give no {' and no '.join(lacking)}, so this is not a whole head",
            where=where or None,
            fix="give a segmentation of the whole head (with skull and scalp), or leave the labels out",
        )


def _require_edge(edge_mm: float) -> None:
    if not _LEAST_EDGE_MM <= edge_mm <= _MOST_EDGE_MM:
        raise GeometryError(
            f"expected voxels of {_LEAST_EDGE_MM:g} to {_MOST_EDGE_MM:g} mm for a head model, found {edge_mm:g}"
        )


def _grid_over(tissue: IntArray, affine: FloatArray, edge_mm: float, where: str) -> tuple[FloatArray, tuple[int, ...]]:
    """Corner and shape of a grid over all that is not air, in step with the first voxel of the image."""
    spans = [np.flatnonzero((tissue != AIR).any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    ends = np.array([[span[0] - 0.5, span[-1] + 0.5] for span in spans])
    box = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3) @ affine[:3, :3].T + affine[:3, 3]
    phase = affine[:3, 3]
    corner = phase + (np.floor((box.min(axis=0) - phase) / edge_mm) - 1) * edge_mm
    return corner, _shape(corner, box.max(axis=0) + edge_mm, edge_mm, where)


def _shape(corner: FloatArray, high: FloatArray, edge_mm: float, where: str) -> tuple[int, ...]:
    shape = tuple(int(n) for n in np.ceil((high - corner) / edge_mm) + 2)
    if np.prod(np.array(shape, dtype=float)) > _MOST_VOXELS:
        raise GeometryError(
            f"the head would need {' x '.join(map(str, shape))} voxels of {edge_mm:g} mm",
            where=where or None,
            fix="check its units (mm), or take larger voxels",
        )
    return shape


def _head(
    grid: IntArray, corner: FloatArray, edge_mm: float, frame: str, where: str, notes: tuple[str, ...]
) -> HeadModel:
    """Trim to one voxel of air all round."""
    inside = np.argwhere(grid != AIR)
    low, high = inside.min(axis=0) - 1, inside.max(axis=0) + 2
    trimmed = np.ascontiguousarray(grid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])
    _require_head(trimmed, where)
    for number in (WHITE, CSF):
        if not (trimmed == number).any():
            notes = (*notes, f"The labels hold no {'white matter' if number == WHITE else 'cerebrospinal fluid'}.")
    source = f" ({PurePath(where).name})" if where else ""
    return HeadModel(
        tissue=trimmed,
        corner_ras=corner + low * edge_mm,
        edge_mm=float(edge_mm),
        frame=frame,
        description=f"tissues as another program labelled them{source}, on {edge_mm:g} mm voxels",
        source=where,
        notes=notes,
    )


def _cut_notes(tissue: IntArray, affine: FloatArray) -> tuple[str, ...]:
    """Say where the head reaches the end of the image, the neck left aside."""
    names = (("left", "right"), ("back", "front"), ("bottom", "top"))
    cut = []
    for axis in range(3):
        direction = affine[:3, axis] / np.linalg.norm(affine[:3, axis])
        ras = int(np.abs(direction).argmax())
        for side in (0, -1):
            name = names[ras][int((direction[ras] > 0) == (side == -1))]
            touching = np.isin(np.take(tissue, side, axis=axis), (SKULL, SCALP)).any()
            if touching and name != "bottom":
                cut.append(name)
    return (f"The labelled head reaches the end of the image ({', '.join(cut)}).",) if cut else ()
