"""Group priors from other people's files, and maps that someone else made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from actionloop import facts
from actionloop.errors import GeometryError, PriorError
from actionloop.files.cifti import ScalarMaps, open_matrix, read_cifti_scalar, read_label_map
from actionloop.files.matlab import read_templates
from actionloop.files.names import network_colour, network_name
from actionloop.files.opening import check_file
from actionloop.types import BoolArray, FloatArray, Grayordinates, IntArray, NetworkMap, Prior

Names = Mapping[int, str] | Sequence[str]


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
    - maps from 0 to 1 whose sums do not exceed 1 (dscalar, one map per network): probabilities;
    - maps with negative values (dscalar), or a .mat of templates: connectivity fingerprints, from which the
      probabilities follow by a softmax over networks of gain × template / SD, gain in data/aliases.toml. Rows without
      template values have probability 0.

    Network names become ours (`names.network_name`); networks of the same name are merged (probabilities added,
    fingerprints averaged); names such as 'skip' or 'none' are left out.

    Parameters
    ----------
    path : path
        .dlabel.nii, .dscalar.nii, .dtseries.nii (one frame) or .mat.
    names : mapping of key to name, or sequence of names in the file's order, optional
        Instead of the names in the file.

    Returns
    -------
    Prior
        On the file's own rows; a .mat has no axis, and its rows are taken as the standard 59,412.

    Raises
    ------
    InputError
        Missing, damaged, or of another kind.
    PriorError
        Nothing that can be taken for a prior, or names that do not fit.
    GeometryError
        Not on fsLR-32k.
    """
    path = check_file(path)
    if path.suffix == ".mat":
        return _prior_from_mat(path, names)
    if _is_scalar(path):
        maps = read_cifti_scalar(path)
        if not _is_labels(maps):
            return _prior_from_maps(maps, path, names)
    networks, grayordinates = _labelled(path, names)
    return _make_prior(networks, grayordinates, path, fingerprints=False)


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
        As `read_prior`.
    """
    prior = read_prior(path, names=names)
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


def align(
    values: FloatArray, from_grayordinates: Grayordinates, to_grayordinates: Grayordinates, *, fill: float = 0
) -> FloatArray:
    """Carry values from one axis to another by vertex and voxel; nothing is interpolated.

    Parameters
    ----------
    values : (..., row of from_grayordinates) ndarray
    from_grayordinates, to_grayordinates : Grayordinates
    fill : float
        For rows that the source lacks.

    Returns
    -------
    (..., row of to_grayordinates) ndarray

    Raises
    ------
    GeometryError
        `values` do not fit their axis, or the two axes have different meshes or voxel grids.
    """
    if values.shape[-1] != len(from_grayordinates):
        raise GeometryError(f"expected {len(from_grayordinates)} rows, found {values.shape[-1]}")
    if from_grayordinates.n_vertices != to_grayordinates.n_vertices:
        raise GeometryError(
            f"values on {from_grayordinates.n_vertices} vertices cannot be carried to {to_grayordinates.n_vertices}"
        )
    source, found = _row_of_each(from_grayordinates, to_grayordinates)
    carried = np.full((*values.shape[:-1], len(to_grayordinates)), fill, dtype=values.dtype)
    carried[..., found] = values[..., source[found]]
    return carried


def align_prior(prior: Prior, grayordinates: Grayordinates) -> Prior:
    """Carry a prior to another axis; rows it does not know get probability and fingerprint 0.

    Raises
    ------
    PriorError
        A network has no row left.
    GeometryError
        As `align`.
    """
    fingerprint = None if prior.fingerprint is None else align(prior.fingerprint, prior.grayordinates, grayordinates)
    probability = align(prior.probability, prior.grayordinates, grayordinates)
    return Prior(
        prior.names, prior.keys, prior.colours, probability, grayordinates, fingerprint, prior.source, prior.terms
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


def _row_of_each(source: Grayordinates, target: Grayordinates) -> tuple[IntArray, BoolArray]:
    rows = np.full(len(target), -1, dtype=np.int64)
    for hemisphere in ("L", "R"):
        where = np.full(source.n_vertices, -1, dtype=np.int64)
        span = source.rows(hemisphere)
        where[source.vertices(hemisphere)] = np.arange(span.start, span.stop)
        rows[target.rows(hemisphere)] = where[target.vertices(hemisphere)]
    if source.voxels is not None and target.voxels is not None:
        if source.voxels.shape != target.voxels.shape or not np.allclose(
            source.voxels.affine, target.voxels.affine, atol=1e-3
        ):
            raise GeometryError("the voxels of the two axes lie on different grids", fix="use files of one space")
        grid = np.full(source.voxels.shape, -1, dtype=np.int64)
        grid[tuple(source.voxels.ijk.T)] = np.arange(source.n_cortex, len(source))
        rows[target.n_cortex :] = grid[tuple(target.voxels.ijk.T)]
    return rows, rows >= 0


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


def _prior_from_maps(maps: ScalarMaps, path: Path, names: Names | None) -> Prior:
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
    total = float(values.sum(axis=0).max())
    if values.max() > 1.001 or total > 1.001:
        raise PriorError(
            f"expected probabilities that sum to at most 1 over networks, found up to {total:.3g}",
            where=path,
            fix="divide the maps by their sum; connectivity templates are known by their negative values",
        )
    return _make_prior(networks, maps.grayordinates, path, fingerprints=False)


def _prior_from_mat(path: Path, names: Names | None) -> Prior:
    found = read_templates(path)
    if found.names is None and names is None:
        raise PriorError(
            f"the file names none of its {len(found.keys)} networks",
            where=path,
            fix=f"put a file {path.stem}Names.mat beside it (variable IDNames, by network ID), or give the names",
        )
    chosen = _chosen_names(found.names or [""] * len(found.keys), found.keys, names, path)
    colours = [network_colour(network_name(name) or name) for name in chosen]
    networks = _Networks(chosen, found.keys, colours, found.templates)
    prior = _make_prior(networks, found.grayordinates, path, fingerprints=True)
    if found.spatial is None:
        return prior
    spatial, _ = _merged(networks._replace(values=found.spatial), path, mean=False)
    total = np.maximum(spatial.values.sum(axis=0), 1)
    probability = (spatial.values / total).astype(np.float32)
    return Prior(
        prior.names, prior.keys, prior.colours, probability, prior.grayordinates, prior.fingerprint, prior.source
    )


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
