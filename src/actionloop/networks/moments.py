"""Sums over a row of the correlation matrix, within a mask, without the matrix.

With the compressed series y (columns of the basis), the correlation of rows i and j is yᵢ·yⱼ. Over a mask M,

    Σⱼ cᵢⱼ = yᵢ·Σⱼ yⱼ,   Σⱼ tⱼ cᵢⱼ = yᵢ·Σⱼ tⱼ yⱼ,   Σⱼ cᵢⱼ² = yᵢᵀ (Σⱼ yⱼ yⱼᵀ) yᵢ,

so that a mask costs one matrix of dimension × dimension and one product with it, whatever its size. Bringing c to mean
0 and SD 1 within a block of the matrix is linear, and mean and SD of a block follow from the same sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from actionloop import arrays
from actionloop.arrays import Device
from actionloop.networks.task import Task
from actionloop.types import BoolArray, FloatArray, IntArray

STRUCTURES = (0, 1, 2)
Sums: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]
_COLUMNS = 2048  # of the basis multiplied at a time: products that stay in the processor's cache
_BLOCK_BYTES = 200_000_000
_LIMIT = 0.999  # of r before Fisher z; the diagonal (1) would be infinite


def basis_moments(
    task: Task,
    templates: FloatArray,
    masks: BoolArray,
    *,
    columns: BoolArray,
    rows: BoolArray,
    device: Device | None = None,
) -> Sums:
    """Sum c, c² and t c over each network's mask, where c is r standardised within the blocks of structures.

    Parameters
    ----------
    task : Task
    templates : (network, grayordinate) float ndarray
        0 outside the masks.
    masks : (network, grayordinate) bool ndarray
    columns : (grayordinate,) bool ndarray
        Columns over which mean and SD of a block are taken (with all valid rows).
    rows : (grayordinate,) bool ndarray
        Rows wanted; the sums of others are 0.
    device : Device, optional
        Where the products are done.

    Returns
    -------
    three (network, grayordinate) float64 ndarrays
    """
    place = device or arrays.device()
    y = place.put(task.basis.data)
    mean, spread = _blocks(place, y, task, columns)
    parts = [
        [_Part(place, y, np.flatnonzero(mask & (task.structure == b)), template) for b in STRUCTURES]
        for mask, template in zip(masks, templates, strict=True)
    ]
    sums: Sums = (np.zeros(masks.shape), np.zeros(masks.shape), np.zeros(masks.shape))
    for a in STRUCTURES:
        wanted = np.flatnonzero(rows & (task.structure == a))
        if wanted.size:
            _row_sums(place, y, wanted, [_Form(three, mean[a], spread[a]) for three in parts], sums)
    return sums


class _Part:
    """One mask within one structure: what its columns sum to."""

    def __init__(self, place: Device, y: Any, members: IntArray, template: FloatArray) -> None:
        self.n = len(members)
        self.t = float(template[members].sum())
        n_dimensions = y.shape[0]
        self.sum = self.weighted = np.zeros(n_dimensions)
        self.gram: FloatArray = np.zeros((n_dimensions, n_dimensions))
        if self.n:
            some = _take(place, y, members)
            weights = np.stack([np.ones(self.n), template[members]], axis=1).astype(np.float32)
            self.sum, self.weighted = place.get(some @ place.put(weights)).astype(np.float64).T
            self.gram = place.get(some @ some.T).astype(np.float64)


class _Form:
    """What the sums of one network are, for rows of one structure: forms in the row's series, and constants.

    Σ ((c - mean) / sd)² = Σ c² / sd² - 2 mean Σ c / sd² + n mean² / sd², block by block, and alike for the others.
    """

    def __init__(self, parts: list[_Part], mean: FloatArray, spread: FloatArray) -> None:
        blocks = list(zip(parts, mean, spread, strict=True))
        self.quadratic = np.asarray(sum(part.gram / s**2 for part, _, s in blocks))
        self.linear = np.stack(
            [
                np.asarray(sum(part.sum / s for part, _, s in blocks)),
                np.asarray(sum(-2 * part.sum * m / s**2 for part, m, s in blocks)),
                np.asarray(sum(part.weighted / s for part, _, s in blocks)),
            ]
        )
        self.constant = (
            sum(-part.n * m / s for part, m, s in blocks),
            sum(part.n * m**2 / s**2 for part, m, s in blocks),
            sum(-part.t * m / s for part, m, s in blocks),
        )


def _row_sums(place: Device, y: Any, wanted: IntArray, forms: list[_Form], sums: Sums) -> None:
    """Fill the sums of all networks for rows of one structure."""
    quadratic = [place.put(form.quadratic.astype(np.float32)) for form in forms]
    linear = place.put(np.concatenate([form.linear for form in forms]).astype(np.float32))
    constant = np.array([form.constant for form in forms]).T
    for start in range(0, len(wanted), _COLUMNS):
        some = wanted[start : start + _COLUMNS]
        columns = _take(place, y, some)
        squares = np.stack([place.get(_dots(place, form @ columns, columns)) for form in quadratic])
        lines = place.get(linear @ columns).reshape(len(forms), 3, len(some)).astype(np.float64)
        sums[0][:, some] = lines[:, 0] + constant[0][:, None]
        sums[1][:, some] = squares + lines[:, 1] + constant[1][:, None]
        sums[2][:, some] = lines[:, 2] + constant[2][:, None]


def _dots(place: Device, one: Any, other: Any) -> Any:
    """Dot products of matching columns."""
    if place.library == "numpy":
        return np.einsum("dg,dg->g", one, other)
    return place.xp.sum(one * other, axis=0)


def _blocks(place: Device, y: Any, task: Task, columns: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Mean and SD of r in every block of structures (row, column); SD 1 where a block is empty or constant."""
    kinds = [task.valid, columns]
    total: list[list[FloatArray]] = [[], []]
    gram: list[list[FloatArray]] = [[], []]
    count, zero = np.zeros((2, 3)), np.zeros(len(columns))
    for kind, members in enumerate(kinds):
        if kind and np.array_equal(task.valid, columns):
            total[1], gram[1], count[1] = total[0], gram[0], count[0]
            break
        for structure in STRUCTURES:
            part = _Part(place, y, np.flatnonzero(members & (task.structure == structure)), zero)
            total[kind].append(part.sum)
            gram[kind].append(part.gram)
            count[kind, structure] = part.n
    mean, spread = np.zeros((3, 3)), np.ones((3, 3))
    for a in STRUCTURES:
        for b in STRUCTURES:
            size = count[0, a] * count[1, b]
            if size:
                mean[a, b] = total[0][a] @ total[1][b] / size
                variance = (gram[0][a] * gram[1][b]).sum() / size - mean[a, b] ** 2
                spread[a, b] = np.sqrt(variance) if variance > 1e-12 else 1
    return mean, spread


