"""The person's own motor hotspot: held against the map, and the output that makes its field at each target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def recorded(self) -> dict[str, Any]:
        """Return what the provenance says of it."""
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
            "pose": None if made is None else made.matrix.tolist(),
            "field": None if made is None else {name: getattr(made, name) for name in _NUMBERS},
            "outputs": {name: asdict(dose) for name, dose in self.doses.items()},
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
    wanted: PoseSettings,
    head: Head,
    network_map: NetworkMap,
    searches: Sequence[PoseSearch],
    *,
    made: HandField | None,
    reason: str = "",
) -> Motor | None:
    """Hold the hotspot against the map, and work out the output for every target that has a pose by its field.

    Parameters
    ----------
    wanted : PoseSettings
    head : Head
    network_map : NetworkMap
        On the vertices of the cortex; it is not changed.
    searches : sequence of PoseSearch
    made : HandField or None
        Of the coil over the hotspot.
    reason : str
        Why it is None.

    Returns
    -------
    Motor or None
        None without a hotspot.
    """
    hotspot = hotspot_of(wanted, head)
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
        doses = {
            one.name: equal_field(made.hand_v_per_m, one.best.target_v_per_m, threshold_percent=wanted.motor_threshold)
            for one in searches
        }
    return Motor(
        hotspot=hotspot,
        network=known.get(label, "unassigned"),
        distance=distance,
        own=head.anatomy.own,
        threshold_percent=wanted.motor_threshold,
        made=made,
        doses=doses,
        reason="" if doses else reason,
    )


def hand_to_arrays(made: HandField) -> Arrays:
    """Return the field at the hand as arrays that `hand_from_arrays` understands."""
    return {"matrix": made.matrix, "number": np.array([float(getattr(made, name)) for name in _NUMBERS])}


def hand_from_arrays(arrays: Mapping[str, np.ndarray[Any, Any]]) -> HandField:
    """Return the field that was kept."""
    known = dict(zip(_NUMBERS, map(float, arrays["number"]), strict=True))
    return HandField(arrays["matrix"], **{**known, "n_vertices": int(known["n_vertices"])})  # type: ignore[arg-type]


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with None for what is infinite."""
    return {name: None if isinstance(one, float) and not np.isfinite(one) else one for name, one in values.items()}
