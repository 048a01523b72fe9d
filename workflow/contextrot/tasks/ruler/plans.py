"""What each of RULER's synthetic tasks asks: drawn first, with its gold answers; built to the asked length afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from contextrot.samples.composed import Messages, haystack_of, largest, too_short
from contextrot.samples.haystack import LENGTH_TOLERANCE, Insertion, SentencePool
from contextrot.tasks.ruler import wording
from contextrot.tasks.ruler.words import distinct_letters, distinct_numbers, distinct_uuids, distinct_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from contextrot.task import SampleContext

PLACES = 40
"""Depths at which needles may stand, evenly spaced."""
COMMON, TOP_CODED = 10, 3
FREQUENCIES = ((30, 3), (20, 2), (10, 1), (5, 1), (3, 1))
"""How often common and other words stand in a list: the paper's, and less in prompts that are too short for those."""
ZETA_2 = math.pi**2 / 6
TOKENS_OF_A_LINE = 10
"""A needle has more tokens than this with any tokenizer."""


@dataclass(frozen=True)
class Plan:
    """One question.

    Attributes:
        references: the texts that the answer must hold.
        build: makes the messages of an asked length.
        known: further columns.
    """

    references: list[str]
    build: Callable[[], Messages]
    known: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Needles:
    """One configuration of the needle family (the paper's appendix B).

    Attributes:
        haystack: noise, essay, or needle (all of the text is needles).
        keys, values: words, numbers or uuids.
        others: keys that are not asked for.
        per_key: values of an asked key.
        asked: keys that are asked for.
    """

    haystack: str
    keys: str = "words"
    values: str = "numbers"
    others: int = 0
    per_key: int = 1
    asked: int = 1


NEEDLES = {
    "niah_single_1": Needles("noise"),
    "niah_single_2": Needles("essay"),
    "niah_single_3": Needles("essay", values="uuids"),
    "niah_multikey_1": Needles("essay", others=3),
    "niah_multikey_2": Needles("needle"),
    "niah_multikey_3": Needles("needle", keys="uuids", values="uuids"),
    "niah_multivalue": Needles("essay", per_key=4),
    "niah_multiquery": Needles("essay", asked=4),
}
KINDS = {"words": distinct_words, "numbers": distinct_numbers, "uuids": distinct_uuids}
NAMES = {"numbers": "number", "uuids": "code"}


def one_message(content: str) -> Messages:
    """A chat of one prompt."""
    return [{"role": "user", "content": content}]


def noise_pool(context: SampleContext) -> SentencePool:
    """The repeated sentences as a corpus."""
    return SentencePool([[" " + sentence for sentence in wording.NOISE]], context.tokenizer)


def plan_needles(
    kind: Needles, pools: Callable[[str], SentencePool], context: SampleContext, length: int, rng: np.random.Generator, name: str
) -> Plan:
    """Needles in a haystack: any number of keys and values, some of them asked for."""
    what = NAMES[kind.values]
    keys, values = KINDS[kind.keys](rng), KINDS[kind.values](rng)
    asked = list(islice(keys, kind.asked))
    gold = {key: list(islice(values, kind.per_key)) for key in asked}
    other = {key: list(islice(values, 1)) for key in islice(keys, kind.others)}

    def line(key: str, value: str) -> str:
        return wording.NEEDLE.format(kind=what, key=key, value=value)

    lines = [line(key, value) for drawn in (gold, other) for key, found in drawn.items() for value in found]
    depths = rng.permutation(PLACES)[: len(lines)] / (PLACES - 1)
    named = " and ".join(asked) if len(asked) < 3 else f"{', '.join(asked[:-1])} and {asked[-1]}"
    several = kind.asked * kind.per_key > 1
    question = (wording.ALL_VALUES if several else wording.ONE_VALUE).format(kind=what, keys=named)

    def build() -> Messages:
        if kind.haystack == "needle":
            count = length // TOKENS_OF_A_LINE + 50
            filler = [f"\n{line(*pair)}" for pair in zip(islice(keys, count), values, strict=False)]
            pool = SentencePool([filler], context.tokenizer)
        else:
            pool = pools(kind.haystack)
        separated = [f"\n{text}" if kind.haystack == "needle" else text for text in lines]
        insertions = [Insertion(text, depth, exact=False) for text, depth in zip(separated, depths, strict=True)]
        order = pool.original_order(rng)

        def messages(text: str) -> Messages:
            return one_message(wording.NEEDLES.format(kind=what, haystack=text, question=question))

        return messages(haystack_of(context, pool, order, insertions, length, messages, name).text)

    depth = float(100 * depths[: kind.asked * kind.per_key].mean())
    return Plan([value for found in gold.values() for value in found], build, {"question": question, "depth": depth})


