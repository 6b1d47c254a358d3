"""What the page of `actionloop lesion` says: the answer, its warnings, its limits, and how it was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop import facts
from actionloop.pipeline.lesionfiles import Symptoms
from actionloop.pipeline.lesionplaces import NucleusAtlas
from actionloop.pipeline.lesionseeds import structure_words
from actionloop.report import EvidenceContent, EvidenceSection, Shown, Table
from actionloop.types import HEMISPHERES

if TYPE_CHECKING:
    from actionloop.pipeline.lesionmaps import LesionFinding, LesionFindings, LesionRequest

_ALPHA = 0.05
_CLOSE_MM = 1.0  # nearer than this to a nucleus in an atlas of 1 mm, a place borders on it


def lesion_content(
    request: LesionRequest,
    found: LesionFindings,
    atlases: Sequence[NucleusAtlas],
    symptoms: Symptoms | None,
    shown: Mapping[tuple[int, str], Shown],
    provenance: Mapping[str, Any],
) -> EvidenceContent:
    """Put the page's content together.

    Parameters
    ----------
    request : LesionRequest
    found : LesionFindings
    atlases : sequence of NucleusAtlas
    symptoms : Symptoms or None
    shown : mapping of (int, str) to Shown
        Pictures by lesion and kind.
    provenance : mapping
    """
    known = facts.load("lesion")["command"]
    prior = found.connected.prior is not None
    limits = known["limits"]
    many = symptoms is not None
    sections = [section for k, one in enumerate(found.each) for section in _sections(found, one, k, shown)]
    if found.symptom_networks is not None and symptoms is not None:
        sections.append(_symptom_section(found, symptoms))
    kinds = [("Networks", "lesion.tsv"), ("Nuclei", "lesion_nuclei.tsv"), ("Description", "lesion.json")]
    if not prior:
        kinds.insert(2, ("Maps: mean z, t, z against null lesions, p", "lesion_maps.dscalar.nii"))
    if many:
        kinds.insert(2, ("Symptom", "lesion_symptoms.tsv"))
    n_people = len(found.connected.people)
    cohort = "a prior" if prior else f"{n_people} people"
    names = [_first(one.lesion.name) for one in found.each]
    return EvidenceContent(
        title="Connectivity of a lesion" if len(names) == 1 else f"Connectivity of {len(names)} lesions",
        lead=f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}; {cohort} ({request.cohort.name})",
        answer=[*(answer for one in found.each[: int(known["pictured"])] for answer in answers(one))],
        glance={
            "Side": "; ".join(dict.fromkeys(one.lesion.statement for one in found.each[:3])),
            "Cohort": cohort,
            "Null lesions": f"{len(found.each[0].plain.null):,} each",
            "Structure": ", ".join(dict.fromkeys(structure_words(one.structure) for one in found.each)),
        },
        warnings=list(_warnings(found)),
        sections=sections,
        limits=[*limits["always"], *(limits["many"] if many else limits["one"]), *(limits["prior"] if prior else [])],
        methods=_methods(found, atlases, symptoms),
        references=[
            "Boes et al. 2015, doi:10.1093/brain/awv228 (lesion network mapping)",
            "Phipson & Smyth 2010, doi:10.2202/1544-6115.1585; Nichols & Holmes 2002, doi:10.1002/hbm.1058 (p values)",
            *(["Freedman & Lane 1983, doi:10.2307/1391660 (exchanged labels)"] if many else []),
            *(atlas.citation for atlas in {one.name: one for one in atlases}.values()),
        ],
        files=kinds,
        provenance=provenance,
    )


def answers(one: LesionFinding) -> Iterator[str]:
    """Say what was found of one lesion: networks beyond its null lesions, what is left without degree, and where."""
    n, where = len(one.plain.null), structure_words(one.structure)
    alone = [name for name, p in zip(one.plain.names, one.plain.p_max, strict=True) if p <= _ALPHA]
    parts = [_said(one, name) for name in alone]
    if parts:
        yield (
            f"{_first(one.lesion.name)}: more connected than {n:,} lesions of its size in the {where} with "
            f"{'; '.join(parts)}."
        )
    else:
        first = int(np.nanargmin(one.plain.p_max)) if np.isfinite(one.plain.p_max).any() else 0
        yield (
            f"{_first(one.lesion.name)}: no network is more connected with it than with {n:,} lesions of its size in "
            f"the {where} (least p over all networks {one.plain.p_max[first]:.3f}, {one.plain.names[first]})."
        )
    if one.removed is not None:
        left = [name for name, p in zip(one.removed.names, one.removed.p_max, strict=True) if p <= _ALPHA]
        r = ", ".join(f"{name} r = {value:.2f}".replace("-", "−") for name, value in one.removed.confound_r.items())
        yield (
            f"With degree and first component partialled out, {', '.join(left) if left else 'no network'} "
            f"{'stays' if len(left) < 2 else 'stay'} below .05 over all networks. Correlation of its map: {r}."
        )
    if place := _place_words(one):
        yield place


def _said(one: LesionFinding, name: str) -> str:
    k = one.plain.names.index(name)
    return f"{name} (p = {one.plain.p[k]:.3f}, over all networks {one.plain.p_max[k]:.3f})"


def _place_words(one: LesionFinding) -> str:
    """Say which groups of nuclei the centre lies in or borders on, atlas by atlas."""
    said = []
    for place in one.nuclei:
        near = [
            f"{'in' if reading.distance_mm == 0 else f'{reading.distance_mm:.1f} mm from'} {reading.name}"
            for reading in place.grouped
            if reading.distance_mm <= 2 * _CLOSE_MM or reading.overlap_mm3 > 0
        ]
        if near:
            said.append(f"{place.atlas}: {', '.join(near)}")
    return f"Its centre lies, by {'; by '.join(said)}." if said else ""


def _warnings(found: LesionFindings) -> Iterator[str]:
    known, connected = facts.load("lesion")["command"], found.connected
    if connected.phantoms:
        yield "These are simulated people (actionloop phantom): nobody was scanned."
    left = [one for one in connected.outcomes if not one.ok]
    if left:
        yield f"{len(left)} people could not be used: {', '.join(f'sub-{one.label}' for one in left[:6])}."
    if connected.maps is not None and len(connected.people) < int(known["few_people"]):
        yield (f"{len(connected.people)} people: mean and t are those of few people; normative cohorts have hundreds.")
    for one in found.each:
        if (
            connected.axis.voxels is not None
            and one.covered < float(known["least_covered"])
            and "cortex" not in (structure_words(one.structure))
        ):
            yield (
                f"Only {one.covered:.0%} of {one.lesion.name} lies in voxels of the scans; the rest (white matter, "
                "fluid, outside the head) is not heard."
            )
        for name, away in _near_peaks(one):
            yield (
                f"{one.lesion.name} lies {away:.1f} mm from the published point of SCAN in {name}: that it looks like "
                "SCAN was to be expected, and only the comparison within its structure says more."
            )


def _near_peaks(one: LesionFinding) -> Iterator[tuple[str, float]]:
    """List published points of SCAN below the cortex that a lesion's centre is close to."""
    nearest = float(facts.load("lesion")["command"]["near_peak_mm"])
    for point in facts.load("scan")["subcortical"]:
        for side in HEMISPHERES:
            away = float(np.linalg.norm(one.lesion.region.centre_mm - np.asarray(point[side], dtype=np.float64)))
            if away <= nearest:
                yield str(point["name"]), away


