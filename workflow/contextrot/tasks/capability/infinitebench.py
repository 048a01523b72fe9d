"""InfiniteBench's tasks and scorers.

Source: X. Zhang et al. (2024), InfiniteBench (arXiv 2402.13718), src/compute_scores.py and src/eval_utils.py: scores are computed as there;
the prompts are this project's own words. Where the published code would stop (a fraction where a whole number is meant), the score is 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from contextrot.errors import DataError
from contextrot.matching.scorers import token_f1
from contextrot.tasks.capability.longbench import f1_of, normalised_zh

LETTERS = "ABCD"


def _spaces(marks: str) -> dict[int, str]:
    """A translation of each mark into a space."""
    return dict.fromkeys(map(ord, marks), " ")


_SPLIT = _spaces("\n:\"'.,?!{}")
_CHOICE_PREFIXES = ("answer is:", "answer:", "answer is", "option is")
_BUG_PREFIXES = ("answer is:", "is:", "answer:", "correct option is:")
FIRST_NUMBER_LEFT_OUT = ("math_calc", "gpt4")
"""The set and model of whose published answers the published code leaves out the first number, which repeats the expression's."""
Label = Sequence[Any]
"""The gold answers; of a choice, its text and its letter."""


@dataclass(frozen=True)
class Set:
    """One task: its scorer, the limit of an answer in tokens, and the prompt with {context}, {input} and, of a choice, {options}."""

    scorer: Callable[[str, Label], float]
    answer_tokens: int
    prompt: str


def label_of(name: str, answer: Any, options: Sequence[Any], where: str) -> list[Any]:
    """The gold answers of a row; of a choice, its text and its letter.

    Raises:
        DataError: if there is none, or a choice is not among the options, or a value of math_calc is no whole number.
    """
    label: list[Any] = [one for one in (answer if isinstance(answer, list | tuple) else [answer]) if one not in (None, "")]
    if not label:
        raise DataError(f"{where}: has no gold answer.")
    if name == "math_calc":
        label = list(label[0]) if isinstance(label[0], list | tuple) else label
        try:
            label = [int(value) for value in label]
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"{where}: {str(label)[:80]} are no whole numbers.") from None
    if options and len(label) == 1:
        if label[0] not in options:
            raise DataError(f"{where}: the answer {str(label[0])[:80]!r} is none of the options.")
        label.append(LETTERS[options.index(label[0])])
    return label


def first_number(text: str) -> str:
    """The first run of digits; empty if there is none."""
    return next(iter(re.findall("[0-9]+", text)), "")


def without_first_number(text: str) -> str:
    """The text behind its first run of digits."""
    return re.sub(r"^[^0-9]*[0-9]+", "", text)


def _words(text: str) -> list[str]:
    return text.translate(_SPLIT).split()


def _first_number(answer: str, label: Label) -> float:
    return float(str(label[0]) == first_number(answer))


def _word(answer: str, label: Label) -> float:
    return float(str(label[0]) in _words(answer))


def _name(answer: str, label: Label) -> float:
    """The first gold name, in capitals, is a word of the answer."""
    return float(str(label[0]) in [word.upper() for word in _words(answer)])


def _last_number(answer: str, label: Label) -> float:
    words = answer.strip().translate(_spaces("\n.`'\":")).split()
    try:
        return float(bool(words) and int(words[-1]) == int(label[0]))
    except ValueError:
        return 0.0


def _found_number(answer: str, label: Label) -> float:
    """The first number of the answer is the gold one, a whole number where that is one."""
    found = re.search(r"\d+\.\d+|\d+", answer)
    if found is None:
        return 0.0
    try:
        gold = label[0]
        return float(int(found[0]) == gold if isinstance(gold, int) else float(found[0]) == float(gold))
    except ValueError:
        return 0.0


def _bug(answer: str, label: Label) -> float:
    """The letter at the beginning (with a full stop or colon), or letter or function's name behind "answer is:" and the like."""
    name, letter = str(label[0]), str(label[1])
    plain = answer.strip()
    if plain[:2] in (f"{letter}.", f"{letter}:"):
        return 1.0
    for part in ("\n", "`", "'", '"', "-", "*", "Option", "option"):
        plain = plain.replace(part, " ")
    return _behind(re.sub(" {2,}", " ", plain), _BUG_PREFIXES, (letter, name)) or 0.0


