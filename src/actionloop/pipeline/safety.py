"""Limits of stimulation and the screening of one person: read before any work, told in terminal, exports and report."""

from __future__ import annotations

import datetime
import json
import tomllib
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from actionloop import facts
from actionloop.errors import InputError, OptionError
from actionloop.pipeline.settings import SafetySettings
from actionloop.report import ScreenedQuestion, ScreeningContent
from actionloop.targets import Exemption, Screening, Train, require_within, screening_questions

_Made = TypeVar("_Made", Train, Exemption)


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
    exemption : Exemption or None
        What an approved protocol allows beyond the limits.
    """

    screening: Screening = field(default_factory=Screening)
    train: Train | None = None
    limits: tuple[str, ...] = ()
    exemption: Exemption | None = None

    @property
    def beyond(self) -> bool:
        """Whether the train crosses the limits, by an exception."""
        return any(line.startswith("WARNING") for line in self.limits)

    def in_words(self) -> str:
        """Say in one line what every export says: the screening, and an exception from the limits."""
        words = self.screening.in_words()
        if not self.beyond or self.exemption is None:
            return words
        return f"{words}; train beyond the limits of rTMS, by exception {self.exemption.reference}"

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
            "protocol": None if self.train is None else self._protocol(self.train),
        }

    def _protocol(self, train: Train) -> dict[str, Any]:
        exception = {} if self.exemption is None else {"exception": asdict(self.exemption)}
        return {**asdict(train), "limits": list(self.limits), "beyond_limits": self.beyond, **exception}

    def lines(self, *, force: bool) -> list[str]:
        """Return what the terminal is told before exports are written."""
        found = self.screening
        said = [one if one.startswith("WARNING") else f"note: {one}" for one in self.limits]
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
    train, exemption, limits, screening = None, None, [], Screening()
    where = settings.protocol
    try:
        if settings.protocol is not None:
            train, exemption = _protocol(_mapping(settings.protocol, "protocol"))
            limits = require_within(train, exemption=exemption)
        where = settings.screening
        if settings.screening is not None:
            screening = Screening.from_answers(_mapping(settings.screening, "screening's answers"))
    except OptionError as error:
        raise OptionError(error.problem, where=where, fix=error.fix) from error
    return Safety(screening, train, tuple(limits), exemption)


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


def _protocol(given: dict[str, Any]) -> tuple[Train, Exemption | None]:
    """Build the train, and the exception where one is named."""
    values = dict(given)
    exception = values.pop("exception", None)
    train = _filled(Train, values, "protocol")
    if exception is None:
        return train, None
    if not isinstance(exception, dict):
        raise OptionError(f"the protocol's exception is {exception!r}", fix=_fix(Exemption))
    if isinstance(date := exception.get("approved_on"), datetime.date):
        exception = {**exception, "approved_on": date.isoformat()}
    return train, _filled(Exemption, exception, "exception")


def _filled(kind: type[_Made], given: dict[str, Any], what: str) -> _Made:
    """Build what a file describes; names that are unknown or lacking are told at once."""
    known = {one.name: one.default is MISSING for one in fields(kind)}
    unknown = [name for name in given if name not in known]
    lacking = [name for name, needed in known.items() if needed and name not in given]
    if unknown or lacking:
        said = [f"it has no place for {', '.join(map(repr, unknown))}"] if unknown else []
        said += [f"it lacks {', '.join(lacking)}"] if lacking else []
        raise OptionError(f"the {what} cannot be used: {'; '.join(said)}", fix=_fix(kind))
    return kind(**given)


def _fix(kind: type[Train] | type[Exemption]) -> str:
    needed = [one.name for one in fields(kind) if one.default is MISSING]
    wanted = [one.name for one in fields(kind) if one.default is not MISSING]
    more = f", and, if wanted, {' and '.join(wanted)}" if wanted else ""
    return f"it holds {', '.join(needed[:-1])} and {needed[-1]}{more}"
