"""What the report says under 'The coil: pose, field, and chance of hitting'."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actionloop.brain import Scalp
from actionloop.pipeline.posepictures import Posed, coiled_head, draw_poses
from actionloop.pipeline.posetables import alone_table, compared_table
from actionloop.pipeline.posewords import (
    better_than,
    chance_words,
    compared_words,
    current_of,
    field_words,
    limit_words,
    number,
    out_of_reach,
    percent,
    preview_words,
)
from actionloop.poses.found import PoseSearch
from actionloop.report import CoilContent, CoilTarget, Picture, Table
from actionloop.types import SIDES, Anatomy, Coil, NetworkMap, Target


def pose_section(  # noqa: PLR0913 - the section shows all of it
    searches: Sequence[PoseSearch],
    network_map: NetworkMap,
    anatomy: Anatomy,
    *,
    scalp: Scalp | None = None,
    targets: Sequence[Target] = (),
    coils: Sequence[Coil] = (),
    head: str = "",
    approximate: bool = False,
    didt_a_per_us: float | None = None,
    plan: Sequence[str] = (),
    notes: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
) -> CoilContent:
    """Put together everything that the report says of coil poses.

    Parameters
    ----------
    searches : sequence of PoseSearch
        One or more a target, in the order in which they are shown; empty says that no target has a pose.
    network_map : NetworkMap
        The map of the page, on vertices; its networks are outlined.
    anatomy : Anatomy
    scalp : Scalp, optional
        In the frame of `anatomy`; without it the coil is not drawn on the head.
    targets : sequence of Target
        Those of the page, for their ranks.
    coils : sequence of Coil
        Found by `PoseSearch.coil`; of a coil that is not among them only the handle is drawn.
    head : str
        What the head model was made from.
    approximate : bool
        It is a template's head carried over.
    didt_a_per_us : float, optional
        Rate of change for which fields are stated beside 1 A/µs; by default the largest of each coil, where known.
    plan : sequence of str
        Two coils at once, in sentences.
    notes : sequence of str
        Sentences on the head model and the search.
    progress : callable
        Told the name of each picture before it is drawn.

    Returns
    -------
    CoilContent
    """
    known = {coil.name: coil for coil in coils}
    posed = [
        Posed(search, mark, index, known.get(search.coil), current_of(known.get(search.coil), didt_a_per_us))
        for index, (search, mark) in enumerate(zip(searches, _marks(searches, targets), strict=True), start=1)
    ]
    drawn = draw_poses(posed, network_map, anatomy, scalp, progress)
    warnings = [preview_words()] if any(search.preview for search in searches) else []
    if approximate and posed:
        warnings.append(
            "The head model is a template's head carried over to this person: poses and fields are approximate."
        )
    warnings += [words for words in map(out_of_reach, searches) if words]
    if posed and scalp is None:
        warnings.append("There is no scalp, so the coil is not drawn on the head.")
    told = any(one.current.didt_a_per_us is not None for one in posed)
    return CoilContent(
        facts=_facts(posed, head),
        warnings=warnings,
        overview=_overview(posed) if posed else None,
        targets=[_target(one, pictures) for one, pictures in zip(posed, drawn, strict=True)],
        plan=list(plan),
        notes=list(notes),
        limits=limit_words(searches, approximate=approximate, told=told) if posed else [],
        head=coiled_head(posed, scalp) if posed and scalp is not None else None,
    )


def _marks(searches: Sequence[PoseSearch], targets: Sequence[Target]) -> list[str]:
    """Name each search by the rank of its target, or by a capital; a small letter tells several of one target apart."""
    ranks = {(target.name, target.piece.hemisphere): str(target.rank) for target in targets}
    order = list(dict.fromkeys((search.name, search.hemisphere) for search in searches))
    unknown = [key for key in order if key not in ranks]
    first = {**{key: chr(ord("A") + i % 26) for i, key in enumerate(unknown)}, **ranks}
    marks, seen = [], dict.fromkeys(order, 0)
    for search in searches:
        key = (search.name, search.hemisphere)
        several = sum((one.name, one.hemisphere) == key for one in searches) > 1
        marks.append(first[key] + (chr(ord("a") + seen[key] % 26) if several else ""))
        seen[key] += 1
    return marks


def _facts(posed: Sequence[Posed], head: str) -> dict[str, str]:
    found = {"Head model": head} if head else {}
    coils = list(dict.fromkeys(one.search.coil for one in posed))
    if coils:
        found["Coil" if len(coils) == 1 else "Coils"] = ", ".join(coils)
        found["Fields are given for"] = "dI/dt of 1 A/µs"
        stated = {
            f"{one.current.didt_a_per_us:g} A/µs ({one.current.words})"
            for one in posed
            if one.current.didt_a_per_us is not None
        }
        if stated:
            found["Fields are given for"] += " and of " + ", ".join(sorted(stated))
    return found


def _overview(posed: Sequence[Posed]) -> Table:
    rows = []
    for one in posed:
        search, best = one.search, one.search.best
        better = ", ".join(f"{pose.label} ({percent(pose.on_target)})" for pose in better_than(search))
        rows.append(
            [
                f"{one.mark}. {search.name} ({SIDES[search.hemisphere]})",
                search.coil,
                percent(best.on_target),
                percent(best.avoided),
                number(best.target_v_per_m),
                None if search.chance is None else percent(search.chance.on_target),
                better or "none",
            ]
        )
    columns = ["Target", "Coil", "On target", "Avoided networks", "Field at target, V/m per A/µs", "Chance of hitting"]
    return Table(
        "Best pose for each target" + (" (preview)" if any(one.search.preview for one in posed) else ""),
        [*columns, "Other poses with more on target"],
        rows,
        "On target: share of the stimulated cortex that lies in the target's network. Chance: that the pose stimulates "
        "that network, everything uncertain taken together.",
    )


def _target(one: Posed, pictures: Sequence[Picture]) -> CoilTarget:
    search = one.search
    alone = [] if search.chance is None or not search.chance.alone else [alone_table(search)]
    return CoilTarget(
        title=f"{one.mark}. {search.name}, {search.coil}{', preview' if search.preview else ''}",
        hemisphere=search.hemisphere,
        sentences=field_words(search, one.current),
        compared=compared_words(search),
        chance=chance_words(search),
        tables=[compared_table(one)],
        chance_tables=alone,
        pictures=pictures,
    )
