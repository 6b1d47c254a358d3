"""Sentences on the motor hotspot and on the output that equals its field."""

from __future__ import annotations

import math

from actionloop import facts
from actionloop.pipeline.motor import Motor
from actionloop.pipeline.posewords import number
from actionloop.poses import Dose, PoseSearch
from actionloop.report import CoilPart, Table
from actionloop.types import SIDES


def hotspot_words(motor: Motor) -> list[str]:
    """Say where the hotspot lies on the cortex and in the map, and how far the map's hand area is."""
    spot, name = motor.hotspot, facts.load("poses")["hotspot"]["network"]
    given, found = (", ".join(number(float(value), 1) for value in one) for one in (spot.given_ras, spot.xyz_ras))
    carried = "carried inward along the scalp's normal it" if spot.kind == "scalp" else "it"
    network = "no network of the map" if motor.network == "unassigned" else f"the network {motor.network!r}"
    words = [
        f"The motor hotspot was given at x, y, z = {given} mm, {number(spot.away_mm, 1)} mm from the {spot.kind}; "
        f"{carried} comes to the cortex of the {SIDES[spot.hemisphere]} hemisphere at {found} mm, which lies in "
        f"{network}."
    ]
    distance = motor.distance
    if distance is None:
        return [*words, f"The map has no network {name!r}, so the hotspot was not compared with it."]
    other = distance.hemisphere != spot.hemisphere
    straight = f"{number(distance.straight_mm, 1)} mm in a straight line"
    straight += f" on the other side ({SIDES[distance.hemisphere]})" if other else ""
    if math.isfinite(distance.along_mm):
        way = f"{number(distance.along_mm, 1)} mm along the cortex of the same side, {straight}"
    else:
        way = f"{straight}; the hotspot's own side has none"
    return [*words, f"The nearest vertex of the map's {name} network is {way}. The map was not changed for it."]


def hotspot_warnings(motor: Motor) -> list[str]:
    """Warn of a hotspot away from the map's hand area, and of a head that is not the person's."""
    known, found = facts.load("poses")["hotspot"], []
    if motor.distance is not None and not motor.distance.near:
        along = motor.distance.along_mm
        apart = f"{number(along, 0)} mm along the cortex" if math.isfinite(along) else "on the other side"
        found.append(
            f"The motor hotspot is not in or near the map's {known['network']} network: it lies {apart} "
            f"(limit {known['near_mm']:g} mm). Either the hotspot is not the hand's, its coordinates are of another "
            "frame or side, or the map is wrong there. Check it before anything is taken from the map."
        )
    if not motor.own:
        found.append(
            "The surfaces are the template's: the motor hotspot was taken as a place of an average head, which says "
            "nothing of this person's."
        )
    return found


def dose_words(motor: Motor, search: PoseSearch) -> list[str]:
    """Say which output gives a target the field that the motor threshold makes at the hand."""
    dose, made = motor.doses.get(search.name), motor.made
    if dose is None or made is None:
        return []
    radius = facts.load("poses")["hotspot"]["radius_mm"]
    words = [
        f"Equal fields: flat over the motor hotspot with the handle 45° backwards and outwards, the same coil makes "
        f"{number(made.hand_v_per_m)} V/m per A/µs over the hand's cortex ({made.n_vertices} vertices within "
        f"{radius:g} mm; mean |E| {number(made.mean_v_per_m)}), and {number(dose.target_v_per_m)} over {search.name} "
        f"with its best pose. The same field needs {number(dose.ratio)} times the output of the hand.",
        _range_words(dose),
        _output_words(dose),
        "This equalises the field of a threshold at another place. It is not a treatment dose: what field these "
        "networks need is not known. Limits of intensity are checked elsewhere, not here.",
    ]
    if search.hemisphere != motor.hotspot.hemisphere:
        words.append("The threshold is that of the other side; the two sides of a person can differ.")
    if motor.distance is not None and not motor.distance.near:
        words.append("The hotspot is not near the map's hand area; do not use this number before that is explained.")
    return words


