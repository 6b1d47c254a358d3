"""Communities of a graph by the Infomap program, which runs as a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from actionloop.errors import ResourceError, SignalError
from actionloop.types import FloatArray, IntArray

_EDGE_BYTES = 100  # memory of the program for each edge and trial at a time
_MEMORY = 3_000_000_000
_DIGITS = 6  # of a weight
_PARALLEL = "--parallel-trials"


def find_program() -> str:
    """Return the path of the `infomap` program: beside the running Python, or else on the PATH.

    Raises
    ------
    ResourceError
        There is none.
    """
    beside = shutil.which("infomap", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("infomap")
    if found is None:
        raise ResourceError(
            "communities need the program 'infomap', which is neither beside this Python nor on the PATH",
            where=Path(sys.executable).parent,
            fix='install it with: pip install "actionloop[communities]"',
        )
    return found


def partition(edges: tuple[IntArray, IntArray, FloatArray], n_rows: int, *, trials: int, seed: int) -> IntArray:
    """Divide the rows of a graph into communities that a random walker seldom leaves.

    Two levels, undirected, no self-links; the best of some trials [1]_.

    Parameters
    ----------
    edges : (one, other, weight)
        Rows joined, (edge,) int ndarray, and how strongly, (edge,) float ndarray, above 0 and up to 1; six decimals
        count.
    n_rows : int
    trials : int
    seed : int
        Of the first trial, above 0; the same seed gives the same communities.

    Returns
    -------
    (grayordinate,) int64 ndarray
        Community of each row, the most visited is 1; 0 for rows without an edge.

    Raises
    ------
    SignalError
        No edges.
    ResourceError
        The program is missing or fails.

    References
    ----------
    .. [1] Rosvall & Bergstrom 2008, doi:10.1073/pnas.0706851105
    """
    if not len(edges[0]):
        raise SignalError(
            "the graph of strongest correlations has no edges",
            fix="check that rows correlate above 0 beyond exclusion_mm, or choose a higher density",
        )
    program = find_program()
    options = ["--two-level", "--no-self-links", "--clu", "--silent", "--seed", str(seed), "--num-trials", str(trials)]
    workers = min(trials, os.cpu_count() or 1)
    if workers > 1 and workers * len(edges[0]) * _EDGE_BYTES <= _MEMORY:
        # The seed of a trial is its own, so that one after another gives the same. Older programs know no other way.
        options += [_PARALLEL] * (_PARALLEL in _run(program, ["-hh"]).stdout)
    with tempfile.TemporaryDirectory(prefix="actionloop-") as folder:
        _write(Path(folder) / "graph.txt", edges, n_rows)
        ran = _run(program, ["graph.txt", ".", *options], folder)
        result = Path(folder) / "graph.clu"
        if ran.returncode or not result.exists():
            said = (ran.stderr or ran.stdout).strip().splitlines()[-3:]
            raise ResourceError(
                f"the program 'infomap' failed (exit {ran.returncode}): {' '.join(said) or 'it said nothing'}",
                where=program,
                fix='install it afresh with: pip install --force-reinstall "actionloop[communities]"',
            )
        node, module = np.loadtxt(result, comments="#", usecols=(0, 1), dtype=np.int64, ndmin=2).T
    community = np.zeros(n_rows, dtype=np.int64)
    community[node - 1] = module
    return community


def _run(program: str, arguments: list[str], folder: str | None = None) -> subprocess.CompletedProcess[str]:
    # The arguments are ours, and no shell sees them.
    return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603


def _write(path: Path, edges: tuple[IntArray, IntArray, FloatArray], n_rows: int) -> None:
    """Write one line for each edge, all of one length: numbers of both rows, from 1, and the weight in millionths.

    Only the ratio of weights matters. A link list is read as fast as any of the program's formats, and lines of one
    length are written without a loop over edges.
    """
    one, other, weight = edges
    most = 10**_DIGITS - 1
    millionths = np.clip(np.rint(weight.astype(np.float64) * 10**_DIGITS), 1, most).astype(np.int64)
    width = len(str(n_rows))
    text = np.full((len(one), 2 * width + _DIGITS + 3), ord(" "), dtype=np.uint8)
    _digits(one + 1, text[:, :width])
    _digits(other + 1, text[:, width + 1 : 2 * width + 1])
    _digits(millionths, text[:, 2 * width + 2 : -1])
    text[:, -1] = ord("\n")
    text.tofile(path)


def _digits(numbers: IntArray, out: IntArray) -> None:
    """Write numbers in decimal, filled up with zeros in front, to the columns of `out`."""
    left: IntArray = numbers
    for place in range(out.shape[1] - 1, -1, -1):
        left, digit = np.divmod(left, 10)
        out[:, place] = digit + ord("0")
