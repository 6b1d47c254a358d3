"""Data sets of phantom people, with their truth beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import __version__, facts
from actionloop.errors import InputError, OptionError, OutputError, PriorError
from actionloop.files import align, file_sha256, read_network_map, write_dlabel, write_json, write_table
from actionloop.phantom.claiming import claim
from actionloop.phantom.group import GroupMap, group_map
from actionloop.phantom.layouts import PhantomLayout, description, series_path, write_session
from actionloop.phantom.loudness import calibrated
from actionloop.phantom.person import PhantomPerson, draw_person, given_person
from actionloop.phantom.series import check_length, simulate_session
from actionloop.phantom.template import template
from actionloop.phantom.thalamus import plant_thalamus, thalamus_rows
from actionloop.types import SIDES, IntArray, NetworkMap

SESSIONS = 2
TRUTH = "truth"

Note = Callable[[str], object]


def make_phantoms(  # noqa: PLR0913 - each is one thing about the data set
    out: str | Path,
    *,
    subjects: int = 1,
    minutes: float = 20.0,
    seed: int = 0,
    layout: PhantomLayout = "xcpd",
    truth_map: str | Path | None = None,
    tr_s: float = 0.8,
    thalamus: bool = False,
    progress: Note | None = None,
) -> tuple[str, ...]:
    """Write a data set of people whose networks are known.

    Parameters
    ----------
    out : path
        New or empty folder, or one that an interrupted call with the same options left: it is finished then.
    subjects : int
    minutes : float
        Length of each person's scan, half of it in each of two sessions.
    seed : int
        The same seed makes the same people, whatever their number and layout.
    layout : {'xcpd', 'fmriprep', 'hcp'}
    truth_map : path, optional
        Network map that is everybody's truth, unchanged, in place of people drawn from the group map. The people
        then differ in their signals only.
    tr_s : float
        Repetition time.
    thalamus : bool
        Plant a thalamus (`plant_thalamus`), with a table of it beside each person's truth.
    progress : callable, optional
        Gets a line of text at each step.

    Returns
    -------
    tuple of str
        Labels of the people, without 'sub-'.

    Raises
    ------
    OptionError
        A number of people below 1, or no such layout.
    SignalError
        Too few frames, or a repetition time that cannot carry the signals.
    InputError, PriorError
        A map that cannot be the truth.
    OutputError
        `out` cannot be written, or holds something else.
    ResourceError
        The data have not been fetched.
    """
    note: Note = progress or (lambda _: None)
    out = Path(out)
    if subjects < 1 or layout not in ("xcpd", "fmriprep", "hcp"):
        raise OptionError(f"cannot make {subjects} people in the layout {layout!r}")
    check_length(minutes / SESSIONS, tr_s)
    given = None if truth_map is None else _given_truth(Path(truth_map))
    options = {
        "minutes": float(minutes),
        "tr_s": float(tr_s),
        "seed": int(seed),
        "layout": layout,
        "truth_map": None if truth_map is None else file_sha256(truth_map),
        "version": int(facts.load("phantom")["version"]),
        "actionloop": __version__,
        **({"thalamus": True} if thalamus else {}),
    }
    group = group_map()
    try:
        _open(out, options, layout)
        write_dlabel(out / TRUTH / "group_dseg.dlabel.nii", _as_map(group, group.label, "group map"))
        labels = tuple(f"P{number:02d}" for number in range(1, subjects + 1))
        for number, label in enumerate(labels):
            _make_person(out, label, number, given, options, note)
    except OSError as error:
        raise OutputError(
            f"cannot write: {error.strerror or error}", where=out, fix="check rights and space"
        ) from error
    return labels


def _make_person(
    out: Path, label: str, number: int, given: NetworkMap | None, options: Mapping[str, Any], note: Note
) -> None:
    layout: PhantomLayout = options["layout"]
    rng = np.random.default_rng([options["seed"], number])
    if given is None:
        person = draw_person(rng)
    else:
        person = given_person(given.label, names=given.names, keys=given.keys, colours=given.colours, rng=rng)
    if options.get("thalamus"):
        person = plant_thalamus(person)
        write_table(out / TRUTH / f"sub-{label}_desc-thalamus_truth.tsv", thalamus_rows())
    _write_truth(out / TRUTH, label, person, options)
    for session in range(1, SESSIONS + 1):
        if series_path(out, label, session, layout).is_file():
            note(f"sub-{label} session {session}: already there")
            continue
        note(f"sub-{label} session {session}: simulating {options['minutes'] / SESSIONS:g} min")
        simulated = simulate_session(
            person,
            minutes=options["minutes"] / SESSIONS,
            tr_s=options["tr_s"],
            rng=np.random.default_rng([options["seed"], number, session]),
        )
        write_session(out, label, session, simulated, layout)


def _given_truth(path: Path) -> NetworkMap:
    found = read_network_map(path)
    axis = template().grayordinates
    if not found.grayordinates.same_cortex(axis.cortex()) and len(found.grayordinates) != len(axis):
        raise InputError(
            f"expected a map on the standard 59,412 or 91,282 rows, found {len(found.grayordinates)}", where=path
        )
    label = align(found.label.astype(np.float64), found.grayordinates, axis).astype(np.int64)
    missing = [name for name in ("SCAN", "AMN") if name not in found.names or not (label == found.key(name)).any()]
    if missing:
        raise PriorError(f"the true map has no {' and no '.join(missing)}", where=path)
    one_hot = (found.keys[:, None] == label).astype(np.float32)
    return NetworkMap(
        found.names, found.keys, found.colours, one_hot, label, (label > 0).astype(np.float32), axis, "given map"
    )


def _open(out: Path, options: Mapping[str, Any], layout: PhantomLayout) -> None:
    what = "Simulated people; nobody was scanned. Coordinates: RAS mm, MNI, template midthickness."
    claim(
        out,
        out / TRUTH / "phantom.json",
        options,
        of="phantoms",
        about={"what": what, "loudness": asdict(calibrated())},
    )
    write_json(out / "dataset_description.json", description(layout))


def _write_truth(folder: Path, label: str, person: PhantomPerson, options: Mapping[str, Any]) -> None:
    write_dlabel(folder / f"sub-{label}_truth.dlabel.nii", _as_map(person, person.truth, "truth"))
    rows = [
        {
            "name": f"{node.name} {node.hemisphere}",
            "network": node.network,
            "side": SIDES[node.hemisphere],
            **dict(zip("xyz", map(float, node.xyz_mni), strict=True)),
            "area": node.area_mm2,
            "vertex": node.vertex,
        }
        for node in person.nodes
    ]
    write_table(folder / f"sub-{label}_desc-nodes_truth.tsv", rows)
    group = group_map()
    overlap = {
        name: dice(group.label, person.truth, key=group.key(name), other_key=person.key(name))
        for name in ("SCAN", "AMN")
    }
    content = {"label": label, "kind": person.kind, "options": options, "dice_of_group_map": overlap}
    write_json(folder / f"sub-{label}_truth.json", content)


def dice(one: IntArray, other: IntArray, *, key: int, other_key: int | None = None) -> float:
    """Overlap of a network in two label maps over the cortex: 2 |A and B| / (|A| + |B|)."""
    n = template().grayordinates.n_cortex
    a, b = one[:n] == key, other[:n] == (key if other_key is None else other_key)
    return float(2 * (a & b).sum() / max(int(a.sum() + b.sum()), 1))


def _as_map(networks: GroupMap | PhantomPerson, label: IntArray, method: str) -> NetworkMap:
    one_hot = (networks.keys[:, None] == label).astype(np.float32)
    confidence = (label > 0).astype(np.float32)
    axis = template().grayordinates
    return NetworkMap(networks.names, networks.keys, networks.colours, one_hot, label, confidence, axis, method)
