"""Tables, pictures and pages of `tmseeg measure` and `tmseeg choose`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts, figures, files
from actionloop.files import OutputFolder
from actionloop.pipeline.tmseegchoose import ChooseRequest, Chosen
from actionloop.pipeline.tmseegmeasure import MeasureRequest, SiteMeasures
from actionloop.pipeline.tmseegpeople import CLEANED, EegChoice, in_words
from actionloop.pipeline.tmseegtables import (
    band_table,
    choice_methods,
    local_words,
    map_section,
    methods,
    near_words,
    power_table,
    predictor_table,
    site_table,
)
from actionloop.report import EvidenceContent, EvidenceSection, Shown, render_evidence

_MICROVOLT = 1e6


def write_measures(
    request: MeasureRequest,
    out: OutputFolder,
    label: str,
    found: Mapping[tuple[str, str], SiteMeasures],
    rows: Sequence[Mapping[str, Any]],
) -> Path:
    """Write one person's measures; returns the page."""
    known, entities = facts.load("tmseeg"), {"sub": label}
    provenance = files.provenance(_inputs(request, label), options=_options(request), seed=request.seed)
    out.write("eeg_measures", entities, lambda path: files.write_table(path, rows))
    about = {**provenance, "Columns": known["columns"]["measures"], "Version": facts.load("tmseeg_measures")["version"]}
    out.write("eeg_measures_json", entities, lambda path: files.write_json(path, about))
    pictures = {kind: _kept(out, label, kind, *drawn) for kind, drawn in _pictures(found).items()}
    sites = ", ".join(in_words(*key) for key in found)
    content = EvidenceContent(
        title="TMS-EEG: measures",
        lead=f"sub-{label}: {sites}",
        answer=[
            f"{len(found)} recordings were measured: "
            + "; ".join(f"{in_words(*key)}, {len(one.trials.data)} trials" for key, one in found.items())
            + ".",
            "Windows before and after 80 ms are reported apart.",
        ],
        sections=[
            EvidenceSection(
                "Evoked responses", (), [power_table(rows)], [pictures["butterfly"], pictures["topography"]]
            ),
            EvidenceSection("Field power", (), (), [pictures["gmfp"], pictures["lmfp"]]),
            EvidenceSection(
                "Oscillations near the site", (), [band_table(rows, ("ERSP", "ITC"))], [pictures["oscillation"]]
            ),
            EvidenceSection("Connectivity", near_words(found), [band_table(rows, ("global dwPLI", "local dwPLI"))]),
        ],
        limits=known["measure"]["limits"],
        methods=[methods()],
        references=known["measure"]["references"],
        glance={"Person": f"sub-{label}", "Sites": sites},
        files=[
            ("Table", _below(out, "eeg_measures", entities)),
            ("Description", _below(out, "eeg_measures_json", entities)),
        ],
        provenance=provenance,
    )
    page = render_evidence(content)
    return out.write("eeg_measures_page", entities, lambda path: files.write_text(path, page))


def write_choice(request: ChooseRequest, out: OutputFolder, one: Chosen) -> Path:
    """Write one person's choice; returns the page."""
    known, entities, ranking = facts.load("tmseeg"), {"sub": one.label}, one.choice.ranking
    provenance = files.provenance(_inputs(request, one.label), options=_options(request), seed=request.seed)
    out.write("eeg_choice", entities, lambda path: files.write_table(path, one.rows()))
    about = {**provenance, "Columns": known["columns"]["choice"], **_described(one)}
    out.write("eeg_choice_json", entities, lambda path: files.write_json(path, about))
    drawn = figures.site_ranking(
        ranking.sites, ranking.value, ranking.interval, ranking.lowest.p_first, ranking.highest.p_first
    )
    alt = "Global connectivity of each site with its interval, and the chance that each is the lowest or the highest."
    shown = _kept(out, one.label, "ranking", drawn, alt, "Intervals over trials; all sites have equally many trials.")
    warnings = [
        words for words, rank in zip(one.words(), (ranking.lowest, ranking.highest), strict=True) if rank.is_tie
    ]
    if one.choice.few:
        warnings.append(f"Fewer than {one.choice.options.few_trials} trials a site: the ranking is unsure.")
    content = EvidenceContent(
        title="TMS-EEG: choice of site",
        lead=f"sub-{one.label}: {', '.join(ranking.sites)}",
        answer=[f"{words[0].upper()}{words[1:]}." for words in one.words()],
        sections=[
            EvidenceSection("Sites", (), [site_table(one)], [shown]),
            EvidenceSection("M1 predictors", local_words(one), [predictor_table(one)] if one.predictors else ()),
            *([map_section(one.on_map)] if one.on_map else []),
        ],
        limits=known["choose"]["limits"],
        methods=[methods(), choice_methods(one)],
        references=known["choose"]["references"],
        glance={"Person": f"sub-{one.label}", "Trials a site": str(len(next(iter(one.choice.kept.values()))))},
        warnings=warnings,
        files=[
            ("Table", _below(out, "eeg_choice", entities)),
            ("Description", _below(out, "eeg_choice_json", entities)),
        ],
        provenance=provenance,
    )
    page = render_evidence(content)
    return out.write("eeg_choice_page", entities, lambda path: files.write_text(path, page))


