"""The affine that lays one head's scalp into another's, for a rough place of what lies beneath."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from actionloop.brain.scalp import Scalp
from actionloop.errors import GeometryError
from actionloop.types import BoolArray, FloatArray

# Own choices, tried on three heads (MNI, Colin27, one with its face removed). Scalp deeper below the top than this is
# neck and jaw, which say nothing of the brain.
DEPTH_MM = 125.0
# Points of each scalp that are matched, and how often.
_POINTS, _ROUNDS = 1500, 40
# Matches whose normals differ more, and the worst share of the rest, are left out: ears, hair, a removed face.
_LEAST_COSINE, _KEPT = 0.6, 0.8
# Starts: turned about the ears by so much, as heads are nodded in scanners.
_NODS_DEG = (-24.0, -12.0, 0.0, 12.0, 24.0)
_START_ROUNDS = 8
# How far heads differ in size, as a standard deviation; what the scalp leaves open (its length along the neck) stays
# near the common scale.
_SIZE_SD, _SHAPE_SD, _NOISE_MM = 0.08, 0.04, 2.0
# Beyond this the two are not both heads, or one lacks too much.
MOST_RESIDUAL_MM = 4.0
_LEAST_VAULT_MM = 60.0


@dataclass(frozen=True, eq=False)
class ScalpFit:
    """One scalp laid into another.

    Attributes
    ----------
    affine : (4, 4) float64 ndarray
        From the frame of the first scalp to that of the second, RAS mm: a turn, a shift and a scale of each axis.
    residual_mm : float
        Root mean square distance of the first scalp from the second after it, without the worst fifth.
    used : float
        Share of the upper head that was matched at all, 0 to 1.
    """

    affine: FloatArray
    residual_mm: float
    used: float

    @property
    def good(self) -> bool:
        """True where the residual leaves what lies beneath worth naming."""
        return self.residual_mm <= MOST_RESIDUAL_MM

    def __call__(self, xyz_ras: FloatArray) -> FloatArray:
        """Carry places, (place, 3) mm."""
        carried: FloatArray = xyz_ras @ self.affine[:3, :3].T + self.affine[:3, 3]
        return carried


def fit_scalp(source: Scalp, target: Scalp) -> ScalpFit:
    """Lay one scalp into another by nearest points with like normals, both ways, from several starts.

    Parameters
    ----------
    source, target : Scalp
        Of two whole heads in RAS: the first, a template, with its face. Both upright within about 30°.

    Returns
    -------
    ScalpFit

    Raises
    ------
    GeometryError
        Too little scalp for a fit.

    Notes
    -----
    The scalp tells where the brain lies only as well as skull and skin are alike in two heads. From the MNI template,
    the cortex came to lie 3.5 mm (mean; worst 6.8) from its place in Colin27, and 8.1 mm (worst 11.9) from an affine
    fitted to the brain itself in a head with a stroke whose face was removed; the residuals of the scalp were 0.7 and
    0.8 mm, so that a small residual is no proof. The template itself, turned, moved and scaled by up to 8 % an axis, is
    found again to 1.5 mm (worst 3.6).
    """
    from_source, to_target = _Upper(source), _Upper(target)
    tried = []
    for nod in _NODS_DEG:
        start = np.concatenate([np.radians([nod, 0, 0]), to_target.middle, to_target.size / from_source.size])
        start[6:] = np.log(np.full(3, np.exp(np.log(start[6:]).mean())))
        found = _iterate(start, from_source, to_target, rounds=_START_ROUNDS, every=3)
        off = _match(found, from_source, to_target, every=3).off_mm
        tried.append((off, found))
    best = min(tried, key=lambda one: one[0])[1]
    found = _iterate(best, from_source, to_target, rounds=_ROUNDS, every=1)
    match = _match(found, from_source, to_target, every=1)
    return ScalpFit(_affine(found, from_source.middle), match.off_mm, match.used)


class _Upper:
    """The upper part of a scalp: points, normals, and where it sits."""

    def __init__(self, scalp: Scalp) -> None:
        depth = scalp.vertices[:, 2].max() - scalp.vertices[:, 2]
        upper = np.flatnonzero(depth < DEPTH_MM)
        vault = scalp.vertices[depth < 0.6 * DEPTH_MM]
        if len(upper) < 200 or np.ptp(vault, axis=0).min() < _LEAST_VAULT_MM:
            raise GeometryError(
                f"there is too little scalp to lay another head into it ({len(upper)} points)",
                where=scalp.source or None,
                fix="give a T1-weighted image of a whole head",
            )
        self.scalp = scalp
        self.every, self.tree = scalp.vertices, cKDTree(scalp.vertices)
        self.open = np.zeros(len(scalp.vertices), dtype=bool)
        self.open[scalp.rim] = True
        chosen = upper[:: max(1, len(upper) // _POINTS)]
        self.points, self.normals = scalp.vertices[chosen], scalp.normals[chosen]
        low, high = vault.min(axis=0), vault.max(axis=0)
        self.middle: FloatArray = (low + high) / 2
        self.size: FloatArray = high - low


@dataclass(frozen=True, eq=False)
class _Match:
    """Pairs of a point of the source and one of the target with its normal."""

    points: FloatArray
    onto: FloatArray
    normals: FloatArray
    off_mm: float
    used: float


def _affine(found: FloatArray, middle: FloatArray) -> FloatArray:
    """Turn, shift and log scales about the middle of the source, as a matrix."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_rotvec(found[:3]).as_matrix() * np.exp(found[6:])
    affine[:3, 3] = found[3:6] - affine[:3, :3] @ middle
    return affine


