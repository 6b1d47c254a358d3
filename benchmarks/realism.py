"""How like the reference scan phantoms are, and how unlike their group map.

    python -m benchmarks.realism docs/validation [--people 12]

Writes realism.md and realism.tsv into the folder (about half a minute a person).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from actionloop import facts, phantom
from actionloop.files import write_table, write_text

COMMAND = "python -m benchmarks.realism docs/validation"
TR_S, N_FRAMES = 1.4, 652
OVERLAP = {"SCAN": "0.40-0.50", "AMN": "0.50-0.65"}


def measure(seed: int) -> dict[str, float]:
    """Figures of one person: the scan's after the reference scan's route, and Dice of the group map with the truth."""
    rng = np.random.default_rng(seed)
    person, group = phantom.draw_person(rng), phantom.group_map()
    overlap = {
        f"dice_{name}": phantom.dice(group.label, person.truth, key=group.key(name), other_key=person.key(name))
        for name in OVERLAP
    }
    session = phantom.simulate_session(person, minutes=N_FRAMES * TR_S / 60, tr_s=TR_S, rng=rng, cortex_only=True)
    routed = phantom.fsaverage5_route(session.series, *phantom.reference_confounds(session))
    return phantom.realism(routed).figures() | overlap


def page(people: Sequence[dict[str, float]], version: int) -> str:
    """Return the table of means and ranges beside the reference."""
    reference = facts.load("phantom")["reference"]
    lines = [
        "# Are phantoms like a real scan?",
        "",
        f"Made by `{COMMAND}` (every person: `realism.tsv`); loudness version {version}, {len(people)} people.",
        f"Reference: {reference['scan']}, {N_FRAMES} frames at {TR_S} s. Phantoms of the same length and sampling take",
        "the same way (fsaverage5, fsLR-32k, confounds and global signal regressed). One scan is one person.",
        "",
        "| | reference | our measure of it | phantoms: mean (range) | mean off the reference |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, stated in reference["figures"].items():
        values = [person[name] for person in people]
        lines.append(
            f"| {name.replace('_', ' ')} | {stated:g} | {reference['measured'][name]:g} | {span(values)} | "
            f"{np.mean(values) / stated - 1:+.0%} |"
        )
    lines += ["", "Dice of the group map with a person's truth over the cortex:", ""]
    lines += ["| | real people | phantoms: mean (range) |", "| --- | --- | --- |"]
    lines += [f"| {name} | {real} | {span([p[f'dice_{name}'] for p in people])} |" for name, real in OVERLAP.items()]
    return "\n".join([*lines, ""])


def span(values: Sequence[float]) -> str:
    """Return mean and range."""
    return f"{np.mean(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main() -> int:
    """Measure people one after another and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=12)
    given = parser.parse_args()
    people = []
    for seed in range(1, given.people + 1):
        print(f"person {seed} of {given.people}", file=sys.stderr, flush=True)
        people.append(measure(seed))
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = [{"seed": seed} | {what: round(value, 4) for what, value in p.items()} for seed, p in enumerate(people, 1)]
    write_table(given.folder / "realism.tsv", rows)
    write_text(given.folder / "realism.md", page(people, int(facts.load("phantom")["version"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
