"""Write what the docs take from data files: ``python docs/make.py``.

outputs.md comes whole from data/outputs.toml; methods.md gets the table of defaults between its two marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from actionloop import facts

DOCS = Path(__file__).parent
BEGIN, END = "<!-- defaults: made by `python docs/make.py` -->", "<!-- end of defaults -->"
# Data file and the sections of it that methods.md lists.
DEFAULTS = {
    "cleaning": ("analysis_minimum", "plain", "strategies"),
    "mapping": (
        "iterative",
        "eta2",
        "dice",
        "ridge",
        "infomap",
        "hierarchical",
        "adjacent",
        "cleaning",
        "components",
        "nodes",
    ),
    "networks": ("strip",),
    "targets": ("vertex", "piece", "scales", "pose"),
}
_SECTION = re.compile(r"^\[(?P<name>[\w.]+)\]")
_VALUE = re.compile(r"^(?P<key>\w+) = (?P<value>[^#\"]+?|\"[^\"]*\")\s*(?:# (?P<what>.*))?$")


def outputs_page() -> str:
    """Return the text of outputs.md."""
    return "\n".join(_output_lines(facts.load("outputs"))) + "\n"


def methods_page() -> str:
    """Return the text of methods.md with the defaults as they are now."""
    text = (DOCS / "methods.md").read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{chr(10).join(_default_lines())}\n\n{END}{after}"


def _output_lines(declared: dict[str, Any]) -> Iterator[str]:
    prefix, dataset = declared["defaults"]["prefix"], declared["dataset"]
    yield "# Output files"
    yield ""
    yield "<!-- Made from src/actionloop/data/outputs.toml by `python docs/make.py`; do not edit by hand. -->"
    yield ""
    yield f"**{facts.notice()}**"
    yield ""
    yield f"{dataset['sides']} Coordinates are RAS millimetres of the frame that the sidecar of each table names."
    yield ""
    yield f"Names follow BIDS derivatives (version {dataset['bids_version']}). `PREFIX` stands for"
    yield f"`{prefix}`."
    yield "A part in `[brackets]` is left out when it does not apply: several sessions, tasks or runs that were joined"
    yield "give a name without that part. Finished steps are kept beside these files in `.work/` (or in `--work-dir`);"
    yield "that folder may be deleted, and the next run then starts from the beginning."
    yield ""
    yield from _files("For the folder", [one for one in declared["output"] if one.get("level") == "dataset"])
    people = [one for one in declared["output"] if one.get("level", "person") == "person"]
    yield from _files("For each person", people)
    yield from _files("For an analysis", [one for one in declared["output"] if one.get("level") == "analysis"])
    yield "## Columns of the tables"
    yield ""
    yield "'Frame' is the frame of the exported coordinates, named in the table's sidecar."
    for table, columns in declared["columns"].items():
        yield ""
        yield f"### `*_{table}.tsv`"
        yield ""
        rows = [(f"`{name}`", column["what"], column.get("units", "")) for name, column in columns.items()]
        yield from _table(("column", "meaning", "unit"), rows)


def _files(heading: str, outputs: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield f"## {heading}"
    yield ""
    rows = [
        (
            f"`{one['pattern'].replace('{prefix}', 'PREFIX')}`",
            one["what"],
            one.get("units", ""),
            one["format"],
            "always" if one["required"] else one["when"],
        )
        for one in outputs
    ]
    yield from _table(("file", "what", "units", "format", "written"), rows)
    yield ""


def _default_lines() -> Iterator[str]:
    rows = []
    for name, sections in DEFAULTS.items():
        section = ""
        text = (resources.files("actionloop") / "data" / f"{name}.toml").read_text(encoding="utf-8")
        for line in text.splitlines():
            heading, value = _SECTION.match(line), _VALUE.match(line)
            section = heading["name"] if heading else section
            if value and section in sections and value["key"] != "version":
                rows.append((f"{name}.toml `{section}.{value['key']}`", value["value"], value["what"] or ""))
    return _table(("where", "default", "what"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(cell or '–' for cell in row)} |"


if __name__ == "__main__":
    for name, page in (("outputs.md", outputs_page()), ("methods.md", methods_page())):
        (DOCS / name).write_text(page, encoding="utf-8", newline="\n")
