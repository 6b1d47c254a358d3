"""Coil poses of one person: which targets, which coil, which head; searched, judged, and kept as steps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actionloop import facts, files
from actionloop.brain import Scalp
from actionloop.errors import GeometryError
from actionloop.field import casing_of, find_coil
from actionloop.pipeline.head import Head
from actionloop.pipeline.headmodels import FieldHead, MissingScalp, field_head, missing_scalp
from actionloop.pipeline.motor import Motor, hand_from_arrays, hand_to_arrays, judge_motor
from actionloop.pipeline.posebench import PoseBench
from actionloop.pipeline.posestore import search_from_arrays, search_to_arrays
from actionloop.pipeline.posewords import preview_words
from actionloop.pipeline.progress import Progress
from actionloop.pipeline.settings import PoseSettings
from actionloop.pipeline.steps import Arrays, Steps, key_of
from actionloop.poses import HandField, Hotspot, PoseSearch, make_casing, plan_session
from actionloop.reliability import Reliability
from actionloop.types import Coil, CoilPose, NetworkMap, SiteReading, Target

if TYPE_CHECKING:
    from actionloop.pipeline.person import PersonJob


@dataclass(frozen=True, eq=False)
class Posing:
    """Coil poses of one person, by the field that they make.

    Attributes
    ----------
    searches : tuple of PoseSearch
    coil : Coil or None
    scalp : Scalp or None
        Of the head model.
    head : str
        What the head model was made from.
    approximate : bool
    notes : tuple of str
    session : str
        Whether one SCAN and one AMN pose fit on the head at once; empty without both.
    reason : str
        Why there are none; empty where there are.
    preview : bool
        Fields are those of a sphere: shown, and not exported as the pose of a target.
    motor : Motor or None
        What follows from the person's motor hotspot, where it was given.
    """

    searches: tuple[PoseSearch, ...] = ()
    coil: Coil | None = None
    scalp: Scalp | None = None
    head: str = ""
    approximate: bool = False
    notes: tuple[str, ...] = ()
    session: str = ""
    reason: str = ""
    preview: bool = False
    motor: Motor | None = None

    def of(self, target: Target) -> PoseSearch | None:
        """Return the search for a target; None where there was none."""
        return next((one for one in self.searches if one.name == target.name), None)


def find_poses(  # noqa: PLR0913 - each is another kind of input
    job: PersonJob,
    head: Head,
    network_map: NetworkMap,
    targets: Sequence[Target],
    sites: Sequence[SiteReading],
    reliability: Reliability | None,
    *,
    hotspot: Hotspot | None,
    kept: tuple[Steps, str, str],
    progress: Progress,
) -> Posing:
    """Search the coil pose of every target that was asked for, and judge how likely it hits.

    Parameters
    ----------
    job : PersonJob
    head : Head
    network_map : NetworkMap
        On the vertices of the cortex.
    targets : sequence of Target
        To be posed, best first.
    sites : sequence of SiteReading
    reliability : Reliability or None
    hotspot : Hotspot or None
        The person's motor hotspot on the cortex.
    kept : (Steps, str, str)
        Finished steps, the key of the head model, and that of the map.
    progress : Progress

    Returns
    -------
    Posing

    Raises
    ------
    ActionloopError
        A coil or a head model that cannot be used.
    """
    wanted = job.settings.pose
    judge = partial(judge_motor, hotspot, head, network_map, threshold_percent=wanted.motor_threshold)
    if wanted.engine == "geometric":
        reason = "a field was not asked for (--engine geometric)"
        return Posing(reason=reason, motor=judge((), made=None, reason=reason))
    coil = choose_coil(wanted.coil, stimulator=wanted.stimulator)
    if not targets:
        reason = "there is no target to find a pose for"
        return Posing(coil=coil, reason=reason, motor=judge((), made=None, reason=reason))
    steps, head_key, map_key = kept
    # A preview needs no head model where the scalp is there without one.
    bare = wanted.engine == "sphere" and wanted.head is None
    made = FieldHead(None, head.scalp) if bare and head.scalp is not None else field_head(job, head, steps, head_key)
    bench = PoseBench(job, head, network_map, sites, reliability, made, coil)
    searches, cuts = [], missing_scalp(head, made.scalp)
    told = [*made.notes, *cuts.reasons]
    shaped = {
        "map": map_key,
        "head": head_key,
        "coil": _described(coil),
        "engine": wanted.engine,
        "draws": [wanted.draws, job.settings.seed, wanted.draws and _judged(reliability)],
        "versions": [facts.load(name)["version"] for name in ("poses", "chance")],
    }
    for target in targets:
        if cuts.near(target):
            told.append(f"No pose for {target.name}: the scalp that the coil needs there is cut away in the T1.")
            continue
        key = key_of({**shaped, "target": [target.name, target.vertex]})
        name = f"pose{target.piece.hemisphere}{''.join(filter(str.isalnum, target.name))}"
        arrays, _ = steps.run(name, key, partial(_searched, bench, target, progress))
        searches.append(search_from_arrays(arrays))
    shared = key_of({"head": head_key, "coil": shaped["coil"], "poses": facts.load("poses")["version"]})
    made_at_hand, why_not = _at_hand(bench, hotspot, head, searches, cuts, kept=(steps, shared), progress=progress)
    posing = Posing(
        searches=tuple(searches),
        coil=coil,
        scalp=made.scalp,
        head="" if made.model is None else made.model.description,
        approximate=made.model is not None and made.model.approximate,
        notes=tuple(told),
        session=_session(searches, coil),
        reason="" if searches else "the scalp over every target is cut away in the T1",
        motor=judge(searches, made=made_at_hand, reason=why_not),
    )
    return posing if wanted.engine == "fem" else _as_preview(posing, bench)


def _at_hand(
    bench: PoseBench,
    hotspot: Hotspot | None,
    head: Head,
    searches: Sequence[PoseSearch],
    cuts: MissingScalp,
    *,
    kept: tuple[Steps, str],
    progress: Progress,
) -> tuple[HandField | None, str]:
    """Solve the coil over the motor hotspot, a step of its own; or say why not."""
    steps, shared = kept
    if hotspot is None:
        return None, ""
    reason = ""
    if bench.wanted.engine != "fem":
        reason = "a preview does not say how fields compare (--engine fem does)"
    elif not head.anatomy.own:
        reason = "the head is the template's, and the field at this person's hand is not known"
    elif not searches:
        reason = "no target has a pose by its field"
    elif cuts.near_place(hotspot.given_ras):
        reason = "the scalp over the motor hotspot is cut away in the T1"
    if reason:
        return None, reason
    place = [hotspot.kind, hotspot.hemisphere, hotspot.vertex, hotspot.given_ras.tolist()]
    key = key_of({"shared": shared, "place": place, "settings": facts.load("poses")["hotspot"]})
    try:
        arrays, _ = steps.run("motorhotspot", key, lambda: hand_to_arrays(bench.hand(hotspot, progress)))
    except GeometryError as error:
        return None, error.problem
    return hand_from_arrays(arrays), ""


def _as_preview(posing: Posing, bench: PoseBench) -> Posing:
    """Say of all that it comes of spheres; nothing of it goes to a navigation system."""
    radii = sorted({round(bench.sphere(search.aim_ras).radius_mm) for search in posing.searches})
    radius = " or ".join(map(str, radii))
    return replace(
        posing,
        head=f"sphere of radius {radius} mm fitted to the scalp (preview)" if radii else "",
        notes=(preview_words(), *posing.notes) if radii else posing.notes,
        session=f"Preview: {posing.session}" if posing.session else "",
        preview=True,
    )


def _searched(bench: PoseBench, target: Target, progress: Progress) -> Arrays:
    return search_to_arrays(bench.search(target, progress))


def require_coil(wanted: PoseSettings) -> None:
    """Refuse a coil that cannot be used before any work is done.

    Raises
    ------
    OptionError, InputError
    """
    if wanted.engine != "geometric":
        choose_coil(wanted.coil, stimulator=wanted.stimulator)


def choose_coil(given: str | None, *, stimulator: str | None = None) -> Coil:
    """Return a coil by its name, or from its file; of a file with several stimulators, the elements of one.

    Raises
    ------
    OptionError, InputError
        No such coil, or a file that is none.
    """
    if given is None:
        return find_coil(str(facts.load("field")["coil"]["default"]))
    path = coil_file(given)
    return find_coil(given) if path is None else files.read_coil(path, stimulator=_numbered(stimulator))


def _numbered(stimulator: str | None) -> str | int | None:
    return int(stimulator) if stimulator is not None and stimulator.isdecimal() else stimulator


def coil_file(given: str | None) -> Path | None:
    """Return the file of a coil; None for the name of one that comes with the program."""
    is_file = given is not None and (Path(given).suffix.lower() in (".ccd", ".tcd", ".gz", ".nii") or "/" in given)
    return Path(given) if is_file and given else None


def posed(targets: Sequence[Target], posing: Posing, head: Head) -> tuple[Target, ...]:
    """Give every target that has one the pose by its field, where there is an image that it is tied to.

    A preview leaves all targets as they are: what is exported keeps its geometric pose.
    """
    if posing.preview:
        return tuple(targets)
    image = head.image
    found = []
    for target in targets:
        search = posing.of(target)
        if search is None or image is None or target.entry_ras is None:
            found.append(target)
            continue
        note = (
            f"field: {search.best.on_target:.0%} on {search.network}, "
            f"{search.best.target_v_per_m:.2f} V/m at 1 A/us, coil {search.coil}"
        )
        if posing.approximate:
            note += ", approximate head"
        pose = CoilPose(search.best.matrix, image.tie, target.name, note)
        found.append(replace(target, pose=pose))
    return tuple(found)


def _described(coil: Coil) -> list[object]:
    parts = (coil.dipoles_mm, coil.moments_m2, coil.wires_mm, coil.wires_m, coil.casing_mm)
    return [coil.name, [hashlib.sha256(np.ascontiguousarray(part).tobytes()).hexdigest() for part in parts]]


def _judged(reliability: Reliability | None) -> object:
    if reliability is None:
        return None
    return [
        reliability.resamples.n,
        reliability.resamples.seed,
        [round(one.probability, 6) for one in reliability.targets],
    ]


def _session(searches: Sequence[PoseSearch], coil: Coil) -> str:
    """Say whether the best SCAN and the best AMN pose go together."""
    first: dict[str, PoseSearch] = {}
    for search in searches:
        first.setdefault(search.network, search)
    if not {"SCAN", "AMN"} <= first.keys():
        return ""
    casing = make_casing(casing_of(coil), name=coil.name)
    return plan_session(first["SCAN"], first["AMN"], (casing, casing)).words
