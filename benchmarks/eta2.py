"""Time and memory of template matching by eta² against a dense, blocked BLAS implementation of the same formula.

    python -m benchmarks.eta2 [calibrated-91k white-91k lemon ...] [--rows 8192]

Prints one line of JSON a case; asserts nothing. The last two cases show the growth with frames and grayordinates.
`seconds` is compression, both passes and labels; `peak_gb` the largest memory of a process of its own that does nothing
else but load the series. The reference multiplies blocks of rows with all columns in float32 on all cores and takes the
same sums from every block, first pass only; it is timed on `rows` rows and scaled up to all. `reference_share_of_sgemm`
says how near all of it comes to plain sgemm of the same shape. Largest difference and labels are compared on them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files, signal
from actionloop.networks import Eta2Settings, map_eta2
from actionloop.networks.eta2 import standard_templates
from actionloop.networks.task import Task, prepare
from actionloop.types import Grayordinates, Prior, Timeseries

CASES = ("calibrated-91k", "white-91k", "lemon", "calibrated-91k-half", "calibrated-59k")
TR_S, N_FRAMES, CENSORED, N_NETWORKS = 0.8, 2250, 0.15, 15
BAND_HZ = (0.01, 0.1)
BLOCK = 2048


def calibrated() -> tuple[Timeseries, Prior]:
    """One calibrated phantom on 91,282 rows: 30 min at 0.8 s, band-passed, 15 % of the frames censored."""
    from actionloop import phantom

    rng = np.random.default_rng(1)
    person = phantom.draw_person(rng)
    session = phantom.simulate_session(person, minutes=N_FRAMES * TR_S / 60, tr_s=TR_S, rng=rng)
    series = phantom.denoise(session, with_global_signal=True, filtered=True)
    return censored(series, rng), templates(person.truth, series.grayordinates, series)


def white() -> tuple[Timeseries, Prior]:
    """Spatially white noise of the same size and band, with templates of the same size."""
    from actionloop import phantom
    from actionloop.phantom.template import template

    rng = np.random.default_rng(2)
    person = phantom.draw_person(rng)
    axis = template().grayordinates
    data = np.empty((N_FRAMES, len(axis)), dtype=np.float32)
    for start in range(0, len(axis), 4096):
        noise = rng.standard_normal((N_FRAMES, min(4096, len(axis) - start)))
        data[:, start : start + 4096] = signal.bandpass(noise, tr_s=TR_S, band_hz=BAND_HZ)
    series = censored(Timeseries(data, axis, TR_S), rng)
    return series, templates(person.truth, axis, None)


def lemon() -> tuple[Timeseries, Prior]:
    """Read the demonstration's scan and the WashU-120 templates (ACTIONLOOP_DATA)."""
    from actionloop.phantom import reference_scan
    from benchmarks.validate import shared_data

    series = reference_scan()
    prior = files.read_prior(shared_data() / "networks" / "networkTemplates.mat")
    return series, files.align_prior(prior, series.grayordinates)


def censored(series: Timeseries, rng: np.random.Generator) -> Timeseries:
    """Drop frames in bursts of five until the share is reached."""
    keep = np.ones(series.n_frames, dtype=bool)
    while (~keep).mean() < CENSORED:
        start = rng.integers(0, series.n_frames - 5)
        keep[start : start + 5] = False
    return signal.select_frames(series, keep)


def templates(label: np.ndarray, axis: Grayordinates, series: Timeseries | None) -> Prior:
    """Templates of 15 networks: connectivity of the true networks, or networks alone for white noise."""
    keys = np.array([key for key in np.unique(label) if key > 0])
    keys = keys[np.argsort([-(label == key).sum() for key in keys])][:N_NETWORKS]
    if series is None:
        rng = np.random.default_rng(3)
        template = (label == keys[:, None]) + rng.normal(0, 0.5, (len(keys), len(label)))
    else:
        unit = signal.standardise(series).data
        mean = np.stack([unit[:, label == key].mean(axis=1) for key in keys], axis=1)
        template = signal.correlate(series, mean)
    probability = np.full(template.shape, 1 / len(keys), dtype=np.float32)
    names = tuple("SCAN" if i == len(keys) - 1 else f"network {i}" for i in range(len(keys)))
    return Prior(names, keys, np.zeros((len(keys), 3)), probability, axis, template.astype(np.float32))


