"""Repeat the following text exactly, and write nothing else:

apples apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple [...]
-> apples apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple apple [...]

Repeated words: copy a text of one word repeated many times, with one word of it another.

Source: K. Hong, A. Troynikov, J. Huber (2025), Context Rot (Chroma). Deviations, all of them mends:

- The last position is measured and drawn; a bin without an answer is empty, not 0.
- The changed word is found as a word (for "apples" changed to "apple", the text "apples" does not hold it).
- An answer that is no copy is empty, refused or off the task (it says something else): `score` counts each of the three as 0, the other
  measures leave each of them out, and `empty`, `refusal` and `off_task` say how many there were. Chroma's filter takes what is off the
  task for a refusal.
- `other_words` is the share of copies with words around them ("Sure, here is the text:"), which lower the similarity of a short text
  more than that of a long one: form, not copying.
- A text longer than the model's longest answer is not sent, instead of being left out of the account.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from contextrot.matching.scorers import levenshtein
from contextrot.records import Response, Sample
from contextrot.samples import prompts
from contextrot.task import Parameters, SampleContext, Task

if TYPE_CHECKING:
    from collections.abc import Sequence


COUNTS = [25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000]
EVERY_POSITION_BELOW = 100
FEWEST_COPIED_WORDS = 15
"""An answer with words of its own that repeats the common word less often than this is no copy (for short texts: less often
than half of the text). Source: Chroma's filter, which advises a look by eye; the answers are in responses.parquet."""
POSITION_BINS = 20
MIN_FOR_INTERVAL = 5
_REFUSES = re.compile(
    r"\b(?:sorry|apologi[sz]e|can[’']t|cannot|can not|won[’']t|will not|unable to|not able to|refuse|decline)\b", re.IGNORECASE
)
"""What a refusal says in its first words."""
_FIRST_CHARACTERS = 200
_EDGE = "\"'`“”‘’.,;:!?()[]*"


def _split_pair(value: Any) -> Any:
    return re.split(r"\s*[|/]\s*", value) if isinstance(value, str) else value


def _check_pair(pair: tuple[str, str]) -> tuple[str, str]:
    common, modified = (" ".join(words.split()) for words in pair)
    if not common or not modified or common == modified:
        raise ValueError("a pair is two different words (or phrases): the repeated one and the one that stands once")
    return common, modified


WordPair = Annotated[tuple[str, str], BeforeValidator(_split_pair), AfterValidator(_check_pair)]


class RepeatedWordsParameters(Parameters):
    """Parameters of task `repeated_words`."""

    pairs: list[WordPair] = [("apple", "apples")]
    """Word pairs, the repeated word first: [apple, apples], or "apple | apples"; phrases of several words are allowed."""
    counts: list[Annotated[int, Field(ge=2, le=1_000_000)]] = COUNTS
    """How many words a text has."""
    positions: int | None = Field(None, ge=2)
    """How many positions of the changed word, evenly spaced from first to last; without it as published: every position
    below 100 words, else every (count // 100)-th and the last."""
    output_factor: float = Field(2.0, ge=1, le=1_000)
    """Limit of the answer, as a multiple of the text's own tokens; capped by the model's limit and its window."""


class RepeatedWords(Task):
    """Can the model copy a text that holds nothing to understand?"""

    Parameters = RepeatedWordsParameters
    version = 1
    judged = False
    groupings = [("count",), ("pair", "count"), ("count", "position_bin"), ("pair",), ()]
    measures = [
        "score", "levenshtein", "modified_word_present", "position_accuracy", "word_count_delta", "other_words", "refusal", "off_task", "empty",
    ]  # fmt: skip
    ranges = dict.fromkeys(
        ("levenshtein", "modified_word_present", "position_accuracy", "other_words", "refusal", "off_task", "empty"), (0, 1)
    )
    length_column = "count"
    length_parameter = "counts"
    cluster_column = "pair"
    pair_columns = ["pair", "count", "position"]

    def samples(self, context: SampleContext) -> list[Sample]:
        return [
            self._sample(context, pair, count, index)
            for pair in self.parameters.pairs
            for count in self.parameters.counts
            for index in positions(count, self.parameters.positions)
        ]

    def _sample(self, context: SampleContext, pair: tuple[str, str], count: int, index: int) -> Sample:
        common, modified = pair
        text = " ".join(modified if i == index else common for i in range(count))
        messages = [{"role": "user", "content": prompts.REPEATED_WORDS.format(text=text)}]
        text_tokens, prompt_tokens = len(context.tokenizer.encode(text)), context.tokenizer.count_chat(messages)
        wanted = context.output_tokens(int(text_tokens * self.parameters.output_factor))
        output_tokens = max(1, min(wanted, context.window - prompt_tokens))
        fits = output_tokens >= text_tokens
        name = "-".join(re.sub(r"\W+", "_", word) for word in pair)
        return Sample(
            sample_id=f"{name}-{count:05d}-{index:05d}",
            messages=messages if fits else [],
            references=[text],
            max_output_tokens=output_tokens,
            prompt_tokens=prompt_tokens,
            fits_window=fits,
            condition={
                "pair": f"{common} | {modified}",
                "common_word": common,
                "modified_word": modified,
                "count": count,
                "position": index,
                "position_percent": 100 * index / (count - 1),
                "position_bin": position_bin(index, count),
                "text_tokens": text_tokens,
            },
        )

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        condition = sample.condition
        return measure(
            None if response.outcome == "refused" else response.text or "",
            condition["common_word"],
            condition["modified_word"],
            condition["count"],
            condition["position"],
        )