def _sections(
    found: LesionFindings, one: LesionFinding, k: int, shown: Mapping[tuple[int, str], Shown]
) -> Iterator[EvidenceSection]:
    title = "" if len(found.each) == 1 else f"{one.lesion.name}: "
    pictured = [(kind, shown[k, kind]) for kind in ("slices", "mean", "z", "nulls") if (k, kind) in shown]
    of = dict(pictured)
    if not of and len(found.each) > 1:
        yield EvidenceSection(_first(f"{title}networks"), (), [_network_table(one)])
        return
    centre = ", ".join(f"{x:.1f}".replace("-", "−") for x in one.lesion.region.centre_mm)
    yield EvidenceSection(
        _first(f"{title}where it lies"),
        [
            f"{_first(one.lesion.statement)}. Centre {centre} mm (MNI, RAS); {one.lesion.made}, "
            f"{one.lesion.region.volume_mm3:.0f} mm³."
        ],
        [_nuclei_table(one)] if one.nuclei else [],
        [of["slices"]] if "slices" in of else [],
    )
    yield EvidenceSection(
        _first(f"{title}connectivity against lesions of its size"),
        [],
        [_network_table(one)],
        [of[kind] for kind in ("nulls", "mean", "z") if kind in of],
    )


def _nuclei_table(one: LesionFinding) -> Table:
    names = list(dict.fromkeys(reading.name for place in one.nuclei for reading in place.grouped))
    columns = ["Nuclei"]
    for place in one.nuclei:
        columns += [f"{place.atlas}: distance (mm)", f"{place.atlas}: share of the lesion"]
    rows = []
    for name in names:
        row: list[Any] = [name]
        for place in one.nuclei:
            own = min((r for r in place.grouped if r.name == name), key=lambda r: r.distance_mm, default=None)
            row += (
                [None, None]
                if own is None
                else ["inside" if own.distance_mm == 0 else f"{own.distance_mm:.1f}", f"{own.share_of_region:.0%}"]
            )
        rows.append(row)
    return Table(
        "Groups of nuclei that all atlases have",
        columns,
        rows,
        "Distance from the lesion's centre to the nearest voxel. All nuclei: lesion_nuclei.tsv. Atlases differ by a "
        "millimetre or two; THOMAS counts the parafascicular nucleus with MD.",
    )


