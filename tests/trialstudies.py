"""A small study run to its end by the program: recorded, allocated, locked, opened."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from tests.trialstories import START, small_protocol

from actionloop.pipeline.trialconduct import TrialWriter, lock_data, open_arms_of
from actionloop.pipeline.trialprotocol import write_protocol
from actionloop.pipeline.trialstudy import new_study, open_study
from actionloop.trial.allocation import allocate
from actionloop.trial.conduct import freeze_targets, record
from actionloop.trial.entryfields import Candidate
from actionloop.trial.events import read_event
from actionloop.trial.secrecy import read_secret

NASTY = "<script>alert(1)</script>"
REASON = "moved <script>alert('away')</script>"


def day(offset):
    return (START + timedelta(days=int(offset))).isoformat()


def begun(folder, *, people=24, seed=3, **changes):
    """Run a study until everybody is rated; returns its folder and the allocator's."""
    plan = small_protocol(**changes)
    write_protocol(folder / "plan.yaml", plan)
    study, secret = folder / "study", folder / "secret"
    new_study(folder / "plan.yaml", study, allocator=secret, actor="ann")
    rng = np.random.default_rng(seed)
    names = [f"P{k:02d}" for k in range(people)]
    baseline = np.clip(np.round(rng.normal(6.5, 1.3, people)), 1, 10)
    with open_study(study) as opened:
        journal = opened.journal

        def enter(told, role="coordinator"):
            record(journal, plan, [read_event(kind, content) for kind, content in told], actor="cora", role=role)

        screened = [
            ("screened", {"participant": n, "centre": ("east", "west")[k % 2], "factors": {"sex": "fm"[k // 2 % 2]}})
            for k, n in enumerate(names)
        ]
        out = {"participant": "X99", "centre": "east", "factors": {"sex": "f"}}
        enter([*screened, ("screened", out), ("ineligible", {"participant": "X99", "reason": NASTY})])
        told = []
        for name, pain in zip(names, baseline, strict=True):
            told += [
                ("consented", {"participant": name}),
                ("visit", {"participant": name, "visit": "base", "date": day(0)}),
                ("rating", {"participant": name, "visit": "base", "outcome": "pain", "value": float(pain)}),
                (
                    "rating",
                    {"participant": name, "visit": "base", "outcome": "local", "value": round(rng.uniform(-1, 1), 3)},
                ),
            ]
        enter(told)
        targets = [Candidate("m1", (1.0, 2.0, 3.0), 0.5), Candidate("acc", (0.0, 2.0, 3.0), 0.1)]
        record(journal, plan, [freeze_targets(name, targets) for name in names], actor="cora", role="coordinator")
        enter([("eligible", {"participant": name}) for name in names])
        for name in names:
            allocate(journal, read_secret(secret), protocol=plan, participant=name, actor="ann")
        told = []
        for k, (name, pain) in enumerate(zip(names, baseline, strict=True)):
            for visit, week in (("w4", 4), ("w8", 8)):
                if k == 5 and visit == "w8":
                    told.append(
                        ("withdrawn", {"participant": name, "from": "follow_up", "date": day(40), "reason": REASON})
                    )
                    continue
                value = float(np.clip(np.round(pain - rng.normal(1.8, 1.5)), 0, 10))
                told += [
                    ("visit", {"participant": name, "visit": visit, "date": day(7 * week)}),
                    ("rating", {"participant": name, "visit": visit, "outcome": "pain", "value": value}),
                    (
                        "rating",
                        {"participant": name, "visit": visit, "outcome": "pgic", "value": float(rng.integers(1, 8))},
                    ),
                ]
        harm = {"participant": names[0], "date": day(9), "term": NASTY, "severity": "mild", "serious": False}
        enter([*told, ("adverse_event", {**harm, "related": "possible"})])
    return study, secret


def locked(study):
    lock_data(study, TrialWriter("cora"))


def opened(study, secret):
    open_arms_of(
        study, allocator=secret, participant=None, reason="end of the trial", writer=TrialWriter("ann", "allocator")
    )
