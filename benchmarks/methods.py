"""Every way of mapping on people of known truth: minutes of scan against how near the map comes.

    python -m benchmarks.methods docs/validation [--kinds drawn MSC06 Gordon WashU] [--minutes 5 10 20 30 60]
        [--methods iterative eta2 ...] [--priors default cohort] [--choose 1] [--report 11] [--work FOLDER]
        [--finished]

Writes methods.tsv, methods.md and methods.png into the folder. One person is one process of minutes; every finished
piece is kept in the work folder, so that a run that was stopped goes on. The default method is chosen on the seeds of
`--choose` and reported on those of `--report`. Needs the group maps and MSC06's map of the test data (ACTIONLOOP_DATA).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files, phantom, signal
from actionloop.networks import DEFAULT_METHOD, METHODS, CohortSums, scan_nodes
from actionloop.phantom.denoise import kept_frames
from actionloop.pipeline.controls import Recipe, dice
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.settings import MappingSettings
from actionloop.types import NetworkMap, Prior, Timeseries
from benchmarks.validate import MSC06, shared_data

KINDS = ("drawn", "MSC06", "Gordon", "WashU")
MINUTES = (5.0, 10.0, 20.0, 30.0, 60.0)
PRIORS = ("default", "cohort")
TR_S = 0.8
TRAINING = tuple(range(1001, 1007))
TRAINING_MINUTES = 20
COMMAND = "python -m benchmarks.methods docs/validation"
# Whose halves are compared, and the slow ones, which are run on reported people and with the default prior alone.
HALVES_MINUTES = (10.0,)
SLOW = ("dice", "infomap")
CHOOSING_MINUTES = (10.0, 30.0)
MEASURES = {"scan": "SCAN, Dice", "amn": "AMN, Dice", "all": "all networks, Dice", "node_mm": "SCAN nodes, mm off"}


# People


def draw(kind: str, seed: int) -> tuple[phantom.PhantomPerson, np.random.Generator]:
    """Draw a person: of the phantom's own group map, or with a published map as the truth."""
    rng = np.random.default_rng(seed)
    if kind == "drawn":
        return phantom.draw_person(rng), rng
    truth, names, keys, colours = published(kind)
    if "SCAN" not in names:
        # These maps are older than SCAN: the nodes of a drawn person are laid over them.
        other = phantom.draw_person(rng)
        truth = np.where(other.truth == other.key("SCAN"), max(keys) + 1, truth)
        names, keys = (*names, "SCAN"), np.append(keys, max(keys) + 1)
        colours = np.vstack([colours, [0.5, 0, 0.2]])
    return phantom.given_person(truth, names=names, keys=keys, colours=colours, rng=rng), rng


@cache
def published(kind: str) -> tuple[np.ndarray, tuple[str, ...], np.ndarray, np.ndarray]:
    """Truth on 91,282 rows, names, keys and colours of a published map."""
    axis = phantom.template.template().grayordinates
    if kind == "WashU":
        return washu(axis)
    path = shared_data() / (MSC06 if kind == "MSC06" else "networks/Gordon2017_17Networks.dlabel.nii")
    given = files.read_network_map(path)
    label = np.asarray(files.align(np.asarray(given.label), given.grayordinates, given.grayordinates.cortex()))
    whole = np.zeros(len(axis), dtype=np.int64)
    whole[: axis.n_cortex] = files.align(label, given.grayordinates.cortex(), axis.cortex())
    present = np.isin(given.keys, whole)
    names = tuple(name for name, there in zip(given.names, present, strict=True) if there)
    return whole, names, given.keys[present], given.colours[present]


def washu(axis: Any) -> tuple[np.ndarray, tuple[str, ...], np.ndarray, np.ndarray]:
    """Read the WashU-120 group map: a series of one frame whose values are the keys of the templates' networks."""
    import nibabel as nib

    image = nib.load(shared_data() / "networks" / "WashU120_groupNetworks.dtseries.nii")
    values = np.rint(np.asarray(image.dataobj)[0]).astype(np.int64)
    whole = np.zeros(len(axis), dtype=np.int64)
    for side, name in (("L", "CIFTI_STRUCTURE_CORTEX_LEFT"), ("R", "CIFTI_STRUCTURE_CORTEX_RIGHT")):
        for structure, rows, models in image.header.get_axis(1).iter_structures():
            if structure == name:
                mesh = np.zeros(axis.n_vertices, dtype=np.int64)
                mesh[models.vertex] = values[rows]
                whole[axis.rows(side)] = mesh[axis.vertices(side)]
    templates = files.read_prior(shared_data() / "networks" / "networkTemplates.mat")
    present = np.isin(templates.keys, whole)
    names = tuple(name for name, there in zip(templates.names, present, strict=True) if there)
    return whole, names, templates.keys[present], templates.colours[present]


