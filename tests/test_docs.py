"""The docs say what the program does: commands, options, links, tables; and nothing of the writer's machine."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from actionloop import __version__, facts
from actionloop.cli import ask
from actionloop.cli.commands import app
from actionloop.cli.convert import Tied, Written
from actionloop.cli.evidence import Contrasted, Mapped, Nulls
from actionloop.cli.exporting import Exporting
from actionloop.cli.group import Making
from actionloop.cli.lesions import Lesioned
from actionloop.cli.options import Coiled, Given, How, Where, Who
from actionloop.cli.places import read_places
from actionloop.cli.tmseeg import Recorded
from actionloop.cli.trialrecord import Entering
from actionloop.cli.trialresults import Simulated

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
IDS = [page.relative_to(ROOT).as_posix() for page in PAGES]
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
DECISIONS = {
    "barycentric-resampling",
    "discriminant-mapping",
    "facts-in-data-files",
    "fifth-data-wheel",
    "hashed-steps",
    "no-edge-distances",
    "template-anatomy",
    "two-drawings-of-amn",
}


def maker() -> ModuleType:
    """Load docs/make.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("docs_make", DOCS / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(page: Path) -> list[list[str]]:
    """Every command line of a page's blocks."""
    blocks = [text for language, text in BLOCK.findall(page.read_text(encoding="utf-8")) if language in ("", "bash")]
    return [shlex.split(line) for text in blocks for line in text.splitlines() if line.strip()]


def test_made_pages_are_current() -> None:
    made = maker()
    stale = "run: python docs/make.py"
    assert (DOCS / "outputs.md").read_text(encoding="utf-8") == made.outputs_page(), stale
    assert (DOCS / "methods.md").read_text(encoding="utf-8") == made.methods_page(), stale


def test_made_pages_hold_every_declared_thing() -> None:
    page = (DOCS / "outputs.md").read_text(encoding="utf-8")
    declared = facts.load("outputs")
    for output in declared["output"]:
        assert f"| `{output['pattern'].replace('{prefix}', 'PREFIX')}` | {output['what']} |" in page
    for table, columns in declared["columns"].items():
        section = page.split(f"### `*_{table}.tsv`")[1].split("###")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(columns)
    methods = (DOCS / "methods.md").read_text(encoding="utf-8")
    for key, value in facts.load("mapping")["iterative"].items():
        shown = re.search(rf"mapping\.toml `iterative\.{key}` \| ([^|]+) \|", methods)
        assert shown is not None and float(shown[1]) == value
    for key in facts.load("targets")["piece"]:
        assert f"targets.toml `piece.{key}`" in methods


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    for _, target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("#"):
            continue
        assert (page.parent / target.split("#")[0]).exists(), f"{target} is not there"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in commands(page):
        program = words[0].removeprefix(".venv/bin/")
        if program == "make":
            assert set(words[1:]) <= targets
        elif program == "actionloop":
            check_words(words[1:])
        else:
            assert words[:3] == ["python3", "-m", "pip"] or (DOCS / words[-1]).exists(), words


def check_words(words: list[str]) -> None:
    """Parse a command line as the program does, without running it."""
    command, bound, _ = app.parse_args(words, print_error=False, exit_on_error=False)
    if command.__name__ in ("plan", "pose"):
        places = read_places(bound.arguments.get("words", ()), bound.arguments.get("given", Given()))
        assert places.level == "participant"
        region = bound.arguments.get("where", Where()).pain_region
        assert region is None or region in ask.regions()


def test_this_check_of_commands_can_fail() -> None:
    from cyclopts import CycloptsError

    with pytest.raises(CycloptsError):
        check_words(["plan", "in", "out", "participant", "--subject", "01"])


def test_usage_names_every_option() -> None:
    usage = (DOCS / "usage.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(--[a-z0-9-]+)`", usage))
    renamed = {"map_file": "--map", "from_system": "--from", "fields": "--set"}
    alone = {"--to", "--image", "--system", "--pain-map", "--networks", "--measure"}
    alone |= {"--allocator", "--coil", "--verify", "--role", "--out", "--all"}
    alone |= {"--blinded", "--table"}
    alone |= {"--steps", "--without", "--montage", "--pulses", "--electrodes", "--plan", "--trials", "--control"}
    assert alone <= named
    groups = (
        Who,
        Where,
        Given,
        Coiled,
        Exporting,
        How,
        Making,
        Mapped,
        Contrasted,
        Nulls,
        Lesioned,
        Recorded,
        Entering,
        Simulated,
        Tied,
        Written,
    )
    for group in groups:
        for field in group.__dataclass_fields__:
            assert renamed.get(field, f"--{field.replace('_', '-')}") in named, field
    for name in ("--subjects", "--minutes", "--seed", "--layout", "--truth-map", "--thalamus", "--verbose"):
        assert name in named
    known = (
        {"--verbose", "--subjects", "--minutes", "--seed", "--truth-map", "--thalamus", "--json"}
        | alone
        | {
            renamed.get(field, f"--{field.replace('_', '-')}")
            for group in groups
            for field in group.__dataclass_fields__
        }
    )
    assert named <= known


