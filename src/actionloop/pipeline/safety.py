"""Limits of stimulation and the screening of one person: read before any work, told in terminal, exports and report."""

from __future__ import annotations

import json
import tomllib
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from actionloop import facts
from actionloop.errors import InputError, OptionError
from actionloop.pipeline.settings import SafetySettings
from actionloop.report import ScreenedQuestion, ScreeningContent
from actionloop.targets import Screening, Train, require_within, screening_questions


@dataclass(frozen=True)
class Safety:
    """What is known of the stimulation and of the person to be stimulated.

    Attributes
    ----------
    screening : Screening
    train : Train or None
        None where no protocol was given.
    limits : tuple of str
        What the train was held against.
    """

    screening: Screening = field(default_factory=Screening)
    train: Train | None = None
    limits: tuple[str, ...] = ()

    def stopped(self, *, force: bool) -> bool:
        """Tell whether an answer withholds the exports."""
        return bool(self.screening.positive) and not force

    def recorded(self, *, force: bool) -> dict[str, Any]:
        """Return what the provenance says."""
        asked, found = facts.load("screening"), self.screening
        return {
            "screening": {
                "state": found.in_words(),
                "answers": {one.key: found.of(one) for one in screening_questions()},
                "open": [one.key for one in found.open],
                "yes": [one.key for one in found.positive],
                "forced": bool(found.positive) and force,
                "list": {name: asked[name] for name in ("name", "version", "source", "verified")},
            },
            "protocol": None if self.train is None else {**asdict(self.train), "limits": list(self.limits)},
        }

    def lines(self, *, force: bool) -> list[str]:
        """Return what the terminal is told before exports are written."""
        found = self.screening
        said = [f"note: {one}" for one in self.limits]
        if found.positive:
            done = "exports are written all the same (--force) and say so" if force else "exports are withheld"
            said.append(f"WARNING: {found.in_words()}: {done}")
        if found.open:
            said.append(f"{found.in_words()}; before anybody is stimulated, ask (answers go into --screening FILE):")
            said += [f"  [ ] {one.text} ({one.key})" for one in found.open]
        return said

    def content(self, *, force: bool) -> ScreeningContent:
        """Return what the page says."""
        found, asked = self.screening, facts.load("screening")
        return ScreeningContent(
            state=found.in_words(),
            questions=[ScreenedQuestion(one.text, found.of(one)) for one in screening_questions()],
            stopped=", ".join(one.words for one in found.positive),
            forced=bool(found.positive) and force,
            about=f"{asked['name']}: {asked['source']}" + ("" if asked["verified"] else " (UNVERIFIED, from memory)"),
            limits=self.limits or ("No protocol was given (--protocol): no train was held against the limits.",),
        )


def read_safety(settings: SafetySettings) -> Safety:
    """Read protocol and answers, and hold the protocol against the limits.

    Raises
    ------
    InputError
        A file that cannot be read as TOML or JSON.
    OptionError
        Unknown or missing names, values that cannot be used, or a train that crosses a limit, which is named.
    """
    train, limits, screening = None, [], Screening()
    where = settings.protocol
    try:
        if settings.protocol is not None:
            train = _train(_mapping(settings.protocol, "protocol"))
            limits = require_within(train)
        where = settings.screening
        if settings.screening is not None:
            screening = Screening.from_answers(_mapping(settings.screening, "screening's answers"))
    except OptionError as error:
        raise OptionError(error.problem, where=where, fix=error.fix) from error
    return Safety(screening, train, tuple(limits))


def _mapping(path: Path, what: str) -> dict[str, Any]:
    """Read names and values."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(
            f"the file of the {what} cannot be read ({error})", where=path, fix="write it as TOML, or as JSON (.json)"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"the file of the {what} holds no names and values", where=path)
    return found


def _train(given: dict[str, Any]) -> Train:
    """Build the train; names that are unknown or lacking are told at once."""
    names = [one.name for one in fields(Train)]
    unknown = [name for name in given if name not in names]
    lacking = [one.name for one in fields(Train) if one.default is MISSING and one.name not in given]
    if unknown or lacking:
        said = [f"it has no place for {', '.join(map(repr, unknown))}"] if unknown else []
        said += [f"it lacks {', '.join(lacking)}"] if lacking else []
        raise OptionError(
            f"the protocol cannot be used: {'; '.join(said)}",
            fix="it holds frequency_hz, intensity_percent_mt and train_s, and, if wanted, pulses and inter_train_s",
        )
    return Train(**given)