def shorter() -> tuple[Timeseries, Prior]:
    """Take half of the calibrated scan's frames."""
    series, prior = calibrated()
    return signal.select_frames(series, np.arange(series.n_frames) < series.n_frames // 2), prior


def cortical() -> tuple[Timeseries, Prior]:
    """Take the cortex of the calibrated scan."""
    series, prior = calibrated()
    return series.cortex(), files.align_prior(prior, series.grayordinates.cortex())


MAKE: dict[str, Callable[[], tuple[Timeseries, Prior]]] = {
    "calibrated-91k": calibrated,
    "white-91k": white,
    "lemon": lemon,
    "calibrated-91k-half": shorter,
    "calibrated-59k": cortical,
}


def store(folder: Path, series: Timeseries, prior: Prior) -> None:
    """Write what a process needs, so that each can load it alone."""
    np.save(folder / "series.npy", series.data)
    np.save(folder / "templates.npy", np.asarray(prior.fingerprint))
    np.savez(folder / "rest.npz", keys=prior.keys, names=np.array(prior.names), tr_s=series.tr_s)


def load(folder: Path) -> tuple[Timeseries, Prior]:
    """Read it again."""
    data = np.load(folder / "series.npy")
    axis = files.template_grayordinates()
    if data.shape[1] != len(axis):
        from actionloop.phantom.template import template

        axis = template().grayordinates
    with np.load(folder / "rest.npz") as rest:
        keys, names, tr_s = rest["keys"], tuple(str(n) for n in rest["names"]), float(rest["tr_s"])
    template = np.load(folder / "templates.npy")
    probability = np.broadcast_to(np.float32(1 / len(keys)), template.shape)
    return Timeseries(data, axis, tr_s), Prior(names, keys, np.zeros((len(keys), 3)), probability, axis, template)


def ours(folder: Path, out: Any) -> None:
    """Compress and map; in a process of its own, for its memory."""
    series, prior = load(folder)
    started = time.monotonic()
    basis = signal.compress(series)
    compressed = time.monotonic() - started
    made = map_eta2(basis, prior, None, settings=Eta2Settings())
    seconds = time.monotonic() - started
    first = map_eta2(basis, prior, None, settings=Eta2Settings(second_threshold_z=0))
    np.savez(folder / "ours.npz", score=first.probability, label=first.label)
    second = int((made.probability != first.probability).any(axis=0).sum())
    out.put(
        {
            "seconds": round(seconds, 2),
            "compress_seconds": round(compressed, 2),
            "dimensions": basis.n_dimensions,
            "error_bound": basis.error,
            "second_pass_rows": second,
            "peak_gb": peak_gb(),
        }
    )


def dense(task: Task, unit: np.ndarray, rows: np.ndarray, template: np.ndarray) -> tuple[np.ndarray, dict[str, float]]:
    """Eta² of some rows from blocks of the dense matrix; seconds of the products and of all."""
    columns = task.informed & task.valid
    structure = task.structure
    masks = (template > 1) & columns
    count = [np.array([(masks[:, structure == b]).sum(axis=1)]).ravel() for b in range(3)]
    inside = np.concatenate([masks & (structure == b) for b in range(3)]).T.astype(np.float32)
    weighted = np.concatenate([np.where(masks & (structure == b), template, 0) for b in range(3)]).T.astype(np.float32)
    mean, spread = block_moments(task, unit, columns)
    n_networks = len(template)
    score = np.zeros((n_networks, len(rows)))
    product = rest = 0.0
    buffer = np.empty((BLOCK, unit.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        left = np.ascontiguousarray(unit[:, some].T)
        began = time.monotonic()
        r = np.matmul(left, unit, out=buffer[: len(some)])
        product += time.monotonic() - began
        began = time.monotonic()
        first, cross = r @ inside, r @ weighted
        np.square(r, out=r)
        sums = [part.astype(np.float64).reshape(len(some), 3, n_networks) for part in (first, r @ inside, cross)]
        score[:, start : start + BLOCK] = finish(sums, structure[some], mean, spread, masks, template, structure, count)
        rest += time.monotonic() - began
    return score, {"product": product, "all": product + rest}


def finish(
    sums: list[np.ndarray],
    kind: np.ndarray,
    mean: np.ndarray,
    spread: np.ndarray,
    masks: np.ndarray,
    template: np.ndarray,
    structure: np.ndarray,
    count: list[np.ndarray],
) -> np.ndarray:
    """Standardise the sums within blocks, and the formula."""
    m, s = mean[kind][:, :, None], spread[kind][:, :, None]
    n = np.stack(count)[None]
    t = np.stack([np.where(masks[:, structure == b], template[:, structure == b], 0).sum(axis=1) for b in range(3)])
    tt = (np.where(masks, template, 0) ** 2).sum(axis=1)
    c = ((sums[0] - n * m) / s).sum(axis=1)
    cc = ((sums[1] - 2 * m * sums[0] + n * m**2) / s**2).sum(axis=1)
    tc = ((sums[2] - m * t[None]) / s).sum(axis=1)
    total, size = t.sum(axis=0), np.maximum(n.sum(axis=1), 1)
    found: np.ndarray = 1 - ((tt + cc - 2 * tc) / 2) / (tt + cc - (total + c) ** 2 / (2 * size))
    return found.T


def block_moments(task: Task, unit: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of r in blocks of structures, from frame-by-frame matrices in double precision (not timed)."""
    mean, spread = np.zeros((3, 3)), np.ones((3, 3))
    parts = [unit[:, columns & (task.structure == b)] for b in range(3)]
    total = [part.sum(axis=1, dtype=np.float64) for part in parts]
    gram = [(part @ part.T).astype(np.float64) for part in parts]
    for a in range(3):
        for b in range(3):
            size = parts[a].shape[1] * parts[b].shape[1]
            if size:
                mean[a, b] = total[a] @ total[b] / size
                spread[a, b] = np.sqrt((gram[a] * gram[b]).sum() / size - mean[a, b] ** 2)
    return mean, spread


def sgemm_seconds(unit: np.ndarray, n_rows: int) -> float:
    """Seconds of plain sgemm of one block's shape, scaled to `n_rows`; the better of two."""
    left = np.ascontiguousarray(unit[:, :BLOCK].T)
    out = np.empty((left.shape[0], unit.shape[1]), dtype=np.float32)
    found = []
    for _ in range(2):
        began = time.monotonic()
        np.matmul(left, unit, out=out)
        found.append(time.monotonic() - began)
    return min(found) * n_rows / len(left)


def reference(folder: Path, n_rows: int, out: Any) -> None:
    """Time the dense implementation on some rows and compare with ours."""
    series, prior = load(folder)
    task = prepare(signal.compress(series, tolerance=0.1), prior)
    unit = np.array(signal.standardise(series).data)
    unit /= np.sqrt(np.float32(len(unit)))
    columns = task.informed & task.valid
    template = standard_templates(task, columns)
    rows = np.flatnonzero(task.valid)
    rows = rows[:: max(1, len(rows) // n_rows)][:n_rows]
    score, seconds = dense(task, unit, rows, template)
    scale = task.valid.sum() / len(rows)
    with np.load(folder / "ours.npz") as made:
        mine, label = made["score"][:, rows], made["label"][rows]
    winner = prior.keys[score.argmax(axis=0)]
    ranked = np.sort(score, axis=0)
    out.put(
        {
            "reference_seconds": round(seconds["all"] * scale, 1),
            "reference_rows": len(rows),
            "reference_share_of_sgemm": round(sgemm_seconds(unit, len(rows)) / seconds["all"], 2),
            "largest_difference": float(np.abs(np.clip(score, 0, 1) - mine).max()),
            "labels_different": int(((winner != label) & (ranked[-1] - ranked[-2] > 1e-6)).sum()),
        }
    )


def peak_gb() -> float:
    """Return the largest memory of this process so far; of the process alone where the system tells it (Linux)."""
    status = Path("/proc/self/status")
    if status.is_file():
        return round(int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e9, 2)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9, 2)


def apart(work: Callable[..., None], *given: Any) -> dict[str, Any]:
    """Run a function in a process of its own."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=work, args=(*given, out))
    process.start()
    found: dict[str, Any] = out.get()
    process.join()
    return found


def run_case(case: str, n_rows: int) -> dict[str, Any]:
    """Make, map, compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store(folder, *MAKE[case]())
        shape = np.load(folder / "series.npy", mmap_mode="r").shape
        found = apart(ours, folder) | apart(reference, folder, n_rows)
    ratio = round(found["reference_seconds"] / found["seconds"], 1)
    return {"case": case, "ratio": ratio, "frames": shape[0], "grayordinates": shape[1]} | found


def main() -> int:
    """Run the cases asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), choices=[*CASES, []])
    parser.add_argument("--rows", type=int, default=8192)
    given = parser.parse_args()
    for case in given.cases or CASES:
        print(json.dumps(run_case(case, given.rows)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