def scan(kind: str, seed: int, minutes: float) -> tuple[phantom.PhantomPerson, Timeseries, np.ndarray]:
    """Simulate one cleaned cortical scan; returns the person, the kept frames and their times in minutes."""
    person, rng = draw(kind, seed)
    session = phantom.simulate_session(person, minutes=minutes, tr_s=TR_S, rng=rng, cortex_only=True)
    keep = kept_frames(session)
    series = phantom.denoise(session, with_global_signal=True, filtered=True)
    return person, signal.select_frames(series, keep), np.flatnonzero(keep) * TR_S / 60


@cache
def prior_of(name: str, work: Path) -> Prior:
    """Return the default prior, or one built from a cohort of drawn people that are in no table."""
    if name == "default":
        return cached_default_prior()
    path = work / "cohort_prior.npz"
    if not path.is_file():
        build_cohort(path)
    return files.read_prior(path)


# Measures


def measure(made: NetworkMap, person: phantom.PhantomPerson) -> dict[str, float]:
    """Dice of SCAN, AMN and all networks (each true one with its best), and mm between true and found SCAN nodes."""
    truth = person.truth[: len(made.label)]
    members = [made.label == key for key in made.keys]
    true = {name: truth == key for name, key in zip(person.names, person.keys, strict=True)}
    best = [max(dice(mask, other) for other in members) for mask in true.values() if mask.any()]
    return {
        "scan": dice(made.members("SCAN"), true["SCAN"]),
        "amn": dice(made.members("AMN"), true["AMN"]),
        "all": float(np.mean(best)),
        "node_mm": node_distance(made, person),
    }


def node_distance(made: NetworkMap, person: phantom.PhantomPerson) -> float:
    """Mean over true SCAN nodes of the straight distance to the nearest found one of that side; 30 mm at most."""
    template = files.template_anatomy()
    found = scan_nodes(made, template, template)
    away = []
    for node in person.nodes:
        if node.network == "SCAN":
            places = [piece.centre_mni for piece in found if piece.hemisphere == node.hemisphere]
            away.append(min([30.0, *(float(np.linalg.norm(node.xyz_mni - place)) for place in places)]))
    return float(np.mean(away))


def nmi(one: NetworkMap, other: NetworkMap) -> float:
    """Normalised mutual information of two maps' labels."""
    from sklearn.metrics import normalized_mutual_info_score

    known = (one.label > 0) & (other.label > 0)
    return float(normalized_mutual_info_score(one.label[known], other.label[known]))


def run_method(
    series: Timeseries, method: str, prior: Prior, person: phantom.PhantomPerson, *, halves: bool
) -> dict[str, float]:
    """Map, measure, and compare the maps of the two halves."""
    started = time.monotonic()
    made = mapped(series, method, prior)
    row = {**measure(made, person), "seconds": time.monotonic() - started}
    if halves:
        split = signal.halves(series.n_frames)
        row["nmi"] = nmi(*(mapped(signal.select_frames(series, half), method, prior) for half in split))
    return row


def mapped(series: Timeseries, method: str, prior: Prior) -> NetworkMap:
    """Map a series by one method, as `actionloop plan` does."""
    prior = files.align_prior(prior, series.grayordinates)
    return Recipe(prior, files.template_anatomy(), MappingSettings(method=method)).make(series)


