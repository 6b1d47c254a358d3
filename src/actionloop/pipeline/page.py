"""What the report says: the words around one person's numbers and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from actionloop import files
from actionloop.networks import DEFAULT_METHOD
from actionloop.pipeline.comfort import comfort_part
from actionloop.pipeline.enginepage import compared_in_short, compared_part
from actionloop.pipeline.exported import Handed, Shelf
from actionloop.pipeline.exports import entities_of, network_table
from actionloop.pipeline.handedpage import handed_content
from actionloop.pipeline.motorwords import dose_words, hotspot_warnings, motor_in_short, motor_part
from actionloop.pipeline.navigationexports import navigation_poses, navigation_state, withheld_words
from actionloop.pipeline.paragraph import cleaned_here, from_phantoms, methods, references
from actionloop.pipeline.personjob import PersonResult, best_targets
from actionloop.pipeline.posepage import pose_section
from actionloop.pipeline.posewords import out_of_reach
from actionloop.pipeline.priors import PHANTOMS
from actionloop.pipeline.trustpage import trust_content
from actionloop.poses import PoseSearch
from actionloop.report import CoilContent, Exports, ReportContent, Table, TrustContent, draw_pictures, render_report

_CALIBRATED = (
    "The probability of lying within 5 mm of the true node was calibrated on simulated people, whose truth is known, "
    "and on noise; nobody knows a real person's true nodes."
)


def write_report(
    shelf: Shelf,
    result: PersonResult,
    handed: Handed,
    provenance: Mapping[str, Any],
    *,
    say: Callable[[str], None],
) -> str:
    """Draw the pictures, write them and the page; returns the page's path below OUT."""
    matrices = [] if result.fc is None else [("connectivity between networks", result.fc, result.fc_names)]
    pictures = draw_pictures(
        result.head.anatomy,
        result.network_map,
        targets=result.targets,
        sites=result.sites,
        image=result.head.image,
        signal=result.valid,
        fc=matrices,
        progress=lambda name: say(f"drawing {name}"),
    )
    trust = _trust(result, say) if result.loaded else None
    coil = _coil(result, say)
    pictures = [*pictures, *(trust.pictures if trust else ()), *(coil.pictures if coil else ())]
    entities = entities_of(result)
    for picture in pictures:
        shelf.put("figure", partial(_save, png=picture.png), desc=picture.key)
    content = ReportContent(
        label=result.job.person.label,
        anatomy=result.head.anatomy,
        network_map=result.network_map,
        frame=result.head.anatomy.frame,
        session=entities["ses"],
        glance=_glance(result),
        warnings=_warnings(result),
        runs=[_run_row(run) for run in result.runs],
        quality_notes=result.notes,
        networks=network_table(result),
        pieces=result.pieces,
        targets=result.targets,
        sites=result.sites,
        no_target_reason=_no_target_reason(result),
        navigation_files=[one.path for one in handed.of("navigation")],
        navigation_reason=_navigation_reason(result),
        handed=handed_content(result, handed),
        controls=_control_tables(result),
        pictures=pictures,
        trust=trust,
        coil=coil,
        screening=result.job.safety.content(force=result.job.settings.force),
        methods=methods(result),
        references=references(result),
        written=shelf.written,
        provenance=provenance,
    )
    page = render_report(content)
    path = shelf.out.write("report", {"sub": entities["sub"]}, lambda place: files.write_text(place, page))
    return path.relative_to(shelf.out.path).as_posix()


def _trust(result: PersonResult, say: Callable[[str], None]) -> TrustContent:
    """Put together what the page says of how far to trust the map."""
    state = navigation_state(result)
    notes = [f"Not judged: {result.unjudged}."] if result.reliability is None else [_CALIBRATED]
    exports: Exports = "forced" if state == "forced" and len(result.targets) > len(result.trusted) else "written"
    if state.startswith("withheld"):
        exports = "withheld" if "no reliable target" in state else ""
    loaded = result.loaded
    return trust_content(
        result.reliability,
        result.network_map,
        result.head.anatomy,
        targets=result.targets,
        motion=loaded.motion if loaded else (),
        series=loaded.series if loaded else None,
        controls=result.shifts,
        exports=exports,
        notes=notes,
        progress=lambda name: say(f"drawing {name}"),
    )


