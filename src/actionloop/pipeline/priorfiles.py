"""The files that `prior build` writes: names, sidecar, all of them or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from actionloop import files
from actionloop.errors import OptionError, OutputError
from actionloop.networks.cohort import CohortPrior

_ENDINGS = ("_prior.npz", ".npz", ".prior")
_FILES = {
    "prior": "_prior.npz",
    "templates": "_templates.dscalar.nii",
    "probability": "_probseg.dscalar.nii",
    "variability": "_variability.dscalar.nii",
    "sidecar": "_prior.json",
}
_WHAT = {
    "prior": "All of it in one file, for --prior",
    "templates": "Connectivity of each network's mean series with every row: tanh of the mean Fisher z over people (r)",
    "probability": "Share of people in whom a row carries each network (0 to 1)",
    "variability": "SD of the Fisher z over people for each network; last map: entropy of the labels (bits)",
}
_TEMPLATES = (
    "mean of the standardised series of a network's rows, correlated with every row; Fisher z (r clipped at 0.999) "
    "averaged over the people who have the network and the row"
)


def output_paths(out: Path) -> dict[str, Path]:
    """Return the files of a prior by kind; OUT may end like one of them.

    Raises
    ------
    OptionError
        OUT names no file.
    """
    name = out.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    if not name or out.is_dir():
        raise OptionError(
            f"OUT is a folder: {out}", fix=f"give a name in it, e.g. {out / 'cohort'}; its files will begin so"
        )
    return {kind: out.with_name(f"{name}{ending}") for kind, ending in _FILES.items()}


def require_free(paths: Mapping[str, Path], *, overwrite: bool) -> None:
    """Raise OutputError where a file is there already, or none can be written."""
    there = [path for path in paths.values() if path.exists()]
    if there and not overwrite:
        raise OutputError(
            f"{', '.join(path.name for path in there)} is there already",
            where=there[0].parent,
            fix="give another OUT, or --overwrite",
        )
    folder = next(iter(paths.values())).absolute().parent
    above = next(place for place in (folder, *folder.parents) if place.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise OutputError("the folder of OUT cannot be written", where=folder, fix="check its rights, or give another")


def sidecar(
    made: CohortPrior, paths: Mapping[str, Path], *, inputs: list[Path], method: Mapping[str, Any], **people: Any
) -> dict[str, Any]:
    """Collect the provenance of a prior.

    Parameters
    ----------
    made : CohortPrior
    paths : mapping of kind to Path
        From `output_paths`.
    inputs : list of Path
        Files that concern everybody.
    method : mapping
        How labels and templates were made.
    **people
        Further entries: who was used, who was left out, minutes, training.
    """
    prior = made.prior
    return {
        **files.provenance(inputs),
        "Source": prior.source,
        "Terms": prior.terms,
        "Method": {**method, "Templates": _TEMPLATES},
        "Networks": [
            {"Name": name, "Key": int(key), "People": int(count)}
            for name, key, count in zip(prior.names, prior.keys, made.people_with, strict=True)
        ],
        "Rows": len(prior.grayordinates),
        "Files": {paths[kind].name: what for kind, what in _WHAT.items()},
        **people,
    }


def write_cohort(paths: Mapping[str, Path], made: CohortPrior, about: Mapping[str, Any]) -> None:
    """Write every file under a temporary name, then give all of them theirs.

    Parameters
    ----------
    paths : mapping of kind to Path
        From `output_paths`.
    made : CohortPrior
    about : mapping
        The sidecar.

    Raises
    ------
    OutputError
        They cannot be written; none of them is there then.
    """
    prior = made.prior
    axis, names = prior.grayordinates, list(prior.names)
    partial = made.unassigned.any()
    probability = np.vstack([prior.probability, made.unassigned]) if partial else prior.probability
    try:
        with ExitStack() as stack:
            place = {kind: stack.enter_context(files.atomic_path(path)) for kind, path in paths.items()}
            files.write_dscalar(place["templates"], np.asarray(prior.fingerprint), names, axis)
            files.write_dscalar(place["probability"], probability, [*names, "unassigned"] if partial else names, axis)
            spread = np.vstack([made.variability, made.entropy_bits])
            files.write_dscalar(place["variability"], spread, [*names, "entropy of labels (bits)"], axis)
            files.write_prior(
                place["prior"],
                prior,
                variability=made.variability,
                entropy_bits=made.entropy_bits,
                unassigned=made.unassigned,
                people=np.array(made.people),
                people_with=made.people_with,
            )
            files.write_json(place["sidecar"], about)
    except OSError as error:
        where = next(iter(paths.values())).parent
        raise OutputError(
            f"cannot write: {error.strerror or error}", where=where, fix="check rights and free space"
        ) from error