def plan_tracking(
    pool: SentencePool, context: SampleContext, length: int, rng: np.random.Generator, name: str, hops: int, chains: int
) -> Plan:
    """Variable tracking: chains of assignments, each a value and `hops` further variables; the first chain is asked for."""
    names = distinct_letters(rng, 5, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    values = list(islice(distinct_numbers(rng, 5), chains))
    drawn = [list(islice(names, hops + 1)) for _ in range(chains)]
    insertions = []
    for value, chain in zip(values, drawn, strict=True):
        assigned = [value, *(f"VAR {variable}" for variable in chain)]
        for variable, given, depth in zip(chain, assigned, sorted(rng.random(len(chain))), strict=False):
            text = wording.ASSIGNMENT.format(name=variable, value=given)
            insertions.append(Insertion(f"\n{text}\n", float(depth), exact=False))
    question = f"value {values[0]}"

    def build() -> Messages:
        def messages(text: str) -> Messages:
            return one_message(wording.TRACKING.format(haystack=text, value=values[0], count=hops + 1))

        return messages(haystack_of(context, pool, pool.original_order(rng), insertions, length, messages, name).text)

    return Plan(drawn[0], build, {"question": question, "depth": None})


def plan_common_words(context: SampleContext, length: int, rng: np.random.Generator, name: str) -> Plan:
    """Common words: ten that stand often in a list of others that stand seldom."""
    words = distinct_words(rng)
    common = list(islice(words, COMMON))
    seed = int(rng.integers(2**32))

    def build() -> Messages:
        others = list(islice(words, length // 2))

        def messages(often: int, seldom: int, count: int, once: Sequence[str] = ()) -> Messages:
            listed = [*common * often, *others[:count] * seldom, *once]
            order = _shuffled(len(listed), seed)
            text = " ".join(f"{place}. {listed[i]}" for place, i in enumerate(order, 1))
            return one_message(wording.COMMON_WORDS.format(text=text, count=COMMON))

        def fits(made: Messages) -> bool:
            return context.tokenizer.count_chat(made) <= length

        often, seldom = next((pair for pair in FREQUENCIES if fits(messages(*pair, COMMON))), (0, 0))
        if not often:
            raise too_short(length, name)
        count = largest(lambda n: fits(messages(often, seldom, n)), len(others) // 2)
        extra: list[str] = []
        spare = others[count + 1 :]
        for word in spare:  # one by one, and of the last the one that leaves least
            if not fits(messages(often, seldom, count, [*extra, word])):
                break
            extra.append(word)
        made = messages(often, seldom, count, extra)
        for word in spare[len(extra) : len(extra) + 200]:
            if length - context.tokenizer.count_chat(made) <= LENGTH_TOLERANCE:
                break
            longer = messages(often, seldom, count, [*extra, word])
            made = longer if fits(longer) else made
        return made

    return Plan(common, build, {"question": "most common words", "depth": None})


def plan_frequent_words(context: SampleContext, length: int, rng: np.random.Generator, name: str) -> Plan:
    """Frequent words: coded words whose frequencies fall as 1/rank² (alpha 2); the first rank is dots, the next three are asked for."""
    coded = list(islice(distinct_letters(rng, 6, "abcdefghijklmnopqrstuvwxyz"), max(50, length // 50)))
    seed = int(rng.integers(2**32))

    def build() -> Messages:
        def counts(total: int) -> list[int]:
            return [int(total / ZETA_2 / rank**2) for rank in range(2, len(coded) + 2)]

        def messages(total: int, dots: int = 0) -> Messages:
            listed = ["..."] * (int(total / ZETA_2) + dots)
            for word, count in zip(coded, counts(total), strict=True):
                listed += [word] * count
            text = " ".join(listed[i] for i in _shuffled(len(listed), seed))
            return one_message(wording.FREQUENT_WORDS.format(text=text, count=TOP_CODED))

        def tokens(total: int, dots: int = 0) -> int:
            return context.tokenizer.count_chat(messages(total, dots))

        total = largest(lambda n: tokens(n) <= length, 2 * length)
        found = counts(max(total, 0))[: TOP_CODED + 1]
        if len(set(found)) <= TOP_CODED:  # no unique answer
            raise too_short(length, name)
        while tokens(total) > length:
            total -= 1
        dots = 0
        while (missing := length - tokens(total, dots)) > 0 and dots < 200:
            dots += max(1, missing // 4)
        while tokens(total, dots) > length:
            dots -= 1
        return messages(total, max(dots, 0))

    return Plan(coded[:TOP_CODED], build, {"question": "most frequent coded words", "depth": None})


def _shuffled(size: int, seed: int) -> np.ndarray:
    """A random order of so many things, the same for a seed."""
    import numpy

    return numpy.random.default_rng(seed).permutation(size)
