"""Sums over a row of the correlation matrix, within a mask, without the matrix.

With the compressed series y (columns of the basis), the correlation of rows i and j is yᵢ·yⱼ. Over a mask M,

    Σⱼ cᵢⱼ = yᵢ·Σⱼ yⱼ,   Σⱼ tⱼ cᵢⱼ = yᵢ·Σⱼ tⱼ yⱼ,   Σⱼ cᵢⱼ² = yᵢᵀ (Σⱼ yⱼ yⱼᵀ) yᵢ,

so that a mask costs one matrix of dimension × dimension and one product with it, whatever its size. Bringing c to mean
0 and SD 1 within a block of the matrix is linear, and mean and SD of a block follow from the same sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

import numpy as np

from actionloop import arrays
from actionloop.arrays import Device
from actionloop.networks.task import Task
from actionloop.types import BoolArray, FloatArray, IntArray

STRUCTURES = (0, 1, 2)
T = TypeVar("T")
R = TypeVar("R")
Blocks: TypeAlias = tuple[FloatArray, FloatArray]
Sums: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]
_CUT = 2e-5  # what may be left out of Σ c², as a share of Σ t²: eta² changes by less than twice that
_HEADS = (0.5, 0.55, 0.6, 0.75)  # shares of the dimensions that are tried as the head
_ROUNDING = 1.001  # of the bound, which is found in single precision
_COLUMNS, _STRIP = 2048, 64  # of the basis, and dimensions, multiplied at a time
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
    blocks: Blocks | None = None,
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
    blocks : pair of (3, 3) float ndarray, optional
        From `block_moments`, where they are known.

    Returns
    -------
    three (network, grayordinate) float64 ndarrays
    """
    place = device or arrays.device()
    y = place.put(task.basis.data)
    mean, spread = blocks or block_moments(task, columns, device=place)

    def parts_of(network: int) -> list[_Part]:
        mask, template = masks[network], templates[network]
        return [_Part(place, y, np.flatnonzero(mask & (task.structure == b)), template) for b in STRUCTURES]

    parts = _each(place, parts_of, range(len(masks)))
    weight = float(np.min((templates**2).sum(axis=1), where=masks.any(axis=1), initial=np.inf))
    sums: Sums = (np.zeros(masks.shape), np.zeros(masks.shape), np.zeros(masks.shape))
    for a in STRUCTURES:
        wanted = np.flatnonzero(rows & (task.structure == a))
        if wanted.size:
            forms = [_Form(three, mean[a], spread[a]) for three in parts]
            for some, head in _heads(task.basis.data, wanted, forms, _CUT * weight):
                _row_sums(place, y, some, forms, sums, head=head)
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


def _heads(y: FloatArray, wanted: IntArray, forms: list[_Form], cut: float) -> Iterator[tuple[IntArray, int]]:
    """Tell how many leading dimensions the quadratic forms need: for most rows few, for some all.

    Dimensions come by falling variance. With head h and tail of a row's series, what the form of the tail with itself
    adds beside the diagonal is at most |tail|² times the norm of that part of the matrix; where this is below `cut` it
    is left out. The head with itself, the head with the tail and the diagonal stay exact.
    """
    n_dimensions = len(y)
    series = _take(arrays.device(), y, wanted)
    choices: list[tuple[float, int, BoolArray]] = [
        (n_dimensions**2 / 2, n_dimensions, np.ones(len(wanted), dtype=bool))
    ]
    for share in _HEADS:
        head = int(share * n_dimensions)
        most = max(_norm_bound(_off_diagonal(form.quadratic[head:, head:])) for form in forms)
        enough: BoolArray = np.einsum("dg,dg->g", series[head:], series[head:]) * most <= cut
        cost = enough.mean() * (head * n_dimensions - head**2 / 2) + (~enough).mean() * n_dimensions**2 / 2
        choices.append((float(cost), head, enough))
        if enough.all():
            break
    _, head, enough = min(choices, key=lambda choice: choice[0])
    for some, size in ((wanted[enough], head), (wanted[~enough], n_dimensions)):
        if some.size:
            yield some, size


def _off_diagonal(matrix: FloatArray) -> FloatArray:
    """Copy a square matrix with 0 on its diagonal."""
    copy: FloatArray = matrix.astype(np.float32)
    np.fill_diagonal(copy, 0)
    return copy


def _norm_bound(matrix: FloatArray) -> float:
    """Bound the largest eigenvalue of a symmetric matrix A from above: the fourth root of the Frobenius norm of A⁴."""
    scale = float(np.abs(matrix).max(initial=0))
    if scale == 0:
        return 0.0
    power = (matrix / scale).astype(np.float32)
    power = power @ power
    return scale * _ROUNDING * float(np.sqrt(np.sqrt(np.linalg.norm(power @ power))))


