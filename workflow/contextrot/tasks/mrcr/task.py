"""MRCR: a long conversation with several like requests; the text that answered the i-th of them is asked for.

Source: OpenAI (2025), MRCR (data set openai/mrcr), after K. Vodrahalli et al. (2024), Michelangelo (arXiv 2409.12640). The conversations
are drawn here, the words are this project's own; README.md beside this file lists the deviations.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from contextrot.records import Response, Sample
from contextrot.samples.composed import Messages, largest, sample_of_length, too_short
from contextrot.samples.haystack import SentencePool
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.mrcr.texts import FORMS, TOPICS, piece
from contextrot.tasks.mrcr.wording import ORDINALS, QUESTION, REQUEST

if TYPE_CHECKING:
    import numpy as np

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PREFIX_LETTERS = 10
SMALLEST_EXCHANGE = 30
"""Tokens that a request and its answer have at least, with any tokenizer."""
SPARE_SENTENCES = 60


class MrcrParameters(Parameters):
    """Parameters of task `mrcr`."""

    lengths: list[Annotated[int, Field(gt=0)]] = [4_096, 8_192, 16_384, 32_768, 65_536, 131_072]
    """Lengths of the rendered prompt, tokens."""
    needles: list[Annotated[int, Field(ge=2, le=len(ORDINALS))]] = [2, 4, 8]
    """How many like requests there are, 2 to 8."""
    lines: int = Field(5, ge=1, le=100)
    """Sentences of an answer between its first and its last."""
    repeats: int = Field(25, ge=1, le=100_000)
    """Conversations of each number of needles and length; which request is asked for goes round."""


class Mrcr(Task):
    """Can the model tell like things apart by their order?"""

    Parameters = MrcrParameters
    version = 1
    judged = False
    groupings = [("length",), ("needles", "length"), ("ordinal", "length"), ("needles",), ()]
    measures = ["score", "prefixed", "exact"]
    ranges = dict.fromkeys(("prefixed", "exact"), (0, 1))
    length_column = "length"
    pair_columns = ["needles", "length", "repeat"]

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        return [
            self._sample(context, needles, length, repeat)
            for needles, length, repeat in product(p.needles, p.lengths, range(p.repeats))
        ]

    def _sample(self, context: SampleContext, needles: int, length: int, repeat: int) -> Sample:
        name = f"{needles}-needles-{length:07d}-{repeat:04d}"
        rng = context.rng("mrcr", needles, length, repeat)
        ordinal = repeat % needles + 1
        form, topic = FORMS[int(rng.integers(len(FORMS)))], TOPICS[int(rng.integers(len(TOPICS)))]
        texts = [" ".join(piece(topic, rng, self.parameters.lines)) for _ in range(needles)]
        prefix = "".join(LETTERS[i] for i in rng.integers(len(LETTERS), size=PREFIX_LETTERS))
        gold = prefix + texts[ordinal - 1]

        def build() -> tuple[Messages, dict[str, Any]]:
            last = QUESTION.format(ordinal=ORDINALS[ordinal - 1], form=form, topic=topic, prefix=prefix)
            messages, depth = _conversation(context, (form, topic), texts, last, length, self.parameters.lines, rng, name)
            return messages, {"depth": depth[ordinal - 1]}

        condition = {
            "needles": needles,
            "ordinal": ordinal,
            "length": length,
            "repeat": repeat,
            "prefix": prefix,
            "question": f"{ORDINALS[ordinal - 1]} {form} about {topic}",
            "depth": None,
        }
        limit = int(1.5 * len(context.tokenizer.encode(gold))) + 32
        return sample_of_length(context, name, length, [gold], limit, build, condition)

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """Ratio of matching text behind the prefix (0 without it), whether the prefix is there, and whether all is word for word."""
        answer, gold, prefix = response.text or "", sample.references[0], sample.condition["prefix"]
        return {
            "score": matching_ratio(answer, gold, prefix),
            "prefixed": float(answer.startswith(prefix)),
            "exact": float(answer.strip() == gold),
        }


def matching_ratio(answer: str, gold: str, prefix: str) -> float:
    """difflib's ratio of answer and gold, both without the prefix; 0 if the answer does not begin with it (openai/mrcr's grading)."""
    if not answer.startswith(prefix):
        return 0.0
    return float(SequenceMatcher(None, answer.removeprefix(prefix), gold.removeprefix(prefix)).ratio())


def _exchange(form: str, topic: str, text: str) -> Messages:
    return [
        {"role": "user", "content": REQUEST.format(form=form, topic=topic)},
        {"role": "assistant", "content": text},
    ]


def _conversation(
    context: SampleContext,
    asked: tuple[str, str],
    texts: list[str],
    last: str,
    length: int,
    lines: int,
    rng: np.random.Generator,
    name: str,
) -> tuple[Messages, list[float]]:
    """The conversation of `length` tokens, and where each needle stands, percent of its messages before it.

    The other requests have the form or the topic of the needles, or neither; the last of them has an answer as long as is missing.
    """
    pairs = [(form, topic) for form in FORMS for topic in TOPICS if (form, topic) != asked]
    near = [pair for pair in pairs if (pair[0] == asked[0]) != (pair[1] == asked[1])]

    def other() -> Messages:
        drawn = near if rng.random() < 0.5 else pairs
        form, topic = drawn[int(rng.integers(len(drawn)))]
        return _exchange(form, topic, " ".join(piece(topic, rng, lines)))

    fillers = [other() for _ in range(length // SMALLEST_EXCHANGE + 2)]
    keys = rng.random(len(fillers) + len(texts))
    keys[: len(texts)] = sorted(keys[: len(texts)])  # the needles keep their order
    stretched = _exchange(*pairs[int(rng.integers(len(pairs)))], "")
    place = float(rng.random())

    def messages(count: int, text: str = "") -> tuple[Messages, list[float]]:
        parts = [(keys[i], _exchange(*asked, one), i) for i, one in enumerate(texts)]
        parts += [(keys[len(texts) + i], one, -1) for i, one in enumerate(fillers[:count])]
        if text:
            parts.append((place, [stretched[0], {**stretched[1], "content": text}], -1))
        parts.sort(key=lambda part: part[0])
        depths = [100 * n / len(parts) for n, part in enumerate(parts) if part[2] >= 0]
        return [*(message for part in parts for message in part[1]), {"role": "user", "content": last}], depths

    def tokens(count: int, text: str = "") -> int:
        return context.tokenizer.count_chat(messages(count, text)[0])

    count = largest(lambda n: tokens(n) <= length, len(fillers) - 1)
    if count < 0:
        raise too_short(length, name)
    topic = stretched[0]["content"].rpartition(" about ")[2].rstrip(".")
    sentences = [" " + sentence for sentence in piece(topic, rng, SPARE_SENTENCES)]
    pool = SentencePool([sentences], context.tokenizer)
    for fewer in range(4):  # an exchange needs some room: one filler less where too little is left
        if count - fewer < 0:
            break
        found = pool.compose(pool.original_order(rng), [], length, lambda text, n=count - fewer: tokens(n, text or "."))
        if found is not None and found.text and length - found.prompt_tokens <= 2:
            return messages(count - fewer, found.text)
    raise too_short(length, name)
