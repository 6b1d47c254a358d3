"""What is said of the fields of other programs beside ours: words, tables, pictures, and rows of the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop import facts, figures
from actionloop.pipeline.engines import QUOTES
from actionloop.pipeline.posetables import pose_shift
from actionloop.pipeline.posewords import number, percent
from actionloop.pipeline.sidebyside import ForeignField
from actionloop.poses import FieldComparison
from actionloop.report import CoilPart, Picture, Table
from actionloop.types import SIDES, Anatomy

if TYPE_CHECKING:
    from actionloop.pipeline.personjob import PersonResult

UNVERIFIED = (
    "Unverified: no real installation of SimNIBS or cuNIBS was at hand; the exchange follows their documentation and "
    "was tried on files of our own."
)
_COLUMNS = {
    "correlation": "correlation",
    "ratio": "ratio",
    "relative_difference": "difference",
    "scaled_difference": "difference_scaled",
    "peak_mm": "peaks_apart",
    "centre_mm": "centres_apart",
    "dice": "dice",
    "share_ours": "on_target_ours",
    "share_theirs": "on_target_theirs",
    "target_ours": "field_ours",
    "target_theirs": "field_theirs",
    "peak_ours": "peak_ours",
    "peak_theirs": "peak_theirs",
    "covered": "covered",
}


def scale_words(ratio: float) -> str:
    """Say what a ratio of both fields tells of units; empty where they agree.

    Parameters
    ----------
    ratio : float
        Theirs by ours.
    """
    if not ratio > 0:
        return "The fields do not resemble each other at all: this is another pose, or another head."
    power = math.log10(ratio)
    for exponent, words in (
        (6, "a million times ours: dI/dt was probably given as 1e6 times too much (A/s and A/µs mixed up)"),
        (-6, "a millionth of ours: dI/dt was probably given in A/µs where A/s is meant (1 A/µs is 1e6 A/s)"),
        (3, "about a thousand times ours: one of both is probably in another unit (mV and V, mm and m)"),
        (-3, "about a thousandth of ours: one of both is probably in another unit (mV and V, mm and m)"),
    ):
        if abs(power - exponent) < 0.5:
            return f"Theirs is {words}. Correct this before reading anything else here."
    if max(ratio, 1 / ratio) > float(facts.load("engines")["compare"]["ratio"]):
        return (
            f"Theirs is {ratio:.3g} times ours: more than head models explain. Check the coil, dI/dt (--foreign-didt) "
            "and the pose."
        )
    return ""


def compared_words(one: ForeignField) -> list[str]:
    """Sentences on one comparison."""
    title, found = f"{one.search.name} ({SIDES[one.search.hemisphere]}), {one.program}", one.found
    if found is None:
        return [f"{title}: there is no field to compare with. {one.reason}"]
    said = [
        f"{title} ({one.source}): |E| correlates with ours at {found.correlation:.3f}; theirs is "
        f"{found.ratio:.3g} times ours, and differs by {percent(found.relative_difference)} "
        f"({percent(found.scaled_difference)} once scaled). The stimulated cortex overlaps by Dice {found.dice:.2f}, "
        f"its middles lie {found.centre_mm:.0f} mm apart, the peaks {found.peak_mm:.0f} mm. On {one.search.network}: "
        f"{percent(found.share_ours)} by ours, {percent(found.share_theirs)} by theirs."
    ]
    units, limits = scale_words(found.ratio), facts.load("engines")["compare"]
    if units:
        said.append(units)
    if found.centre_mm > limits["peaks_mm"]:
        said.append(
            "The stimulated places lie far apart: look whether both were computed for the same pose, coil and side."
        )
    if one.matrix is not None:
        moved, turn, tilt = pose_shift(one.matrix, one.search.best.matrix)
        if moved > limits["moved_mm"] or max(turn, tilt) > limits["turned_deg"]:
            said.append(
                f"{one.program} laid the coil itself, {moved:.1f} mm away, turned by {turn:.0f}° and tilted by "
                f"{tilt:.0f}°: not quite the same pose."
            )
    elif one.program not in (known["name"] for known in facts.load("engines")["program"].values()):
        said.append("That it was computed at this pose, with this coil, is taken on trust: the file does not say.")
    return said


def compared_part(result: PersonResult) -> CoilPart | None:
    """Put together what the report says of other programs; None where none was asked for."""
    compared = result.compared
    if not compared:
        return None
    head = result.posing.head
    said = [
        UNVERIFIED,
        f"Another program's head model has other tissues and another mesh{f' (ours: {head})' if head else ''}: "
        "agreement says that neither made a gross mistake, not that either is right.",
    ]
    if result.posing.preview:
        said.append("Our field is a preview in a sphere: nothing but its rough shape can be compared.")
    said += [sentence for one in compared for sentence in compared_words(one)]
    whole = [one for one in compared if one.found is not None]
    tables = [_table(whole)] if whole else []
    pictures = [_picture(one, index, result.head.anatomy) for index, one in enumerate(whole, start=1)]
    return CoilPart("The field by other programs", said, tables, pictures)


def compared_in_short(compared: Sequence[ForeignField]) -> list[str]:
    """One line for each comparison."""
    said = []
    for one in compared:
        if one.found is None:
            said.append(f"not compared with {one.program}: {one.search.name}: {one.reason}")
            continue
        units = scale_words(one.found.ratio)
        said.append(
            f"field of {one.program} for {one.search.name}: correlation {one.found.correlation:.2f}, "
            f"{one.found.ratio:.3g} times ours, overlap {one.found.dice:.2f}" + (f". {units}" if units else "")
        )
    return said


def compared_rows(compared: Sequence[ForeignField]) -> list[dict[str, Any]]:
    """Return one row for each comparison; what is not known is None."""
    return [_row(one) for one in compared]


def _row(one: ForeignField) -> dict[str, Any]:
    moved = turn = tilt = None
    if one.matrix is not None:
        moved, turn, tilt = pose_shift(one.matrix, one.search.best.matrix)
    values = {} if one.found is None else _known(one.found)
    return {
        "target": one.search.name,
        "side": SIDES[one.search.hemisphere],
        "program": one.program,
        "source": one.source,
        **{column: values.get(name) for name, column in _COLUMNS.items()},
        "inside": one.inside if math.isfinite(one.inside) else None,
        "moved": moved,
        "turn": turn,
        "tilt": tilt,
        "reason": one.reason.partition(QUOTES)[0] or None,  # what a program wrote may name places of this machine
    }


def _known(found: FieldComparison) -> dict[str, float]:
    return {name: value for name, value in asdict(found).items() if math.isfinite(value)}


def _table(compared: Sequence[ForeignField]) -> Table:
    rows = []
    for one in compared:
        found = one.found
        if found is not None:
            rows.append(
                [
                    f"{one.search.name} ({SIDES[one.search.hemisphere]})",
                    one.program,
                    number(found.correlation, 3),
                    f"{found.ratio:.3g}",
                    percent(found.relative_difference),
                    number(found.dice),
                    f"{number(found.peak_mm, 0)} / {number(found.centre_mm, 0)}",
                    f"{percent(found.share_ours)} / {percent(found.share_theirs)}",
                    f"{found.target_ours:.3g} / {found.target_theirs:.3g}",
                    f"{found.peak_ours:.3g} / {found.peak_theirs:.3g}",
                    f"{percent(found.covered)}, {percent(one.inside)}",
                ]
            )
    return Table(
        "|E| at the same vertices of this cortex, ours / theirs",
        [
            *("Target", "Program", "Correlation", "Theirs by ours", "Difference", "Dice", "Peaks / middles, mm apart"),
            *(
                "On target",
                "Field on target, V/m per A/µs",
                "Peak, V/m per A/µs",
                "Cortex compared, inside grey elements",
            ),
        ],
        rows,
        "Weighted by area. Theirs by ours: the factor that brings ours nearest to theirs. Difference: length of theirs "
        "less ours by the length of ours. Dice and middles: of the cortex from the 99th percentile of |E| on. Peak: "
        "99.9th percentile. A vertex takes the value of the grey element that holds it, else of the nearest.",
    )


def _picture(one: ForeignField, index: int, anatomy: Anatomy) -> Picture:
    search, side = one.search, one.search.hemisphere
    ours = np.asarray(search.field_v_per_m[side], dtype=np.float64)
    theirs = np.full(len(ours), np.nan) if one.theirs is None else one.theirs[side]
    limit = search.best.peak_v_per_m if search.best.peak_v_per_m > 0 else float(np.nanmax(ours))
    fields = figures.TwoFields(
        np.where(np.isfinite(theirs), ours, np.nan), theirs, ("ours", one.program), limit, search.averaged[side]
    )
    png = figures.compared_fields(anatomy, side, search.best.matrix, fields)
    said = "" if one.found is None else f"; correlation {one.found.correlation:.2f}, Dice {one.found.dice:.2f}"
    return Picture(
        f"compared{index}",
        "coil",
        png,
        f"|E| under the coil for {search.name} ({SIDES[side]}): ours, {one.program}, and their difference{said}",
        f"|E| on the pial surface as the coil sees it, {SIDES[side]} hemisphere, one scale for both; at the right "
        "theirs less ours. Dark grey: not compared.",
    )
