"""Confound tables and ICA components, as fMRIPrep and tedana write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionloop import files
from actionloop.signal import framewise_displacement

N_FRAMES, TR_S = 240, 1.1
MOTION = files.MOTION_NAMES
TERMS = ("", "_derivative1", "_power2", "_derivative1_power2")
RUN = "task-rest"


def walk(rng: np.random.Generator, n: int, size: float) -> np.ndarray:
    """Return columns that wander, as confounds do."""
    return np.cumsum(rng.normal(size=(N_FRAMES, n)), axis=0) * size + rng.normal(size=(N_FRAMES, n)) * size


def make_table(seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of a table as fMRIPrep writes them, differences n/a at the first frame."""
    rng = np.random.default_rng(seed)
    motion = walk(rng, 6, 3e-4)
    motion[120, 0] += 2.0
    base = dict(zip(MOTION, motion.T, strict=True))
    base |= {name: 900 + walk(rng, 1, 2.0)[:, 0] for name in ("csf", "white_matter", "global_signal")}
    table: dict[str, np.ndarray] = {}
    for name, values in base.items():
        change = np.append(np.nan, np.diff(values))
        table |= dict(zip((f"{name}{term}" for term in TERMS), (values, change, values**2, change**2), strict=True))
    fd_mm = framewise_displacement(motion)
    table["framewise_displacement"] = np.append(np.nan, fd_mm[1:])
    table |= {f"a_comp_cor_{i:02d}": walk(rng, 1, 0.1)[:, 0] for i in range(12)}
    time = np.arange(N_FRAMES) + 0.5
    table |= {f"cosine{i:02d}": np.cos(np.pi * (i + 1) * time / N_FRAMES) for i in range(5)}
    return table


def write(
    folder: Path, table: dict[str, np.ndarray], name: str = f"sub-01_{RUN}_desc-confounds_timeseries.tsv"
) -> Path:
    rows = [
        "\t".join("n/a" if np.isnan(v) else repr(float(v)) for v in row) for row in zip(*table.values(), strict=True)
    ]
    path = folder / name
    path.write_text("\n".join(["\t".join(table), *rows]) + "\n")
    return path


def tedana_files(folder: Path, courses: np.ndarray, classes: list[str]) -> tuple[Path, Path]:
    metrics, mixing = folder / "desc-tedana_metrics.tsv", folder / "desc-ICA_mixing.tsv"
    rows = [f"ICA_{i}\t{10.0 + i}\t{c}\t{'Likely BOLD'}" for i, c in enumerate(classes)]
    metrics.write_text("\n".join(["Component\tkappa\tclassification\tclassification_tags", *rows]) + "\n")
    head = "\t".join(f"ICA_{i:02d}" for i in range(len(classes)))
    mixing.write_text("\n".join([head, *("\t".join(map(repr, map(float, row))) for row in courses)]) + "\n")
    return metrics, mixing
