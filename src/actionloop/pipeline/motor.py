"""The person's own motor hotspot: held against the map, and the output that makes its field at each target."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from actionloop import facts, files
from actionloop.networks import mask_of
from actionloop.pipeline.head import Head
from actionloop.pipeline.settings import PoseSettings
from actionloop.pipeline.steps import Arrays
from actionloop.poses import (
    Dose,
    HandDistance,
    HandField,
    Hotspot,
    PoseSearch,
    equal_field,
    fields_around,
    hand_distance,
    place_hotspot,
)
from actionloop.types import HEMISPHERES, NetworkMap

_NUMBERS = ("lift_mm", "hand_v_per_m", "mean_v_per_m", "n_vertices")


@dataclass(frozen=True, eq=False)
class Motor:
    """What follows from a motor hotspot and threshold.

    Attributes
    ----------
    hotspot : Hotspot
    network : str
        Of the map at its cortex; 'unassigned' where the map has none.
    distance : HandDistance or None
        From the map's hand network; None where the map has none.
    own : bool
        The surfaces are the person's own.
    threshold_percent : float or None
        Motor threshold, per cent of maximum stimulator output.
    made : HandField or None
        Of the coil over the hotspot.
    doses : mapping of str to Dose
        By target; empty without `made`.
    reason : str
        Why there are none.
    """

    hotspot: Hotspot
    network: str
    distance: HandDistance | None
    own: bool
    threshold_percent: float | None = None
    made: HandField | None = None
    doses: Mapping[str, Dose] = field(default_factory=dict)
    reason: str = ""

    def recorded(self, *, withheld: Collection[str] = (), posed: bool = True) -> dict[str, Any]:
        """Return what provenance and sidecar say of it.

        Parameters
        ----------
        withheld : collection of str
            Targets whose output is left out.
        posed : bool
            False leaves the pose over the hotspot out.
        """
        hotspot, made = self.hotspot, self.made
        return {
            "given_ras": hotspot.given_ras.tolist(),
            "nearest_to": hotspot.kind,
            "away_mm": hotspot.away_mm,
            "hemisphere": hotspot.hemisphere,
            "vertex": hotspot.vertex,
            "xyz_ras": np.asarray(hotspot.xyz_ras, dtype=float).tolist(),
            "network": self.network,
            "hand_network": None if self.distance is None else _finite(asdict(self.distance)),
            "near_hand_network": None if self.distance is None else self.distance.near,
            "threshold_percent": self.threshold_percent,
            "pose": None if made is None or not posed else made.matrix.tolist(),
            "field": None if made is None else {name: getattr(made, name) for name in (*_NUMBERS, "around")},
            "outputs": {name: asdict(dose) for name, dose in self.doses.items() if name not in withheld},
            "reason": self.reason,
        }


def hotspot_of(wanted: PoseSettings, head: Head) -> Hotspot | None:
    """Return the place of the motor hotspot on a head; None where none was given.

    Raises
    ------
    OptionError
        Far from the head, or over no cortex.
    """
    if wanted.motor_hotspot is None:
        return None
    axis = files.template_grayordinates()
    cortex = {side: np.isin(np.arange(axis.n_vertices), axis.vertices(side)) for side in HEMISPHERES}
    return place_hotspot(np.array(wanted.motor_hotspot), head.anatomy, head.scalp, cortex)


def judge_motor(
    hotspot: Hotspot | None,
    head: Head,
    network_map: NetworkMap,
    searches: Sequence[PoseSearch],
    *,
    threshold_percent: float | None = None,
    made: HandField | None,
    reason: str = "",
) -> Motor | None:
    """Hold the hotspot against the map, and work out the output for every target that has a pose by its field.

    Parameters
    ----------
    hotspot : Hotspot or None
    head : Head
    network_map : NetworkMap
        On the vertices of the cortex; it is not changed.
    searches : sequence of PoseSearch
    threshold_percent : float, optional
        Motor threshold, per cent of maximum stimulator output.
    made : HandField or None
        Of the coil over the hotspot.
    reason : str
        Why it is None.

    Returns
    -------
    Motor or None
        None without a hotspot.
    """
    if hotspot is None:
        return None
    name, side = facts.load("poses")["hotspot"]["network"], hotspot.hemisphere
    label = int(network_map.grayordinates.to_mesh(network_map.label, side)[hotspot.vertex])
    known = dict(zip(map(int, network_map.keys), network_map.names, strict=True))
    distance = None
    if name in network_map.names:
        hand = {one: mask_of(network_map, name, one) for one in HEMISPHERES}
        distance = hand_distance(hotspot, head.anatomy, hand)
    doses = {}
    if made is not None:
        doses = {one.name: _dose(made, one, head, threshold_percent=threshold_percent) for one in searches}
    return Motor(
        hotspot=hotspot,
        network=known.get(label, "unassigned"),
        distance=distance,
        own=head.anatomy.own,
        threshold_percent=threshold_percent,
        made=made,
        doses=doses,
        reason="" if doses else reason,
    )


def _dose(made: HandField, search: PoseSearch, head: Head, *, threshold_percent: float | None) -> Dose:
    """Work out the output for one target, and its range by other choices of the cortex that counts."""
    surface = head.anatomy.surface(search.hemisphere)
    vertex = int(np.linalg.norm(surface.vertices - search.aim_ras, axis=1).argmin())
    return equal_field(
        made.hand_v_per_m,
        search.best.target_v_per_m,
        threshold_percent=threshold_percent,
        around=(made.around, fields_around(search.field_v_per_m[search.hemisphere], surface, vertex)),
    )


def hand_to_arrays(made: HandField) -> Arrays:
    """Return the field at the hand as arrays that `hand_from_arrays` understands."""
    return {
        "matrix": made.matrix,
        "number": np.array([float(getattr(made, name)) for name in _NUMBERS]),
        "around_names": np.array(list(made.around), dtype=str),
        "around": np.array(list(made.around.values()), dtype=np.float64),
    }


def hand_from_arrays(arrays: Mapping[str, np.ndarray[Any, Any]]) -> HandField:
    """Return the field that was kept."""
    known: dict[str, Any] = dict(zip(_NUMBERS, map(float, arrays["number"]), strict=True))
    known["n_vertices"] = int(known["n_vertices"])
    around = dict(zip(arrays["around_names"].tolist(), map(float, arrays["around"]), strict=True))
    return HandField(arrays["matrix"], **known, around=around)


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with None for what is infinite."""
    return {name: None if isinstance(one, float) and not np.isfinite(one) else one for name, one in values.items()}
