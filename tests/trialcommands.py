"""A small trial that is run through the command line: its protocol, its tables, and a child process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.trialstories import small_protocol

from actionloop.cli import main
from actionloop.pipeline.trialprotocol import write_protocol

SRC = str(Path(__file__).parents[1] / "src")
CORA, RITA, OLGA = (
    ("--actor", "cora", "--role", "coordinator"),
    ("--actor", "rita", "--role", "rater"),
    ("--actor", "olga", "--role", "operator"),
)


class Trial:
    """A study in a folder; every method is one command."""

    def __init__(self, folder, capsys, **changes):
        self.folder, self.capsys = folder, capsys
        self.study, self.allocator = folder / "study", folder / "allocator"
        self.protocol = small_protocol(**{"sample_size": 12, **changes})
        write_protocol(folder / "plan.yaml", self.protocol)

    def run(self, *words, code=0):
        """Run one command in this process; returns (stdout, stderr)."""
        self.capsys.readouterr()
        found = main(["trial", *map(str, words)])
        out, err = self.capsys.readouterr()
        assert found == code, (found, out, err)
        assert "Traceback" not in err
        return out, err

    def begin(self):
        return self.run("new", self.folder / "plan.yaml", self.study, "--allocator", self.allocator, "--actor", "anna")

    def record(self, *words, code=0):
        return self.run("record", self.study, *words, code=code)

    def table(self, name, rows, who=CORA, code=0):
        path = self.folder / f"{name}.csv"
        names = list(rows[0])
        lines = [",".join(names), *(",".join(str(row.get(one, "")) for one in names) for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        return self.record("--csv", path, "--table", name, *who, code=code)

    def allocate(self, name, *words, code=0):
        given = ("--allocator", self.allocator, "--participant", name, "--actor", "anna")
        return self.run("allocate", self.study, *given, *words, code=code)

    def status(self, role, *words, code=0):
        return self.run("status", self.study, "--role", role, *words, code=code)

    def unblind(self, *words, code=0):
        given = ("--allocator", self.allocator, "--actor", "anna")
        return self.run("unblind", self.study, *given, *words, code=code)

    def enrol(self, people):
        """Bring people, (name, centre, sex), to the lock of their eligibility."""
        self.table("participants", [{"participant": n, "centre": c, "sex": s} for n, c, s in people])
        self.table("consents", [{"participant": n} for n, _, _ in people])
        self.table("visits", [{"participant": n, "visit": "base", "date": "2026-01-05"} for n, _, _ in people])
        self.table(
            "ratings",
            [
                {"participant": n, "visit": "base", "outcome": "pain", "value": 4 + i % 6}
                for i, (n, _, _) in enumerate(people)
            ],
        )
        self.table(
            "targets",
            [
                {"participant": n, "name": name, "x": x, "y": -20, "z": 60, "score": score, "frame": "T1w"}
                for i, (n, _, _) in enumerate(people)
                for name, x, score in (("m1", -37.5, 0.5), ("acc", 2, 0.1 + i / 20))
            ],
        )
        self.table("eligible", [{"participant": n} for n, _, _ in people])


def people(n):
    """Return n people over two centres and both sexes."""
    return [(f"P{i:02d}", ("east", "west")[i % 2], "fm"[i // 2 % 2]) for i in range(1, n + 1)]


def part(out, title):
    """Return the rows of one part of what `status` told, as dicts; None where it does not stand there."""
    blocks = [block.strip("\n").split("\n") for block in out.split("\n\n")]
    for first, *rest in blocks:
        if first == title:
            if rest == ["none"]:
                return []
            head = rest[0].split("\t")
            return [dict(zip(head, line.split("\t"), strict=True)) for line in rest[1:]]
    return None


def receipt(out):
    return next(line.split("\t")[1] for line in out.splitlines() if line.startswith("receipt\t"))


def spawn(*words):
    """Start the real program."""
    env = {**os.environ, "PYTHONPATH": SRC, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "actionloop", "trial", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
