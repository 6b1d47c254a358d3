"""The potential in a head of voxels, by finite elements."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from actionloop import facts
from actionloop.arrays import side_by_side
from actionloop.errors import GeometryError
from actionloop.field.assemble import add_drive, assemble_stiffness, number_nodes, voxel_nodes
from actionloop.field.coarsen import build_cycle
from actionloop.field.model import GREY, TISSUES, HeadModel, conductivities
from actionloop.field.multigrid import conjugate_gradients
from actionloop.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from actionloop.field.reader import Reader

_LANES = (1, 4, 8)
"""How many right-hand sides are solved together; each has its own compiled loops."""


class FieldSolver:
    """Finite elements of a head of voxels: E = -grad(phi) - dA/dt, no current leaves the head.

    Every voxel is a trilinear cube of one conductivity. Voxels that do not hang together by faces with the largest
    piece are left out: they take no current, and their field is -dA/dt.

    Parameters
    ----------
    head : HeadModel
    conductivity : (tissue,) float64 ndarray, optional
        S/m by the tissue's number; `conductivities()` where it is not given.

    Attributes
    ----------
    head : HeadModel
    centres_mm : (voxel, 3) float64 ndarray
        Centres of all conducting voxels, in the order of `head.voxels`.
    connected : (voxel,) bool ndarray
        False for the voxels that are left out.
    corners : (voxel, 8) int32 ndarray
        Nodes of each voxel.
    conductivity : (voxel,) float64 ndarray
        S/m; 0 for the voxels that are left out.
    n_nodes : int

    Raises
    ------
    GeometryError
        Conductivities that do not fit.
    """

    def __init__(self, head: HeadModel, *, conductivity: FloatArray | None = None) -> None:
        from scipy import ndimage

        by_tissue = conductivities() if conductivity is None else np.asarray(conductivity, dtype=np.float64)
        if by_tissue.shape != (len(TISSUES),) or not np.isfinite(by_tissue).all() or not (by_tissue[1:] > 0).all():
            raise GeometryError(
                f"expected the conductivities of {', '.join(TISSUES)}, each but the first above 0",
                fix="give them in S/m in this order, or by their names to conductivities()",
            )
        pieces, n_pieces = ndimage.label(head.tissue != 0)
        kept = pieces > 0 if n_pieces < 2 else pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax())
        self.head = head
        self.centres_mm = head.centres()
        at = tuple(head.voxels.T)
        self.connected: BoolArray = kept[at]
        self._edge_m = head.edge_mm / 1e3
        self.conductivity: FloatArray = np.where(self.connected, by_tissue[head.tissue[at]], 0.0)
        nodes, self.n_nodes = number_nodes(kept)
        self.corners: IntArray = voxel_nodes(nodes, head.voxels)
        self.corners[~self.connected] = 0
        conductance = np.where(kept, by_tissue[head.tissue] * self._edge_m, 0.0)
        self._matrix = assemble_stiffness(conductance, nodes, self.n_nodes)
        self._cycle = build_cycle(self._matrix, conductance, nodes)

    @property
    def edge_m(self) -> float:
        """Edge of a voxel, m."""
        return self._edge_m

    def drive(self, dadt: FloatArray) -> FloatArray:
        """Return the right-hand side that a primary field makes.

        Parameters
        ----------
        dadt : (voxel, 3) float ndarray
            dA/dt at `centres_mm`, V/m.

        Returns
        -------
        (node,) float64 ndarray
            A.

        Raises
        ------
        GeometryError
            Another number of voxels, or values that are not finite.
        """
        if dadt.shape != self.centres_mm.shape or not np.isfinite(dadt).all():
            raise GeometryError(
                f"expected a finite primary field of {len(self.centres_mm)} voxels by 3, found {dadt.shape}",
                fix="ask for the primary field at the solver's centres_mm",
            )
        result = np.zeros(self.n_nodes)
        add_drive(result, self.corners, self.conductivity * self._edge_m**2 / 4, dadt)
        return result

    def solve(
        self, drives: FloatArray, *, tolerance: float | None = None, start: FloatArray | None = None
    ) -> FloatArray:
        """Solve for the potential, whose mean over the nodes is 0.

        Several right-hand sides are solved together and on all cores: per solve that is several times as fast.

        Parameters
        ----------
        drives : (node,) or (node, k) float64 ndarray
            A; each sums to 0 over the nodes.
        tolerance : float, optional
            Largest residual as a part of the right-hand side (Euclidean norms); that of data/solver.toml by default.
        start : like `drives`, optional
            Potentials to start from.

        Returns
        -------
        like `drives`, float64 ndarray
            V.

        Raises
        ------
        GeometryError
            Right-hand sides that do not fit or do not sum to 0, or no solution within the iterations allowed.
        """
        many = np.asarray(drives, dtype=np.float64).reshape(len(drives), -1)
        sums, sizes = np.abs(many.sum(axis=0)), np.abs(many).sum(axis=0)
        if len(many) != self.n_nodes or not np.isfinite(many).all() or (sums > 1e-6 * sizes).any():
            raise GeometryError(
                f"expected right-hand sides of {self.n_nodes} finite values that sum to 0, found {drives.shape}",
                fix="make them with the solver's drive or a reader's adjoint",
            )
        if start is not None and start.shape != drives.shape:
            raise GeometryError(f"expected a start of the shape {drives.shape}, found {start.shape}")
        settings = facts.load("solver")["solve"]
        guesses = None if start is None else np.asarray(start, dtype=np.float64).reshape(many.shape)
        groups, lanes = _share(many.shape[1])

        def work(group: IntArray) -> tuple[FloatArray, int]:
            right, guess = (_lay(values, group, lanes) for values in (many, guesses))
            assert right is not None
            found, left = conjugate_gradients(
                self._matrix,
                self._cycle,
                right,
                start=guess,
                tolerance=float(settings["tolerance"]) if tolerance is None else tolerance,
                most=int(settings["most_iterations"]),
            )
            return found[:, : len(group)] - found[:, : len(group)].mean(axis=0), left

        solved = np.empty_like(many)
        for group, (found, left) in zip(groups, side_by_side(work, groups), strict=True):
            if left:
                raise GeometryError(
                    f"the field could not be solved: {left} of {len(group)} solutions did not come to rest",
                    where=self.head.source or None,
                    fix="check the head model for thin or broken tissues, or ask for a larger tolerance",
                )
            solved[:, group] = found
        return solved.reshape(drives.shape)

    def reader(self, points_mm: FloatArray, *, tissue: int = GREY) -> Reader:
        """Return what reads the field at points of a tissue; see `Reader`."""
        from actionloop.field.reader import Reader

        return Reader(self, points_mm, tissue=tissue)


def _share(n: int) -> tuple[list[IntArray], int]:
    """Split right-hand sides into groups of like size, for all cores; returns them and how many lanes hold each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    lanes = next((m for m in _LANES if m >= -(-n // cores)), _LANES[-1])
    return list(np.array_split(np.arange(n), max(-(-n // lanes), 1))), lanes


def _lay(values: FloatArray | None, group: IntArray, lanes: int) -> FloatArray | None:
    if values is None:
        return None
    laid = np.zeros((len(values), lanes))
    laid[:, : len(group)] = values[:, group]
    laid -= laid.mean(axis=0)
    return laid