def _range_words(dose: Dose) -> str:
    """Say how far the ratio depends on the cortex that counts."""
    if not dose.ratios:
        return "By other choices of the cortex that counts it was not worked out."
    least, most = (choose(dose.ratios, key=lambda name: dose.ratios[name]) for choose in (min, max))
    low, high = (number(one) for one in dose.ratio_range)
    return (
        f"Which cortex counts matters: by the choices compared (mean, high percentile and highest |E| around hand and "
        f"target) the ratio runs from {low} to {high}; lowest by {least} ({number(dose.ratios[least])}), highest by "
        f"{most} ({number(dose.ratios[most])})."
    )


def _output_words(dose: Dose) -> str:
    if dose.output_percent is None:
        return "No motor threshold was given (--motor-threshold), so only the ratio is known."
    said = f"With the motor threshold of {number(dose.threshold_percent or 0.0, 0)} % that is "
    said += f"{number(dose.output_percent, 0)} % of maximum stimulator output{_span(dose)}"
    if not dose.possible:
        return f"{said}: more than 100 % cannot be given, so this coil does not reach that field there."
    return f"{said}, with the coil and the stimulator that the threshold was found with."


def motor_part(motor: Motor) -> CoilPart:
    """Put together what the report says of the hotspot as a whole."""
    sentences = hotspot_words(motor)
    if motor.reason:
        sentences.append(f"No output was worked out: {motor.reason}.")
    return CoilPart("The motor hotspot", sentences, [_table(motor)] if motor.doses else [])


def motor_in_short(motor: Motor) -> list[str]:
    """Say hotspot and outputs in a line each, for the terminal."""
    spot, distance = motor.hotspot, motor.distance
    lines = [f"motor hotspot: {SIDES[spot.hemisphere]} hemisphere, in {motor.network}"]
    if distance is not None and math.isfinite(distance.along_mm):
        lines[0] += f", {distance.along_mm:.0f} mm along the cortex from the map's hand network"
    lines += [f"warning: {words}" for words in hotspot_warnings(motor)]
    for name, dose in motor.doses.items():
        told = "{:.2f} times the output at the hand ({:.2f} to {:.2f} by the cortex that counts)".format(
            dose.ratio, *dose.ratio_range
        )
        if dose.output_percent is not None:
            told += f", {dose.output_percent:.0f} % of maximum" + ("" if dose.possible else ", which cannot be given")
        lines.append(f"field of the motor threshold at {name}: {told} (not a treatment dose)")
    return lines


def _table(motor: Motor) -> Table:
    rows = [
        [
            name,
            number(dose.hand_v_per_m),
            number(dose.target_v_per_m),
            number(dose.ratio),
            " to ".join(map(number, dose.ratio_range)),
            None if dose.output_percent is None else f"{number(dose.output_percent, 0)} %{_span(dose)}",
            {None: "not known", True: "yes", False: "no: above 100 %"}[dose.possible],
        ]
        for name, dose in motor.doses.items()
    ]
    fields = [f"At the {place}, V/m per A/µs" for place in ("hand", "target")]
    columns = ["Target", *fields, "Ratio", "Range of the ratio", "Output", "Can be given"]
    return Table(
        "The output that makes the field of the motor threshold",
        columns,
        rows,
        "Ratio: output at the target over output at the hand, for equal fields. Range, and in brackets that of the "
        "output: by other choices of the cortex that counts (mean, high percentile, highest |E|, two distances). Not a "
        "treatment dose.",
    )


def _span(dose: Dose) -> str:
    """Say in brackets the range of the output; empty where there is none."""
    if dose.output_range_percent is None or not dose.ratios:
        return ""
    return " ({} to {} %)".format(*(number(one, 0) for one in dose.output_range_percent))