def _coil(result: PersonResult, say: Callable[[str], None]) -> CoilContent | None:
    """Put together what the page says of the coil; None where no field was asked for."""
    posing = result.posing
    parts = [
        part
        for part in (posing.motor and motor_part(posing.motor), comfort_part(result), compared_part(result))
        if part
    ]
    if result.job.settings.pose.engine == "geometric" and not parts:
        return None
    content = pose_section(
        posing.searches,
        result.network_map,
        result.head.anatomy,
        scalp=posing.scalp,
        targets=(*result.targets, *result.asked),
        coils=() if posing.coil is None else (posing.coil,),
        head=posing.head,
        approximate=posing.approximate,
        plan=(posing.session,) if posing.session else (),
        notes=(*posing.notes, *((f"No pose was searched: {posing.reason}.",) if posing.reason else ())),
        progress=lambda name: say(f"drawing {name}"),
    )
    motor = posing.motor
    if motor is None:
        return replace(content, parts=parts)
    told = [
        replace(target, sentences=[*target.sentences, *dose_words(motor, search)])
        for target, search in zip(content.targets, posing.searches, strict=True)
    ]
    return replace(content, targets=told, parts=parts, warnings=[*content.warnings, *hotspot_warnings(motor)])


def in_short(result: PersonResult, handed: Handed) -> str:
    """Say the best targets, what is missing, and where the exports are or why there are none."""
    lines = best_targets(result.targets) or ["no target was found"]
    lines += [f"note: {gap}" for gap in result.gaps]
    for search in result.posing.searches:
        lines += [_pose_in_short(search), *([out_of_reach(search)] if out_of_reach(search) else [])]
    lines += [] if result.posing.motor is None else motor_in_short(result.posing.motor)
    lines += compared_in_short(result.compared)
    lines += [f"for navigation: {one.path}" for one in handed.of("navigation")]
    imaging, sheets = handed.of("imaging"), handed.of("tape")
    lines += [f"for imaging: {len(imaging)} overlays, meshes or series, listed in the report"] * bool(imaging)
    lines += [f"for the tape: {len(sheets)} scalp sheets, listed in the report"] * bool(sheets)
    lines += [f"left out: {name}: {why}" for name, why in handed.left_out]
    if result.job.safety.screening.positive or result.job.safety.beyond:
        lines.insert(0, f"WARNING: {result.job.safety.in_words()}")
    reason = _navigation_reason(result)
    if reason:
        lines.append(f"no navigation files: {reason}")
    return "\n".join(lines)


def _pose_in_short(search: PoseSearch) -> str:
    best, chance = search.best, search.chance
    return (
        f"{'preview of a pose' if search.preview else 'pose'} for {search.name}: {best.on_target:.0%} of the "
        f"stimulated cortex in {search.network}, {best.target_v_per_m:.2f} V/m at 1 A/µs"
        + ("" if chance is None else f", chance of hitting {chance.on_target:.0%}")
    )


def _save(place: Path, *, png: bytes) -> None:
    place.write_bytes(png)


def _glance(result: PersonResult) -> dict[str, str]:
    settings = result.job.settings
    kept = sum(float(run["minutes_kept"]) for run in result.runs)
    frames = sum(int(run["frames_kept"]) for run in result.runs)
    data = (
        f"{len(result.runs)} run(s), {kept:.1f} usable minutes ({frames} frames)"
        if result.runs
        else "none: a finished map was given"
    )
    prior = "none" if result.prior is None else result.prior.source
    pain = " ".join(word for word in (settings.pain_side, settings.pain_region) if word != "unknown")
    return {
        "Data": data,
        "Cleaning": result.cleaning or "–",
        "Prior": prior,
        "Method": result.network_map.method,
        "Pain": pain or "not stated: hemispheres and nodes are ranked alike",
    }


