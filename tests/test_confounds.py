"""Confound tables, motion parameters and masks of frames to keep."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from actionloop.errors import InputError
from actionloop.files import keep_frames, motion_parameters, read_confounds, read_outliers, require_frames

DATA = Path(os.environ.get("ACTIONLOOP_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
DCAN = DATA / "parcellated_rest" / "dcan_ptseries" / "power_2014_FD_only.mat"
STEADY = "non_steady_state_outlier00"
MOTION = "trans_x\ttrans_y\ttrans_z\trot_x\trot_y\trot_z"
FMRIPREP = f"""global_signal\tglobal_signal_derivative1\tstd_dvars\tframewise_displacement\t{MOTION}\tcsf\t{STEADY}
491.6\tn/a\tn/a\tn/a\t0.0\t0.0\t0.0\t-0.0002\t-0.0\t0.0\tn/a\t1.0
489.4\t-2.2\t1.17\t0.072\t0.0\t0.02\t0.046\t-0.0003\t-0.0\t0.0\t3.0\t0.0
488.0\t-1.4\t1.08\t0.033\t0.0\t0.0\t0.045\t0.0\t-0.0\t0.0\tn/a\t0.0
"""


def write(folder: Path, text: str, name: str = "sub-01_task-rest_desc-confounds_timeseries.tsv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_fmriprep_table(tmp_path: Path) -> None:
    table = read_confounds(write(tmp_path, FMRIPREP))
    assert table.n_frames == 3
    assert table.names[0] == "global_signal"
    np.testing.assert_array_equal(
        table.columns(["global_signal_derivative1", "std_dvars"]), [[0, 0], [-2.2, 1.17], [-1.4, 1.08]]
    )
    np.testing.assert_array_equal(table.framewise_displacement(), [0, 0.072, 0.033])
    np.testing.assert_array_equal(table.global_signal(), [491.6, 489.4, 488.0])
    np.testing.assert_array_equal(table.non_steady(), [True, False, False])
    motion = motion_parameters(table)
    np.testing.assert_array_equal(motion[:, 2], [0, 0.046, 0.045])
    np.testing.assert_array_equal(motion[:, 3], [-0.0002, -0.0003, 0])


def test_missing_values_matter_only_where_they_are_needed(tmp_path: Path) -> None:
    table = read_confounds(write(tmp_path, FMRIPREP))
    assert np.isnan(table.values).sum() == 5
    # n/a at the first frame of a column that is no difference, and a later one.
    with pytest.raises(InputError, match=r"column csf has no number at frame 1 .2 such cells"):
        table.columns(["csf"])
    with pytest.raises(InputError, match=r"no column white_matter .it has global_signal"):
        table.columns(["white_matter"])
    with pytest.raises(InputError, match="csf"):
        table.everything()
    later = FMRIPREP.replace("0.033", "n/a")
    with pytest.raises(InputError, match="framewise_displacement has no number at frame 3"):
        read_confounds(write(tmp_path, later)).framewise_displacement()


def test_reading_does_not_change_the_table(tmp_path: Path) -> None:
    table = read_confounds(write(tmp_path, FMRIPREP))
    before = table.values.copy()
    table.columns(["std_dvars"])[:] = 5
    motion_parameters(table)[:] = 5
    np.testing.assert_array_equal(table.values, before)


@pytest.mark.parametrize("separator", [",", " ", "\t", "  "])
def test_tables_without_header(tmp_path: Path, separator: str) -> None:
    values = np.random.default_rng(0).normal(size=(7, 4)).round(6)
    path = write(tmp_path, "\n".join(separator.join(map(str, row)) for row in values) + "\n", "c.txt")
    table = read_confounds(path)
    assert table.names == ()
    np.testing.assert_array_equal(table.everything(), values)
    assert table.framewise_displacement() is None and table.global_signal() is None
    assert not table.non_steady().any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("a\tb\n", "no rows"),
        ("a\ta\n1\t2\n", "same name"),
        ("a\tb\n1\t2\n3\n", "row 2 has 1 cells, expected 2"),
        ("a\tb\n1\t2\n3\tx\n", "column b, row 2, found 'x'"),
        ("a\tb\n1\t2\n3\tinf\n", "column b has no number at frame 2"),
    ],
)
def test_damaged_tables(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_confounds(write(tmp_path, text)).everything()


def test_binary_file_as_table(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(b"\x1f\x8b\xff\xfe\x00")
    with pytest.raises(InputError, match="plain text"):
        read_confounds(path)


def test_hcp_rotations_are_degrees(tmp_path: Path) -> None:
    rows = np.zeros((4, 12))
    rows[:, 0] = [0, 0.1, 0.2, 0.1]
    rows[:, 3] = [0, 1.8, -0.9, 0.0]
    path = tmp_path / "Movement_Regressors.txt"
    np.savetxt(path, rows, fmt="%.6f", delimiter="  ")
    motion = motion_parameters(read_confounds(path))
    np.testing.assert_allclose(motion[:, 0], rows[:, 0])
    np.testing.assert_allclose(motion[:, 3], rows[:, 3] * np.pi / 180, atol=1e-8)
    # The same numbers under another name: neither order nor unit is known.
    other = tmp_path / "motion.par"
    other.write_text(path.read_text())
    with pytest.raises(InputError, match="order and unit"):
        motion_parameters(read_confounds(other))
    np.testing.assert_allclose(motion_parameters(read_confounds(other), rotations="deg"), motion)


def test_degrees_taken_for_radians_are_caught(tmp_path: Path) -> None:
    path = write(tmp_path, f"{MOTION}\n0\t0\t0\t0\t0\t0\n0\t0\t0\t1.8\t0\t0\n")
    with pytest.raises(InputError, match="103 degrees"):
        motion_parameters(read_confounds(path))
    assert motion_parameters(read_confounds(path), rotations="deg")[1, 3] == pytest.approx(0.0314159)


def test_table_without_motion(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="motion parameters"):
        motion_parameters(read_confounds(write(tmp_path, "csf\n1\n2\n")))


def test_length_mismatch_names_both(tmp_path: Path) -> None:
    table = read_confounds(write(tmp_path, FMRIPREP))
    require_frames(table, 3, series="x.dtseries.nii")
    with pytest.raises(InputError, match=r"x.dtseries.nii has 4 frames, its table sub-01_.*timeseries.tsv has 3 rows"):
        require_frames(table, 4, series="x.dtseries.nii")


# --- masks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "framewise_displacement\n0\n1\n0\n0\n",
        "framewise_displacement\tinterpolation\texact_120\n0\t0\t1\n1\t0\t0\n0\t1\t1\n0\t0\t1\n",
        "framewise_displacement\n0.0\n1.0\n0.0\n0.0\n",
        "outlier\n0\n1\n0\n0\n",
    ],
)
def test_xcpd_outliers_one_means_removed(tmp_path: Path, text: str) -> None:
    keep = read_outliers(write(tmp_path, text, "sub-01_outliers.tsv"))
    assert keep.dtype == bool
    np.testing.assert_array_equal(keep, [True, False, True, True])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("framewise_displacement\n0\n0.37\n", "only 0 .keep. and 1"),
        ("framewise_displacement\n0\nn/a\n", "only 0 .keep. and 1"),
        ("0\n1\n", "whether 1 means keep or remove"),
        ("a\tb\n0\t1\n", "expected the column framewise_displacement"),
    ],
)
def test_masks_that_cannot_be_understood(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_outliers(write(tmp_path, text, "m.tsv"))


def test_censored_and_interpolated_series(tmp_path: Path) -> None:
    path = write(tmp_path, "framewise_displacement\n0\n1\n0\n0\n1\n", "sub-01_outliers.tsv")
    keep, already = keep_frames(path, n_frames=5, series="s.dtseries.nii")
    assert not already
    np.testing.assert_array_equal(keep, [True, False, True, True, False])
    keep, already = keep_frames(path, n_frames=3, series="s.dtseries.nii")
    assert already and keep.all() and len(keep) == 3
    with pytest.raises(InputError, match=r"s.dtseries.nii has 4 frames; its mask has 5, of which 3 are kept"):
        keep_frames(path, n_frames=4, series="s.dtseries.nii")
    for n_frames in (2, 6):
        with pytest.raises(InputError, match=f"has {n_frames} frames"):
            keep_frames(path, n_frames=n_frames, series="s.dtseries.nii")


def put_dcan(path: Path) -> Path:
    cells = np.empty((1, 3), dtype=object)
    for i, removed in enumerate(([1, 1, 1, 1], [1, 0, 1, 0], [0, 0, 1, 0])):
        cells[0, i] = {"FD_threshold": i / 10, "frame_removal": np.array(removed, float)[:, None]}
    savemat(path, {"motion_data": cells})
    return path


def test_dcan_masks_by_threshold(tmp_path: Path) -> None:
    path = put_dcan(tmp_path / "FD.mat")
    np.testing.assert_array_equal(read_outliers(path, fd_threshold_mm=0.2), [True, True, False, True])
    np.testing.assert_array_equal(read_outliers(path, fd_threshold_mm=0.1), [False, True, False, True])
    with pytest.raises(InputError, match=r"0 to 0.2 mm; 0.15 mm is not among them"):
        read_outliers(path, fd_threshold_mm=0.15)
    with pytest.raises(InputError, match="no threshold was named"):
        read_outliers(path)
    other = tmp_path / "other.mat"
    savemat(other, {"x": 1})
    with pytest.raises(InputError, match="DCAN"):
        read_outliers(other, fd_threshold_mm=0.2)


def test_dcan_masks_of_a_real_scan_agree_with_the_counts_beside_them() -> None:
    if not DCAN.exists():
        pytest.skip(f"the test data are not there: {DCAN}")
    for cell in loadmat(DCAN, squeeze_me=True, struct_as_record=False)["motion_data"]:
        keep = read_outliers(DCAN, fd_threshold_mm=float(cell.FD_threshold))
        assert len(keep) == 600 == cell.total_frame_count
        assert keep.sum() == cell.remaining_frame_count
        assert not keep[:4].any()


def test_hdf5_masks_point_to_the_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="HDF5"):
        read_outliers(write(tmp_path, "x", "sub-01_desc-abcc_qc.hdf5"))
