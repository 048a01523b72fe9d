"""RULER's question answering: a paragraph that answers among others that do not, from local files of SQuAD and HotpotQA."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot.errors import DataError
from contextrot.files import as_texts, question_rows, read_rows
from contextrot.samples.composed import Messages, largest, longest_beginning, too_short
from contextrot.samples.haystack import LENGTH_TOLERANCE
from contextrot.samples.passages import as_passages, paragraph_of
from contextrot.tasks.ruler import wording
from contextrot.tasks.ruler.plans import Plan, one_message

if TYPE_CHECKING:
    import numpy as np

    from contextrot.task import SampleContext


@dataclass(frozen=True)
class Question:
    """A question with the numbers of the paragraphs that belong to it."""

    text: str
    answers: tuple[str, ...]
    paragraphs: tuple[int, ...]


def read_questions(path: Path) -> tuple[list[Question], list[str]]:
    """Questions and all paragraphs of a file of SQuAD (nested, or a row for each question) or HotpotQA (context: [title, sentences]).

    Raises:
        DataError: if the file has another form, or no question with an answer.
    """
    places: dict[str, int] = {}
    questions = []
    for row in question_rows(read_rows(path, "question set")):
        passages, answer = row.get("context"), row.get("answers", row.get("answer"))
        texts = [passages] if isinstance(passages, str) else [paragraph_of(one) for one in as_passages(passages or ())]
        if not texts or None in texts or not row.get("question"):
            raise DataError(
                f"{row.where}: needs `context` (a paragraph, or a list of [title, sentences]), `question` and `answers` or `answer`, as SQuAD "
                "and HotpotQA have them."
            )
        numbers = tuple(places.setdefault(text, len(places)) for text in texts if text)
        accepted = as_texts(answer, row.where)
        if accepted:
            questions.append(Question(str(row["question"]), accepted, numbers))
    if not questions:
        raise DataError(f"{path} has no question with an answer; name SQuAD's or HotpotQA's development file.")
    return questions, list(places)


def plan_question(
    question: Question, paragraphs: list[str], context: SampleContext, length: int, rng: np.random.Generator, name: str
) -> Plan:
    """A question among as many paragraphs as fit, its own at random places; the last other one is cut to the length.

    Other paragraphs that hold an answer are left out, so that the own ones alone answer. Deviation: the paper leaves them in.
    """
    own = set(question.paragraphs)
    answers = [answer.casefold() for answer in question.answers if len(answer) > 3]

    def build() -> Messages:
        count = min(len(paragraphs), len(own) + length // 8 + 10)
        drawn = [int(i) for i in rng.permutation(len(paragraphs)) if int(i) not in own][:count]
        other = [paragraphs[i] for i in drawn if not any(answer in paragraphs[i].casefold() for answer in answers)]
        keys = rng.random(len(own) + len(other))  # a paragraph keeps its place among others however many there are

        def messages(size: int, part: str = "") -> Messages:
            texts = [paragraphs[i] for i in question.paragraphs] + other[:size] + ([part] if part else [])
            order = sorted(range(len(texts)), key=lambda i: keys[i])
            shown = [wording.DOCUMENT.format(number=n, text=texts[i]) for n, i in enumerate(order, 1)]
            return one_message(wording.DOCUMENTS.format(documents="\n\n".join(shown), question=question.text))

        def tokens(size: int, part: str = "") -> int:
            return context.tokenizer.count_chat(messages(size, part))

        size = largest(lambda n: tokens(n) <= length, len(other))
        if size < 0:
            raise too_short(length, name)
        if size == len(other):
            if length - tokens(size) > LENGTH_TOLERANCE:
                raise DataError(
                    f"{name}: all {len(other)} other paragraphs of the file make {tokens(size)} of {length} tokens; take a larger file."
                )
            return messages(size)
        part = longest_beginning(other[size], lambda text: tokens(size, text) <= length, lambda text: length - tokens(size, text))
        if not part:  # not even the document's heading fits: the last whole one gives room
            size -= 1
            whole = f"{other[size]} {other[size + 1]}" if size >= 0 else ""
            if size < 0:
                raise too_short(length, name)
            part = longest_beginning(whole, lambda text: tokens(size, text) <= length, lambda text: length - tokens(size, text))
        return messages(size, part)

    return Plan(list(question.answers), build, {"question": question.text, "depth": None})
