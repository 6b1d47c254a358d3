"""What every way of mapping starts from and ends with: fingerprints, the prior on the same rows, the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from actionloop.errors import PriorError, SignalError
from actionloop.types import Basis, BoolArray, FloatArray, IntArray, NetworkMap, Prior


@dataclass(frozen=True, eq=False)
class Task:
    """One person's compressed series and the prior, on the same rows.

    Attributes
    ----------
    basis : Basis
    prior : Prior
    valid : (grayordinate,) bool ndarray
        Rows with signal that were not excluded.
    """

    basis: Basis
    prior: Prior
    valid: BoolArray

    @cached_property
    def spatial(self) -> FloatArray:
        """Spatial prior, (network, grayordinate); columns sum to 1, even where the prior knows nothing."""
        probability = self.prior.probability.astype(np.float64)
        total = probability.sum(axis=0)
        even = np.full_like(probability, 1 / len(probability))
        return np.where(total > 0, probability / np.where(total > 0, total, 1), even)

    @cached_property
    def structure(self) -> IntArray:
        """0 for rows of the left cortex, 1 right cortex, 2 voxels; (grayordinate,)."""
        axis = self.basis.grayordinates
        return np.repeat([0, 1, 2], [len(axis.left), len(axis.right), len(axis) - axis.n_cortex])

    def fingerprint(self, method: str) -> FloatArray:
        """Return the connectivity templates of the prior; (network, grayordinate).

        Raises
        ------
        PriorError
            The prior has none, or those of some networks are empty or constant.
        """
        templates = self.prior.fingerprint
        where = self.prior.source or None
        if templates is None:
            raise PriorError(
                f"the method {method!r} compares with connectivity templates, and this prior has none",
                where=where,
                fix="give a prior with templates (actionloop prior build), or choose --method iterative",
            )
        if not np.isfinite(templates).all():
            raise PriorError("the connectivity templates hold NaN or infinite values", where=where)
        known = self.informed & self.valid
        if not known.any():
            raise PriorError("no row has both a template and signal", where=where)
        flat = [n for n, t in zip(self.prior.names, templates, strict=True) if np.ptp(t[known]) == 0]
        if flat:
            raise PriorError(f"connectivity templates without any variation: {', '.join(flat)}", where=where)
        return templates

    @cached_property
    def informed(self) -> BoolArray:
        """Rows that the connectivity templates cover; (grayordinate,)."""
        templates = self.prior.fingerprint
        if templates is None:
            return np.zeros(len(self.valid), dtype=bool)
        return np.asarray(templates.any(axis=0))


def prepare(basis: Basis, prior: Prior, exclude: BoolArray | None = None) -> Task:
    """Check that series and prior fit each other.

    Parameters
    ----------
    basis : Basis
    prior : Prior
        On the same rows (`files.align_prior` brings it there).
    exclude : (grayordinate,) bool ndarray, optional
        Rows to leave out, e.g. a lesion.

    Returns
    -------
    Task

    Raises
    ------
    PriorError
        The prior's rows are not those of the series.
    SignalError
        No row carries signal.
    """
    where = basis.source or None
    if len(prior.grayordinates) != len(basis.grayordinates) or not prior.grayordinates.same_cortex(basis.grayordinates):
        raise PriorError(
            f"the prior has {len(prior.grayordinates)} rows and the series {len(basis.grayordinates)}; "
            "both must have the same rows",
            where=where,
            fix="give a prior on the same vertices and voxels as the series",
        )
    valid = basis.valid.copy()
    if exclude is not None:
        valid &= ~exclude
    if not valid.any():
        raise SignalError("no grayordinate carries signal", where=where)
    return Task(basis, prior, valid)


def conclude(
    task: Task,
    score: FloatArray,
    *,
    method: str,
    measure: str,
    settings: Mapping[str, Any],
    label: IntArray | None = None,
) -> NetworkMap:
    """Turn scores into a map: the best network of each row, and by how much.

    Parameters
    ----------
    task : Task
    score : (network, grayordinate) float ndarray
        0 to 1, more is better; rows that are not valid are set to 0.
    method, measure : str
        Of the map.
    settings : mapping
    label : (grayordinate,) int ndarray, optional
        Keys decided otherwise; the first best score unless given.

    Returns
    -------
    NetworkMap
        Not cleaned.
    """
    kept = np.where(task.valid, score, 0).astype(np.float32)
    if label is None:
        label = winners(task, kept)
    ranked = np.partition(kept, -2, axis=0) if len(kept) > 1 else np.vstack([kept * 0, kept])
    return NetworkMap(
        names=task.prior.names,
        keys=task.prior.keys,
        colours=task.prior.colours,
        probability=kept,
        label=np.where(task.valid, label, 0),
        confidence=(ranked[-1] - ranked[-2]).astype(np.float32),
        grayordinates=task.basis.grayordinates,
        method=method,
        settings={
            **settings,
            "prior": task.prior.source,
            "dimensions": task.basis.n_dimensions,
            "compression_error": task.basis.error,
        },
        measure=measure,
    )


def winners(task: Task, score: FloatArray) -> IntArray:
    """Return the key of the first best score of each row; 0 where the row is not valid or no score is above 0."""
    return np.where(task.valid & (score.max(axis=0) > 0), task.prior.keys[score.argmax(axis=0)], 0)
