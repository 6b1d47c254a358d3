"""Sessions of people to train on, and `prior build --train-hierarchical` from files to files."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.memory import watch_memory
from tests.test_hierarchical import make_prior, own_label, series_of

from actionloop import files, signal
from actionloop.cli import main
from actionloop.errors import InputError, OptionError, PriorError, ResourceError, SignalError
from actionloop.files import PersonFiles, RunFiles
from actionloop.networks import map_hierarchical, train_hierarchical
from actionloop.phantom.layouts import description
from actionloop.pipeline import cohort as cohort_module
from actionloop.pipeline.cohort import CohortRequest, build_prior
from actionloop.pipeline.priors import choose_prior
from actionloop.pipeline.progress import Silent
from actionloop.pipeline.series import PersonSeries
from actionloop.pipeline.training import session_frames, train_group
from actionloop.types import Grayordinates, NetworkMap, Timeseries

TR_S = 2.0


@pytest.fixture(scope="module")
def axis() -> Grayordinates:
    try:
        files.require(groups=("plan",))
    except ResourceError as missing:
        pytest.skip(str(missing))
    return files.template_grayordinates()


# ---- sessions


def a_person(
    runs: Sequence[tuple[dict[str, str], int]], *, layout: str = "xcpd", kind: str = "cifti", seed: int = 0
) -> tuple[PersonFiles, PersonSeries]:
    """Somebody with runs of these names and lengths, on the small axis of two squares."""
    found = tuple(
        RunFiles((Path(f"{i}.nii"),), kind, "fsLR32k", True, True, TR_S, entities, f"run {i}")  # type: ignore[arg-type]
        for i, (entities, _) in enumerate(runs)
    )
    lengths = tuple(n for _, n in runs)
    series = replace(series_of(own_label(seed), seed=seed, frames=sum(lengths)), tr_s=TR_S)
    return PersonFiles("01", layout, found), PersonSeries(series, lengths, (), "test")


def spans(frames: dict[str, np.ndarray]) -> dict[str, list[int]]:
    """Begin and end of each mask."""
    return {name: [int(mask.argmax()), int(mask.sum())] for name, mask in frames.items()}


def test_sessions_are_those_of_the_names() -> None:
    runs = [({"session": "a", "run": "1"}, 70), ({"session": "b"}, 120), ({"session": "a", "run": "2"}, 60)]
    frames = session_frames(*a_person(runs))
    assert list(frames) == ["ses-a", "ses-b"]
    np.testing.assert_array_equal(frames["ses-a"], np.repeat([True, False, True], [70, 120, 60]))
    np.testing.assert_array_equal(frames["ses-b"], ~frames["ses-a"])


def test_visits_of_the_hcp_are_the_numbers_of_its_runs() -> None:
    runs = [({"task": "REST", "run": run, "direction": way}, 60) for run in ("1a", "1b", "2") for way in ("LR", "RL")]
    frames = session_frames(*a_person(runs, layout="hcp"))
    assert spans(frames) == {"REST1": [0, 240], "REST2": [240, 120]}
    elsewhere = session_frames(*a_person(runs, layout="fmriprep"))
    assert spans(elsewhere) == {"first half": [0, 180], "second half": [180, 180]}


def test_a_single_session_is_cut_in_half() -> None:
    halves = {"first half": [0, 110], "second half": [110, 110]}
    assert spans(session_frames(*a_person([({"session": "a"}, 220)]))) == halves
    assert spans(session_frames(*a_person([({}, 100), ({"run": "2"}, 120)]))) == halves
    # sessions too short for a map are none; with one left over, all frames make the halves
    two = [({"session": "a"}, 40), ({"session": "b"}, 180)]
    assert spans(session_frames(*a_person(two))) == halves
    three = session_frames(*a_person([*two, ({"session": "c"}, 100)]))
    assert spans(three) == {"ses-b": [40, 180], "ses-c": [220, 100]}


def test_too_little_for_two_sessions_is_refused() -> None:
    with pytest.raises(SignalError, match="two sessions, or one that can be cut in half; found one of 198 frames"):
        session_frames(*a_person([({"session": "a"}, 198)]))
    with pytest.raises(SignalError, match="vertices, found parcels"):
        session_frames(*a_person([({"session": "a"}, 300)], kind="parcels"))


# ---- people one after the other


@pytest.mark.usefixtures("axis")
def test_group_is_that_of_the_sessions() -> None:
    people = {
        "01": a_person([({"session": "a"}, 110), ({"session": "b"}, 120)], seed=1),
        "02": a_person([({}, 240)], seed=2),
        "03": a_person([({}, 50)], seed=3),
    }
    refused: list[str] = []

    def load(label: str) -> tuple[PersonFiles, PersonSeries]:
        if label == "04":
            raise InputError("gone")
        return people[label]

    group = train_group(make_prior(), ["04", "01", "03", "02"], load, lambda label, _: refused.append(label))
    assert refused == ["04", "03"]
    assert group.source == "trained on 2 people, 4 sessions"
    parts = [
        [signal.compress(signal.select_frames(people[label][1].series, mask)) for mask in (first, ~first)]
        for label, first in (("01", np.arange(230) < 110), ("02", np.arange(240) < 120))
    ]
    expected = train_hierarchical(parts, make_prior(), files.template_anatomy())
    for name in ("mu", "epsilon", "sigma", "kappa", "seeds"):
        np.testing.assert_array_equal(getattr(group, name), getattr(expected, name))


@pytest.mark.usefixtures("axis")
def test_who_fails_in_the_model_is_left_out_by_name() -> None:
    people = {label: a_person([({}, 220)], seed=seed) for seed, label in enumerate(("01", "02", "03"))}
    dead = people["02"][1].series.data
    dead[:, :200] = 5.0  # most seeds are gone
    refused: dict[str, str] = {}
    group = train_group(
        make_prior(), list(people), people.__getitem__, lambda label, error: refused.update({label: error.problem})
    )
    assert list(refused) == ["02"] and "seeds" in refused["02"]
    assert group.source == "trained on 2 people, 4 sessions"
    with pytest.raises(SignalError, match="at least 2 people, found 1"):
        train_group(make_prior(), ["01", "02"], people.__getitem__, lambda *_: None)


# ---- from files to files


@pytest.fixture(scope="module")
def networks(axis: Grayordinates) -> NetworkMap:
    """Labels of the default prior."""
    prior = choose_prior(None, axis)
    label = prior.keys[prior.probability.argmax(axis=0)]
    one_hot = (label == prior.keys[:, None]).astype(np.float32)
    return NetworkMap(prior.names, prior.keys, prior.colours, one_hot, label, one_hot.max(axis=0), axis, "given map")


def simulate(networks: NetworkMap, frames: int, seed: int) -> Timeseries:
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((frames, int(networks.label.max()) + 1)).astype(np.float32)
    data = latent[:, networks.label] + rng.standard_normal((frames, len(networks.label)), dtype=np.float32)
    return Timeseries(data, networks.grayordinates, TR_S)


@pytest.fixture(scope="module")
def dataset(networks: NetworkMap, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data set of `phantom`: 01 has two sessions, 02 one to be cut in half, 03 one that is too short for that."""
    root = tmp_path_factory.mktemp("trained") / "xcpd"
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps(description("xcpd")))
    for seed, (label, sessions) in enumerate((("01", (101, 102)), ("02", (205,)), ("03", (130,)))):
        for number, frames in enumerate(sessions, 1):
            func = root / f"sub-{label}" / f"ses-{number}" / "func"
            func.mkdir(parents=True)
            name = func / f"sub-{label}_ses-{number}_task-rest_space-fsLR_den-91k_desc-denoised_bold"
            files.write_dtseries(f"{name}.dtseries.nii", simulate(networks, frames, 10 * seed + number))
            Path(f"{name}.json").write_text(json.dumps({"RepetitionTime": TR_S}))
        files.write_dlabel(root.parent / "truth" / f"sub-{label}_truth.dlabel.nii", networks)
    return root