def _warnings(result: PersonResult) -> list[str]:
    found = []
    if not result.head.anatomy.own:
        found.append(
            "Template anatomy: surfaces, scalp and positions are those of an average head. They do not tell where a "
            "target lies in this person's head."
        )
    if result.reliability is None:
        found.append(f"How far this map can be trusted has not been judged: {result.unjudged}.")
    if cleaned_here(result):
        cleaning = result.job.settings.cleaning.chosen()
        found.append(
            f"The input was preprocessed but not denoised: actionloop cleaned it ({cleaning.name}). A dedicated "
            "denoising (XCP-D) is preferable."
        )
    found += [f"{gap[0].upper()}{gap[1:]}." for gap in result.gaps]
    if result.job.safety.screening.open:
        said = result.job.safety.screening.in_words()
        found.append(f"{said[0].upper()}{said[1:]}: go through the list with the person before any stimulation.")
    if any(run.kind == "parcels" for run in result.job.person.runs):
        found.append("The input is parcels: a node or target cannot be placed better than a parcel is large.")
    if result.prior is not None and result.job.prior_file is None and result.network_map.method != DEFAULT_METHOD:
        found.append(
            f"The method {result.network_map.method!r} compares with connectivity templates, and those of the default "
            "prior are too coarse to tell SCAN from its neighbours. Give a prior made by 'actionloop prior build'."
        )
    if from_phantoms(result):
        found.append(f"The prior was {PHANTOMS}, which are simulated: nobody knows how well it suits real people.")
    if result.prior is None:
        found.append("The networks come from a map that was given; actionloop did not make or check it.")
    return found


def _run_row(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Run": run["name"],
        "File": run["file"],
        "TR, s": run["tr_s"],
        "Frames": run["frames"],
        "Kept": run["frames_kept"],
        "Minutes kept": round(float(run["minutes_kept"]), 2),
        "Cleaning": run["cleaning"],
        "Cortex with signal": f"{float(run['coverage']):.1%}",
    }


def _no_target_reason(result: PersonResult) -> str:
    if result.targets:
        return ""
    return "no lateral SCAN node and no AMN island of the dlPFC is large enough in this map"


def _navigation_reason(result: PersonResult) -> str:
    if navigation_poses(result):
        return ""
    if not result.head.reason and result.targets and not result.exported:
        return f"{withheld_words(result)}; --force writes them all the same and records it"
    return result.head.reason or _no_target_reason(result) or "no target has a coil pose"


def _control_tables(result: PersonResult) -> list[Table]:
    if not result.controls:
        return []
    columns = ("scan_amn_r", "foot_amn_r", "hand_amn_r", "mouth_amn_r")
    rows = [
        [
            row["series"],
            row["direction"],
            *(row.get(column) for column in columns),
            "yes" if row["scan_exceeds_effectors"] else "no",
        ]
        for row in result.controls
    ]
    halves = {
        row["series"]: [row["series"], row["dice_scan_between_halves"], row["dice_amn_between_halves"]]
        for row in result.controls
    }
    return [
        Table(
            "Does SCAN go with AMN where it was not mapped?",
            ["Series", "Direction", "SCAN–AMN, r", "foot–AMN, r", "hand–AMN, r", "mouth–AMN, r", "SCAN highest"],
            rows,
            "Networks are mapped on one half of the scan; their connectivity with AMN is read in the other half.",
        ),
        Table(
            "Do the two halves agree?",
            ["Series", "Dice of SCAN", "Dice of AMN"],
            list(halves.values()),
            "Overlap of the maps of the two halves; both start from the same prior, which alone makes them alike.",
        ),
    ]
