"""How likely each network is at each place, from people's maps that are seen once and not kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop.errors import GeometryError, InputError
from actionloop.types import BoolArray, FloatArray, Grayordinates, IntArray, NetworkMap

FORMAT = 1
"""Of `MapCounts.arrays`."""


@dataclass(frozen=True, eq=False)
class ProbabilityAtlas:
    """What people's maps have in common, and where they differ.

    Attributes
    ----------
    names : tuple of str
    keys : (network,) int ndarray
    colours : (network, 3) float ndarray
    probability : (network, grayordinate) float32 ndarray
        Share of the people with data who carry the network; 0 where nobody has data.
    unassigned : (grayordinate,) float32 ndarray
        Share of those who carry none; with the probabilities it sums to 1.
    label : (grayordinate,) int64 ndarray
        Key of the most frequent network (the first of equals); 0 where 'none' is more frequent still, or without data.
    agreement : (grayordinate,) float32 ndarray
        Share of the people with data who carry the most frequent label, 'none' included; NaN where nobody has data.
    entropy_bits : (grayordinate,) float32 ndarray
        Of the labels over people, 'none' counted as one; NaN where nobody has data. Too small where people are few.
    entropy_share : (grayordinate,) float32 ndarray
        As a share of the largest that so many people and labels can have, 0 to 1; 0 with one person.
    with_data : (grayordinate,) int32 ndarray
        People.
    people : int
    grayordinates : Grayordinates
    """

    names: tuple[str, ...]
    keys: IntArray
    colours: FloatArray
    probability: FloatArray
    unassigned: FloatArray
    label: IntArray
    agreement: FloatArray
    entropy_bits: FloatArray
    entropy_share: FloatArray
    with_data: IntArray
    people: int
    grayordinates: Grayordinates


class MapCounts:
    """Running counts over people; memory does not grow with their number.

    Parameters
    ----------
    grayordinates : Grayordinates
        Rows that every map has.
    names : tuple of str
        Networks that every map has, in whatever order.
    keys : (network,) int ndarray
        Label values in the atlas, above 0; a person's own may differ.
    colours : (network, 3) float ndarray

    Raises
    ------
    InputError
        Not one distinct name, key above 0 and colour a network.
    """

    def __init__(
        self, grayordinates: Grayordinates, *, names: tuple[str, ...], keys: IntArray, colours: FloatArray
    ) -> None:
        keys, colours, n = np.asarray(keys), np.asarray(colours, dtype=np.float64), len(names)
        distinct = len(set(names)) == n == len(np.unique(keys))
        if not n or not distinct or keys.shape != (n,) or (keys <= 0).any() or colours.shape != (n, 3):
            raise InputError("expected for each network a distinct name, a distinct key above 0 and a colour")
        self.grayordinates, self.names, self.keys, self.colours = grayordinates, names, keys.astype(np.int64), colours
        self.people = 0
        # The first row counts people with data whose label is none.
        self._counts: IntArray = np.zeros((n + 1, len(grayordinates)), dtype=np.int32)

    @classmethod
    def like(cls, network_map: NetworkMap) -> MapCounts:
        """Begin with the rows and networks of a map, which is not yet counted."""
        return cls(
            network_map.grayordinates, names=network_map.names, keys=network_map.keys, colours=network_map.colours
        )

    def add(self, network_map: NetworkMap, *, valid: BoolArray | None = None) -> None:
        """Count one person; after an error the counts are as before.

        Parameters
        ----------
        network_map : NetworkMap
            Networks are known by their names.
        valid : (grayordinate,) bool ndarray, optional
            Rows with data; without it those with a label or any probability. Labels elsewhere do not count.

        Raises
        ------
        GeometryError
            Other rows.
        InputError
            Other networks, labels without a network, or no row with data.
        """
        if not network_map.grayordinates.same_rows(self.grayordinates):
            raise GeometryError(
                f"this person's map has {len(network_map.label)} rows, the atlas {len(self.grayordinates)}, or others "
                "of them",
                fix="bring all maps to the same grayordinates",
            )
        odd = sorted(set(self.names) ^ set(network_map.names))
        if odd:
            raise InputError(
                f"networks that only the map or only the atlas has: {', '.join(odd)}",
                fix="map everybody with the same prior",
            )
        label = np.asarray(network_map.label)
        strange = np.setdiff1d(label, [0, *network_map.keys.tolist()])
        if strange.size:
            raise InputError(f"labels without a network: {', '.join(map(str, strange[:5]))}")
        valid = (label > 0) | network_map.probability.any(axis=0) if valid is None else np.asarray(valid)
        if valid.dtype != np.bool_ or valid.shape != label.shape:
            raise GeometryError(
                f"expected a bool mask of {len(label)} rows with data, found {valid.dtype} {valid.shape}"
            )
        if not valid.any():
            raise InputError("this person's map has no row with data")
        place = np.zeros(int(network_map.keys.max()) + 1, dtype=np.int64)
        for name, key in zip(network_map.names, network_map.keys, strict=True):
            place[key] = self.names.index(name) + 1
        rows = np.flatnonzero(valid)
        self._counts[place[label[rows]], rows] += 1
        self.people += 1

    def merge(self, other: MapCounts) -> None:
        """Add other people's counts to these.

        Raises
        ------
        GeometryError
            Other rows.
        InputError
            Other networks, or other keys of them.
        """
        if not other.grayordinates.same_rows(self.grayordinates):
            raise GeometryError("the two counts belong to different rows")
        own, theirs = (dict(zip(one.names, one.keys.tolist(), strict=True)) for one in (self, other))
        if own != theirs:
            raise InputError(
                f"the two counts are of different networks or keys: {', '.join(own)} and {', '.join(theirs)}",
                fix="map everybody with the same prior",
            )
        order = [0, *(other.names.index(name) + 1 for name in self.names)]
        self._counts += other._counts[order]
        self.people += other.people

    def result(self) -> ProbabilityAtlas:
        """Return the atlas of everybody counted so far.

        Raises
        ------
        InputError
            Nobody was counted.
        """
        if not self.people:
            raise InputError("an atlas needs at least one person; none was counted")
        n: IntArray = self._counts.sum(axis=0, dtype=np.int32)
        share = self._counts / np.maximum(n, 1)
        bits = -np.sum(share * np.log2(np.where(share > 0, share, 1)), axis=0) + 0.0
        most = _most_bits(n, len(share))
        best = share[1:].argmax(axis=0)
        named = (n > 0) & (share[0] <= share[1:].max(axis=0))
        return ProbabilityAtlas(
            names=self.names,
            keys=self.keys,
            colours=self.colours,
            probability=share[1:].astype(np.float32),
            unassigned=share[0].astype(np.float32),
            label=np.where(named, self.keys[best], 0),
            agreement=np.where(n > 0, share.max(axis=0), np.nan).astype(np.float32),
            entropy_bits=np.where(n > 0, bits, np.nan).astype(np.float32),
            entropy_share=np.where(n > 0, bits / np.where(most > 0, most, 1), np.nan).astype(np.float32),
            with_data=n,
            people=self.people,
            grayordinates=self.grayordinates,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the counts as arrays, for a file; `from_arrays` takes them back."""
        return {
            "format": np.array(FORMAT),
            "names": np.array(self.names),
            "keys": self.keys.copy(),
            "colours": self.colours.copy(),
            "people": np.array(self.people),
            "counts": self._counts.copy(),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], grayordinates: Grayordinates) -> MapCounts:
        """Take counts back from arrays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            From `arrays`.
        grayordinates : Grayordinates
            The rows they were made on.

        Raises
        ------
        InputError
            Arrays that are missing, of another format, or no counts of so many people.
        GeometryError
            Another number of rows.
        """
        lacking = [name for name in ("format", "names", "keys", "colours", "people", "counts") if name not in arrays]
        if lacking or int(arrays["format"]) != FORMAT:
            raise InputError(
                f"these are no counts of maps in format {FORMAT}"
                + (f": {', '.join(lacking)} missing" if lacking else ""),
                fix="make the atlas anew from the maps",
            )
        made = cls(
            grayordinates,
            names=tuple(str(name) for name in arrays["names"]),
            keys=arrays["keys"],
            colours=arrays["colours"],
        )
        counts, people = np.asarray(arrays["counts"]), int(arrays["people"])
        if counts.shape != made._counts.shape:
            raise GeometryError(f"expected counts of shape {made._counts.shape}, found {counts.shape}")
        if counts.min(initial=0) < 0 or counts.sum(axis=0).max(initial=0) > people:
            raise InputError(f"counts below 0 or of more than {people} people", fix="make the atlas anew from the maps")
        made._counts[:] = counts
        made.people = people
        return made


def _most_bits(n: IntArray, n_labels: int) -> FloatArray:
    """Entropy of people spread over labels as evenly as their number allows."""
    least, more = n // n_labels, n % n_labels
    bits = np.zeros(len(n))
    for size, labels in ((least, n_labels - more), (least + 1, more)):
        share = size / np.maximum(n, 1)
        bits -= labels * share * np.log2(np.where(share > 0, share, 1))
    return bits