def _take(place: Device, y: Any, members: IntArray) -> Any:
    """Columns of the basis; a view where they follow one another."""
    if members[-1] - members[0] + 1 == len(members):
        return y[:, int(members[0]) : int(members[-1]) + 1]
    return place.xp.take(y, place.put(members), axis=1)


def streamed_moments(
    task: Task,
    templates: FloatArray,
    masks: BoolArray,
    *,
    columns: BoolArray,
    rows: BoolArray,
    device: Device | None = None,
) -> Sums:
    """Compute the sums of `basis_moments` for Fisher z in place of r, through every pair of rows, block by block.

    Parameters and returns are those of `basis_moments`.
    """
    place = device or arrays.device()
    y = place.put(task.basis.data)
    chosen = np.flatnonzero(columns)
    within = _take(place, y, chosen)
    side = (task.structure[chosen] == np.array(STRUCTURES)[:, None]).astype(np.float64)
    total, squares, size = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    for a, members, z in _fisher_blocks(place, y, within, task, task.valid):
        total[a] += z.sum(axis=0, dtype=np.float64) @ side.T
        squares[a] += np.einsum("rc,rc->c", z, z, dtype=np.float64) @ side.T
        size[a] += len(members) * side.sum(axis=1)
    mean = total / np.maximum(size, 1)
    variance = squares / np.maximum(size, 1) - mean**2
    spread = np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 0)), 1)
    inside = masks[:, chosen].astype(np.float32).T
    weights = templates[:, chosen].astype(np.float32).T
    sums: Sums = (np.zeros(masks.shape), np.zeros(masks.shape), np.zeros(masks.shape))
    column_side = task.structure[chosen]
    for a, members, z in _fisher_blocks(place, y, within, task, rows):
        c = (z - mean[a][column_side].astype(np.float32)) / spread[a][column_side].astype(np.float32)
        sums[0][:, members], sums[1][:, members], sums[2][:, members] = (
            (c @ inside).T,
            (c**2 @ inside).T,
            (c @ weights).T,
        )
    return sums


def _fisher_blocks(
    place: Device, y: Any, within: Any, task: Task, rows: BoolArray
) -> Iterator[tuple[int, IntArray, FloatArray]]:
    step = max(1, _BLOCK_BYTES // (4 * max(1, within.shape[1])))
    for a in STRUCTURES:
        members = np.flatnonzero(rows & (task.structure == a))
        for start in range(0, len(members), step):
            some = members[start : start + step]
            r = place.get(_take(place, y, some).T @ within)
            yield a, some, np.arctanh(np.clip(r, -_LIMIT, _LIMIT))
