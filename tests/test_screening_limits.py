"""Limits of rTMS trains and the screening list: the table, its refusals, files, and runs through the command."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from actionloop import facts, files
from actionloop.cli import main
from actionloop.errors import ActionloopError, InputError, OptionError
from actionloop.navigation import poses_of, read_brainsight_file
from actionloop.pipeline.brought import require_one_person
from actionloop.pipeline.priors import cached_default_prior
from actionloop.pipeline.safety import Safety, read_safety
from actionloop.pipeline.settings import SafetySettings, read_settings
from actionloop.reliability.variants import prior_as_map
from actionloop.targets import (
    Exemption,
    Screening,
    Train,
    require_within,
    screening_questions,
    strictest_limit,
    train_limits,
)

# Seconds at 90, 100, 110, 120 and 130 % of motor threshold.
TABLE = {
    1: (1800, 1800, 1800, 360, 50),
    5: (10, 10, 10, 10, 10),
    10: (5, 5, 5, 4.2, 2.9),
    20: (2.05, 2.05, 1.6, 1.0, 0.55),
    25: (1.28, 1.28, 0.84, 0.4, 0.24),
}
GOOD = "frequency_hz = 10\nintensity_percent_mt = 100\ntrain_s = 5\n"
KEYS = [one.key for one in screening_questions()]
ALL_NO = dict.fromkeys(KEYS, "no")

# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frequency", "seconds"), TABLE.items())
def test_each_cell_allows_its_own_length_and_no_more(frequency, seconds):
    for intensity, longest in zip((90, 100, 110, 120, 130), seconds, strict=True):
        said = " ".join(require_within(Train(frequency, intensity, longest)))
        assert f"{longest:g} s at {frequency:g} Hz" in said and "UNVERIFIED" in said and "neighbour" not in said
        with pytest.raises(OptionError) as refused:
            require_within(Train(frequency, intensity, longest * 1.001))
        for words in ("rTMS train limits", f"{longest:g} s", "Rossi", "UNVERIFIED", f"{frequency:g} Hz"):
            assert words in refused.value.problem
        assert f"{longest:g} s" in refused.value.fix


def test_numbers_that_are_the_longest_tested_say_so():
    tested = {(cell.frequency_hz, cell.intensity_percent_mt) for cell in train_limits() if cell.longest_tested}
    assert tested == {(f, i) for f in (1, 5) for i in (90, 100, 110, 120, 130)} | {(10, 90), (10, 100), (10, 110)}
    assert not any(cell.verified for cell in train_limits())
    assert "longest train tested" in strictest_limit(Train(5, 100, 1)).in_words()
    assert "longest train held safe" in strictest_limit(Train(20, 100, 1)).in_words()


@pytest.mark.parametrize(
    ("frequency", "intensity", "longest"),
    [(15, 100, 2.05), (10, 115, 4.2), (10.01, 110.5, 1.0), (2, 90, 10), (24.9, 129, 0.24), (1.5, 130, 10)],
)
def test_between_the_table_the_stricter_neighbour_counts(frequency, intensity, longest):
    assert strictest_limit(Train(frequency, intensity, 0.01)).train_s == longest
    assert "neighbour" in " ".join(require_within(Train(frequency, intensity, longest)))
    with pytest.raises(OptionError, match="crosses the rTMS train limits"):
        require_within(Train(frequency, intensity, longest + 0.01))


def test_no_limit_between_is_laxer_than_any_neighbour():
    for frequency in np.linspace(1, 25, 49):
        for intensity in np.linspace(90, 130, 17):
            found = strictest_limit(Train(float(frequency), float(intensity), 0.01)).train_s
            for cell in train_limits():
                if cell.frequency_hz <= frequency and cell.intensity_percent_mt <= intensity:
                    assert found <= cell.train_s


@pytest.mark.parametrize(
    ("frequency", "intensity", "named"),
    [
        (10, 80, "intensity of 80"),
        (10, 89.99, "intensity of 89.99"),
        (10, 131, "intensity of 131"),
        (0.5, 100, "frequency of 0.5"),
        (25.1, 100, "frequency of 25.1"),
        (50, 100, "frequency of 50"),
    ],
)
def test_outside_the_table_an_exception_is_required(frequency, intensity, named):
    with pytest.raises(OptionError) as refused:
        require_within(Train(frequency, intensity, 0.1))
    assert named in refused.value.problem and "Rossi" in refused.value.problem and "UNVERIFIED" in refused.value.problem
    assert "protocol-level exception" in refused.value.fix


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), True, "10", None])
def test_values_that_are_no_positive_numbers_are_refused(value):
    for name in ("frequency_hz", "intensity_percent_mt", "train_s"):
        with pytest.raises(OptionError, match=f"expected positive numbers, found {name}"):
            Train(**{"frequency_hz": 10, "intensity_percent_mt": 100, "train_s": 1, name: value})


def test_pulses_and_pauses_are_told_as_not_checked():
    assert "3000 pulses are several trains" in require_within(Train(10, 100, 5, pulses=3000))[-1]
    assert "pause of 25 s" in require_within(Train(10, 100, 5, pulses=3000, inter_train_s=25))[-1]
    assert len(require_within(Train(1, 100, 1800, pulses=1800))) == 1
    with pytest.raises(OptionError, match="one train of 5 s at 10 Hz has 50"):
        Train(10, 100, 5, pulses=40)
    with pytest.raises(OptionError, match="whole number"):
        Train(10, 100, 5, pulses=60.5)
    with pytest.raises(OptionError, match="inter_train_s = 0"):
        Train(10, 100, 5, inter_train_s=0)


APPROVED = {
    "reference": "IRB 2026-114",
    "approved_by": "ethics board",
    "approved_on": "2026-03-02",
    "reason": "lower than the table",
    "frequency_hz": 10,
    "intensity_percent_mt": 80,
    "train_s": 10,
}


@pytest.mark.parametrize("train", [Train(10, 80, 10), Train(10, 70, 3, pulses=3000)])
def test_an_exception_lets_the_approved_train_pass_and_says_so(train):
    with pytest.raises(OptionError, match="lies outside the rTMS train limits"):
        require_within(train)
    told = require_within(train, exemption=Exemption(**APPROVED))
    assert told[0].startswith("WARNING") and "UNVERIFIED" in told[0] and "Rossi" in told[0]
    assert "IRB 2026-114, approved by ethics board on 2026-03-02" in told[0]
    assert len(told) == (2 if train.pulses else 1)


@pytest.mark.parametrize("train", [Train(10, 81, 5), Train(10, 80, 10.1), Train(11, 80, 5), Train(9, 80, 5)])
def test_an_exception_covers_nothing_but_what_was_approved(train):
    with pytest.raises(OptionError, match=r"IRB 2026-114.*does not cover this train"):
        require_within(train, exemption=Exemption(**APPROVED))


def test_an_exception_that_is_not_needed_is_told_as_such():
    told = require_within(Train(10, 100, 5), exemption=Exemption(**APPROVED))
    assert "within the limit" in told[0] and told[-1].startswith("Not needed for this train")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("reference", " ", "says nothing under reference"),
        ("approved_by", 3, "says nothing under approved_by"),
        ("approved_on", "March", "'March' is no date"),
        ("approved_on", 20260302, "is no date"),
        ("approved_on", "2999-01-01", "lies ahead of today"),
        ("train_s", float("nan"), "expected positive numbers, found train_s"),
    ],
)
def test_an_exception_without_its_facts_is_refused(name, value, expected):
    with pytest.raises(OptionError, match=expected):
        Exemption(**{**APPROVED, name: value})


# --- the list ---------------------------------------------------------------------------------------------------------


def test_what_is_open_and_what_was_answered_yes():
    nobody = Screening()
    assert [one.key for one in nobody.open] == KEYS and not nobody.positive
    assert nobody.in_words() == "screening not answered"
    assert Screening(ALL_NO).in_words() == "screening answered no to all 7 questions"
    some = Screening.from_answers({"epilepsy": " YES", "pregnancy": False, "alcohol": "unknown"})
    assert [one.key for one in some.positive] == ["epilepsy"]
    assert {"epilepsy", "pregnancy"}.isdisjoint(one.key for one in some.open) and len(some.open) == 5
    assert some.in_words().startswith("screening answered YES to epilepsy; not answered on metal or implants")
    words = " ".join(one.text for one in screening_questions())
    for topic in ("metal", "implant", "epilepsy", "stroke", "drugs", "slept", "drunk", "pregnant"):
        assert topic in words
    assert facts.load("screening")["verified"] is False


def test_answers_that_are_none_and_questions_that_are_not_asked():
    with pytest.raises(OptionError, match="no question 'colour'"):
        Screening.from_answers({"colour": "no"})
    for wrong in ("maybe", 1, None, ["yes"], {"epilepsy": "yes"}):
        with pytest.raises(OptionError, match=r"expected yes, no or unknown .* epilepsy = "):
            Screening.from_answers({"epilepsy": wrong})


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_are_read_as_toml_and_json(tmp_path):
    (tmp_path / "train.toml").write_text(GOOD + "pulses = 3000\ninter_train_s = 25\n")
    (tmp_path / "answers.json").write_text(json.dumps({**ALL_NO, "brain_lesion": "yes"}))
    safety = read_safety(SafetySettings(protocol=tmp_path / "train.toml", screening=tmp_path / "answers.json"))
    assert safety.train == Train(10, 100, 5, 3000, 25) and len(safety.limits) == 2
    assert safety.stopped(force=False) and not safety.stopped(force=True)
    record = safety.recorded(force=True)
    assert record["screening"]["yes"] == ["brain_lesion"] and record["screening"]["forced"] is True
    assert record["protocol"]["inter_train_s"] == 25 and "UNVERIFIED" in record["protocol"]["limits"][0]
    assert read_safety(SafetySettings()) == Safety()
    assert (
        Safety().recorded(force=True)["screening"]["forced"] is False
        and Safety().recorded(force=False)["protocol"] is None
    )


def test_an_exception_stands_in_the_protocol_file_and_in_every_record(tmp_path):
    exception = APPROVED | {"train_s": 8, "intensity_percent_mt": 100}
    rows = [
        f"{name} = {value!r}" if name != "approved_on" else f"{name} = {value}" for name, value in exception.items()
    ]
    text = GOOD.replace("train_s = 5", "train_s = 7") + "[exception]\n" + "\n".join(rows) + "\n"
    (tmp_path / "train.toml").write_text(text)
    safety = read_safety(SafetySettings(protocol=tmp_path / "train.toml"))
    assert safety.beyond and "by exception IRB 2026-114" in safety.in_words()
    assert safety.lines(force=False)[0].startswith("WARNING: the train of 7 s at 10 Hz")
    record = json.loads(json.dumps(safety.recorded(force=False)["protocol"]))
    assert record["beyond_limits"] is True and record["exception"]["approved_on"] == "2026-03-02"
    assert "does not cover" not in " ".join(safety.content(force=False).limits)


BAD = [
    ("protocol", "exempt.toml", GOOD + "exception = 3\n", "the protocol's exception is 3"),
    (
        "protocol",
        "why.toml",
        GOOD + "[exception]\nreference = 'x'\n",
        "exception cannot be used: it lacks approved_by",
    ),
    ("protocol", "none.toml", None, "cannot be read"),
    ("protocol", "bad.toml", "frequency_hz = ", "cannot be read"),
    ("protocol", "latin.toml", b"\xff\xfe", "cannot be read"),
    ("protocol", "list.json", "[1]", "holds no names"),
    ("protocol", "less.toml", "frequency_hz = 10\n", "lacks intensity_percent_mt, train_s"),
    ("protocol", "more.toml", f"{GOOD}volume = 3\n", "no place for 'volume'"),
    ("protocol", "word.toml", GOOD.replace("5", '"5 s"'), "expected positive numbers, found train_s"),
    ("protocol", "long.toml", GOOD.replace("5", "6"), "crosses the rTMS train limits"),
    ("protocol", "low.toml", GOOD.replace("100", "80"), "outside the rTMS train limits"),
    ("screening", "none.json", None, "cannot be read"),
    ("screening", "bad.json", "{", "cannot be read"),
    ("screening", "deep.json", "[" * 100_000, "cannot be read"),
    ("screening", "list.json", '["yes"]', "holds no names"),
    ("screening", "other.toml", 'colour = "no"\n', "no question 'colour'"),
    ("screening", "answer.toml", 'epilepsy = "perhaps"\n', "epilepsy = 'perhaps'"),
]


@pytest.mark.parametrize(("what", "name", "text", "expected"), BAD, ids=[f"{row[0]}-{row[1]}" for row in BAD])
def test_bad_files_give_one_error_that_names_the_file(what, name, text, expected, tmp_path):
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises((InputError, OptionError)) as refused:
        read_safety(SafetySettings(**{what: tmp_path / name}))
    assert expected in refused.value.problem and refused.value.where == str(tmp_path / name)


def test_answers_are_one_persons_and_a_protocol_everybodys(tmp_path):
    require_one_person(read_settings(None, safety={"protocol": tmp_path / "train.toml"}), 3)
    with pytest.raises(OptionError, match="--screening is one person's"):
        require_one_person(read_settings(None, safety={"screening": tmp_path / "answers.toml"}), 3)


# --- through the command ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def person(tmp_path_factory) -> SimpleNamespace:
    """Write the template's head, moved, as a person's own; the map is the group's."""
    try:
        files.require(groups=("plan",))
    except ActionloopError as error:
        pytest.skip(str(error))
    place, moved = tmp_path_factory.mktemp("person"), np.array([4.0, -9.0, 21.0])
    for (side, kind), surface in files.template_anatomy().surfaces.items():
        if kind in ("white", "pial", "midthickness", "inflated"):
            name = f"sub-01_hemi-{side}_space-fsLR_den-32k_{kind}.surf.gii"
            files.write_gifti_surface(place / name, replace(surface, vertices=surface.vertices + moved))
    template = files.template_image()
    affine = template.affine.copy()
    affine[:3, 3] += moved
    image = nib.Nifti1Image(template.data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    nib.save(image, place / "T1w.nii.gz")
    files.write_dlabel(place / "map.dlabel.nii", prior_as_map(cached_default_prior()))
    return SimpleNamespace(folder=place, t1=place / "T1w.nii.gz", map=place / "map.dlabel.nii")


@pytest.fixture
def no_pictures(monkeypatch):
    """Leave the pictures out: they take most of a run, and nothing here looks at them."""
    monkeypatch.setattr("actionloop.pipeline.page.draw_pictures", lambda *given, **more: [])


def run(out: Path, person: SimpleNamespace, *words: object) -> tuple[int, str, str]:
    shown, said = io.StringIO(), io.StringIO()
    given = ["plan", out, "participant", "--map", person.map, "--surfaces", person.folder, "--t1w", person.t1]
    given += ["--engine", "geometric", "--export", "brainsight", "meshes", *words]
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
        try:
            code = int(main([str(word) for word in given]) or 0)
        except SystemExit as end:
            code = int(end.code or 0)
    return code, shown.getvalue(), said.getvalue()


def one(out: Path, pattern: str) -> Path:
    (path,) = out.rglob(pattern)
    return path


def test_without_answers_the_list_is_printed_and_in_everything(person, tmp_path, no_pictures):
    out = tmp_path / "out"
    code, _, said = run(out, person)
    assert code == 0, said
    page, record = next(out.glob("sub-*.html")).read_text(), json.loads(one(out, "*_provenance.json").read_text())
    for question in screening_questions():
        assert question.text in said and question.text in page
    assert page.count("☐") == 2 * len(KEYS) and "☒" not in page
    assert "Screening not answered" in page and "No protocol was given" in page
    assert record["screening"]["state"] == "screening not answered" and record["screening"]["open"] == KEYS
    assert record["protocol"] is None and record["navigation"] == "written"
    exported = one(out, "*brainsight_targets.txt").read_text()
    assert "screening not answered" in exported and "FORCED" not in exported


def test_a_yes_withholds_exports_and_force_is_recorded(person, tmp_path, no_pictures):
    out, answers = tmp_path / "out", tmp_path / "answers.toml"
    answers.write_text("".join(f'{key} = "no"\n' for key in KEYS))
    (tmp_path / "train.toml").write_text(GOOD)
    given = ("--screening", answers, "--protocol", tmp_path / "train.toml")
    code, _, said = run(out, person, *given)
    assert code == 0 and "[ ]" not in said and "UNVERIFIED" in said, said
    record = json.loads(one(out, "*_provenance.json").read_text())
    assert record["protocol"]["train_s"] == 5 and record["screening"]["answers"] == ALL_NO
    assert {"answers.toml", "train.toml"} <= {Path(name).name for name in map(str, json_names(record))}
    assert "answered no to all" in one(out, "*brainsight_targets.txt").read_text()

    answers.write_text(answers.read_text().replace('epilepsy = "no"', 'epilepsy = "yes"'))
    code, shown, said = run(out, person, *given)
    page, record = next(out.glob("sub-*.html")).read_text(), json.loads(one(out, "*_provenance.json").read_text())
    assert code == 0 and "WARNING: screening answered YES to epilepsy: exports are withheld" in said
    assert "WARNING: screening answered YES to epilepsy" in shown and "no navigation files: screening" in shown
    assert not list(out.rglob("*brainsight*")) and not list(out.rglob("*.stl"))
    assert "Screening answered yes: epilepsy. Exports are withheld" in page and page.count("☒") == len(KEYS)
    assert "No reliable target" not in page
    assert record["navigation"] == "withheld: screening answered YES to epilepsy"
    assert record["screening"]["yes"] == ["epilepsy"] and record["screening"]["forced"] is False

    code, _, said = run(out, person, *given, "--force")
    page, record = next(out.glob("sub-*.html")).read_text(), json.loads(one(out, "*_provenance.json").read_text())
    assert code == 0 and "written all the same (--force)" in said
    assert record["navigation"] == "forced" and record["screening"]["forced"] is True
    assert "Exports were forced (--force)" in page
    exported = one(out, "*brainsight_targets.txt").read_text()
    assert "exported with --force although screening answered YES to epilepsy" in exported
    assert all("FORCED screening yes" in pose.label for pose in poses_of(read_brainsight_file(exported)))
    assert list(out.rglob("*.stl"))


def json_names(record: object) -> list[object]:
    """Every word in a record."""
    if isinstance(record, dict):
        return [name for pair in record.items() for part in pair for name in json_names(part)]
    return [name for part in record for name in json_names(part)] if isinstance(record, list) else [record]


@pytest.mark.parametrize("row", [row for row in BAD if row[1] in ("long.toml", "low.toml", "bad.json", "other.toml")])
def test_what_cannot_be_used_stops_the_command_before_any_work(row, person, tmp_path):
    what, name, text, expected = row
    (tmp_path / name).write_text(text)
    code, _, said = run(tmp_path / "out", person, f"--{what}", tmp_path / name)
    assert code != 0 and expected in said and said.count("error:") == 1 and "Traceback" not in said, said
    assert not (tmp_path / "out").exists()
