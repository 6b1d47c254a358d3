"""What a person brings: a DICOM series of the T1, landmarks, ratings, a hotspot; checked before anything is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actionloop import files
from actionloop.brain import Fiducials, place_fiducials
from actionloop.errors import GeometryError, OptionError
from actionloop.files import DicomSeries, PersonFiles, Tolerability
from actionloop.pipeline.head import Head, in_mni
from actionloop.pipeline.motor import hotspot_of
from actionloop.pipeline.settings import Settings
from actionloop.poses import Hotspot
from actionloop.types import FloatArray

if TYPE_CHECKING:
    from actionloop.pipeline.personjob import PersonJob

_NAMED = 3  # people named in an error


@dataclass(frozen=True, eq=False)
class Brought:
    """What was given for the exports and the report, known to belong to this head.

    Attributes
    ----------
    series : DicomSeries or None
    fiducials : Fiducials or None
        On the scalp.
    tolerability : Tolerability or None
        Ratings of other people.
    hotspot : Hotspot or None
        The motor hotspot on the cortex.
    """

    series: DicomSeries | None = None
    fiducials: Fiducials | None = None
    tolerability: Tolerability | None = None
    hotspot: Hotspot | None = None


def open_brought(job: PersonJob) -> tuple[DicomSeries | None, dict[str, FloatArray] | None]:
    """Read what was given for the exports, before any work is done.

    Raises
    ------
    OptionError
        The person has no own T1 and surfaces that it could belong to.
    InputError, GeometryError
        A folder that is no series, a file that holds no landmarks, or the extra 'dicom' is not installed.
    """
    wanted, person = job.settings.export, job.person
    for option, given in (("--dicom", wanted.dicom), ("--fiducials", wanted.fiducials)):
        if given is not None and (job.template_image or person.t1w is None or person.surfaces is None):
            lacking = "T1" if person.t1w is None else "surfaces"
            raise OptionError(
                f"{option} goes with the person's own T1 and surfaces; there are no own {lacking}",
                where=given,
                fix=f"give --t1w and --surfaces (or a data set that has them), or leave {option} out",
            )
    series = None
    if wanted.dicom is not None:
        series = files.read_dicom_series(wanted.dicom, frame=f"sub-{person.label} T1w (DICOM series)")
    return series, None if wanted.fiducials is None else files.read_fiducials(wanted.fiducials)


def bring(job: PersonJob, opened: tuple[DicomSeries | None, dict[str, FloatArray] | None], head: Head) -> Brought:
    """Hold what was given against the head.

    Raises
    ------
    OptionError
        The head has no T1 that its surfaces belong to, or a motor hotspot that is not on it.
    InputError
        A file that is no table of ratings.
    GeometryError
        A series of another head or place, or landmarks that cannot be those of this head.
    """
    wanted, (series, places) = job.settings.export, opened
    for option, given in (("--dicom", wanted.dicom), ("--fiducials", wanted.fiducials)):
        if given is not None and (head.image is None or head.scalp is None or head.reason):
            raise OptionError(
                f"{option} cannot be used: {head.reason or 'there is no T1'}", where=given, fix=f"leave {option} out"
            )
    if series is not None and head.image is not None:
        files.require_same_place(series, head.image)
    fiducials = None
    if places is not None and head.scalp is not None:
        try:
            fiducials = place_fiducials(head.scalp, places)
        except GeometryError as error:
            raise GeometryError(error.problem, where=wanted.fiducials, fix=error.fix) from error
    hotspot, ratings = hotspot_of(job.settings.pose, head), job.settings.pose.tolerability
    return Brought(series, fiducials, None if ratings is None else files.read_tolerability(ratings), hotspot)


def require_one_place(settings: Settings, people: Sequence[PersonFiles], *, n_people: int) -> None:
    """Refuse one coordinate for several people, unless it is in MNI for each of them: template anatomy, or MNI space.

    Parameters
    ----------
    settings : Settings
    people : sequence of PersonFiles
        Those who were found.
    n_people : int
        Asked for.

    Raises
    ------
    OptionError
    """
    place = settings.pose.coordinate
    own = [f"sub-{one.label}" for one in people if not in_mni(one)]
    if place is not None and n_people > 1 and own:
        raise OptionError(
            f"--coordinate is one person's: {n_people} people are to be worked on, and in the T1 of "
            f"{', '.join(own[:_NAMED])}{' and others' if len(own) > _NAMED else ''} the same numbers are another place "
            "of the brain",
            where="--coordinate",
            fix="name one person with --participant-label, and give the place in that person's own T1 (RAS mm)",
        )


def require_one_person(settings: Settings, n_people: int) -> None:
    """Refuse one person's series, landmarks or answers in a run of several people.

    Raises
    ------
    OptionError
    """
    own = {
        "--dicom": settings.export.dicom,
        "--fiducials": settings.export.fiducials,
        "--screening": settings.safety.screening,
        "--motor-hotspot": settings.pose.motor_hotspot,
        "--head-model": settings.pose.head,
    }
    for option, given in own.items():
        if given is not None and n_people > 1:
            raise OptionError(
                f"{option} is one person's; {n_people} people are to be worked on",
                where=given if isinstance(given, Path) else None,
                fix="name one with --participant-label",
            )
