"""What tedana says of the ICA components of a multi-echo run."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np

from actionloop.errors import InputError
from actionloop.files.confounds import read_confounds
from actionloop.files.opening import check_file
from actionloop.types import BoolArray, FloatArray

REJECTED = "rejected"
_CLASSES = ("accepted", REJECTED, "ignored", "unclassified")


def read_components(metrics: str | Path, mixing: str | Path) -> tuple[FloatArray, BoolArray]:
    """Read the time courses of ICA components, and which of them tedana rejected.

    Parameters
    ----------
    metrics : path
        ``desc-tedana_metrics.tsv``: columns Component and classification.
    mixing : path
        ``desc-ICA_mixing.tsv``: one column per component, one row per frame.

    Returns
    -------
    courses : (frame, component) float64 ndarray
    rejected : (component,) bool ndarray

    Raises
    ------
    InputError
        Other columns, classes that are not tedana's, or components of one file that the other lacks.

    References
    ----------
    .. [1] DuPre et al. 2021, doi:10.21105/joss.03669
    """
    classes = _classes(check_file(Path(metrics)))
    table = read_confounds(mixing)
    # ICA_00 in one file is ICA_0 in the other in some versions of tedana.
    numbers = [_number(name) for name in table.names]
    if not numbers or sorted(numbers) != sorted(classes):
        raise InputError(
            f"the mixing matrix has {len(numbers)} components, {Path(metrics).name} has {len(classes)}, or they are "
            "numbered differently",
            where=table.source,
            fix="give both files of one run of tedana",
        )
    return table.everything(), np.array([classes[number] == REJECTED for number in numbers])


def _classes(path: Path) -> dict[int, str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"expected a tab-separated table ({error})", where=path) from error
    if not rows or not {"Component", "classification"} <= set(rows[0]):
        raise InputError(
            "expected the columns Component and classification, one row per ICA component",
            where=path,
            fix="give tedana's desc-tedana_metrics.tsv",
        )
    found = {_number(str(row["Component"])): str(row["classification"]).strip().casefold() for row in rows}
    odd = sorted({value for value in found.values() if value not in _CLASSES})
    if odd:
        raise InputError(f"expected components to be {', '.join(_CLASSES)}; found {', '.join(odd)}", where=path)
    return found


def _number(name: str) -> int:
    """Return the number at the end of a component's name; -1 without one."""
    match = re.search(r"(\d+)$", name)
    return int(match[1]) if match else -1