def _network_table(one: LesionFinding) -> Table:
    rows = []
    for k in np.argsort(-np.nan_to_num(one.plain.value, nan=-np.inf), kind="stable"):
        row: list[Any] = [one.plain.names[k], f"{one.plain.value[k]:.3f}".replace("-", "−")]
        row += [f"{one.plain.null[:, k].mean():.3f}".replace("-", "−")]
        row += [_p(one.plain.p[k]), _p(one.plain.p_fdr[k]), _p(one.plain.p_max[k])]
        row += [] if one.removed is None else [_p(one.removed.p[k]), _p(one.removed.p_max[k])]
        rows.append(row)
    columns = ["Network", "Value", "Null mean", "p", "FDR", "FWE (max)"]
    columns += [] if one.removed is None else ["p, removed", "FWE, removed"]
    return Table(
        f"Against {len(one.plain.null):,} lesions of its size in the {structure_words(one.structure)}",
        columns,
        rows,
        f"p one-sided, never below {1 / (len(one.plain.null) + 1):.2g}. FWE: against the largest of all networks in "
        "each null lesion. Removed: with degree and first component partialled out of every map.",
    )


def _symptom_section(found: LesionFindings, symptoms: Symptoms) -> EvidenceSection:
    one = found.symptom_networks
    rows = (
        []
        if one is None
        else [
            [name, f"{one.t[k]:.2f}".replace("-", "−"), _p(one.p_max[k])]
            for k, name in enumerate(found.each[0].plain.names)
        ]
    )
    orders, freedom = (0, 0) if one is None else (len(one.largest), one.freedom)
    more = f" Covariates: {', '.join(symptoms.covariates)}." if symptoms.covariates else ""
    sentences = [f"Scores of {symptoms.source.name} for {len(symptoms.score)} lesions.{more}"]
    if found.symptom_rows is not None:
        n_rows = int((found.symptom_rows.p_max <= _ALPHA).sum())
        sentences.append(f"{n_rows:,} rows pass p ≤ .05 over all rows (lesion_maps.dscalar.nii).")
    note = f"{orders:,} orders of the labels; t with {freedom} degrees of freedom; two-sided, over all networks."
    return EvidenceSection(
        "Symptom", sentences, [Table("Symptom on connectivity", ["Network", "t", "FWE"], rows, note)]
    )


def _first(words: str) -> str:
    """Write the first letter large; names of files stay as they are."""
    return words if words.startswith("sub-") else words[:1].upper() + words[1:]


def _p(value: float) -> str | None:
    return f"{value:.3f}" if np.isfinite(value) else None


def _methods(found: LesionFindings, atlases: Sequence[NucleusAtlas], symptoms: Symptoms | None) -> list[str]:
    known, null = facts.load("lesion"), len(found.each[0].plain.null)
    own = ", ".join(dict.fromkeys(one.name for one in atlases))
    said = [
        f"Each lesion was placed in MNI152 space and held against thalamic nuclei ({own}): distance of its centre to "
        "the nearest voxel, and volume shared.",
    ]
    if found.connected.maps is None:
        said.append("Its connectivity with each network was read from the prior's templates (Fisher z), less the mean.")
    else:
        minutes = float(np.median([row["Minutes"] for row in found.connected.people]))
        said.append(
            f"The mean standardised series of its rows was correlated with every row in {len(found.connected.people)} "
            f"people (median {minutes:.1f} min; cortex near voxels regressed from them), Fisher z averaged, one-sample "
            "t over people [1]. Overlap with a network is the mean inside less the mean outside, weighted by area and "
            "probability."
        )
    said.append(
        f"Null: {null:,} connected lesions with the same weights, grown from random places of the same structure "
        f"(scatter {known['null']['scatter_mm']:g} mm); p counts the observed among them, and the largest of all "
        "networks holds the family-wise error [2]."
    )
    if found.connected.maps is not None:
        said.append("Degree and the first principal component, averaged over people, were partialled out of every map.")
    if symptoms is not None:
        said.append("Scores were regressed on connectivity given covariates, with their labels exchanged [3].")
    return said