def _behind(text: str, prefixes: Sequence[str], accepted: Sequence[str]) -> float | None:
    """Whether an accepted text follows the first of the prefixes that is there; None if none is."""
    for prefix in prefixes:
        place = text.find(prefix)
        if place >= 0:
            return float(text[place + len(prefix) + 1 :].startswith(tuple(accepted))) if len(text) > place + len(prefix) else 0.0
    return None


def _choice(answer: str, label: Label) -> float:
    """The letter at the beginning, else the whole text, else what follows "answer is" and the like, else the first letter alone."""
    plain, accepted = answer.strip(), [str(one) for one in label]
    if not plain:
        return 0.0
    if plain[0] in LETTERS:
        return float(plain[0] in accepted)
    if plain in accepted:
        return 1.0
    plain = re.sub(" {2,}", " ", plain.translate(_spaces("\n\"'.,?!{}")))
    behind = _behind(plain, _CHOICE_PREFIXES, accepted)
    if behind is not None:
        return behind
    return next((float(word in accepted) for word in plain.split() if word in LETTERS), 0.0)


def _f1(answer: str, label: Label) -> float:
    golds = [str(gold) for gold in label]
    return max((token_f1(answer, [gold]) for gold in golds if token_f1(gold, [""]) == 0), default=0.0)


def _f1_characters(answer: str, label: Label) -> float:
    said = normalised_zh(answer)
    return max((f1_of(said, normalised_zh(str(gold))) for gold in label), default=0.0)


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeLsum"], use_stemmer=False)


def _summary(answer: str, label: Label) -> float:
    return max((float(_rouge().score(str(gold), answer)["rougeLsum"].fmeasure) for gold in label), default=0.0)


def _values(answer: str, label: Label) -> float:
    """Share of the wanted values that the answer begins with, in their order."""
    said = re.findall("[0-9]+", answer)
    right = 0
    for value, found in zip(label, said, strict=False):
        if value != int(found[:4_000]):
            break
        right += 1
    return right / len(label)


_NUMBER = "A fact that matters is hidden in a long text that does not. Find it.\n\n{context}\n\n{input}"
_OPTIONS = "\n\n{options}\n\nExactly one of the options is right. Answer with its letter alone: A, B, C or D."
SETS = {
    "passkey": Set(_first_number, 32, _NUMBER),
    "number_string": Set(_first_number, 32, _NUMBER),
    "kv_retrieval": Set(_word, 64, "Give the value of the key that is asked for, from the JSON object below.\n\n{context}\n\n{input}"),
    "longbook_sum_eng": Set(_summary, 1200, "Summarize the book below.\n\n{context}\n\nWrite the summary."),
    "longbook_choice_eng": Set(_choice, 64, "Read the book, then answer the question.\n\n{context}\n\nQuestion: {input}" + _OPTIONS),
    "longbook_qa_eng": Set(_f1, 64, "Read the book, then answer the question.\n\n{context}\n\nQuestion: {input}\n\nBe very brief."),
    "longbook_qa_chn": Set(_f1_characters, 64, "请阅读下面的书，然后回答问题。\n\n{context}\n\n问题：{input}\n\n请尽量简短地回答。"),
    "longdialogue_qa_eng": Set(_name, 64, "In the script below a character's name is replaced by $$MASK$$ in one place. Guess who that is.\n\n{context}\n\nWho is $$MASK$$? Give the name alone, as it stands before the colons."),
    "math_find": Set(_found_number, 32, "{input}\n\n{context}\n\n{input}"),
    "math_calc": Set(_values, 4096, "Work out the value after each operation of this long expression, and list all of these values in their order.\n\n{context}"),
    "code_run": Set(_last_number, 64, "Below are Python functions.\n\n{context}\n\n{input} Be brief; end with the value."),
    "code_debug": Set(_bug, 64, "Exactly one function of the code below was made to hold an obvious error. Find it.\n\n{context}\n\n{input}" + _OPTIONS.replace("with its letter alone", 'as in "The answer is: A"')),
}  # fmt: skip


def score(name: str, answer: str, label: Label) -> float:
    """The score of one answer, from 0 to 1."""
    return SETS[name].scorer(answer, label)