@pytest.fixture(scope="module")
def built(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str, str]:
    """`prior build --train-hierarchical` through the command line: the prior, exit code, both streams."""
    out, err = io.StringIO(), io.StringIO()
    place = tmp_path_factory.mktemp("priors") / "mine"
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        alive = watch_memory(patch)
        labels = str(dataset.parent / "truth")
        code = main(["prior", "build", str(dataset), str(place), "--labels", labels, "--train-hierarchical"])
    assert len(alive) == 5, "all three, then the two who can be trained on"
    return place.with_name("mine_prior.npz"), code, out.getvalue(), err.getvalue()


def test_training_through_the_command_line(built: tuple[Path, int, str, str]) -> None:
    path, code, out, err = built
    assert code == 0 and "Traceback" not in err
    words = [line.split("\t") for line in out.splitlines()]
    assert [one[:2] for one in words[:3]] == [["sub-01", "ok"], ["sub-02", "ok"], ["sub-03", "ok"]]
    assert words[0][2].endswith("trained on ses-1, ses-2")
    assert words[1][2].endswith("trained on first half, second half")
    assert words[2][2].endswith("not trained on")
    assert "sub-03 is not trained on: training needs two sessions" in err
    assert "training on sub-02" in err and "training on sub-03" not in err
    group = files.read_prior(path).group
    assert group is not None and group.n_people == 2 and group.mu.shape[1] == 1483
    assert group.source == f"{path} (trained on phantoms: 2 simulated people, 4 sessions)"