def run_person(kind: str, seed: int, asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Everything that is asked of one person; pieces that are there are read."""
    person, series, time_min = None, None, None
    choosing = seed in asked.choose
    lengths = [m for m in asked.minutes if not choosing or m in CHOOSING_MINUTES]
    for minutes in lengths:
        for name in asked.priors:
            for method in asked.methods:
                if method in SLOW and name != PRIORS[0]:
                    continue
                if method in SLOW and choosing:
                    continue
                kept = asked.work / f"{kind}-{seed}-{minutes:g}-{name}-{method}.json"
                if not kept.is_file():
                    if asked.finished:
                        continue
                    if series is None:
                        person, series, time_min = scan(kind, seed, max(lengths))
                    halves = minutes in HALVES_MINUTES and method not in SLOW and not choosing
                    some = signal.select_frames(series, time_min < minutes)
                    found = run_method(some, method, prior_of(name, asked.work), person, halves=halves)
                    files.write_json(kept, found)
                row = {"kind": kind, "seed": seed, "minutes": minutes, "prior": name, "method": method}
                row |= json.loads(kept.read_text(encoding="utf-8"))
                print(json.dumps(row), file=sys.stderr, flush=True)
                yield row


def build_cohort(path: Path) -> None:
    """Build a prior from drawn people of other seeds, with their true labels."""
    sums = None
    for seed in TRAINING:
        print(f"cohort, person {seed}", file=sys.stderr, flush=True)
        person, series, _ = scan("drawn", seed, TRAINING_MINUTES)
        basis = signal.compress(series)
        if sums is None:
            sums = CohortSums(series.grayordinates, networks=networks_of(person))
        sums.add(basis, person.truth[: len(basis.valid)])
    if sums is not None:
        source = f"{len(TRAINING)} drawn people, {TRAINING_MINUTES} min each"
        files.write_prior(path, sums.result(source=source).prior)


def networks_of(person: phantom.PhantomPerson) -> Prior:
    """Return a person's networks as a prior that is sure of them: names, keys and colours for the sums."""
    axis = files.template_grayordinates()
    label = person.truth[: len(axis)]
    probability = (label == person.keys[:, None]).astype(np.float32)
    return Prior(person.names, person.keys, person.colours, probability, axis)


# Tables


def choose(rows: Sequence[dict[str, Any]], seeds: Sequence[int]) -> str:
    """Name the method with the highest mean Dice of SCAN, AMN and all networks on these seeds, default prior."""
    totals: dict[str, list[float]] = {}
    for row in rows:
        if row["seed"] in seeds and row["prior"] == PRIORS[0] and row["minutes"] in CHOOSING_MINUTES:
            totals.setdefault(row["method"], []).append(row["scan"] + row["amn"] + row["all"])
    return max(totals, key=lambda name: float(np.mean(totals[name]))) if totals else "none"


def complete(rows: Sequence[dict[str, Any]], kind: str, seed: int, minutes: Sequence[float]) -> bool:
    """Tell whether a person was mapped at every length by every method that is run on all of them."""
    mine = [row for row in rows if (row["kind"], row["seed"]) == (kind, seed)]
    methods = {row["method"] for row in rows} - set(SLOW)
    done = {(row["minutes"], row["prior"], row["method"]) for row in mine}
    priors = {row["prior"] for row in rows}
    return all((m, prior, method) in done for m in minutes for prior in priors for method in methods)


def mean(rows: Sequence[dict[str, Any]], measure: str, **wanted: Any) -> float:
    """Mean of one measure over the rows that match; NaN where there are none."""
    values = [row[measure] for row in rows if measure in row and all(row[k] == v for k, v in wanted.items())]
    return float(np.mean(values)) if values else np.nan


def table(rows: Sequence[dict[str, Any]], measure: str, prior: str, minutes: Sequence[float]) -> list[str]:
    """Methods × minutes, mean over people."""
    methods = [name for name in METHODS if any(row["method"] == name for row in rows)]
    lines = ["| method | " + " | ".join(f"{m:g} min" for m in minutes) + " |", "| --- |" + " --- |" * len(minutes)]
    for method in methods:
        cells = [mean(rows, measure, method=method, prior=prior, minutes=m) for m in minutes]
        lines.append(f"| {method} | " + " | ".join("–" if np.isnan(c) else f"{c:.2f}" for c in cells) + " |")
    return lines


def write_results(rows: list[dict[str, Any]], asked: argparse.Namespace) -> None:
    """Write table, page and figure."""
    out = asked.out
    columns = ["kind", "seed", "minutes", "prior", "method", *MEASURES, "nmi", "seconds"]
    files.write_table(out / "methods.tsv", rows, columns=columns)
    everybody = [row for row in rows if row["seed"] in asked.report]
    reported = [row for row in everybody if complete(everybody, row["kind"], row["seed"], asked.minutes)]
    people = len({(row["kind"], row["seed"]) for row in reported})
    kinds = sorted({row["kind"] for row in everybody}, key=KINDS.index)
    whole = sorted({row["kind"] for row in reported}, key=KINDS.index)
    text = [
        "# Ways of mapping on people of known truth",
        "",
        f"Made by `{COMMAND}` (every person: `methods.tsv`). {people} people of the kinds {', '.join(whole)}, seeds",
        f"{', '.join(map(str, asked.report))}"
        + ("" if whole == kinds else " (others are not finished and stand in the last table only)")
        + "; the method was chosen on other people (seeds "
        f"{', '.join(map(str, asked.choose))}): **{choose(rows, asked.choose)}**.",
        "'drawn': networks drawn around the phantom's own group map; the other kinds take MSC06's own map, the Gordon",
        "group map or the WashU-120 group map as the truth. The last two are older than SCAN: a drawn person's SCAN",
        "is laid over them. Scans at TR 0.8 s, cleaned; minutes count frames that were censored, too. 'default' is",
        f"the prior of `actionloop plan`; 'cohort' is built from {len(TRAINING)} other drawn people of known truth,",
        "which favours the kind 'drawn'. Dice of all networks gives each true network the best of the map's. SCAN",
        "nodes: mean distance of a true node to the nearest found one, 30 mm at most. Infomap and Dice take minutes",
        "a map: default prior only; lengths without a figure are not finished.",
        "",
    ]
    for prior in [name for name in PRIORS if any(row["prior"] == name for row in reported)]:
        for measure, words in (*MEASURES.items(), ("nmi", "halves of the scan, NMI")):
            minutes = [m for m in asked.minutes if not np.isnan(mean(reported, measure, prior=prior, minutes=m))]
            if minutes:
                text += [f"## {words}, {prior} prior", "", *table(reported, measure, prior, minutes), ""]
    text += ["## The default at 10 minutes against eta² at 30", "", *aim(reported), ""]
    text += ["## By kind, 10 min, default prior: Dice of SCAN / AMN", ""]
    text += ["| method | " + " | ".join(kinds) + " |", "| --- |" + " --- |" * len(kinds)]
    for method in [name for name in METHODS if any(row["method"] == name for row in everybody)]:
        wanted = {"method": method, "prior": PRIORS[0], "minutes": 10.0}
        cells = [[mean(everybody, m, kind=kind, **wanted) for m in ("scan", "amn")] for kind in kinds]
        shown = [f"{scan:.2f} / {amn:.2f}" if not np.isnan(scan) else "–" for scan, amn in cells]
        text.append(f"| {method} | " + " | ".join(shown) + " |")
    text += ["", "![Dice against minutes of scan](methods.png)", ""]
    files.write_text(out / "methods.md", "\n".join(text))
    picture(reported, out / "methods.png", asked.minutes)


def aim(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Compare the default after 10 minutes with eta² after 30, with each prior."""
    lines = ["| prior of both | measure | default, 10 min | eta², 30 min | at least as good |", "| --- " * 5 + "|"]
    for prior in PRIORS:
        for measure, words in MEASURES.items():
            mine = mean(rows, measure, prior=prior, method=DEFAULT_METHOD, minutes=10.0)
            theirs = mean(rows, measure, prior=prior, method="eta2", minutes=30.0)
            if not np.isnan(mine + theirs):
                reached = mine <= theirs if measure == "node_mm" else mine >= theirs
                lines.append(f"| {prior} | {words} | {mine:.2f} | {theirs:.2f} | {'yes' if reached else 'no'} |")
    return lines


def picture(rows: Sequence[dict[str, Any]], path: Path, minutes: Sequence[float]) -> None:
    """Draw Dice and distance against minutes; colours that differ in lightness too."""
    from matplotlib.figure import Figure

    colours = ["#a3122c", "#0072b2", "#e69f00", "#009e73", "#56b4e9", "#3b3f46"]
    markers = "osD^vP"
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    panels = figure.subplots(1, 4)
    for panel, (measure, words) in zip(panels, MEASURES.items(), strict=True):
        for method, colour, marker in zip(METHODS, colours, markers, strict=False):
            for prior, line in zip(PRIORS, ("-", ":"), strict=True):
                y = np.array([mean(rows, measure, method=method, prior=prior, minutes=m) for m in minutes])
                there = ~np.isnan(y)
                if there.any():
                    label = f"{method}, {prior} prior"
                    x = np.asarray(minutes)[there]
                    panel.plot(x, y[there], line, marker=marker, color=colour, ms=4, lw=1.2, label=label)
        panel.set_title(words, fontsize=9)
        panel.set_xscale("log")
        panel.set_xticks(list(minutes), [f"{m:g}" for m in minutes], fontsize=8)
        panel.minorticks_off()
        panel.set_xlabel("minutes", fontsize=8)
        panel.set_ylim(0, None if measure == "node_mm" else 1)
    lines, labels = panels[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside right upper", fontsize=7, frameon=False)
    figure.savefig(path, dpi=130)


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--minutes", type=float, nargs="+", default=list(MINUTES))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--priors", nargs="+", default=list(PRIORS), choices=PRIORS)
    parser.add_argument("--choose", type=int, nargs="+", default=[1])
    parser.add_argument("--report", type=int, nargs="+", default=[11])
    parser.add_argument("--work", type=Path, default=Path("build/methods"))
    parser.add_argument("--finished", action="store_true", help="tables from finished pieces only; runs none")
    asked = parser.parse_args(argv)
    asked.work.mkdir(parents=True, exist_ok=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    people = [(kind, seed) for seed in [*asked.choose, *asked.report] for kind in asked.kinds]
    write_results([row for kind, seed in people for row in run_person(kind, seed, asked)], asked)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
