"""`actionloop overlap`: a map of pain against the networks of one person or of the group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts, figures, files
from actionloop.errors import OptionError
from actionloop.evidence import Overlap, Spinner, correlate
from actionloop.files import OutputFolder
from actionloop.pipeline.ale import SOURCE, pain_ale
from actionloop.pipeline.overlapvolumes import overlap_volumes, read_voxel_networks
from actionloop.pipeline.painmap import cortex_mask, read_cortical_map, require_volume
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.progress import Progress
from actionloop.report import EvidenceContent, EvidenceSection, Shown, Table, render_evidence
from actionloop.types import HEMISPHERES, FloatArray, Grayordinates, IntArray

_TEMPLATES = (".mat", ".npz")


@dataclass(frozen=True)
class OverlapRequest:
    """Everything that `actionloop overlap` was asked.

    `pain_map` is one file (.dscalar.nii or an MNI volume) or one per hemisphere; without it the ALE of NiMARE's pain
    studies. `networks` is a person's or a group's map (probabilities, labels, connectivity templates); without it the
    default prior. `variogram_python` is the Python of an environment with brainsmash: a volume is then compared below
    the cortex too, against `surrogates` maps of its smoothness.
    """

    out: Path
    pain_map: tuple[Path, ...] = ()
    networks: Path | None = None
    spins: int | None = None
    measure: str = "pearson"
    seed: int = 0
    overwrite: bool = False
    variogram_python: Path | None = None
    surrogates: int | None = None


@dataclass(frozen=True, eq=False)
class Networks:
    """Maps to hold a map against.

    Attributes
    ----------
    names : tuple of str
    values : (network, vertex) float64 ndarray
        Left mesh, then right; NaN where not known.
    source : str
    """

    names: tuple[str, ...]
    values: FloatArray
    source: str


def overlap(request: OverlapRequest, *, progress: Progress) -> tuple[Overlap, Path]:
    """Correlate a map with every network, against spins, and write table, picture and page.

    Parameters
    ----------
    request : OverlapRequest
    progress : Progress

    Returns
    -------
    found : Overlap
    page : Path

    Raises
    ------
    ActionloopError
        A map or networks that cannot be used; nothing has been written then.
    """
    if request.measure not in ("pearson", "spearman"):
        raise OptionError(f"there is no measure {request.measure!r}", fix="choose pearson or spearman")
    OutputFolder.check(request.out, overwrite=request.overwrite)
    files.require(groups=("plan",))
    below = None if request.variogram_python is None else read_voxel_networks(request.networks)
    progress.start("overlap", 4 + (below is not None))
    progress.step("reading the map")
    paths = request.pain_map or (pain_ale(say=progress.note),)
    if below is not None:
        require_volume(paths)
    pain = read_cortical_map(paths)
    progress.step("reading the networks")
    networks = read_networks(request.networks)
    progress.step("turning the map over the spheres")
    spinner = Spinner(*(files.template_anatomy().surfaces[side, "sphere"].vertices for side in HEMISPHERES))
    found = correlate(
        pain,
        networks.values,
        spinner,
        names=networks.names,
        measure="spearman" if request.measure == "spearman" else "pearson",
        n=request.spins,
        rng=np.random.default_rng([request.seed, 7]),
    )
    voxels = None
    if below is not None and request.variogram_python is not None:
        progress.step("having surrogates of the volume made")
        voxels = overlap_volumes(
            paths[0], below, python=request.variogram_python, n=request.surrogates, seed=request.seed
        )
    progress.step("writing")
    source = SOURCE if not request.pain_map else ", ".join(path.name for path in request.pain_map)
    page = _write(request, found, pain, networks, source, voxels)
    progress.done()
    return found, page


def read_networks(path: Path | None) -> Networks:
    """Read the networks' maps: probabilities, labels (1 inside, 0 outside) or connectivity templates.

    Raises
    ------
    InputError, PriorError, GeometryError
        Of the file's reader.
    """
    if path is None:
        prior = cached_default_prior()
        return Networks(prior.names, on_meshes(prior.probability, prior.grayordinates), prior.source)
    if path.suffix in _TEMPLATES:
        prior = files.read_prior(path)
        values = prior.probability if prior.fingerprint is None else prior.fingerprint
        return Networks(prior.names, on_meshes(values, prior.grayordinates), path.name)
    network_map = files.read_network_map(path)
    return Networks(network_map.names, on_meshes(network_map.probability, network_map.grayordinates), path.name)


def on_meshes(values: FloatArray, axis: Grayordinates) -> FloatArray:
    """Spread rows of the cortex over both meshes, left and then right; NaN elsewhere."""
    rows, cortex = np.asarray(values[..., : axis.n_cortex], dtype=np.float64), axis.cortex()
    return np.concatenate([cortex.to_mesh(rows, side, fill=np.nan) for side in HEMISPHERES], axis=-1)


def _write(
    request: OverlapRequest,
    found: Overlap,
    pain: FloatArray,
    networks: Networks,
    source: str,
    voxels: Overlap | None,
) -> Path:
    out = OutputFolder(request.out, overwrite=request.overwrite)
    rows = found.rows()
    inputs = [*request.pain_map, *([] if request.networks is None else [request.networks])]
    options = {
        "pain_map": source,
        "networks": networks.source,
        "spins": len(found.drawn),
        "measure": found.measure,
        "redrawn": found.redrawn,
    }
    provenance = files.provenance(inputs, options=options, seed=request.seed)
    known = facts.load("evidence")["overlap"]
    out.write("overlap", {}, lambda path: files.write_table(path, rows))
    out.write("overlap_json", {}, lambda path: files.write_json(path, {**provenance, "Columns": known["columns"]}))
    picture = _picture(pain, networks)
    figure = out.write("overlap_figure", {}, lambda path: path.write_bytes(picture))
    alt = f"Cortical map with outlines of SCAN and AMN; the highest correlation is with {rows[0]['network']}."
    shown = Shown(picture, alt, "The map on the inflated cortex of the template; borders of SCAN and AMN.", figure.name)
    if voxels is not None:
        below = voxels.rows()
        out.write("overlap_volumes", {}, lambda path: files.write_table(path, below))
    content = _content(found, rows, shown, (source, networks.source), provenance)
    page = render_evidence(content if voxels is None else _with_voxels(content, voxels))
    return out.write("overlap_page", {}, lambda path: files.write_text(path, page))


def _picture(pain: FloatArray, networks: Networks) -> bytes:
    axis = files.template_grayordinates().cortex()
    views = figures.surface_views(files.template_anatomy())
    n = axis.n_vertices
    values = axis.from_mesh(pain[:n], pain[n:])
    limit = float(np.nanpercentile(np.abs(values), 98)) or 1.0
    return figures.value_map(
        views,
        axis,
        values,
        limit=limit,
        borders=_borders(networks),
        caption=("the map", "borders: SCAN and AMN (CON)"),
    )


def _borders(networks: Networks) -> IntArray:
    """Label of SCAN and AMN where they are the most likely network, both meshes."""
    best = np.nanargmax(np.where(np.isnan(networks.values), -np.inf, networks.values), axis=0) + 1
    wanted = [k + 1 for k, name in enumerate(networks.names) if name in ("SCAN", "AMN", "CON")]
    border: IntArray = np.where(cortex_mask() & np.isin(best, wanted), best, 0)
    return border


def _content(
    found: Overlap,
    rows: Sequence[Mapping[str, Any]],
    shown: Shown,
    sources: tuple[str, str],
    provenance: Mapping[str, Any],
) -> EvidenceContent:
    source, networks = sources
    known = facts.load("evidence")["overlap"]
    first, draws = rows[0], len(found.drawn)
    action = next((row for row in rows if row["network"] in ("AMN", "CON")), None)
    names = ("network", "value", "p", "p_positive", "p_fdr", "p_max", "n_common")
    table = Table(
        f"Correlation with {len(rows)} networks, highest first",
        ["Network", "r", "p (spin)", "p, r above 0", "FDR", "FWE (max)", "Vertices"],
        [[_fine(row[name]) for name in names] for row in rows],
        f"{draws:,} spins; p cannot be below {1 / (draws + 1):.2g}. FDR: Benjamini and Hochberg over the networks. "
        "FWE: against the largest of all networks in each spin.",
    )
    answer = [
        f"The highest correlation is with {first['network']}: r = {first['value']:.2f}, p (spin) = {first['p']:.3f}.",
    ]
    if action is not None:
        place = list(rows).index(action) + 1
        answer.append(
            f"AMN ({action['network']}): r = {action['value']:.2f}, p (spin) = {action['p']:.3f}, FDR "
            f"{action['p_fdr']:.3f}; rank {place} of {len(rows)}."
        )
    answer.append(known["published"])
    return EvidenceContent(
        title="Overlap of a map with networks",
        lead=f"{source}; networks: {networks}",
        answer=answer,
        glance={"Map": source, "Networks": networks, "Spins": f"{draws:,}", "Measure": found.measure},
        sections=[EvidenceSection("All networks", (), [table], [shown])],
        limits=known["limits"],
        methods=[
            f"A cortical map ({source}) was correlated ({found.measure}) with the maps of {len(rows)} networks "
            f"({networks}) over both hemispheres of fsLR-32k. Significance: {draws:,} spins of the registered "
            "spheres, the right hemisphere mirrored, rotations below "
            f"{facts.load('evidence')['spin']['least_angle_deg']:g}° drawn again, the medial wall missing [1]."
        ],
        references=[facts.load("evidence")["spin"]["reference"]],
        files=[("Table", "overlap.tsv"), ("Description", "overlap.json"), ("Picture", "overlap.png")],
        provenance=provenance,
    )


def _with_voxels(content: EvidenceContent, found: Overlap) -> EvidenceContent:
    """Add the table of what lies below the cortex, beside that of the cortex."""
    settings, rows = facts.load("evidence")["variogram"], found.rows()
    names = ("network", "value", "p", "p_positive", "p_fdr", "p_max", "n_common")
    table = Table(
        "Correlation below the cortex, highest first",
        ["Network", "r", "p (variogram)", "p, r above 0", "FDR", "FWE (max)", "Voxels"],
        [[_fine(row[name]) for name in names] for row in rows],
        f"{len(found.drawn):,} surrogates by the program brainsmash [2]; voxels {settings['spacing_mm']} mm apart. "
        "Surrogates keep how alike near voxels are over the whole; borders of structures are not kept.",
    )
    sections = [*content.sections, EvidenceSection("Subcortex and cerebellum", (), [table], [])]
    listed = [*content.files, ("Below the cortex", "overlap_volumes.tsv")]
    references = [*content.references, settings["reference"]]
    return replace(content, sections=sections, files=listed, references=references)


def _fine(value: Any) -> Any:
    return f"{value:.3f}".replace("-", "−") if isinstance(value, float) else value
