"""Maps, tables, pictures and page of a variability."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import facts, figures, files
from actionloop.files import OutputFolder
from actionloop.pipeline.variationperson import VariabilityRequest
from actionloop.pipeline.variations import Variability
from actionloop.pipeline.variationtables import chance, node_rows, node_table, percent, site_rows, site_tables
from actionloop.report import EvidenceContent, EvidenceSection, Shown, render_evidence
from actionloop.types import NetworkMap


def write_variability(request: VariabilityRequest, found: Variability, inputs: Sequence[Path]) -> Path:
    """Write everything that a variability gives.

    Parameters
    ----------
    request : VariabilityRequest
    found : Variability
    inputs : sequence of Path
        Files that concern everybody.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        OUT cannot be written.
    """
    atlas, known = found.atlas, facts.load("atlas")
    options = {
        "maps": found.maps,
        "subcortex": request.subcortex,
        "coordinate": request.coordinate,
        "within_mm": known["hits"]["within_mm"],
        "reach_mm": known["scatter"]["reach_mm"],
    }
    about: dict[str, Any] = {
        "People": list(found.people),
        "LeftOut": [
            {"Label": one.label, "Reason": one.message.splitlines()[0]} for one in found.outcomes if not one.ok
        ],
        "Networks": [{"Name": name, "People": count} for name, count in found.networks.items()],
        "Phantoms": found.phantoms,
    }
    provenance = files.provenance(inputs, root=request.source, options=options, **about)
    nodes, sites, pictures = list(node_rows(found)), list(site_rows(found)), list(_pictures(found))
    out = OutputFolder(
        request.out,
        overwrite=request.overwrite,
        sources=[files.source_dataset(request.source, out=request.out)],
    )
    shares = np.concatenate([atlas.probability, atlas.unassigned[None]])
    differ = np.nan_to_num(np.stack([atlas.entropy_bits, atlas.entropy_share, atlas.agreement, atlas.with_data]))
    maps = ["entropy (bits)", "entropy (share of the largest possible)", "agreement", "people with data"]
    axis = atlas.grayordinates
    names = [*atlas.names, "unassigned"]
    out.write("variability_probability", {}, lambda path: files.write_dscalar(path, shares, names, axis))
    out.write("variability_entropy", {}, lambda path: files.write_dscalar(path, differ, maps, axis))
    out.write("variability_nodes", {}, lambda path: files.write_table(path, nodes, columns=tuple(known["nodes"])))
    out.write("variability_sites", {}, lambda path: files.write_table(path, sites, columns=tuple(known["sites"])))
    columns = {"NodeColumns": known["nodes"], "SiteColumns": known["sites"]}
    out.write("variability_json", {}, lambda path: files.write_json(path, {**provenance, **columns}))
    shown = []
    for picture in pictures:
        name = {"desc": picture.file}
        path = out.write("variability_figure", name, lambda path, png=picture.png: path.write_bytes(png))  # type: ignore[misc]
        shown.append(Shown(picture.png, picture.alt, picture.caption, path.name))
    page = render_evidence(_content(found, nodes, sites, shown, provenance))
    return out.write("variability_page", {}, lambda path: files.write_text(path, page))


def _pictures(found: Variability) -> Iterator[Shown]:
    """Draw the share of people with each network of interest, and the entropy, on the cortex."""
    atlas, template = found.atlas, files.template_anatomy()
    n = atlas.grayordinates.n_cortex
    axis, views = atlas.grayordinates.cortex(), figures.surface_views(template)
    group = NetworkMap(
        names=atlas.names,
        keys=atlas.keys,
        colours=atlas.colours,
        probability=atlas.probability[:, :n],
        label=atlas.label[:n],
        confidence=np.nan_to_num(atlas.agreement[:n]),
        grayordinates=axis,
        method="most frequent label",
    )
    for name in (name for name in facts.load("atlas")["page"]["networks"] if name in atlas.names):
        share = group.probability[atlas.names.index(name)]
        picture = figures.probability_map(template, group, name=name, views=views)
        alt = (
            f"Share of {atlas.people} people with {name} on the cortex: {percent((share >= 0.5).mean())} of it in half "
            f"of them or more, {percent((share > 0).mean())} in anybody; at most {percent(share.max())}."
        )
        caption = f"Share of people who carry {name}; line: where it is the most frequent network."
        yield Shown(picture, alt, caption, name)
    values = atlas.entropy_share[:n].astype(np.float64)
    picture = figures.share_map(
        views,
        axis,
        values,
        caption=("entropy over people", "0: all alike; 1: as different as can be"),
    )
    alt = f"Entropy of labels over people, as a share of the largest possible: mean {np.nanmean(values):.2f}."
    yield Shown(
        picture, alt, "Where people differ: entropy of their labels, as a share of the largest possible.", "entropy"
    )


def _content(
    found: Variability,
    nodes: Sequence[Mapping[str, Any]],
    sites: Sequence[Mapping[str, Any]],
    shown: Sequence[Shown],
    provenance: Mapping[str, Any],
) -> EvidenceContent:
    known, n = facts.load("atlas"), found.atlas.people
    listed = [("Shares of people", "variability_probseg.dscalar.nii"), ("Entropy", "variability_entropy.dscalar.nii")]
    listed += [("Nodes and islands", "variability_nodes.tsv"), ("Fixed places", "variability_sites.tsv")]
    listed += [("Description", "variability.json"), *(("Picture", one.file) for one in shown)]
    islands = any(row["network"] == "AMN" for row in nodes)
    words = [] if islands else ["No island of AMN in dlPFC is shared by enough people to be called one place."]
    return EvidenceContent(
        title="Where people's networks lie and differ",
        lead=f"{n} people",
        answer=_answer(found, nodes, sites),
        glance={"People": str(n), "Maps": found.maps, "Networks": str(len(found.atlas.names))},
        warnings=_warnings(found),
        sections=[
            EvidenceSection("Maps", (), (), shown),
            EvidenceSection("Nodes and islands", words, [node_table(nodes)]),
            EvidenceSection("Fixed places", (), site_tables(sites)),
        ],
        limits=known["page"]["limits"],
        methods=[
            f"Maps of {n} people ({found.maps}) were counted on fsLR-32k. Centres of SCAN's nodes were matched by "
            f"name, islands of AMN in dlPFC by nearness (within {known['scatter']['reach_mm']:g} mm along the "
            "template's cortex); scatter is the distance from a person's centre to the middle of the others'. Chances "
            "of hitting are shares of people with Jeffreys intervals [1], a group's place being found without the "
            "person."
        ],
        references=["Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286"],
        files=listed,
        provenance=provenance,
    )


def _answer(found: Variability, nodes: Sequence[Mapping[str, Any]], sites: Sequence[Mapping[str, Any]]) -> list[str]:
    median = [row["cortex_median_mm"] for row in nodes if row["cortex_median_mm"] is not None]
    told = []
    if median:
        told.append(
            f"Nodes and islands lie {min(median):.0f} to {max(median):.0f} mm (medians) along the cortex from the "
            f"middle of the other people's, in {found.atlas.people} people."
        )
    else:
        told.append(
            f"No node or island was found in enough of the {found.atlas.people} people to say how far it scatters."
        )
    group = [row for row in sites if row["kind"] == "group"]
    if group:
        low, high = (pick(row["hit"] for row in group) for pick in (min, max))
        told.append(f"A group's place hits its network in {percent(low)} to {percent(high)} of new people.")
    for row in sites:
        if row["kind"] == "fixed" and row["site"] == "M1 hand knob" and row["network"] == "SCAN":
            side = "left" if row["hemisphere"] == "L" else "right"
            told.append(
                f"M1 hand knob, {side}: SCAN in {chance(row, 'hit')} of people, within {row['within_mm']:g} mm in "
                f"{chance(row, 'near')}."
            )
    return told


def _warnings(found: Variability) -> list[str]:
    told = [f"sub-{one.label} is left out: {one.message.splitlines()[0]}." for one in found.outcomes if not one.ok]
    part = [f"{name} ({count})" for name, count in found.networks.items() if count < found.atlas.people]
    if part:
        told.append(
            f"Not everybody's map has {', '.join(part)}, of {found.atlas.people}: were all made with the same prior?"
        )
    if found.phantoms:
        told.insert(0, "These people, or those of the prior, are simulated; nothing here is about people.")
    return told
