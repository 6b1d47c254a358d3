"""What the report says: the words around one person's numbers and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from actionloop import facts, files
from actionloop.files import OutputFolder
from actionloop.networks import DEFAULT_METHOD, find_method
from actionloop.pipeline.cleaning import OURS, describe_cleaning
from actionloop.pipeline.exports import Written, entities_of, navigation_poses, navigation_state, network_table
from actionloop.pipeline.person import PersonResult, best_targets
from actionloop.pipeline.priors import PHANTOMS
from actionloop.pipeline.trustpage import trust_content
from actionloop.report import Exports, ReportContent, Table, TrustContent, draw_pictures, render_report

_NAVIGATION = ("brainsight", "localite")
_CALIBRATED = (
    "The probability of lying within 5 mm of the true node was calibrated on simulated people, whose truth is known, "
    "and on noise; nobody knows a real person's true nodes."
)


def write_report(
    out: OutputFolder,
    result: PersonResult,
    written: Written,
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
    pictures = [*pictures, *(trust.pictures if trust else ())]
    entities = entities_of(result)
    for picture in pictures:
        path = out.write("figure", {**entities, "desc": picture.key}, partial(_save, png=picture.png))
        written.append(("figure", path.relative_to(out.path).as_posix()))
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
        navigation_files=[path for key, path in written if key in _NAVIGATION],
        navigation_reason=_navigation_reason(result),
        controls=_control_tables(result),
        pictures=pictures,
        trust=trust,
        methods=methods(result),
        references=references(result),
        written=written,
        provenance=provenance,
    )
    page = render_report(content)
    path = out.write("report", {"sub": entities["sub"]}, lambda place: files.write_text(place, page))
    return path.relative_to(out.path).as_posix()


def _trust(result: PersonResult, say: Callable[[str], None]) -> TrustContent:
    """Put together what the page says of how far to trust the map."""
    state = navigation_state(result)
    notes = [f"Not judged: {result.unjudged}."] if result.reliability is None else [_CALIBRATED]
    exports: Exports = "withheld" if state.startswith("withheld") else "forced" if state == "forced" else "written"
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


def in_short(result: PersonResult, written: Written) -> str:
    """Say the best targets, what is missing, and where the navigation files are or why there are none."""
    lines = best_targets(result.targets) or ["no target was found"]
    lines += [f"note: {gap}" for gap in result.gaps]
    lines += [f"for navigation: {path}" for key, path in written if key in _NAVIGATION]
    reason = _navigation_reason(result)
    if reason:
        lines.append(f"no navigation files: {reason}")
    return "\n".join(lines)


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
    if _cleaned_here(result):
        cleaning = result.job.settings.cleaning.chosen()
        found.append(
            f"The input was preprocessed but not denoised: actionloop cleaned it ({cleaning.name}). A dedicated "
            "denoising (XCP-D) is preferable."
        )
    found += [f"{gap[0].upper()}{gap[1:]}." for gap in result.gaps]
    if any(run.kind == "parcels" for run in result.job.person.runs):
        found.append("The input is parcels: a node or target cannot be placed better than a parcel is large.")
    if result.prior is not None and result.job.prior_file is None and result.network_map.method != DEFAULT_METHOD:
        found.append(
            f"The method {result.network_map.method!r} compares with connectivity templates, and those of the default "
            "prior are too coarse to tell SCAN from its neighbours. Give a prior made by 'actionloop prior build'."
        )
    if _phantoms(result):
        found.append(f"The prior was {PHANTOMS}, which are simulated: nobody knows how well it suits real people.")
    if result.prior is None:
        found.append("The networks come from a map that was given; actionloop did not make or check it.")
    return found


def _cleaned_here(result: PersonResult) -> bool:
    """Tell whether a named cleaning of ours was used on a run."""
    return any(str(run["cleaning"]).startswith(OURS) for run in result.runs)


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
        return "no reliable target; --force writes them all the same and records it"
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


def methods(result: PersonResult) -> list[str]:
    """Sentences of the methods paragraph, ready to paste."""
    version = files.versions()["actionloop"]
    sentences = [f"Individual action networks were mapped with actionloop {version} (research use only)."]
    if result.prior is not None:
        sentences += [
            f"The cortical time series ({len(result.runs)} run(s); {result.cleaning}) were demeaned, scaled to unit "
            f"variance run by run, and joined on {_rows(result)}.",
            *([describe_cleaning(result.job.settings.cleaning)] if _cleaned_here(result) else []),
            find_method(result.network_map.method).describe(result.network_map.settings),
            _compression(result.network_map.settings),
            f"Prior: {result.prior.source}, from the published SCAN coordinates [2], the 17-network parcellation [3], "
            "HCP-MMP areas [4] and group connectivity [5]."
            if result.job.prior_file is None
            else f"Prior: {result.job.prior_file.name}{_phantoms(result)}.",
        ]
    else:
        sentences.append("A finished individual network map was given; mapping was skipped.")
    sentences += [
        "SCAN was divided into nodes by the nearest published node along the surface [2].",
        "Targets were ranked by network probability, size, gyral crown, distance to neighbouring networks and to the "
        "scalp, and by side and region of the pain where stated.",
        f"Geometry: {result.head.anatomy.description}; coordinates are RAS mm of {result.head.anatomy.frame}.",
        "Coil poses are geometric: normal to the scalp, handle 45° posterior-lateral; no electric field was computed.",
    ]
    return sentences


def _phantoms(result: PersonResult) -> str:
    known = result.prior is not None and PHANTOMS in result.prior.source
    return f" ({PHANTOMS}, simulated people)" if known else ""


def _rows(result: PersonResult) -> str:
    if any(run.kind == "parcels" for run in result.job.person.runs):
        return "the parcels of the input; every vertex takes what its parcel has"
    if result.whole_map is None:
        return "the 59,412 cortical vertices of fsLR-32k"
    adjacent_mm = result.job.settings.mapping.adjacent_mm
    words = f"{len(result.whole_map.grayordinates):,} grayordinates (cortex on fsLR-32k, subcortex and cerebellum)"
    return (
        words
        if not adjacent_mm
        else f"{words}; the mean of the cortex within {adjacent_mm:g} mm was regressed from each voxel"
    )


def _compression(settings: Mapping[str, Any]) -> str:
    return (
        f"The frame axis was compressed to {settings['dimensions']} dimensions, which keep every correlation to within "
        f"{settings['compression_error']:.1g}."
    )


def references(result: PersonResult) -> list[str]:
    """Return the works that the methods paragraph cites."""
    scan = facts.load("scan")["source"]
    cited = [
        "" if result.prior is None else f"[1] {find_method(result.network_map.method).citation}",
        f"[2] {scan['citation']}, doi:{scan['doi']}",
        "[3] Yeo BTT et al. 2011, J Neurophysiol 106:1125, doi:10.1152/jn.00338.2011",
        "[4] Glasser MF et al. 2016, Nature 536:171, doi:10.1038/nature18933",
        "[5] Schaefer A et al. 2018, Cereb Cortex 28:3095, doi:10.1093/cercor/bhx179; group connectivity from "
        "BrainSpace, Vos de Wael R et al. 2020, Commun Biol 3:103, doi:10.1038/s42003-020-0794-7",
    ]
    return cited if result.prior is not None else cited[1:2]
