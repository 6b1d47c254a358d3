"""A small trial on disk: its protocol, people ready to be allocated, and a child process that allocates them."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from actionloop.journal import Journal
from actionloop.trial.allocation import AllocationError, allocate, commit_secret
from actionloop.trial.digest import protocol_digest
from actionloop.trial.register import Register, table_digest
from actionloop.trial.secrecy import create_secret, read_secret
from actionloop.types import (
    Allocation,
    Analysis,
    Arm,
    Estimand,
    Stratum,
    TrialOutcome,
    TrialProtocol,
    Visit,
)

ARMS = (
    Arm("kestrel", "Classic", "fixed", target="m1"),
    Arm("heron", "Least", "lowest"),
    Arm("plover", "Most", "highest"),
)
SITES = ("m1", "dlpfc", "acc", "psi")


def protocol(**changes):
    given = {
        "title": "A small trial",
        "arms": ARMS,
        "control": "kestrel",
        "candidates": SITES,
        "centres": ("north", "south"),
        "sample_size": 90,
        "sessions": 12,
        "visits": (Visit("baseline", 0), Visit("week_8", 8)),
        "outcomes": (
            TrialOutcome("pain", "Pain", "scale", 0, 10),
            TrialOutcome("marker", "Marker", "biomarker", -1, 1),
        ),
        "estimand": Estimand("All", "Difference"),
        "analyses": (Analysis("change", "ancova", "primary", "pain", "week_8", (("heron", "kestrel"),)),),
        "strata": (Stratum("centre", ("north", "south")), Stratum("severe", ("no", "yes"))),
    }
    return TrialProtocol(**{**given, **changes})


def minimised(**changes):
    return replace(protocol(**changes), allocation=Allocation("minimisation", biased_coin=0.8))


def table(person):
    """Four candidates whose order of scores differs between people."""
    turn = person % 4
    return [
        {"name": name, "xyz": [10.0 * place, 0.0, 50.0], "score": round(0.1 * ((place + turn) % 4 + 1), 3)}
        for place, name in enumerate(SITES)
    ]


def preparation(person, candidates=None):
    """Kinds and contents that bring one participant to the eligibility lock."""
    name = f"p{person:03d}"
    candidates = table(person) if candidates is None else candidates
    factors = {"severe": ("no", "yes")[person // 2 % 2]}
    return name, [
        ("screened", {"participant": name, "centre": ("north", "south")[person % 2], "factors": factors}),
        ("consented", {"participant": name}),
        ("rating", {"participant": name, "visit": "baseline", "outcome": "pain", "value": 6.0}),
        (
            "targets_frozen",
            {"participant": name, "candidates": candidates, "digest": table_digest(candidates)},
        ),
        ("eligible", {"participant": name}),
    ]


def begin(folder, plan, people, **given):
    """Make a study with `people` participants locked; returns the open journal and the secret."""
    journal = Journal.create(folder / "journal.sqlite", **given)
    secret = create_secret(folder / "allocator")
    commit_secret(journal, secret, actor="anna")
    with journal.transaction(actor="cora", role="coordinator") as pen:
        pen.append("protocol_locked", {"digest": protocol_digest(plan)})
        for person in range(people):
            for kind, content in preparation(person)[1]:
                pen.append(kind, content)
    return journal, secret


def allocate_all(folder, plan, *, actor="anna", pause_s=0.0):
    """Allocate whoever waits until nobody does; another process may do the same."""
    secret = read_secret(folder / "allocator")
    done = []
    with Journal.open(folder / "journal.sqlite") as journal:
        while waiting := Register(journal.entries()).waiting(plan):
            try:
                done.append(allocate(journal, secret, protocol=plan, participant=waiting[0].name, actor=actor))
            except AllocationError as problem:
                if problem.reason not in ("allocated", "order"):
                    raise
            time.sleep(pause_s)
    return done


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    plans = {"blocks": protocol, "minimisation": minimised}
    allocate_all(Path(sys.argv[1]), plans[sys.argv[2]](), actor=sys.argv[3], pause_s=0.02)
