"""A map of pain against the networks of WashU-120, and the thalamic nuclei at P1's coordinate in every atlas at hand.

    python -m benchmarks.overlap docs/validation

Writes overlap.md and overlap.tsv into the folder. Needs the extra 'pain' (the ALE is kept after the first time), the
folder of real data (ACTIONLOOP_DATA) and `actionloop data fetch lesion`. False positives and speed of the spins:
`python -m benchmarks.spins`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files
from actionloop.brain import read_nuclei
from actionloop.brain.region import Ball
from actionloop.evidence import Spinner, correlate
from actionloop.pipeline.ale import pain_ale
from actionloop.pipeline.lesionplaces import read_nucleus_atlases
from actionloop.pipeline.overlaps import read_networks
from actionloop.pipeline.painmap import read_cortical_map
from actionloop.types import HEMISPHERES

COMMAND = "python -m benchmarks.overlap docs/validation"
P1_MNI = (14.0, -21.0, 1.0)
SPINS = 1000


def overlap_rows(data: Path) -> tuple[list[dict[str, Any]], float]:
    """Correlate the ALE with every network of WashU-120, and say how many seconds of processor it took."""
    networks = read_networks(data / "networks" / "networkTemplates.mat")
    pain = read_cortical_map((pain_ale(say=print),))
    spinner = Spinner(*(files.template_anatomy().surfaces[side, "sphere"].vertices for side in HEMISPHERES))
    start = time.process_time()
    found = correlate(pain, networks.values, spinner, names=networks.names, n=SPINS, rng=np.random.default_rng([0, 7]))
    return [dict(row) for row in found.rows()], time.process_time() - start


def nucleus_rows(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the groups of nuclei nearest to P1's coordinate in each atlas."""
    point = Ball(np.array(P1_MNI), 0.5)
    rows = []
    for atlas in (*read_nucleus_atlases(()), *(read_nucleus_atlases(paths) if paths else ())):
        for reading in read_nuclei(atlas.grouped, point, side="R")[:4]:
            rows.append({"atlas": atlas.name, "nucleus": reading.name, "distance_mm": reading.distance_mm})
    return rows


def markdown(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[str]:
    """Write rows as a table."""

    def cell(value: Any) -> str:
        return f"{value:.3f}".replace("-", "−") if isinstance(value, float) else str(value)

    body = ["| " + " | ".join(cell(row[name]) for name in names) + " |" for row in rows]
    return ["| " + " | ".join(names.values()) + " |", "|" + " --- |" * len(names), *body]


def main(argv: list[str] | None = None) -> int:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args(argv)
    data = Path(os.environ.get("ACTIONLOOP_DATA", "../shared/data"))
    rows, seconds = overlap_rows(data)
    files.write_table(asked.out / "overlap.tsv", rows)
    place = [row["network"] for row in rows].index("AMN") + 1
    thomas = sorted((data / "thalamus").glob("*ight*.nii*")) if (data / "thalamus").is_dir() else []
    lines = [
        "# A map of pain against every network",
        "",
        f"Made by `{COMMAND}`: the ALE of NiMARE's 21 pain studies on the cortex against the connectivity templates of",
        f"WashU-120, {SPINS:,} spins, {seconds:.1f} seconds of processor for {len(rows)} networks. The",
        f"templates call AMN CON (cingulo-opercular): rank {place} of {len(rows)}. The pain review",
        "reports r = .73 with another map of pain, other networks and another way of comparing them; nothing here is",
        "tuned to it.",
        "",
        *markdown(rows, {"network": "network", "value": "r", "p": "p (spin)", "p_fdr": "FDR", "p_max": "FWE"}),
        "",
        "## P1's coordinate among thalamic nuclei",
        "",
        "MNI 14, −21, 1 (right). The pain review: the intersection of CM-Pf, VPL and pulvinar. Distance 0 is inside.",
        "",
        *markdown(nucleus_rows(thomas), {"atlas": "atlas", "nucleus": "nucleus", "distance_mm": "distance, mm"}),
        "",
    ]
    files.write_text(asked.out / "overlap.md", "\n".join(lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