def _row_sums(place: Device, y: Any, wanted: IntArray, forms: list[_Form], sums: Sums, *, head: int) -> None:
    """Fill the sums of all networks for rows of one structure.

    A symmetric form is Σᵢ yᵢ (qᵢᵢ yᵢ + 2 Σ_{j>i} qᵢⱼ yⱼ): strips of dimensions against those from there on, half of
    all products. Of the dimensions behind the head only the diagonal is taken with itself.
    """
    n_dimensions = y.shape[0]
    strips = [(start, min(start + _STRIP, head)) for start in range(0, head, _STRIP)]
    stacked = [place.put(_strip(forms, start, stop)) for start, stop in strips]
    linear = place.put(np.concatenate([form.linear for form in forms]).astype(np.float32))
    constant = np.array([form.constant for form in forms]).T
    diagonal = place.put(np.stack([np.diag(form.quadratic)[head:] for form in forms]).astype(np.float32))

    def fill(begin: int) -> None:
        some = wanted[begin : begin + _COLUMNS]
        columns = _take(place, y, some)
        squares = np.zeros((len(forms), len(some)))
        for (start, stop), matrix in zip(strips, stacked, strict=True):
            product = place.xp.reshape(matrix @ columns[start:n_dimensions], (len(forms), stop - start, len(some)))
            squares += place.get(_dots(place, product, columns[start:stop]))
        if head < n_dimensions:
            squares += place.get(diagonal @ columns[head:] ** 2)
        lines = place.get(linear @ columns).reshape(len(forms), 3, len(some)).astype(np.float64)
        sums[0][:, some] = lines[:, 0] + constant[0][:, None]
        sums[1][:, some] = squares + lines[:, 1] + constant[1][:, None]
        sums[2][:, some] = lines[:, 2] + constant[2][:, None]

    _each(place, fill, range(0, len(wanted), _COLUMNS))


def _each(place: Device, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do work on all cores, or in turn on a device that has its own."""
    return arrays.side_by_side(work, items) if place.library == "numpy" else [work(item) for item in items]


def _strip(forms: list[_Form], start: int, stop: int) -> FloatArray:
    """Rows `start` to `stop` of all forms, from column `start` on; what lies right of the diagonal block twice."""
    rows = []
    for form in forms:
        strip = 2 * form.quadratic[start:stop, start:]
        strip[:, : stop - start] /= 2
        rows.append(strip)
    return np.concatenate(rows).astype(np.float32)


def _dots(place: Device, one: Any, other: Any) -> Any:
    """Dot products of matching columns, (network, column)."""
    if place.library == "numpy":
        return np.einsum("ndg,dg->ng", one, other)
    return place.xp.sum(one * other, axis=1)


def block_moments(task: Task, columns: BoolArray, *, device: Device | None = None) -> Blocks:
    """Find mean and SD of r in every block of structures (row, column); SD 1 where a block is empty or constant.

    Parameters
    ----------
    task : Task
    columns : (grayordinate,) bool ndarray
    device : Device, optional

    Returns
    -------
    two (3, 3) float64 ndarrays
    """
    place = device or arrays.device()
    y = place.put(task.basis.data)
    kinds = [task.valid, columns]
    total: list[list[FloatArray]] = [[], []]
    gram: list[list[FloatArray]] = [[], []]
    count, zero = np.zeros((2, 3)), np.zeros(len(columns))
    for kind, members in enumerate(kinds):
        if kind and np.array_equal(task.valid, columns):
            total[1], gram[1], count[1] = total[0], gram[0], count[0]
            break
        members_of = [np.flatnonzero(members & (task.structure == structure)) for structure in STRUCTURES]
        for structure, part in enumerate(_each(place, lambda some: _Part(place, y, some, zero), members_of)):
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
    blocks: Blocks | None = None,
) -> Sums:
    """Compute the sums of `basis_moments` for Fisher z in place of r, through every pair of rows, block by block.

    Parameters and returns are those of `basis_moments`.
    """
    place = device or arrays.device()
    y = place.put(task.basis.data)
    chosen = np.flatnonzero(columns)
    within = _take(place, y, chosen)
    side = (task.structure[chosen] == np.array(STRUCTURES)[:, None]).astype(np.float64)
    mean, spread = blocks or _fisher_moments(place, y, within, task, side)
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


def _fisher_moments(place: Device, y: Any, within: Any, task: Task, side: FloatArray) -> Blocks:
    total, squares, size = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    for a, members, z in _fisher_blocks(place, y, within, task, task.valid):
        total[a] += z.sum(axis=0, dtype=np.float64) @ side.T
        squares[a] += np.einsum("rc,rc->c", z, z, dtype=np.float64) @ side.T
        size[a] += len(members) * side.sum(axis=1)
    mean = total / np.maximum(size, 1)
    variance = squares / np.maximum(size, 1) - mean**2
    return mean, np.where(variance > 1e-12, np.sqrt(np.maximum(variance, 0)), 1)


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
