"""EEG files: every format gives the same recording; sides, units, events and tables that cannot be are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from actionloop.errors import GeometryError, InputError, SignalError
from actionloop.files.eeg import read_recording, require_sides, write_brainvision, write_trials
from actionloop.files.eegbids import find_eeg, list_eeg_people, read_electrodes, read_site
from actionloop.types import Montage, Recording, Trials

mne = pytest.importorskip("mne")
NAMES = ("Fp1", "Fp2", "F3", "Fz", "F4", "C3", "Cz", "C4", "P3", "Pz", "P4", "O1", "O2")
RATE = 500.0
PULSES = np.array([500, 1500, 2600, 3700])


@pytest.fixture(scope="module")
def montage():
    raw = mne.io.RawArray(np.zeros((len(NAMES), 10)), mne.create_info(list(NAMES), RATE, "eeg"), verbose="ERROR")
    raw.set_montage("colin27_1005", verbose="ERROR")
    return Montage(NAMES, np.array([one["loc"][:3] for one in raw.info["chs"]]) * 1000)


@pytest.fixture(scope="module")
def recording(montage):
    rng = np.random.default_rng(1)
    return Recording(rng.normal(scale=1e-5, size=(len(NAMES), 5000)), RATE, PULSES, montage, site="M1")


def raw_of(recording, *, with_places=True):
    info = mne.create_info([*NAMES, "EOG"], RATE, ["eeg"] * len(NAMES) + ["eog"], verbose="ERROR")
    raw = mne.io.RawArray(np.vstack([recording.data, recording.data[:1]]), info, verbose="ERROR")
    if with_places:
        places = dict(zip(NAMES, recording.montage.xyz_head_mm / 1000, strict=True))
        raw.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), on_missing="ignore", verbose="ERROR")
    return raw


def annotated(recording, name="TMS", **more):
    raw = raw_of(recording, **more)
    raw.set_annotations(mne.Annotations(recording.pulses / RATE, 0, name))
    return raw


def test_every_format_gives_the_same_recording(recording, tmp_path):
    raw = annotated(recording)
    raw.info["bads"] = ["P4"]
    raw.save(tmp_path / "a_raw.fif", fmt="double", verbose="ERROR")
    mne.export.export_raw(tmp_path / "a.set", raw.copy().drop_channels("EOG"), verbose="ERROR")
    write_brainvision(tmp_path / "a.vhdr", recording)
    for name, places in (("a_raw.fif", None), ("a.set", None), ("a.vhdr", recording.montage)):
        found = read_recording(tmp_path / name, site="M1", montage=places)
        assert isinstance(found, Recording) and found.names == NAMES and found.sfreq_hz == RATE
        np.testing.assert_array_equal(found.pulses, PULSES)
        np.testing.assert_allclose(found.data, recording.data, atol=2e-11)
        np.testing.assert_allclose(found.montage.xyz_head_mm, recording.montage.xyz_head_mm, atol=0.02)
        assert found.bads == (("P4",) if name == "a_raw.fif" else ())
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith(("a.v", "a.e", "."))) == [
        "a.eeg",
        "a.vhdr",
        "a.vmrk",
    ]


def test_trials_go_out_and_come_back(recording, tmp_path):
    data = np.random.default_rng(2).normal(scale=1e-5, size=(5, len(NAMES), 300))
    trials = Trials(data, RATE, -0.2, recording.montage, ("Pz",), "ACC")
    write_trials(tmp_path / "x_epo.fif", trials)
    found = read_recording(tmp_path / "x_epo.fif", site="ACC")
    assert isinstance(found, Trials) and found.start_s == pytest.approx(-0.2) and found.bads == ("Pz",)
    np.testing.assert_allclose(found.data, data, atol=1e-15)
    with pytest.raises(InputError, match=r"_epo\.fif"):
        write_trials(tmp_path / "x.fif", trials)


def test_pulses_are_found_by_name_or_by_being_the_only_kind(recording, tmp_path):
    annotated(recording, "Stimulus/S  1").save(tmp_path / "one_raw.fif", verbose="ERROR")
    np.testing.assert_array_equal(read_recording(tmp_path / "one_raw.fif").pulses, PULSES)
    raw = raw_of(recording)
    raw.set_annotations(mne.Annotations([1, 2, 3, 4, 5], 0, ["TMS A", "TMS B", "TMS A", "BAD", "rest"]))
    raw.save(tmp_path / "two_raw.fif", verbose="ERROR")
    with pytest.raises(SignalError, match="several kinds of events may be the pulses: 'TMS A', 'TMS B'"):
        read_recording(tmp_path / "two_raw.fif")
    assert read_recording(tmp_path / "two_raw.fif", pulses="TMS A").pulses.tolist() == [500, 1500]
    with pytest.raises(SignalError, match="no events named 'X'"):
        read_recording(tmp_path / "two_raw.fif", pulses="X")
    raw_of(recording).save(tmp_path / "none_raw.fif", verbose="ERROR")
    assert not len(read_recording(tmp_path / "none_raw.fif").pulses)


def test_a_montage_that_is_missing_unknown_or_mirrored_is_refused(recording, tmp_path):
    annotated(recording, with_places=False).save(tmp_path / "bare_raw.fif", verbose="ERROR")
    with pytest.raises(GeometryError, match="does not say where its electrodes are"):
        read_recording(tmp_path / "bare_raw.fif")
    assert read_recording(tmp_path / "bare_raw.fif", montage="colin27_1005").names == NAMES
    with pytest.raises(GeometryError, match="no montage 'mars'"):
        read_recording(tmp_path / "bare_raw.fif", montage="mars")
    with pytest.raises(GeometryError, match=r"no place is known of|where its electrodes are"):
        read_recording(tmp_path / "bare_raw.fif", montage="GSN-HydroCel-64_1.0")
    mirrored = Montage(NAMES, recording.montage.xyz_head_mm * [-1, 1, 1])
    with pytest.raises(GeometryError, match=r"10 of 10 .*left and right are exchanged"):
        read_recording(tmp_path / "bare_raw.fif", montage=mirrored)
    swapped = recording.montage.xyz_head_mm[[0, 1, 4, 3, 2, *range(5, 13)]]
    with pytest.raises(GeometryError, match="exclude: F3, F4"):
        require_sides(Montage(NAMES, swapped))


def test_files_that_are_no_eeg_give_one_error(tmp_path):
    (tmp_path / "a.vhdr").write_text("nothing")
    (tmp_path / "a.set").write_bytes(b"MATLAB 5.0 broken")
    (tmp_path / "a_raw.fif").write_bytes(b"\0" * 100)
    (tmp_path / "a.edf").write_text("0")
    for name in ("a.vhdr", "a.set", "a_raw.fif", "a.edf", "missing.set"):
        with pytest.raises(InputError) as refused:
            read_recording(tmp_path / name)
        assert refused.value.where == str(tmp_path / name)


# --- BIDS -------------------------------------------------------------------------------------------------------------


def bids(root, recording, sites=("M1", "DLPFC"), *, unit="mm"):
    folder = root / "sub-07" / "eeg"
    folder.mkdir(parents=True)
    for site in sites:
        stem = f"sub-07_task-tms_acq-{site}"
        write_brainvision(folder / f"{stem}_eeg.vhdr", recording)
        rows = [f"{name}\tEEG\tuV\t{'bad' if name == 'O2' else 'good'}" for name in NAMES]
        (folder / f"{stem}_channels.tsv").write_text("name\ttype\tunits\tstatus\n" + "\n".join(rows) + "\n")
    places = [f"{name}\t{x}\t{y}\t{z}" for name, (x, y, z) in zip(NAMES, recording.montage.xyz_head_mm, strict=True)]
    (folder / "sub-07_electrodes.tsv").write_text("name\tx\ty\tz\n" + "\n".join(places) + "\n")
    about = {"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": unit}
    (folder / "sub-07_coordsystem.json").write_text(json.dumps(about))
    return folder


def test_a_bids_folder_gives_every_site_with_its_tables(recording, tmp_path):
    folder = bids(tmp_path, recording, ("M1", "DLPFC", "dACCsham"))
    (folder / "sub-07_task-tms_acq-M1_events.tsv").write_text(
        "onset\tduration\ttrial_type\n1.0\t0\tTMS\n2.0\t0\tbutton\n3.0\t0\tTMS\n"
    )
    assert list_eeg_people(tmp_path) == ["07"]
    found = find_eeg(tmp_path, "sub-7")
    assert [(one.site, one.condition) for one in found] == [("ACC", "sham"), ("DLPFC", "active"), ("M1", "active")]
    m1, dlpfc = found[2].read(), found[1].read()
    assert m1.pulses.tolist() == [500, 1500] and m1.bads == ("O2",) and m1.site == "M1"
    np.testing.assert_array_equal(dlpfc.pulses, PULSES)
    np.testing.assert_allclose(m1.montage.xyz_head_mm, recording.montage.xyz_head_mm, atol=1e-9)


def test_sites_have_many_spellings():
    assert read_site("M1") == ("M1", "active") and read_site("lM1sham") == ("lm1", "sham")
    assert read_site("primary_motor") == ("M1", "active") and read_site("dlPFC-masked") == ("DLPFC", "masked")
    assert read_site("V1") == ("V1", "active") and read_site("sham") == ("sham", "active")


def test_bids_folders_that_cannot_be_used(recording, tmp_path):
    with pytest.raises(InputError, match="expected a BIDS folder"):
        list_eeg_people(tmp_path / "none")
    with pytest.raises(InputError, match="nobody here has EEG"):
        list_eeg_people(tmp_path)
    folder = bids(tmp_path, recording, ("M1", "motor"))
    with pytest.raises(InputError, match="two recordings of M1"):
        find_eeg(tmp_path, "07")
    with pytest.raises(InputError, match="there is no sub-09"):
        find_eeg(tmp_path, "09")
    (folder / "sub-07_task-tms_acq-motor_eeg.vhdr").rename(folder / "sub-07_task-tms_eeg.vhdr")
    with pytest.raises(InputError, match="does not say which site"):
        find_eeg(tmp_path, "07")
    (folder / "sub-07_coordsystem.json").write_text('{"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "inch"}')
    with pytest.raises(GeometryError, match="unit of the electrodes is inch"):
        read_electrodes(folder / "sub-07_electrodes.tsv")
    (folder / "sub-07_coordsystem.json").write_text('{"EEGCoordinateSystem": "CapTrak", "EEGCoordinateUnits": "m"}')
    with pytest.raises(GeometryError, match="mm from the head's middle"):
        read_electrodes(folder / "sub-07_electrodes.tsv")
    (folder / "sub-07_coordsystem.json").unlink()
    with pytest.raises(GeometryError, match="no coordsystem"):
        read_electrodes(folder / "sub-07_electrodes.tsv")