def test_usage_example_settings_can_be_read(tmp_path: Path) -> None:
    from actionloop import pipeline

    usage = (DOCS / "usage.md").read_text(encoding="utf-8")
    (example,) = [text for language, text in BLOCK.findall(usage) if language == "toml"]
    path = tmp_path / "settings.toml"
    path.write_text(example, encoding="utf-8")
    assert pipeline.read_settings(path).pain_side == tomllib.loads(example)["pain_side"]
    named = set(re.findall(r"\w+", usage.split("`--pain-region` |")[1].split("|")[0]))
    assert {"widespread", "several", "other", "unknown", "foot", "face"} <= named
    assert set(ask.SIDES) <= set(re.findall(r"`(\w+)`", usage.split("`--pain-side` |")[1].split("|")[0]))


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "usage.md", DOCS / "outputs.md"], ids=lambda p: p.name)
def test_the_notice_stands_at_the_top(page: Path) -> None:
    assert facts.notice() in "\n".join(page.read_text(encoding="utf-8").splitlines()[:8])


def test_every_data_package_is_listed_with_its_terms() -> None:
    page = (DOCS / "data-and-licences.md").read_text(encoding="utf-8")
    for wheel in facts.load("resources")["wheel"]:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {wheel['package']} {wheel['version']} |")]
        assert wheel["licence"] in row
        assert wheel["terms"] in row
        for doi in re.findall(r"doi:\S+?(?=[.;,]?(?:\s|$))", wheel["citation"]):
            assert doi in page, doi
    demo = sum(wheel["size_bytes"] for wheel in facts.load("resources")["wheel"] if "demo" in wheel["needed_by"])
    assert f"{demo / 1e6:.0f} MB" in page
    assert f"{demo / 1e6:.0f} MB" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_decision_is_complete_and_listed() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    found = {page.stem for page in (DOCS / "decisions").glob("*.md")} - {"README"}
    assert found >= DECISIONS
    for name in found:
        text = (DOCS / "decisions" / f"{name}.md").read_text(encoding="utf-8")
        assert f"({name}.md)" in index
        assert text.startswith("# ")
        for part in ("**Context.**", "**Choice.**", "**Cost.**"):
            assert part in text, (name, part)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_nothing_of_this_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = re.search(r"(?<![\w.])/(?:work|root|home|tmp|Users|mnt|opt|usr)/\S*|[A-Z]:\\\S+|pypi\.|index-url", text)
    assert found is None, found
    if page.parent.name != "validation":  # those pages are written by programs
        assert max(len(line) for line in text.splitlines() if not line.startswith(("|", "**", "Left and"))) <= 130


def test_changelog_names_this_version() -> None:
    assert __version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
