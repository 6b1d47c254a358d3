"""TMS-EEG through the commands: simulated people in, cleaned trials, measures, a choice and pages out; bad input."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from actionloop.cli import main
from actionloop.files import template_anatomy
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.tmseegfmri import sites_on_map, tms_sites

pytest.importorskip("mne")
QUICK = ("cut", "interpolate", "downsample", "baseline", "average_reference")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """One person with little in the way, so that few steps clean it."""
    from actionloop.phantom.eegdataset import make_eeg_people
    from actionloop.phantom.eegperson import EegOptions

    out = tmp_path_factory.mktemp("eeg") / "bids"
    parts = ("evoked", "ongoing", "coupling", "pulse")
    make_eeg_people(out, seed=3, options=EegOptions(trials=52, parts=parts))
    return out


@pytest.fixture(scope="module")
def cleaned(recorded, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cleaned") / "out"
    assert main(["tmseeg", "clean", str(recorded), str(out), "--steps", *QUICK]) == 0
    return out


def run(*words: object) -> int:
    return main(["tmseeg", *map(str, words)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def links_of(page: Path) -> list[str]:
    found = re.findall(r'(?:href|src)="([^"#:]+)"', page.read_text(encoding="utf-8"))
    return [one for one in found if not one.startswith("data")]


def test_clean_leaves_trials_logs_and_a_page(cleaned, recorded, capsys):
    folder = cleaned / "sub-P01" / "eeg"
    names = sorted(one.name for one in folder.iterdir())
    assert names == sorted(
        f"sub-P01_acq-{site}_desc-cleaned_epo.{end}"
        for site in ("M1", "DLPFC", "ACC", "PSI")
        for end in ("fif", "json")
    )
    log = json.loads((folder / "sub-P01_acq-M1_desc-cleaned_epo.json").read_text())
    assert [step["Step"] for step in log["Steps"]] == list(QUICK) and log["Trials"] == log["Pulses"] == 52
    page = cleaned / "sub-P01_desc-cleaning_tmseeg.html"
    assert "Research use only" in page.read_text()
    for link in links_of(page):
        assert (cleaned / link).is_file(), link
    times = {one: one.stat().st_mtime_ns for one in folder.iterdir()}
    capsys.readouterr()
    assert run("clean", recorded, cleaned, "--steps", *QUICK) == 0
    assert "already finished" in capsys.readouterr().err
    assert times == {one: one.stat().st_mtime_ns for one in folder.iterdir()}


def test_measure_gives_every_measure_with_its_interval(cleaned, tmp_path):
    assert run("measure", cleaned, tmp_path / "out", "--sites", "M1", "PSI") == 0
    found = rows(tmp_path / "out/sub-P01/eeg/sub-P01_desc-measures_tmseeg.tsv")
    assert {row["site"] for row in found} == {"M1", "PSI"}
    assert {row["measure"] for row in found} == {"GMFP", "LMFP", "ERSP", "ITC", "global dwPLI", "local dwPLI"}
    for row in found:
        assert float(row["low"]) <= float(row["high"])
    assert {row["carried"] for row in found if row["band"] == "theta" and row["window"] == "early"} == {"no"}
    page = tmp_path / "out/sub-P01_desc-measures_tmseeg.html"
    for link in links_of(page):
        assert (tmp_path / "out" / link).is_file(), link


def test_a_sham_control_is_simulated_cleaned_and_subtracted(tmp_path):
    """Planted coupling and the answer of the cortex are in the difference; the click is in both."""
    from actionloop.phantom.eegdataset import make_eeg_people
    from actionloop.phantom.eegperson import EegOptions

    options = EegOptions(sites=("PSI",), trials=52, parts=("evoked", "auditory", "ongoing", "coupling", "pulse"))
    make_eeg_people(tmp_path / "bids", seed=4, options=options, control=True)
    stems = sorted(one.name for one in (tmp_path / "bids/sub-P01/eeg").glob("*_eeg.vhdr"))
    assert stems == ["sub-P01_task-tms_acq-PSI_eeg.vhdr", "sub-P01_task-tms_acq-PSIsham_eeg.vhdr"]
    truth = [np.load(tmp_path / f"bids/truth/sub-P01_acq-PSI{end}_truth.npz")["direct"] for end in ("", "sham")]
    assert truth[0].any() and not truth[1].any()
    assert run("clean", tmp_path / "bids", tmp_path / "out", "--steps", *QUICK) == 0
    assert run("measure", tmp_path / "out", tmp_path / "out") == 0
    found = rows(tmp_path / "out/sub-P01/eeg/sub-P01_desc-measures_tmseeg.tsv")
    assert {row["condition"] for row in found} == {"active", "sham", "active - sham"}
    values = {(row["condition"], row["measure"], row["band"], row["window"]): float(row["value"]) for row in found}
    powers = [values[condition, "LMFP", "all", "full"] for condition in ("active", "sham")]
    assert powers[0] > 1.5 * powers[1] > 0
    for name, band in (("global dwPLI", "alpha"), ("local dwPLI", "alpha")):
        one, other, apart = (values[condition, name, band, "full"] for condition in ("active", "sham", "active - sham"))
        assert apart == pytest.approx(one - other, abs=1e-6)
    assert "sham" in (tmp_path / "out/sub-P01_desc-measures_tmseeg.html").read_text()


def test_choose_ranks_and_names_near_ties(cleaned, tmp_path, capsys):
    assert run("choose", cleaned, tmp_path / "out") == 0
    said = capsys.readouterr().out
    found = rows(tmp_path / "out/sub-P01/eeg/sub-P01_desc-choice_tmseeg.tsv")
    about = json.loads((tmp_path / "out/sub-P01/eeg/sub-P01_desc-choice_tmseeg.json").read_text())
    assert [row["site"] for row in found] == ["M1", "DLPFC", "ACC", "PSI"]
    for end, pick in (("p_lowest", about["Lowest"]), ("p_highest", about["Highest"])):
        chances = {row["site"]: float(row[end]) for row in found}
        assert sum(chances.values()) == pytest.approx(1)
        if pick is None:
            assert "near tie" in said
        else:
            assert pick in said and chances[pick] >= 0.8
    assert {one["Name"] for one in about["Predictors"]} >= {"GMFP", "LMFP", "ERSP alpha", "ITC alpha"}
    words = (tmp_path / "out/sub-P01_desc-choice_tmseeg.html").read_text()
    assert "found no difference" in words and "Fewer than 100 trials" in words
    for link in links_of(tmp_path / "out/sub-P01_desc-choice_tmseeg.html"):
        assert (tmp_path / "out" / link).is_file(), link


def planned(folder: Path) -> Path:
    """A finished map and table of nodes, as `plan` writes them: the prior itself, one node at each of two places."""
    from actionloop import files
    from actionloop.reliability.variants import prior_as_map

    own = folder / "sub-P01" / "func"
    own.mkdir(parents=True)
    files.write_dlabel(
        own / "sub-P01_task-rest_seg-actionloop_den-32k_dseg.dlabel.nii", prior_as_map(cached_default_prior())
    )
    nodes = [
        {"name": "SCAN middle L", "network": "SCAN", "x_mni": -37.0, "y_mni": -21.0, "z_mni": 48.0},
        {"name": "AMN dlPFC 1 L", "network": "AMN", "x_mni": -30.0, "y_mni": 40.0, "z_mni": 26.0},
    ]
    files.write_table(own / "sub-P01_task-rest_seg-actionloop_nodes.tsv", nodes)
    return folder


def test_sites_stand_on_the_persons_map(tmp_path):
    found = {one.site: one for one in sites_on_map(planned(tmp_path), "P01", ["M1", "DLPFC", "elsewhere"])}
    assert set(found) == {"M1", "DLPFC"}
    for one in found.values():
        assert sum(one.share.values()) <= 1 + 1e-9 and list(one.share.values()) == sorted(
            one.share.values(), reverse=True
        )
        cortex = template_anatomy().surface("L").vertices
        assert np.linalg.norm(cortex - one.xyz_mni, axis=1).min() < 1e-9
    assert found["M1"].nearest["SCAN"] == (
        "SCAN middle L",
        pytest.approx(float(np.linalg.norm(found["M1"].xyz_mni - [-37, -21, 48]))),
    )
    assert found["DLPFC"].nearest["AMN"][1] < found["M1"].nearest["AMN"][1]
    assert all("not verified" in one.source for one in tms_sites() if not one.verified)


def test_input_that_cannot_be_used_gives_one_error(recorded, cleaned, tmp_path, capsys):
    def refused(*words: object) -> str:
        capsys.readouterr()
        assert run(*words) in (1, 2)
        said = capsys.readouterr().err
        assert "bug in actionloop" not in said and "Traceback" not in said
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("sub-*"))
        return said

    out = tmp_path / "out"
    assert "there is no step 'magic'" in refused("clean", recorded, out, "--steps", "cut", "magic")
    assert "has no step 'sound'" in refused("clean", recorded, out, "--steps", *QUICK, "--without", "sound")
    assert "no recording of V1" in refused("clean", recorded, out, "--sites", "V1")
    assert "there is no sub-09" in refused("clean", recorded, out, "--participant-label", "09")
    assert "there are no events named 'click'" in refused("clean", recorded, out, "--pulses", "click")
    assert "there is no montage 'mars'" in refused("clean", recorded, out, "--montage", "mars")
    assert "no cleaned trials" in refused("measure", recorded, out)
    assert "cannot read 'M1:C3'" in refused("measure", cleaned, out, "--electrodes", "M1:C3")
    assert "no finished map of sub-P01" in refused("choose", cleaned, out, "--plan", recorded)
    lacking = tmp_path / "three"
    shutil.copytree(cleaned, lacking, ignore=shutil.ignore_patterns("*acq-PSI*"))
    assert "PSI is missing" in refused("choose", lacking, out)


def test_a_recording_without_pulses_or_with_a_mirrored_montage_is_refused(recorded, tmp_path, capsys):
    broken = tmp_path / "bids"
    shutil.copytree(recorded, broken, ignore=shutil.ignore_patterns("truth", "*acq-[ADP]*"))
    folder = broken / "sub-P01" / "eeg"
    electrodes = next(folder.glob("*_electrodes.tsv"))
    kept = electrodes.read_text()
    head, *lines = kept.splitlines()
    at = head.split("\t").index("x")
    cells = [line.split("\t") for line in lines]
    mirrored = [[value if k != at else str(-float(value)) for k, value in enumerate(row)] for row in cells]
    electrodes.write_text("\n".join([head, *("\t".join(row) for row in mirrored)]) + "\n")
    assert run("clean", broken, tmp_path / "out") == 1
    assert "left and right are exchanged" in capsys.readouterr().err
    electrodes.write_text(kept)
    events = next(folder.glob("*_events.tsv"))
    first, *others = events.read_text().splitlines()
    events.write_text("\n".join([first, *others[:20]]) + "\n")
    capsys.readouterr()
    assert run("clean", broken, tmp_path / "out", "--steps", *QUICK) == 1
    assert re.search(r"\b20\b", capsys.readouterr().err)
    assert not list((tmp_path / "out").glob("sub-*"))
