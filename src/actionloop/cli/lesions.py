"""The command that asks what the place of a lesion is connected with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from actionloop import facts
from actionloop.cli.bar import shown_progress
from actionloop.cli.options import Flag, Verbose, Who
from actionloop.cli.streams import put, say
from actionloop.errors import OptionError

if TYPE_CHECKING:
    from actionloop.types import Hemisphere

_SIDES: dict[str, Hemisphere | Literal["both"]] = {"left": "L", "right": "R", "both": "both"}


@Parameter(name="*")
@dataclass(frozen=True)
class Lesioned:
    """The lesion, and what it is held against.

    Parameters
    ----------
    cohort
        Healthy people as for 'plan', a folder of .ptseries.nii, or a prior with connectivity templates.
    coordinate
        Centre of a sphere in place of masks: X Y Z, RAS mm of MNI152.
    radius
        Of that sphere in mm; 3 when left out.
    side
        Where the lesion is known to be; needed for masks, and for a coordinate near the midline.
    symptoms
        Table with a row for each mask: lesion, score, further columns as covariates.
    atlas
        Images of thalamic nuclei (HCPex, AAL3, THOMAS) in place of the fetched ones.
    t1
        Image that the mask was drawn on, where it is not in MNI space; with --transform.
    transform
        Affine between that image and MNI152 (ITK, FSL or LTA).
    nulls
        Lesions of the same size to compare with; 1,000 for a single lesion when left out.
    tr
        Repetition time in seconds, where the files do not state it or state it wrongly.
    random_seed
        Seed, written into the description.
    overwrite
        Write into a folder that holds other things; nothing of those is changed.
    """

    cohort: Path
    coordinate: tuple[float, float, float] | None = None
    radius: float | None = None
    side: Literal["left", "right", "both"] | None = None
    symptoms: Path | None = None
    atlas: Annotated[tuple[Path, ...], Parameter(consume_multiple=True)] = ()
    t1: Path | None = None
    transform: Path | None = None
    nulls: int | None = None
    tr: float | None = None
    random_seed: Annotated[int, Parameter(alias="--seed")] = 0
    overwrite: Flag = False


_WHO = Who()


def lesion(
    *paths: Path,
    lesioned: Lesioned,
    who: Who = _WHO,
    verbose: Verbose = False,
) -> int:
    """Ask what the place of a lesion is connected with in healthy people, against lesions of its size elsewhere.

    Parameters
    ----------
    paths
        Masks of lesions, then the folder for tables, maps, pictures and page.
    """
    say(facts.notice())
    from actionloop import pipeline

    if not paths:
        raise OptionError("no folder for the results was given", fix="actionloop lesion [LESION ...] OUT --cohort ...")
    request = pipeline.LesionRequest(
        out=paths[-1],
        cohort=lesioned.cohort,
        lesions=tuple(paths[:-1]),
        coordinate=lesioned.coordinate,
        radius_mm=lesioned.radius,
        side=None if lesioned.side is None else _SIDES[lesioned.side],
        symptoms=lesioned.symptoms,
        atlases=tuple(lesioned.atlas),
        t1w=lesioned.t1,
        transform=lesioned.transform,
        nulls=lesioned.nulls,
        seed=lesioned.random_seed,
        overwrite=lesioned.overwrite,
        **who.choice(),
        tr_s=lesioned.tr,
    )
    with shown_progress() as progress:
        found, page = pipeline.map_lesions(request, progress=progress)
    for one in found.each:
        for k, name in enumerate(one.plain.names):
            removed = "" if one.removed is None else f"\tp(removed) {one.removed.p[k]:.3f}"
            put(
                f"{one.lesion.name}\t{name}\tz {one.plain.value[k]:+.3f}\tp {one.plain.p[k]:.3f}"
                f"\tFWE {one.plain.p_max[k]:.3f}{removed}"
            )
    for outcome in found.connected.outcomes:
        if not outcome.ok:
            say(f"sub-{outcome.label} was left out: {outcome.message.splitlines()[0]}")
    put(str(page))
    return 0
