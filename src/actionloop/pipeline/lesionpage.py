"""Tables, maps and pictures of `actionloop lesion`, and what its page says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from actionloop import facts, figures, files
from actionloop.evidence import Lesion, NetworkEvidence
from actionloop.files import OutputFolder
from actionloop.pipeline.lesionfiles import Symptoms
from actionloop.pipeline.lesionplaces import NucleusAtlas, nucleus_rows
from actionloop.pipeline.lesionseeds import structure_words
from actionloop.pipeline.lesionwords import lesion_content
from actionloop.report import Shown, render_evidence
from actionloop.types import HEMISPHERES, SIDES, FloatArray, Grayordinates, IntArray, Prior

if TYPE_CHECKING:
    from actionloop.pipeline.lesionmaps import LesionFinding, LesionFindings, LesionRequest

_SIDES: dict[str, str] = {"L": SIDES["L"], "R": SIDES["R"], "both": "both"}


def write_lesions(
    request: LesionRequest, found: LesionFindings, atlases: Sequence[NucleusAtlas], symptoms: Symptoms | None, *, n: int
) -> Path:
    """Write everything, the page last.

    Returns
    -------
    Path
        The page.
    """
    known = facts.load("lesion")["command"]
    provenance = _provenance(request, found, atlases, n)
    pictures = list(_pictures(found, atlases))  # drawn before anything is written
    out = OutputFolder(request.out, overwrite=request.overwrite)
    out.write("lesion", {}, lambda path: files.write_table(path, network_table(found)))
    places = [row for one in found.each for row in nucleus_rows(one.lesion, one.nuclei)]
    names = list(known["nuclei_columns"])
    out.write("lesion_nuclei", {}, lambda path: files.write_table(path, places, columns=names))
    if found.connected.maps is not None:
        values, titles, axis = _maps(found)
        out.write("lesion_maps", {}, lambda path: files.write_dscalar(path, values, titles, axis))
    if found.symptom_networks is not None:
        rows = _symptom_table(found)
        out.write("lesion_symptoms", {}, lambda path: files.write_table(path, rows))
    shown: dict[tuple[int, str], Shown] = {}
    for k, kind, png, alt, caption in pictures:
        entities = {"desc": f"lesion{k + 1}", "kind": kind}
        place = out.write("lesion_figure", entities, lambda path, png=png: path.write_bytes(png))  # type: ignore[misc]
        shown[k, kind] = Shown(png, alt, caption, place.relative_to(out.path).as_posix())
    about = {
        **provenance,
        "Lesions": [_told(one) for one in found.each],
        "People": list(found.connected.people),
        "LeftOut": [
            {"Label": one.label, "Reason": one.message.splitlines()[0]}
            for one in found.connected.outcomes
            if not one.ok
        ],
        "Phantoms": found.connected.phantoms,
        "Atlases": [{"Name": one.name, "File": one.source.name, "Citation": one.citation} for one in atlases],
        "Columns": {
            "lesion": known["columns"],
            "lesion_nuclei": known["nuclei_columns"],
            "lesion_symptoms": known["symptom_columns"],
        },
    }
    out.write("lesion_json", {}, lambda path: files.write_json(path, about))
    page = render_evidence(lesion_content(request, found, atlases, symptoms, shown, provenance))
    return out.write("lesion_page", {}, lambda path: files.write_text(path, page))


def network_table(found: LesionFindings) -> list[dict[str, Any]]:
    """Rows of lesion.tsv: one for each lesion and network; columns in data/lesion.toml."""
    return [row for one in found.each for row in _network_rows(one)]


def _network_rows(one: LesionFinding) -> Iterator[dict[str, Any]]:
    plain, removed = one.plain, one.removed
    for k, name in enumerate(plain.names):
        yield {
            "lesion": one.lesion.name,
            "side": _SIDES[one.lesion.side],
            "network": name,
            "value": float(plain.value[k]),
            "p": float(plain.p[k]),
            "p_fdr": float(plain.p_fdr[k]),
            "p_max": float(plain.p_max[k]),
            "null_mean": float(plain.null[:, k].mean()),
            "null_sd": float(plain.null[:, k].std(ddof=1)) if len(plain.null) > 1 else None,
            "value_removed": _known(removed, "value", k),
            "p_removed": _known(removed, "p", k),
            "p_max_removed": _known(removed, "p_max", k),
            "n_null": len(plain.null),
            "structure": structure_words(one.structure),
        }


def _known(evidence: NetworkEvidence | None, field: str, k: int) -> float | None:
    value = None if evidence is None else float(getattr(evidence, field)[k])
    return value if value is not None and np.isfinite(value) else None


def _symptom_table(found: LesionFindings) -> list[dict[str, Any]]:
    one = found.symptom_networks
    if one is None:
        return []
    return [
        {
            "network": name,
            "t": float(one.t[k]),
            "p_max": float(one.p_max[k]),
            "freedom": one.freedom,
            "orders": len(one.largest),
        }
        for k, name in enumerate(found.each[0].plain.names)
    ]


def _told(one: LesionFinding) -> dict[str, Any]:
    region = one.lesion.region
    return {
        "Name": one.lesion.name,
        "Side": one.lesion.statement,
        "MadeFrom": one.lesion.made,
        "CentreMNI": [round(float(x), 2) for x in region.centre_mm],
        "VolumeMM3": round(region.volume_mm3, 1),
        "CoveredByVoxels": round(one.covered, 3),
        "NullsDrawnIn": structure_words(one.structure),
        "ConfoundCorrelation": {} if one.removed is None else dict(one.removed.confound_r),
    }


def _provenance(
    request: LesionRequest, found: LesionFindings, atlases: Sequence[NucleusAtlas], n: int
) -> dict[str, Any]:
    single = [request.symptoms, request.t1w, request.transform, *request.atlases]
    inputs = [*request.lesions, *(path for path in single if path is not None)]
    if found.connected.prior is not None:
        inputs.append(request.cohort)
    options = {
        "lesions": ", ".join(one.lesion.name for one in found.each),
        "coordinate": None if request.coordinate is None else ", ".join(f"{x:g}" for x in request.coordinate),
        "cohort": request.cohort.name,
        "networks": found.networks.source if found.connected.prior is None else request.cohort.name,
        "atlases": ", ".join(one.name for one in atlases),
        "nulls": n,
        "people": len(found.connected.people),
    }
    return dict(files.provenance(inputs, options=options, seed=request.seed))


def _maps(found: LesionFindings) -> tuple[FloatArray, list[str], Grayordinates]:
    """Return the maps on rows: mean, t, distance from null lesions and its p, for every lesion; and of a symptom."""
    maps = found.connected.maps
    values: list[FloatArray] = []
    titles: list[str] = []
    for k, one in enumerate(found.each):
        if maps is not None and one.rows is not None:
            values += [maps.mean_z[k], maps.t[k], one.rows.z, one.rows.p_max]
            titles += [f"{one.lesion.name}: {what}" for what in ("mean z", "t", "z against nulls", "p (FWE)")]
    if found.symptom_rows is not None:
        values += [found.symptom_rows.t, found.symptom_rows.p_max]
        titles += ["symptom: t", "symptom: p (FWE)"]
    axis, stacked = _spread(found, np.stack(values))
    return stacked, titles, axis


def _spread(found: LesionFindings, values: FloatArray) -> tuple[Grayordinates, FloatArray]:
    """Bring maps to grayordinates: parcels are spread over their members."""
    parcels = found.connected.parcels
    if parcels is None:
        return found.connected.axis, values
    owner = parcels.owner
    return parcels.cortex, np.where(owner >= 0, values[..., owner.clip(0)], np.nan)


def _pictures(found: LesionFindings, atlases: Sequence[NucleusAtlas]) -> Iterator[tuple[int, str, bytes, str, str]]:
    """Draw the pictures of the first lesions: number, kind, PNG, what it shows in words, caption."""
    most = int(facts.load("lesion")["command"]["pictured"])
    image, anatomy = files.template_image(), files.template_anatomy()
    views = None if found.connected.maps is None else figures.surface_views(anatomy, pixels_per_mm=2.0)
    for k, one in enumerate(found.each[:most]):
        lesion = one.lesion
        own = {atlas.name: atlas.grouped for atlas in atlases if atlas.name in [place.atlas for place in one.nuclei]}
        side = None if lesion.side == "both" else lesion.side
        place = ", ".join(f"{x:.0f}".replace("-", "−") for x in lesion.region.centre_mm)
        yield (
            k,
            "slices",
            figures.lesion_slices(image, anatomy, lesion.region, own, side=side),
            f"Three slices of the MNI152 template through {place} with {lesion.name} filled; {_nuclei_words(one)}.",
            "The lesion on the template, with groups of nuclei that all atlases have. Grey lines: template cortex.",
        )
        yield (
            k,
            "nulls",
            figures.null_strips(one.plain.value, one.plain.null, one.plain.names, one.plain.p, across=_measure(found)),
            f"Value of {lesion.name} for each network among those of {len(one.plain.null)} lesions of its size; "
            f"{_null_words(lesion, one.plain)}.",
            f"Against lesions of its size in the {structure_words(one.structure)}; p of one network alone.",
        )
        if views is not None and found.connected.maps is not None and one.rows is not None:
            for kind, values, caption in (
                ("mean", found.connected.maps.mean_z[k], "mean Fisher z over people"),
                ("z", one.rows.z, "z against null lesions, degree and first component removed"),
            ):
                axis, spread = _spread(found, np.where(found.connected.maps.valid, values, np.nan))
                cortical = np.asarray(spread[: axis.n_cortex], dtype=np.float64)
                limit = float(np.nanpercentile(np.abs(cortical), 98)) or 1.0
                yield (
                    k,
                    kind,
                    figures.value_map(
                        views,
                        axis.cortex(),
                        cortical,
                        limit=limit,
                        borders=_borders(found.networks),
                        caption=(caption.split(",")[0], "borders: SCAN and AMN"),
                    ),
                    f"Inflated cortex with {caption} of {lesion.name} and borders of SCAN and AMN; "
                    f"{_map_words(found, cortical, axis)}.",
                    f"{caption[0].upper()}{caption[1:]}, on the template's inflated cortex.",
                )


def _measure(found: LesionFindings) -> str:
    if found.connected.maps is None:
        return "Fisher z: network minus mean of the others"
    return "mean Fisher z inside the network minus outside"


def _nuclei_words(one: LesionFinding) -> str:
    said = [
        f"{place.atlas}: "
        + ", ".join(
            f"{reading.name} {'inside' if reading.distance_mm == 0 else f'{reading.distance_mm:.1f} mm away'}"
            for reading in place.grouped
        )
        for place in one.nuclei
    ]
    return "; ".join(said) or "no atlas of this side"


def _null_words(lesion: Lesion, evidence: NetworkEvidence) -> str:
    beyond = [name for name, p in zip(evidence.names, evidence.p, strict=True) if p <= 0.05]
    return f"beyond most of them for {', '.join(beyond)}" if beyond else "for no network beyond most of them"


def _map_words(found: LesionFindings, cortical: FloatArray, axis: Grayordinates) -> str:
    """Mean of a map in SCAN and AMN."""
    prior = files.align_prior(found.networks, files.template_grayordinates())
    label = np.where(prior.probability.any(axis=0), prior.probability.argmax(axis=0), -1)
    label = files.align(label, files.template_grayordinates(), axis.cortex(), fill=-1)
    said = []
    for name in ("SCAN", "AMN"):
        if name not in prior.names:
            continue
        inside = (label == prior.names.index(name)) & np.isfinite(cortical)
        if inside.any():
            said.append(f"mean in {name} {cortical[inside].mean():.2f}".replace("-", "−"))
    return ", ".join(said) or "no such network"


def _borders(prior: Prior) -> IntArray:
    """Label of SCAN and AMN where they are the most likely network, both meshes."""
    cortical = files.align_prior(prior, files.template_grayordinates())
    best = np.where(cortical.probability.any(axis=0), cortical.probability.argmax(axis=0) + 1, 0)
    wanted = [k + 1 for k, name in enumerate(cortical.names) if name in ("SCAN", "AMN")]
    shown = np.where(np.isin(best, wanted), best, 0)
    return np.concatenate([cortical.grayordinates.to_mesh(shown, side, fill=0) for side in HEMISPHERES])
