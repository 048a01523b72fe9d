"""Samples of an asked length, whatever their prompts are made of: text with insertions, or as many units (documents, edges, words) as fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError
from contextrot.records import Sample
from contextrot.samples.haystack import LENGTH_TOLERANCE, Haystack, Insertion, SentencePool
from contextrot.samples.realised import length_fault
from contextrot.samples.sentences import cuts, word_cuts

if TYPE_CHECKING:
    import numpy as np

    from contextrot.task import SampleContext

Messages = list[dict[str, str]]
LETTERS_OF_A_TOKEN = 16
"""More than a token has in the mean, with hardly any tokenizer and text."""


def largest(fits: Callable[[int], bool], most: int) -> int:
    """The largest number from 0 to `most` that fits, given that all smaller ones do; -1 if not even 0 does."""
    low, high = -1, most
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


def longest_beginning(text: str, fits: Callable[[str], bool], short_of: Callable[[str], int] | None = None) -> str:
    """The longest beginning of a text that fits: up to a word's end, or inside a word if that leaves too much room.

    Args:
        short_of: how many tokens a beginning leaves free; inside words is looked only if those are over the tolerance.
    """
    if fits(text):
        return text
    places = [0, *word_cuts(text)]
    found = text[: places[max(0, largest(lambda n: fits(text[: places[n]]), len(places) - 1))]]
    if short_of is not None and short_of(found) > LENGTH_TOLERANCE:
        start = len(found)
        places = [0, *(place for place in cuts(text[start : start + 4000]))]
        found = text[: start + places[max(0, largest(lambda n: fits(text[: start + places[n]]), len(places) - 1))]]
    return found


def cut_to(text: str, where: str, length: int, count: Callable[[str], int]) -> str:
    """The text without its start, middle or end, so that the prompt has at most `length` tokens, as near as the tokenizer allows.

    Raises:
        ConfigError: if nothing of the text fits.
    """
    if count(text) <= length:
        return text
    if count("") > length:
        raise ConfigError(f"length {length} is too short for the prompt without any context; ask for more tokens.")
    text = _near_the_length(text, where, length, count)
    if where == "end":
        return longest_beginning(text, lambda part: count(part) <= length, lambda part: length - count(part))
    places = [0, *word_cuts(text), len(text)]
    if len(places) < 50 or max(b - a for a, b in pairwise(places)) > 60:  # hardly a space in it
        places = list(range(len(text) + 1))
    last = len(places) - 1

    def kept(words: int) -> str:
        front = (words + 1) // 2 if where == "middle" else 0
        return text[: places[front]] + text[places[last - (words - front)] :]

    words = largest(lambda n: count(kept(n)) <= length, last)
    part = kept(words)
    while words < last and count(part) < length:  # joins may cost a token less than the search took them for
        longer = kept(words + 1)
        if count(longer) > length:
            break
        words, part = words + 1, longer
    return part


def _near_the_length(text: str, where: str, length: int, count: Callable[[str], int]) -> str:
    """The text, or of one that is many times too long as much as is surely too long still, so that the search counts no megabytes."""
    letters = LETTERS_OF_A_TOKEN * length
    while letters < len(text):
        front = {"start": 0, "middle": letters // 2, "end": letters}[where]
        part = text[:front] + text[len(text) - (letters - front) :]
        if count(part) > 2 * length:
            return part
        letters *= 2
    return text


def haystack_of(
    context: SampleContext,
    pool: SentencePool,
    order: np.ndarray,
    insertions: Sequence[Insertion],
    length: int,
    messages: Callable[[str], Messages],
    name: str,
) -> Haystack:
    """A haystack with which the prompt has `length` tokens; see SentencePool.compose.

    Raises:
        ConfigError: if the prompt is longer without any filler.
    """
    found = pool.compose(order, insertions, length, lambda text: context.tokenizer.count_chat(messages(text)))
    if found is None:
        raise too_short(length, name)
    return found


def too_short(length: int, name: str) -> ConfigError:
    """The error for a length that a prompt does not go into."""
    return ConfigError(f"length {length} is too short for the prompt of {name!r}, without any filler; ask for more tokens.")


def sample_of_length(
    context: SampleContext,
    sample_id: str,
    length: int,
    references: list[str],
    answer_tokens: int,
    build: Callable[[], tuple[Messages, dict[str, Any]]],
    condition: dict[str, Any],
) -> Sample:
    """A sample whose rendered prompt has `length` tokens, or a few less (LENGTH_TOLERANCE); counted here.

    Args:
        build: gives the messages, and what is known of the sample only when it is built; not called if `length` and the answer are
            over the window.
        condition: the task's columns, those of `build` among them with what stands there if nothing is built.

    Raises:
        ConfigError: if what was built has another length.
    """
    output_tokens = context.output_tokens(answer_tokens)
    fits = context.fits(length, output_tokens)
    messages, known = build() if fits else ([], {})
    tokens = context.tokenizer.count_chat(messages) if fits else None
    if tokens is not None and (fault := length_fault(length, tokens)):
        raise ConfigError(f"sample {sample_id} is not what was asked: {fault}. Ask for longer prompts, or another filler text.")
    return Sample(
        sample_id=sample_id,
        messages=messages,
        references=references,
        max_output_tokens=output_tokens,
        target_tokens=length,
        prompt_tokens=tokens,
        fits_window=fits,
        condition=condition | known,
    )
