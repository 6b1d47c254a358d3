"""How other people bore TMS near where the coil lies: ratings by place of the scalp, in words and a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actionloop import facts
from actionloop.brain import electrode_place, lay_lines
from actionloop.errors import GeometryError
from actionloop.files import Tolerability
from actionloop.pipeline.posewords import number
from actionloop.report import CoilPart, Table
from actionloop.types import HEMISPHERES, SIDES, FloatArray, Hemisphere

if TYPE_CHECKING:
    from actionloop.pipeline.personjob import PersonResult


@dataclass(frozen=True, eq=False)
class PlacedSites:
    """Where places of a table of ratings lie on one head.

    Attributes
    ----------
    places : mapping of (str, hemisphere) to (3,) float ndarray
        RAS mm on the scalp, by the table's name and side.
    unplaced : tuple of str
        Names that could not be placed.
    reason : str
        Why none could; empty where some were.
    """

    places: Mapping[tuple[str, Hemisphere], FloatArray]
    unplaced: tuple[str, ...]
    reason: str = ""

    def nearest(self, xyz_ras: FloatArray) -> tuple[str, Hemisphere, float] | None:
        """Return name, side and distance (mm) of the place nearest to the coil; None where none is near."""
        apart = {key: float(np.linalg.norm(place - xyz_ras)) for key, place in self.places.items()}
        if not apart:
            return None
        name, side = min(apart, key=lambda key: apart[key])
        within = float(facts.load("tolerability")["place"]["within_mm"])
        return (name, side, apart[name, side]) if apart[name, side] <= within else None


def place_sites(names: Sequence[str], result: PersonResult) -> PlacedSites:
    """Place the names of a table on this head, by its landmarks and the 10 % system.

    Parameters
    ----------
    names : sequence of str
    result : PersonResult

    Returns
    -------
    PlacedSites
        Names outside that system, and those whose lines leave the image, are left out and told.
    """
    head, known = result.head, facts.load("tolerability")["place"]["of"]
    if head.scalp is None:
        return PlacedSites({}, tuple(names), head.reason or "there is no scalp")
    try:
        lines = lay_lines(head.scalp, result.brought.fiducials or head.found_fiducials())
    except GeometryError as error:
        return PlacedSites({}, tuple(names), error.problem)
    places: dict[tuple[str, Hemisphere], FloatArray] = {}
    unplaced = []
    for name in names:
        try:
            places |= {(name, side): electrode_place(lines, side, **known[name]) for side in HEMISPHERES}
        except (KeyError, GeometryError):
            unplaced.append(name)
    return PlacedSites(places, tuple(unplaced), "" if places else "none of them is a place of the 10-20 system")


def comfort_part(result: PersonResult) -> CoilPart | None:
    """Put together what the report says of tolerability; None where no ratings were given.

    Parameters
    ----------
    result : PersonResult

    Returns
    -------
    CoilPart or None
    """
    ratings = result.brought.tolerability
    if ratings is None:
        return None
    sites = place_sites(tuple(ratings.locations), result)
    words = [_source_words(ratings)]
    if sites.reason:
        words.append(f"The places could not be found on this head ({sites.reason}), so no coil is compared with them.")
    nearest: dict[str, list[str]] = {}
    for name, middle in ({} if sites.reason else _coils(result)).items():
        found = sites.nearest(middle)
        words.append(_coil_words(name, found, ratings))
        if found is not None:
            nearest.setdefault(found[0], []).append(name)
    if sites.unplaced and not sites.reason:
        words.append(
            f"Not placed on this head, as they are no places of the 10-20 system or its 10 % extension, or their lines "
            f"leave the image: {', '.join(sites.unplaced)}. One of them may be nearer to a coil than the one named."
        )
    words.append(
        "These are ratings of other people, with the coil, intensity and pulses of that study; they do not say how "
        "this person will bear it."
    )
    return CoilPart("How other people bore stimulation there", words, [_table(ratings, sites, nearest)])


def _coils(result: PersonResult) -> dict[str, FloatArray]:
    """Return the middle of the coil for every target that has a pose, by its field where it was searched."""
    found = {
        target.name: target.pose.matrix[:3, 3] for target in (*result.targets, *result.asked) if target.pose is not None
    }
    searched = {one.name: one.best.matrix[:3, 3] for one in result.posing.searches}
    return searched or found


def _source_words(ratings: Tolerability) -> str:
    known = facts.load("tolerability")
    missing = ", ".join(f"{n} without {name}" for name, n in ratings.n_missing.items() if n)
    scales = ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in ratings.scales.items())
    return (
        f"Ratings of {ratings.n_people} people at {len(ratings.locations)} places ({ratings.source}, "
        f"{ratings.n_trials:,} trials{'; ' + missing if missing else ''}; scales: {scales}); each person's mean first, "
        f"then mean and standard deviation over people; both sides together. The form of the table is that of "
        f"{known['source']}{'' if known['verified'] else ' (reference not verified)'}."
    )


def _coil_words(name: str, found: tuple[str, Hemisphere, float] | None, ratings: Tolerability) -> str:
    if found is None:
        within = facts.load("tolerability")["place"]["within_mm"]
        return f"{name}: no place of the table lies within {within:g} mm of the coil's middle."
    site, side, away = found
    told = ", ".join(
        f"{rating} {_told(one.mean)} ± {_told(one.spread)}" for rating, one in ratings.locations[site].items()
    )
    row = facts.load("tolerability")["place"]["of"][site]
    sided = "" if row["share"] == 0 else f" on the {SIDES[side]}"
    people = max(one.n_people for one in ratings.locations[site].values())
    return (
        f"{name}: the nearest place is {site}{sided}, {away:.0f} mm from the coil's middle: {told} ({people} people)."
    )


def _table(ratings: Tolerability, sites: PlacedSites, nearest: Mapping[str, Sequence[str]]) -> Table:
    rows = []
    for site, found in sorted(ratings.locations.items(), key=lambda item: -item[1]["pain"].mean):
        placed = "no" if site in sites.unplaced else "yes"
        told = [f"{_told(one.mean)} ± {_told(one.spread)}" for one in found.values()]
        rows.append([site, *told, placed, ", ".join(nearest.get(site, ())) or None])
    return Table(
        "Ratings by place of the scalp, the most painful first",
        ["Place", *(name.capitalize() for name in ratings.scales), "Placed on this head", "Nearest to the coil of"],
        rows,
        "Mean ± standard deviation over people of each person's mean over trials.",
    )


def _told(value: float) -> str:
    return number(value, 1) if math.isfinite(value) else "–"