def _match(found: FloatArray, source: _Upper, target: _Upper, *, every: int) -> _Match:
    affine = _affine(found, source.middle)
    matrix, shift = affine[:3, :3], affine[:3, 3]
    inverse = np.linalg.inv(matrix)
    turned = source.normals[::every] @ inverse
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    mine = source.points[::every]
    there = np.asarray(target.tree.query(mine @ matrix.T + shift)[1])
    forth = _like(turned, target.scalp.normals[there]) & ~target.open[there]
    theirs, normals = target.points[::every], target.normals[::every]
    here = np.asarray(source.tree.query((theirs - shift) @ inverse.T)[1])
    back_normals = source.scalp.normals[here] @ inverse
    back_normals /= np.linalg.norm(back_normals, axis=1, keepdims=True)
    back = _like(back_normals, normals) & ~source.open[here]
    points = np.concatenate([mine[forth], source.every[here[back]]])
    onto = np.concatenate([target.every[there[forth]], theirs[back]])
    across = np.concatenate([target.scalp.normals[there[forth]], normals[back]])
    off = np.abs(np.einsum("ij,ij->i", points @ matrix.T + shift - onto, across))
    kept = off <= np.quantile(off, _KEPT) if len(off) else np.zeros(0, dtype=bool)
    rms = float(np.sqrt((off[kept] ** 2).mean())) if kept.any() else float("inf")
    return _Match(points[kept], onto[kept], across[kept], rms, len(off) / (len(mine) + len(theirs)))


def _like(one: FloatArray, other: FloatArray) -> BoolArray:
    alike: BoolArray = np.einsum("ij,ij->i", one, other) > _LEAST_COSINE
    return alike


def _iterate(found: FloatArray, source: _Upper, target: _Upper, *, rounds: int, every: int) -> FloatArray:
    """Gauss-Newton steps on the distances along the normals, with new matches before each."""
    for _ in range(rounds):
        match = _match(found, source, target, every=every)
        if len(match.points) < 30:
            raise GeometryError("too few points of the two scalps lie near each other for a fit")
        turn = Rotation.from_rotvec(found[:3])
        scaled = (match.points - source.middle) * np.exp(found[6:])
        away = turn.apply(scaled)
        residual = np.einsum("ij,ij->i", away + found[3:6] - match.onto, match.normals)
        by_scale = turn.inv().apply(match.normals) * scaled
        slope = np.hstack([np.cross(away, match.normals), match.normals, by_scale]) / _NOISE_MM
        # A point and its neighbour tell the same thing: as many as there are places of 3 cm count.
        weight = np.sqrt(min(1.0, 100 / len(residual)))
        prior, wanted = _prior(found[6:])
        whole = np.vstack([slope * weight, prior])
        step = np.linalg.lstsq(whole, -np.concatenate([residual / _NOISE_MM * weight, wanted]), rcond=None)[0]
        found = np.concatenate(
            [(Rotation.from_rotvec(step[:3]) * turn).as_rotvec(), found[3:6] + step[3:6], found[6:] + step[6:]]
        )
        if np.abs(step[:3]).max() < 1e-4 and np.abs(step[3:6]).max() < 0.01:
            break
    return found


def _prior(scales: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rows that hold the mean of the log scales near 0 and each near the mean."""
    rows = np.zeros((4, 9))
    rows[0, 6:] = 1 / 3 / _SIZE_SD
    rows[1:, 6:] = (np.eye(3) - 1 / 3) / _SHAPE_SD
    return rows, rows[:, 6:] @ scales
