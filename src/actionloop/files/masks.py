"""Masks of the frames to keep, as XCP-D and DCAN write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionloop.errors import InputError
from actionloop.files.confounds import read_confounds
from actionloop.files.opening import check_file, reading
from actionloop.types import BoolArray, FloatArray


def read_outliers(path: str | Path, *, fd_threshold_mm: float | None = None) -> BoolArray:
    """Read which frames to keep.

    Parameters
    ----------
    path : path
        XCP-D's ``*_outliers.tsv`` (column framewise_displacement: 1 is removed) or DCAN's motion ``.mat`` (one mask
        per framewise-displacement threshold: 1 is removed).
    fd_threshold_mm : float, optional
        Which of DCAN's thresholds to take.

    Returns
    -------
    (frame,) bool ndarray
        True for frames to keep.

    Raises
    ------
    InputError
        Another kind of file, values other than 0 and 1, or a threshold that is not there.
    """
    path = check_file(path)
    if path.suffix == ".mat":
        removed = _dcan_removed(path, fd_threshold_mm)
    elif path.suffix in (".hdf5", ".h5"):
        raise InputError("masks in HDF5 are not read", where=path, fix="give the *_outliers.tsv beside it")
    else:
        table = read_confounds(path)
        if not table.names:
            raise InputError(
                "the mask has no header, so it is unknown whether 1 means keep or remove",
                where=path,
                fix="give XCP-D's *_outliers.tsv (column framewise_displacement, 1 is removed)",
            )
        # Further columns of XCP-D ('exact_...', 'interpolation') serve other purposes.
        name = "framewise_displacement" if "framewise_displacement" in table.names else table.names[0]
        if name != "framewise_displacement" and len(table.names) > 1:
            raise InputError(
                f"expected the column framewise_displacement, found {', '.join(table.names[:6])}", where=path
            )
        removed = table.values[:, table.names.index(name)]
    if not np.isin(removed, (0.0, 1.0)).all():
        raise InputError("expected only 0 (keep) and 1 (remove) in the mask", where=path)
    keep: BoolArray = removed == 0.0
    return keep


def _dcan_removed(path: Path, fd_threshold_mm: float | None) -> FloatArray:
    from scipy.io import loadmat

    with reading(path, "DCAN motion .mat (not in HDF5)"):
        cells = loadmat(path, squeeze_me=True, struct_as_record=False)["motion_data"]
        masks = {round(float(cell.FD_threshold), 4): cell.frame_removal for cell in np.atleast_1d(cells)}
    wanted = None if fd_threshold_mm is None else round(fd_threshold_mm, 4)
    if wanted not in masks:
        asked = "no threshold was named" if wanted is None else f"{wanted:g} mm is not among them"
        raise InputError(
            f"the file holds masks for framewise displacement {min(masks):g} to {max(masks):g} mm; {asked}",
            where=path,
            fix="name a threshold that is there",
        )
    return np.asarray(masks[wanted], dtype=np.float64).ravel()


def keep_frames(
    path: str | Path, *, n_frames: int, series: str | Path, fd_threshold_mm: float | None = None
) -> tuple[BoolArray, bool]:
    """Frames of a series to keep, whether the series still has the censored ones (interpolated) or not.

    Parameters
    ----------
    path : path
        As for `read_outliers`.
    n_frames : int
        Frames of the series.
    series : path
        Its name, for the error.
    fd_threshold_mm : float, optional

    Returns
    -------
    keep : (n_frames,) bool ndarray
    already_censored : bool
        True when the series holds only the kept frames.

    Raises
    ------
    InputError
        The series has neither as many frames as the mask nor as many as the mask keeps.
    """
    keep = read_outliers(path, fd_threshold_mm=fd_threshold_mm)
    kept = int(keep.sum())
    if n_frames == len(keep):
        return keep, False
    if n_frames == kept:
        return np.ones(n_frames, dtype=bool), True
    raise InputError(
        f"{Path(series).name} has {n_frames} frames; its mask has {len(keep)}, of which {kept} are kept",
        where=path,
        fix="check that series and mask are of the same run",
    )
