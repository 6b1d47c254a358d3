"""The same comparison below the cortex: a volume's voxels against surrogates that vary over distance as it does."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from actionloop import facts, files
from actionloop.errors import InputError, OptionError
from actionloop.evidence import Overlap, Run, correlate_surrogates, surrogates
from actionloop.types import FloatArray

LIMIT_S = 24 * 3600


@dataclass(frozen=True, eq=False)
class VoxelNetworks:
    """Networks where their file has voxels.

    Attributes
    ----------
    names : tuple of str
    values : (network, voxel) float64 ndarray
    xyz_mni : (voxel, 3) float64 ndarray
    """

    names: tuple[str, ...]
    values: FloatArray
    xyz_mni: FloatArray


def read_voxel_networks(path: Path | None) -> VoxelNetworks:
    """Read the voxels of a prior or of a person's map, one of every `variogram.spacing_mm`.

    Raises
    ------
    OptionError
        Networks of the cortex alone.
    InputError, PriorError, GeometryError
        Of the file's reader.
    """
    fix = "give --networks with voxels: a map or prior of 91k grayordinates, such as 'plan --subcortex' writes"
    if path is None:
        raise OptionError("the default prior knows the cortex alone", where="--variogram-python", fix=fix)
    prior = files.read_prior(path) if path.suffix in (".mat", ".npz") else None
    found = files.read_network_map(path) if prior is None else prior
    axis = found.grayordinates
    if axis.voxels is None:
        raise OptionError("these networks have no voxels", where=path, fix=fix)
    whole = found.probability if prior is None or prior.fingerprint is None else prior.fingerprint
    values = np.asarray(whole[:, axis.n_cortex :], dtype=np.float64)
    affine, ijk = axis.voxels.affine, axis.voxels.ijk
    steps = np.maximum(
        np.rint(facts.load("evidence")["variogram"]["spacing_mm"] / np.linalg.norm(affine[:3, :3], axis=0)), 1
    )
    kept = (ijk % steps.astype(int) == 0).all(axis=1)
    varied = np.flatnonzero(np.ptp(values[:, kept], axis=1) > 0)
    return VoxelNetworks(
        tuple(found.names[k] for k in varied),
        values[np.ix_(varied, kept)],
        ijk[kept] @ affine[:3, :3].T + affine[:3, 3],
    )


def overlap_volumes(volume: Path, networks: VoxelNetworks, *, python: Path, n: int | None, seed: int) -> Overlap:
    """Correlate a volume's voxels with every network's, against surrogates of the volume.

    Parameters
    ----------
    volume : Path
        In MNI152 space.
    networks : VoxelNetworks
    python : Path
        Python of an environment that has brainsmash.
    n : int, optional
        Surrogates.
    seed : int

    Raises
    ------
    InputError
        A volume that knows none of the voxels.
    ResourceError
        The program is missing, fails or takes longer than a day.
    """
    image = files.read_image(volume, frame="MNI152", keep_missing=True)
    inverse = np.linalg.inv(image.affine)
    places = networks.xyz_mni @ inverse[:3, :3].T + inverse[:3, 3]
    values = map_coordinates(np.asarray(image.data, dtype=np.float64), places.T, order=1, cval=np.nan)
    known = np.isfinite(values)
    if known.sum() < 3:
        raise InputError("the volume knows none of the networks' voxels", where=volume, fix="give it in MNI152 space")
    made = surrogates(values[known], networks.xyz_mni[known], n=n, seed=seed, run=_runner(python))
    return correlate_surrogates(values, networks.values, made, names=networks.names)


def _runner(python: Path) -> Run:
    def run(arguments: Sequence[str], folder: Path) -> tuple[int, str]:
        try:
            done = subprocess.run(  # noqa: S603 - the program that the user named
                [str(python), *arguments], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return 1, f"it took longer than {LIMIT_S / 3600:.0f} hours"
        return done.returncode, done.stdout + done.stderr

    return run
