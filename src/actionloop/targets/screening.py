"""What is asked before anybody is stimulated, and what was answered: the list of data/screening.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from actionloop import facts
from actionloop.errors import OptionError

Answer = Literal["yes", "no", "unknown"]
_ANSWERS: tuple[Answer, ...] = get_args(Answer)


@dataclass(frozen=True)
class Question:
    """One question of the list.

    Attributes
    ----------
    key : str
        Its name in a file of answers.
    words : str
        What it asks about, in few words.
    text : str
        As it is asked.
    """

    key: str
    words: str
    text: str


def screening_questions() -> list[Question]:
    """Return the questions in their order."""
    return [Question(one["key"], one["words"], one["text"]) for one in facts.load("screening")["question"]]


@dataclass(frozen=True)
class Screening:
    """What one person answered.

    Attributes
    ----------
    answers : mapping of str to {'yes', 'no', 'unknown'}
        By the question's key; one that is not there is unknown. Empty where nobody was asked.

    Raises
    ------
    OptionError
        A question that is not on the list, or an answer that is none; the message names every one.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = [one.key for one in screening_questions()]
        unknown = [key for key in self.answers if key not in known]
        if unknown:
            raise OptionError(
                f"the screening list has no question {', '.join(map(repr, unknown))}",
                fix=f"its questions are: {', '.join(known)}",
            )
        wrong = [f"{key} = {answer!r}" for key, answer in self.answers.items() if answer not in _ANSWERS]
        if wrong:
            raise OptionError(
                f"expected yes, no or unknown as answers of the screening, found {', '.join(wrong)}",
                fix='write, for example, epilepsy = "no"',
            )

    @classmethod
    def from_answers(cls, given: Mapping[str, Any]) -> Screening:
        """Build it from a file's words, in any case; true and false are yes and no.

        Raises
        ------
        OptionError
            See the class.
        """
        return cls({key: _answer(value) for key, value in given.items()})

    def of(self, question: Question) -> Answer:
        """Return the answer to one question."""
        return self.answers.get(question.key, "unknown")

    @property
    def open(self) -> list[Question]:
        """Questions that nobody has answered."""
        return [one for one in screening_questions() if self.of(one) == "unknown"]

    @property
    def positive(self) -> list[Question]:
        """Questions that were answered yes."""
        return [one for one in screening_questions() if self.of(one) == "yes"]

    def in_words(self) -> str:
        """Say in one line what was answered; no comma or full stop at its end."""
        total, left = len(screening_questions()), self.open
        if len(left) == total:
            return "screening not answered"
        said = [f"answered YES to {', '.join(one.words for one in self.positive)}"] if self.positive else []
        said += [f"not answered on {', '.join(one.words for one in left)}"] if left else []
        return f"screening {'; '.join(said) if said else f'answered no to all {total} questions'}"


def _answer(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.strip().lower() if isinstance(value, str) else value
