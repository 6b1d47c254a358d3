"""A prior from many people, one at a time: connectivity templates, spatial probabilities, how people differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import PriorError, SignalError
from actionloop.types import Basis, BoolArray, FloatArray, Grayordinates, IntArray, NetworkMap, Prior

_MOST_R = 0.999  # a network of one row correlates 1 with itself, whose Fisher z is infinite


@dataclass(frozen=True, eq=False)
class CohortPrior:
    """A prior, and what it cannot hold of the people it was made of.

    Attributes
    ----------
    prior : Prior
        Its probability is the share of people in whom a row carries a network, its fingerprint the tanh of the mean
        Fisher z; 0 in rows without signal in everybody.
    variability : (network, grayordinate) float32 ndarray
        SD over people of the Fisher z (divisor n - 1); NaN in rows that fewer than two people inform.
    entropy_bits : (grayordinate,) float32 ndarray
        Entropy of the labels over people, unassigned counted as a label; NaN where nobody has signal or label.
    unassigned : (grayordinate,) float32 ndarray
        Share of people in whom a row carries none of the networks; with the probabilities it sums to 1, or to 0 where
        nobody has signal or label.
    people : int
    people_with : (network,) int ndarray
        How many of them have each network on rows with signal: the templates are averages over these.
    """

    prior: Prior
    variability: FloatArray
    entropy_bits: FloatArray
    unassigned: FloatArray
    people: int
    people_with: IntArray


class CohortSums:
    """Running sums over people; their series and labels are not kept.

    Parameters
    ----------
    grayordinates : Grayordinates
        Rows that everybody has.
    networks : NetworkMap or Prior, optional
        Networks to begin with; needed where labels come as arrays. A map with other networks adds them by their names.
    """

    def __init__(self, grayordinates: Grayordinates, *, networks: NetworkMap | Prior | None = None) -> None:
        self.grayordinates = grayordinates
        self.people = 0
        self._names: list[str] = []
        self._keys: list[int] = []
        self._colours: list[FloatArray] = []
        n_rows = len(grayordinates)
        self._mean = np.zeros((0, n_rows))
        self._square = np.zeros((0, n_rows))
        self._seen = np.zeros((0, n_rows), dtype=np.int32)
        self._carried = np.zeros((0, n_rows), dtype=np.int32)
        self._known = np.zeros(n_rows, dtype=np.int32)
        self._having = np.zeros(0, dtype=np.int64)
        if networks is not None:
            self._meet(networks)

    def add(self, basis: Basis, labels: NetworkMap | IntArray) -> None:
        """Add one person; after an error the sums are as before.

        Parameters
        ----------
        basis : Basis
        labels : NetworkMap or (grayordinate,) int ndarray
            The person's networks on the same rows; a map's networks are known by their names, an array's by the keys
            of those that the sums began with. 0 is unassigned.

        Raises
        ------
        PriorError
            Labels that do not fit the rows, or keys without a network.
        SignalError
            Other rows than the other people's, or no labelled row with signal.
        """
        where = basis.source or None
        if not basis.grayordinates.same_rows(self.grayordinates):
            raise SignalError(
                f"this person has other rows ({len(basis.grayordinates)}) than the cohort ({len(self.grayordinates)})",
                where=where,
            )
        given = labels.label if isinstance(labels, NetworkMap) else np.asarray(labels)
        if given.shape != basis.valid.shape:
            raise PriorError(f"labels of shape {given.shape} do not fit {len(basis.valid)} rows", where=where)
        own_keys = labels.keys if isinstance(labels, NetworkMap) else np.array(self._keys, dtype=np.int64)
        strange = np.setdiff1d(given, [0, *own_keys.tolist()])
        if strange.size:
            raise PriorError(f"labels hold keys without a network: {', '.join(map(str, strange[:5]))}", where=where)
        if not (basis.valid & (given != 0)).any():
            raise SignalError("no row has both a label and signal", where=where)
        position = self._meet(labels) if isinstance(labels, NetworkMap) else np.arange(len(own_keys))
        index = np.full(len(given), -1, dtype=np.int64)
        for own, ours in zip(own_keys, position, strict=True):
            index[given == own] = ours
        self._update(basis, index)

    def result(self, *, source: str = "", terms: str = "") -> CohortPrior:
        """Return the prior of everybody added so far; networks that nobody has are left out.

        Parameters
        ----------
        source, terms : str
            Of the prior.

        Raises
        ------
        PriorError
            Nobody was added, or fewer than two networks were found.
        """
        if not self.people:
            raise PriorError("a prior needs at least one person; none was added")
        kept = np.flatnonzero(self._having > 0)
        if len(kept) < 2:
            raise PriorError(f"expected several networks, found {len(kept)}")
        n_known = np.maximum(self._known, 1)
        probability: FloatArray = self._carried[kept] / n_known
        unassigned: FloatArray = np.where(self._known > 0, n_known - self._carried[kept].sum(axis=0), 0) / n_known
        shares = np.vstack([probability, unassigned])
        bits = -np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), axis=0)
        seen = self._seen[kept]
        spread = np.sqrt(self._square[kept] / np.maximum(seen - 1, 1))
        prior = Prior(
            names=tuple(self._names[network] for network in kept),
            keys=np.array(self._keys, dtype=np.int64)[kept],
            colours=np.stack(self._colours)[kept],
            probability=probability.astype(np.float32),
            grayordinates=self.grayordinates,
            fingerprint=np.tanh(self._mean[kept]).astype(np.float32),
            source=source,
            terms=terms,
        )
        return CohortPrior(
            prior=prior,
            variability=np.where(seen > 1, spread, np.nan).astype(np.float32),
            entropy_bits=np.where(self._known > 0, bits + 0.0, np.nan).astype(np.float32),
            unassigned=unassigned.astype(np.float32),
            people=self.people,
            people_with=self._having[kept],
        )

    def _meet(self, networks: NetworkMap | Prior) -> NDArray[np.int64]:
        """Find networks by name, new ones with a key of their own; position of each."""
        for name, key, colour in zip(networks.names, networks.keys, networks.colours, strict=True):
            if name not in self._names:
                taken = int(key) in self._keys
                self._keys.append(max(self._keys) + 1 if taken else int(key))
                self._names.append(name)
                self._colours.append(np.asarray(colour, dtype=np.float64))
        new = len(self._names) - len(self._having)
        if new:
            self._mean, self._square, self._seen, self._carried = (
                _longer(values, new) for values in (self._mean, self._square, self._seen, self._carried)
            )
            self._having = np.concatenate([self._having, np.zeros(new, dtype=np.int64)])
        return np.array([self._names.index(name) for name in networks.names], dtype=np.int64)

    def _update(self, basis: Basis, index: IntArray) -> None:
        """Add a person whose network of each row is `index` (-1: none); Welford's update of mean and squares."""
        member = index == np.arange(len(self._names))[:, None]
        fisher_z, present = _connectivity(basis, member)
        counted = present[:, None] & basis.valid
        self._seen += counted
        before = np.where(counted, fisher_z - self._mean, 0)
        self._mean += before / np.maximum(self._seen, 1)
        self._square += before * (fisher_z - self._mean)
        self._carried += member
        self._known += basis.valid | (index >= 0)
        self._having += present
        self.people += 1


def _connectivity(basis: Basis, member: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Fisher z of each network's mean series with every row, (network, grayordinate), and which networks have one."""
    counted = member & basis.valid
    size = counted.sum(axis=1)
    mean = (counted.astype(np.float32) @ basis.data.T).astype(np.float64) / np.maximum(size, 1)[:, None]
    length = np.linalg.norm(mean, axis=1)
    present: BoolArray = (size > 0) & (length > 1e-6)
    unit = mean / np.where(present, length, 1)[:, None]
    r = (unit.astype(np.float32) @ basis.data).astype(np.float64)
    return np.arctanh(np.clip(r, -_MOST_R, _MOST_R)), present


def _longer(values: NDArray[Any], n_new: int) -> NDArray[Any]:
    return np.concatenate([values, np.zeros((n_new, values.shape[1]), dtype=values.dtype)])
