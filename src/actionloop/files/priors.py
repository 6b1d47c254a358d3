"""Group priors from other people's files, and maps that someone else made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actionloop import facts
from actionloop.errors import PriorError
from actionloop.files.archive import is_archive, read_archive, require_whole
from actionloop.files.cifti import ScalarMaps, open_matrix, read_cifti_scalar, read_label_map
from actionloop.files.matlab import Templates, read_templates
from actionloop.files.names import network_colour, network_name
from actionloop.files.opening import check_file
from actionloop.types import FloatArray, Grayordinates, NetworkMap, Prior

Names = Mapping[int, str] | Sequence[str]
_MOST = 1.01  # of a sum of probabilities, with what rounding leaves


class _Networks(NamedTuple):
    """Networks as a file has them, before merging: `values` is (network, grayordinate)."""

    names: list[str]
    keys: list[int]
    colours: list[tuple[float, float, float]]
    values: FloatArray


def read_prior(path: str | Path, *, names: Names | None = None) -> Prior:
    """Read a prior: labels, probabilities or connectivity templates.

    What the file holds decides:

    - whole-number labels (dlabel, or one map of a dscalar or dtseries): probability 1 inside each network;
    - maps from 0 to 1 (dscalar, one map per network): probabilities, which sum to 1 in each row, or to 0 where the
      prior knows nothing; a map named 'unassigned' counts;
    - maps with negative values (dscalar), or a .mat of templates: connectivity fingerprints, from which the
      probabilities follow by a softmax over networks of gain × template / SD, gain in data/aliases.toml. Rows without
      template values have probability 0;
    - both, in a .npz of `prior build`, or in a .mat or .npz with FC and Spatial (Lynch's priors, untested on the real
      file, which is not public). Spatial is divided by its sum where that exceeds 1.

    Network names become ours (`names.network_name`); networks of the same name are merged (probabilities added,
    fingerprints averaged); names such as 'skip' or 'none' are left out.

    Parameters
    ----------
    path : path
        .dlabel.nii, .dscalar.nii, .dtseries.nii (one frame), .mat or .npz.
    names : mapping of key to name, or sequence of names in the file's order, optional
        Instead of the names in the file.

    Returns
    -------
    Prior
        On the file's own rows; a .mat, or a .npz that 'prior build' did not write, has no axis, and its rows are taken
        as the standard 59,412.

    Raises
    ------
    InputError
        Missing, damaged, or of another kind.
    PriorError
        Nothing that can be taken for a prior, probabilities that do not sum to 1, or names that do not fit.
    GeometryError
        Not on fsLR-32k.
    """
    return _read(check_file(path), names, whole=True)


def read_network_map(path: str | Path, *, names: Names | None = None) -> NetworkMap:
    """Read somebody's finished map of one person: labels, or probabilities.

    Parameters
    ----------
    path : path
        .dlabel.nii or .dscalar.nii.
    names : mapping or sequence, optional
        As in `read_prior`.

    Returns
    -------
    NetworkMap
        With our network names. Labels have probability and confidence 1, since the file states no other.

    Raises
    ------
    InputError, PriorError, GeometryError
        As `read_prior`; probabilities may sum to anything up to 1.
    """
    prior = _read(check_file(path), names, whole=False)
    if prior.fingerprint is not None:
        raise PriorError("this file holds connectivity templates, not a map of one person", where=path)
    probability = prior.probability
    best = probability.argmax(axis=0)
    ranked = np.sort(probability, axis=0)
    runner_up = ranked[-2] if len(ranked) > 1 else np.zeros(probability.shape[1], dtype=probability.dtype)
    assigned = ranked[-1] > 0
    return NetworkMap(
        names=prior.names,
        keys=prior.keys,
        colours=prior.colours,
        probability=probability,
        label=np.where(assigned, prior.keys[best], 0),
        confidence=(ranked[-1] - runner_up).astype(np.float32),
        grayordinates=prior.grayordinates,
        method="given map",
        settings={"file": str(path)},
    )


def template_probability(templates: FloatArray) -> FloatArray:
    """Return probabilities for connectivity templates: softmax over networks of gain × template / SD.

    Parameters
    ----------
    templates : (network, row) ndarray
        Connectivity of each network with each row, in any unit.

    Returns
    -------
    (network, row) float32 ndarray
        Columns sum to 1, or to 0 where the templates are all zero or not finite.
    """
    usable = np.isfinite(templates).all(axis=0) & templates.any(axis=0)
    probability = np.zeros(templates.shape, dtype=np.float32)
    if usable.any():
        known = templates[:, usable].astype(np.float64)
        scaled = float(facts.load("aliases")["templates"]["gain"]) * known / known.std()
        scaled = np.exp(scaled - scaled.max(axis=0))
        probability[:, usable] = scaled / scaled.sum(axis=0)
    return probability


def _read(path: Path, names: Names | None, *, whole: bool) -> Prior:
    """Read a prior; `whole` says that probabilities must sum to 0 or 1."""
    if path.suffix == ".npz" and is_archive(path):
        return _renamed(read_archive(path)[0], names, path)
    if path.suffix in (".mat", ".npz"):
        return _prior_from_templates(read_templates(path), path, names)
    if _is_scalar(path):
        maps = read_cifti_scalar(path)
        if not _is_labels(maps):
            return _prior_from_maps(maps, path, names, whole=whole)
    networks, grayordinates = _labelled(path, names)
    return _make_prior(networks, grayordinates, path, fingerprints=False)


def _renamed(prior: Prior, names: Names | None, path: Path) -> Prior:
    chosen = _chosen_names(list(prior.names), [int(key) for key in prior.keys], names, path)
    ours = tuple(network_name(name) or name for name in chosen)
    return replace(prior, names=ours, group=None if prior.group is None else replace(prior.group, names=ours))


def _is_scalar(path: Path) -> bool:
    return type(open_matrix(path, "CIFTI-2 (.dlabel.nii, .dscalar.nii) or .mat").first).__name__ == "ScalarAxis"


def _is_labels(maps: ScalarMaps) -> bool:
    values = maps.data
    return len(values) == 1 and values.max() > 1 and values.min() >= 0 and bool((values == np.rint(values)).all())


def _labelled(path: Path, names: Names | None) -> tuple[_Networks, Grayordinates]:
    labels = read_label_map(path)
    keys = sorted(labels.names)
    chosen = _chosen_names([labels.names[key] for key in keys], keys, names, path)
    one_hot = np.stack([labels.label == key for key in keys]).astype(np.float32)
    return _Networks(chosen, keys, [labels.colours[key] for key in keys], one_hot), labels.grayordinates


def _prior_from_maps(maps: ScalarMaps, path: Path, names: Names | None, *, whole: bool) -> Prior:
    values = maps.data
    keys = list(range(1, len(values) + 1))
    chosen = _chosen_names(list(maps.names), keys, names, path)
    colours = [network_colour(network_name(name) or name) for name in chosen]
    networks = _Networks(chosen, keys, colours, values)
    finite = np.nan_to_num(values)
    if finite.min() < 0:
        return _make_prior(networks, maps.grayordinates, path, fingerprints=True)
    if not np.isfinite(values).all():
        raise PriorError("the probability maps hold NaN or infinite values", where=path)
    total = values.sum(axis=0, dtype=np.float64)
    if total.max() > _MOST:
        raise PriorError(
            f"expected probabilities that sum to at most 1 over networks, found up to {total.max():.3g}",
            where=path,
            fix="divide the maps by their sum; connectivity templates are known by their negative values",
        )
    networks = networks._replace(values=values / np.maximum(total, 1))
    prior = _make_prior(networks, maps.grayordinates, path, fingerprints=False)
    if whole:
        require_whole(total, path)
    return prior


def _prior_from_templates(found: Templates, path: Path, names: Names | None) -> Prior:
    if found.names is None and names is None:
        raise PriorError(
            f"the file names none of its {len(found.keys)} networks",
            where=path,
            fix=f"put a file {path.stem}Names.mat beside it (variable IDNames, by network ID), or give the names",
        )
    chosen = _chosen_names(found.names or [""] * len(found.keys), found.keys, names, path)
    colours = found.colours or [network_colour(network_name(name) or name) for name in chosen]
    networks = _Networks(chosen, found.keys, colours, found.templates)
    prior = _make_prior(networks, found.grayordinates, path, fingerprints=True)
    source = f"{path} ({found.remark})" if found.remark else str(path)
    if found.spatial is None:
        return replace(prior, source=source)
    spatial, _ = _merged(networks._replace(values=found.spatial), path, mean=False)
    lacking = sorted(set(prior.names) ^ set(spatial.names))
    if lacking:
        raise PriorError(f"networks without templates or without spatial prior: {', '.join(lacking)}", where=path)
    order = [spatial.names.index(name) for name in prior.names]
    probability = (spatial.values[order] / np.maximum(spatial.values.sum(axis=0), 1)).astype(np.float32)
    return replace(prior, probability=probability, source=source)


def _chosen_names(own: list[str], keys: list[int], names: Names | None, path: Path) -> list[str]:
    if names is None:
        return own
    if isinstance(names, Mapping):
        return [names.get(key, name) for key, name in zip(keys, own, strict=True)]
    if len(names) != len(own):
        raise PriorError(f"{len(names)} names were given for {len(own)} networks", where=path)
    return list(names)


def _make_prior(networks: _Networks, grayordinates: Grayordinates, path: Path, *, fingerprints: bool) -> Prior:
    merged, arrays = _merged(networks, path, mean=fingerprints)
    values = np.nan_to_num(merged.values).astype(np.float32)
    return Prior(
        names=tuple(merged.names),
        keys=np.array(merged.keys, dtype=np.int64),
        colours=arrays,
        probability=template_probability(values) if fingerprints else values,
        grayordinates=grayordinates,
        fingerprint=values if fingerprints else None,
        source=str(path),
        terms="as its authors state; it was given by the user",
    )


def _merged(networks: _Networks, path: Path, *, mean: bool) -> tuple[_Networks, FloatArray]:
    """Merge networks of one name and leave out those that are none."""
    groups: dict[str, list[int]] = {}
    for position, name in enumerate(networks.names):
        ours = network_name(name)
        if ours is not None and np.nan_to_num(networks.values[position]).any():
            groups.setdefault(ours, []).append(position)
    if len(groups) < 2:
        raise PriorError(f"expected several networks, found {len(groups)}", where=path)
    join = np.mean if mean else np.sum
    values = np.stack([join(networks.values[members], axis=0) for members in groups.values()])
    first = [members[0] for members in groups.values()]
    colours = [networks.colours[position] for position in first]
    keys = [networks.keys[position] for position in first]
    return _Networks(list(groups), keys, colours, values), np.array(colours, dtype=np.float64)