def positions(count: int, wanted: int | None = None) -> list[int]:
    """Indices of the changed word, the last one among them; see RepeatedWordsParameters.positions."""
    if wanted is not None:
        wanted = min(wanted, count)
        return sorted({round(i * (count - 1) / (wanted - 1)) for i in range(wanted)})
    step = 1 if count < EVERY_POSITION_BELOW else count // EVERY_POSITION_BELOW
    return sorted({*range(0, count, step), count - 1})


def position_bin(index: int, count: int) -> int:
    """Which twentieth of the text a position is in, 0 to 19; the last position is in the last."""
    return min(POSITION_BINS * index // (count - 1), POSITION_BINS - 1)


def units_of(text: str, common: str, modified: str) -> list[str | None]:
    """The text as a sequence of the two words (or phrases), None for every other word; punctuation at words' edges is ignored."""
    words = [word.strip(_EDGE) for word in text.split()]
    known = sorted(((phrase.split(), phrase) for phrase in (common, modified)), key=lambda pair: -len(pair[0]))
    units, at = [], 0
    while at < len(words):
        size, unit = next(((len(parts), phrase) for parts, phrase in known if words[at : at + len(parts)] == parts), (1, None))
        units.append(unit)
        at += size
    return units


def is_off_task(units: Sequence[str | None], common: str, count: int) -> bool:
    """Whether an answer says something else instead of repeating."""
    return None in units and units.count(common) < min(FEWEST_COPIED_WORDS, count / 2)


def begin_of_copy(units: Sequence[str | None]) -> int:
    """Where the copy begins behind an introduction ("Sure, here is the text:"): the first two known words in succession."""
    return next((i for i in range(len(units) - 1) if units[i] is not None and units[i + 1] is not None), 0)


def why_no_copy(answer: str | None, units: Sequence[str | None], common: str, count: int) -> str | None:
    """`refusal`, `empty` or `off_task` for an answer that is no copy; None for one that is, however bad."""
    if answer is None:
        return "refusal"
    if not answer.strip():
        return "empty"
    if not is_off_task(units, common, count):
        return None
    return "refusal" if _REFUSES.search(answer[:_FIRST_CHARACTERS]) else "off_task"


def measure(answer: str | None, common: str, modified: str, count: int, index: int) -> dict[str, Any]:
    """All measures of one answer.

    Args:
        answer: None if the provider refused.
        count, index: words of the text, and which of them is changed.

    Returns:
        score: normalised Levenshtein similarity, 0 for what is no copy (`why_no_copy`).
        levenshtein: 1 - distance / length of the longer text, in characters; None for what is no copy, as the next three.
        modified_word_present: 1 if the changed word stands anywhere.
        position_accuracy: 1 if its first occurrence is where it should be, counted from where the copy begins; None if it is absent.
        word_count_delta: words of the text less words of the answer.
        other_words: 1 if a copy has words beside the two, its last one aside, which the limit may have cut; None for what is no copy.
        refusal, off_task, empty: 1 or 0.
    """
    units = units_of(answer or "", common, modified)
    why = why_no_copy(answer, units, common, count)
    kinds = {kind: float(kind == why) for kind in ("refusal", "off_task", "empty")}
    if why:
        blank = dict.fromkeys(("levenshtein", "modified_word_present", "position_accuracy", "word_count_delta", "other_words"))
        return {"score": 0.0, **blank, **kinds}
    gold = " ".join(modified if i == index else common for i in range(count))
    given = answer.strip()
    similarity = levenshtein(given, [gold])
    present = modified in units
    return {
        "score": similarity,
        "levenshtein": similarity,
        "modified_word_present": float(present),
        "position_accuracy": float(units.index(modified) - begin_of_copy(units) == index) if present else None,
        "word_count_delta": float(len(gold.split()) - len(given.split())),
        "other_words": float(None in units[:-1]),
        **kinds,
    }