def _below(out: OutputFolder, key: str, entities: Mapping[str, str | None]) -> str:
    return out.file(key, entities).relative_to(out.path).as_posix()


# Pictures


def _kept(out: OutputFolder, label: str, kind: str, drawn: bytes, alt: str, caption: str) -> Shown:
    path = out.write("eeg_picture", {"sub": label, "kind": kind}, lambda path: path.write_bytes(drawn))
    return Shown(drawn, alt, caption, path.relative_to(out.path).as_posix())


def _pictures(found: Mapping[tuple[str, str], SiteMeasures]) -> dict[str, tuple[bytes, str, str]]:
    """Draw what the page shows; every site has one row."""
    rows = [(in_words(*key), one) for key, one in found.items()]
    first = rows[0][1]
    windows = [(one.start_s, one.stop_s) for one in first.connectivity.options.grid.windows]
    times = facts.load("tmseeg")["measure"]["times_ms"]
    names = [name for name in first.evoked.montage.names if all(name in one.evoked.montage.names for _, one in rows)]
    montage = first.evoked.montage.only(np.isin(first.evoked.montage.names, names))

    def maps(one: SiteMeasures) -> list[Any]:
        order = [one.evoked.montage.names.index(name) for name in names]
        at = [int(np.abs(one.evoked.times_s - time / 1e3).argmin()) for time in times]
        return [one.evoked.data[order, k] * _MICROVOLT for k in at]

    butterflies = [
        figures.butterfly(
            [(name, one.evoked.times_s, one.evoked.data)],
            near=[one.evoked.montage.names.index(near) for near in one.near],
        )
        for name, one in rows
    ]
    level = float(facts.load("tmseeg_measures")["choice"]["level"])
    panels = [
        panel
        for name, one in rows
        for panel in ((f"ERSP {name}", one.shown.ersp_db, "dB"), (f"ITC {name}", one.shown.itc, ""))
    ]
    said = "Average reference; channels near the site are drawn strong; scales differ."
    return {
        "butterfly": (figures.stacked(butterflies), "Average responses of all channels at each site over time.", said),
        "topography": (
            figures.topographies(
                [(name, maps(one)) for name, one in rows], montage, columns=[f"{time} ms" for time in times]
            ),
            "Maps of the average response over the scalp at five times after the pulse, one row a site.",
            "Between electrodes the values are interpolated.",
        ),
        **{
            kind: (
                figures.field_power(
                    first.evoked.times_s,
                    {name: (getattr(one, kind).value, getattr(one, kind).interval(level)) for name, one in rows},
                    what=f"{kind.upper()}, µV",
                    windows_s=windows,
                ),
                f"{words} of each site over time with intervals.",
                f"{words}; intervals over trials.",
            )
            for kind, words in (("gmfp", "Global mean field power"), ("lmfp", "Local mean field power"))
        },
        "oscillation": (
            figures.time_frequency(panels, first.shown.times_s, first.shown.frequencies_hz),
            "Power against the baseline and phase locking over time and frequency at each site.",
            "Mean over the channels near the site.",
        ),
    }


# Words


def _described(one: Chosen) -> dict[str, Any]:
    ranking = one.choice.ranking
    return {
        "Lowest": ranking.lowest.pick,
        "Highest": ranking.highest.pick,
        "NearTies": {rank.end: list(rank.tied) for rank in (ranking.lowest, ranking.highest) if rank.is_tie},
        "LocalM1": None
        if one.choice.local_m1 is None
        else dict(zip(("Value", "Low", "High"), one.choice.local_m1, strict=True)),
        "Predictors": [
            {
                "Name": each.name,
                "Value": each.value,
                "Low": each.low,
                "High": each.high,
                "Units": each.unit,
                "Carried": each.carried,
            }
            for each in one.predictors
        ],
        "OnMap": [
            {
                "Site": each.site,
                "MNI": each.xyz_mni.tolist(),
                "Network": each.network,
                "Probability": each.probability,
                "DistanceMm": each.distance_mm,
                "Share": each.share,
                "Source": each.source,
            }
            for each in one.on_map
        ],
        "Version": facts.load("tmseeg_measures")["version"],
    }


def _inputs(request: EegChoice, label: str) -> list[Path]:
    return sorted((request.source / f"sub-{label}" / "eeg").glob(f"*{CLEANED}"))


def _options(request: MeasureRequest | ChooseRequest) -> dict[str, Any]:
    plan = request.plan if isinstance(request, ChooseRequest) else None
    return {"sites": list(request.sites), "electrodes": dict(request.at), "plan": None if plan is None else plan.name}