def test_sidecar_tells_who_was_trained_on(built: tuple[Path, int, str, str]) -> None:
    told = json.loads(built[0].with_suffix(".json").read_text(encoding="utf-8"))
    assert [person.get("Sessions") for person in told["People"]] == [
        {"ses-1": 101, "ses-2": 102},
        {"first half": 103, "second half": 102},
        None,
    ]
    assert "cut in half" in told["People"][2]["NotTrainedOn"]
    trained = told["Hierarchical"]
    assert trained["People"] == 2 and trained["Seeds"] == 1483
    assert trained["Source"] == "trained on phantoms: 2 simulated people, 4 sessions"
    assert told["Phantoms"] is True and "nobody was scanned" in told["Terms"]
    assert told["Source"].startswith("prior trained on phantoms: 3 simulated people")
    prior = files.read_prior(built[0])
    assert [one["Name"] for one in trained["Networks"]] == list(prior.names)
    assert prior.group is not None
    np.testing.assert_allclose([one["Kappa"] for one in trained["Networks"]], prior.group.kappa)


def test_plan_maps_with_the_people_of_the_prior_and_says_what_they_are(
    built: tuple[Path, int, str, str], dataset: Path, networks: NetworkMap, tmp_path: Path
) -> None:
    words = [
        "--participant-label",
        "03",
        "--prior",
        built[0],
        "--method",
        "hierarchical",
        "--no-controls",
        "--no-reliability",
        "--engine",
        "geometric",
    ]
    assert main([str(word) for word in ("plan", dataset, tmp_path, "participant", *words)]) == 0
    (path,) = tmp_path.rglob("*_provenance.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    assert told["Options"]["mapping"]["method"] == "hierarchical"
    assert "2 people" in path.read_text(encoding="utf-8")
    assert "the prior was trained on phantoms (simulated people)" in path.read_text(encoding="utf-8")
    page = (tmp_path / "sub-03.html").read_text(encoding="utf-8")
    assert "group parameters from 2 people" in page
    assert "The prior was trained on phantoms, which are simulated" in page
    assert "mine_prior.npz (trained on phantoms, simulated people)" in page
    (path,) = tmp_path.rglob("*_dseg.dlabel.nii")
    assert (files.read_label_map(path).label == networks.label).mean() > 0.9


def test_other_rows_do_not_part_the_prior_from_its_people(
    built: tuple[Path, int, str, str], networks: NetworkMap
) -> None:
    whole = networks.grayordinates
    some = Grayordinates(whole.left[::3], whole.right[::3])
    prior = choose_prior(built[0], some)
    series = simulate(networks, 60, 99)
    kept = np.isin(np.arange(len(whole)), [*range(0, len(whole.left), 3), *range(len(whole.left), len(whole), 3)])
    basis = signal.compress(Timeseries(series.data[:, kept], some, TR_S))
    with pytest.raises(PriorError, match="seeds of the group parameters"):
        map_hierarchical(basis, prior, None)  # a third of the seeds is too few
    assert prior.group is not None and prior.group.n_people == 2


# ---- what goes wrong


def ask(dataset: Path, out: Path, *labels: str, **more: object) -> CohortRequest:
    return CohortRequest(
        dataset,
        out,
        labels=dataset.parent / "truth",
        participant_labels=labels,
        train_hierarchical=True,
        **more,  # type: ignore[arg-type]
    )


def test_nobody_to_train_on_writes_nothing(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "a"
    with pytest.raises(OptionError, match="two people or more, found one"):
        build_prior(ask(dataset, out, "01"), progress=Silent())
    with pytest.raises(SignalError, match="two people or more, found 1; sub-03: training needs two sessions"):
        build_prior(ask(dataset, out, "02", "03"), progress=Silent())
    with pytest.raises(SignalError, match="found one of 130 frames"):
        build_prior(ask(dataset, out, "03", "02", stop_on_first_crash=True), progress=Silent())
    assert not out.parent.exists()


def test_files_that_vanish_between_the_passes_stop_with_one_error(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, calls = cohort_module.load_series, []

    def once(*given: object, **options: object) -> object:
        calls.append(given)
        if len(calls) == 3:
            raise InputError("the file is gone")
        return load(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(cohort_module, "load_series", once)
    with pytest.raises(SignalError, match="at least 2 people, found 1"):
        build_prior(ask(dataset, tmp_path / "out" / "a", "01", "02"), progress=Silent())
    calls.clear()
    with pytest.raises(InputError, match="the file is gone"):
        build_prior(ask(dataset, tmp_path / "out" / "a", "01", "02", stop_on_first_crash=True), progress=Silent())
    assert not (tmp_path / "out").exists()


def test_phantoms_are_known_by_their_description(tmp_path: Path) -> None:
    path = tmp_path / "dataset_description.json"
    assert not files.is_phantom(tmp_path)
    for layout in ("xcpd", "fmriprep", "hcp"):
        path.write_text(json.dumps(description(layout)))  # type: ignore[arg-type]
        assert files.is_phantom(tmp_path)
    path.write_text(json.dumps({"Name": "XCP-D", "GeneratedBy": [{"Name": "xcp_d"}]}))
    assert not files.is_phantom(tmp_path)
    with pytest.raises(InputError, match="expected a folder"):
        files.is_phantom(tmp_path / "absent")
