"""A measured point of the scalp as instructions for somebody with a tape and a skin pencil."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionloop.brain import Fiducials, ScalpMeasure

# Nearer to Cz than this an angle means nothing.
_AT_VERTEX_MM = 3.0
# A person's own arc that differs by more than this from the imaged one was not measured between the same places.
AGREE_MM = 10.0


@dataclass(frozen=True)
class TapeWords:
    """What a sheet says of one measured point.

    Attributes
    ----------
    rows : tuple of (str, str)
        What was measured, and how much.
    steps : tuple of str
        What to do, in order.
    check : tuple of str
        A second way to the same point, in order.
    caveats : tuple of str
        How far to trust it.
    """

    rows: tuple[tuple[str, str], ...]
    steps: tuple[str, ...]
    check: tuple[str, ...]
    caveats: tuple[str, ...]


def tape_words(measure: ScalpMeasure, fiducials: Fiducials) -> TapeWords:
    """Write a measure as rows and as steps.

    Parameters
    ----------
    measure : ScalpMeasure
    fiducials : Fiducials
        That it was taken from.

    Returns
    -------
    TapeWords
    """
    return TapeWords(_rows(measure), _steps(measure), _check(measure), _caveats(measure, fiducials))


def _cm(mm: float) -> str:
    return f"{mm / 10:.1f} cm"


def _rows(measure: ScalpMeasure) -> tuple[tuple[str, str], ...]:
    side = "" if measure.side == "midline" else f" to the {measure.side}"
    rows = [
        ("Nasion to inion over Cz", _cm(measure.nasion_inion_mm)),
        ("Left to right tragus over Cz", _cm(measure.tragus_mm)),
    ]
    if measure.circumference_mm is not None:
        rows.append(("Circumference (10 % levels: FPz, T7, Oz, T8)", _cm(measure.circumference_mm)))
    rows.append(("From Cz along the scalp", _cm(measure.from_vertex_mm)))
    if measure.from_vertex_mm >= _AT_VERTEX_MM:
        rows.append(("Angle at Cz from straight ahead", f"{measure.angle_deg:.0f}°{side}"))
    if measure.circumference_from_front_mm is not None:
        rows.append(
            ("Along the circumference from the midline in front", f"{_cm(measure.circumference_from_front_mm)}{side}")
        )
    return (
        *rows,
        ("Along nasion–inion, where ear–point–ear crosses it", f"{measure.front_percent:.1f} % from the nasion"),
        ("Along tragus–tragus, where nasion–point–inion crosses it", f"{measure.tragus_percent:.1f} % from the left"),
        ("Along ear–point–ear", f"{measure.ear_percent:.1f} % of {_cm(measure.ear_line_mm)} from the left"),
        ("Side", _side(measure)),
    )


def _side(measure: ScalpMeasure) -> str:
    if measure.side == "midline":
        return "on the midline"
    return f"{measure.side.upper()}: {_cm(measure.beside_midline_mm)} to the person's {measure.side} of the midline"


def _steps(measure: ScalpMeasure) -> tuple[str, ...]:
    steps = [
        f"Measure from nasion to inion over the top of the head and mark the half (here {_cm(measure.nasion_inion_mm)}"
        f", half {_cm(measure.nasion_inion_mm / 2)}).",
        f"Measure from the left to the right tragus through that mark and mark the half (here {_cm(measure.tragus_mm)}"
        f", half {_cm(measure.tragus_mm / 2)}). Where both halves meet is Cz.",
    ]
    if measure.from_vertex_mm < _AT_VERTEX_MM:
        return (*steps, f"The point is Cz (within {_AT_VERTEX_MM:.0f} mm).")
    side = "" if measure.side == "midline" else f" to the person's {measure.side.upper()}"
    if measure.circumference_mm is not None and measure.circumference_from_front_mm is not None:
        steps += [
            "Lay the tape around the head, 10 % of the first line above nasion and inion and 10 % of the second above "
            f"both tragi (here {_cm(measure.circumference_mm)}).",
            f"From the midline in front go {_cm(measure.circumference_from_front_mm)}{side} along it and mark.",
            f"From Cz go {_cm(measure.from_vertex_mm)} straight towards this mark: the point.",
        ]
    else:
        angle = f"{measure.angle_deg:.0f}° from straight ahead{side}"
        steps.append(f"From Cz go {_cm(measure.from_vertex_mm)} at {angle}: the point.")
    return tuple(steps)


def _check(measure: ScalpMeasure) -> tuple[str, ...]:
    return (
        f"From the nasion go {_cm(measure.front_mm)} ({measure.front_percent:.1f} %) along the midline and mark.",
        f"Measure from the left to the right tragus through this mark (here {_cm(measure.ear_line_mm)}).",
        f"From the left tragus go {_cm(measure.ear_mm)} ({measure.ear_percent:.1f} %) along it: the same point.",
    )


def _caveats(measure: ScalpMeasure, fiducials: Fiducials) -> tuple[str, ...]:
    said = []
    if fiducials.found:
        said.append(
            "Nasion, inion and tragi were not marked on this person: they were carried from the MNI head and laid on "
            f"the scalp, to about {fiducials.uncertainty_mm:.0f} mm (assumed, not measured)."
        )
    said += fiducials.doubts
    if np.isfinite(measure.error_mm):
        said.append(
            f"The numbers lead to the point within about {measure.error_mm:.0f} mm (one standard error: landmarks "
            f"{measure.landmark_error_mm:.0f} mm, tape {measure.tape_error_mm:.0f} mm). To this the uncertainty of the "
            "target itself comes."
        )
    else:
        said.append("How far the numbers lead from the point could not be worked out on this head.")
    said.append(
        f"When the lengths on the person differ by more than {AGREE_MM / 10:.0f} cm from those here, go by the "
        "percentages, and check the landmarks first."
    )
    return tuple(said)
