"""Prompts of items, made longer by text around them to the asked number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contextrot.errors import ConfigError
from contextrot.samples.composed import Messages, haystack_of
from contextrot.samples.corpus import topic_documents
from contextrot.samples.haystack import DEPTH_TOLERANCE, Insertion, SentencePool
from contextrot.samples.prompts import DATASET_ASIDE, DATASET_ASIDE_ANSWER
from contextrot.samples.sentences import cut_long

if TYPE_CHECKING:
    from contextrot.task import SampleContext
    from contextrot.tasks.dataset.data import Item

OTHERS = "others"
SHORTEST_TELLTALE = 4
"""Letters of an answer from which on other documents that hold it are left out of the filler."""
_PLACE = "\n\n\N{REFERENCE MARK}\n\n"
"""Stands for a conversation among its filler while that is composed."""


@dataclass(frozen=True)
class Padded:
    """A prompt of an asked length.

    Attributes:
        messages: the chat.
        actual_depth: percent of the filler's tokens before the item's own text.
        on_target: whether that is the asked depth, to 1 %.
        answer_in_filler: whether an accepted answer stands in the filler by chance.
        repetitions: see Haystack.
    """

    messages: Messages
    actual_depth: float
    on_target: bool
    answer_in_filler: bool
    repetitions: float


class Filler:
    """The text that is put around items: a corpus, or the other items' contexts.

    Args:
        pad_with: `others`, or a topic.
        items: all items of the set.
    """

    def __init__(self, pad_with: str, items: Sequence[Item], context: SampleContext) -> None:
        self._context, self._others = context, pad_with == OTHERS
        self._texts = list(dict.fromkeys(text for item in items if (text := own_text(item)).strip())) if self._others else []
        if self._others and len(self._texts) < 2:
            raise ConfigError("pad_with = 'others': the data set has no second context to pad with; name a topic or folder.")
        documents = [_lines(text) for text in self._texts] if self._others else topic_documents(pad_with, context.data)
        self.pool = SentencePool(documents, context.tokenizer)
        self._ends = [*self.pool.starts[1:], len(self.pool.pieces)]

    def order(self, item: Item, rng: np.random.Generator) -> np.ndarray:
        """The pieces in the order in which they are taken: other documents in a random order, without those that hold an answer."""
        if not self._others:
            return self.pool.original_order(rng)
        other = [i for i in rng.permutation(len(self._texts)) if self._texts[i] != own_text(item)]
        plain = [i for i in other if not _holds(self._texts[i], item.answers)]
        return np.concatenate([np.arange(self.pool.starts[i], self._ends[i]) for i in plain or other])

    def around(
        self,
        item: Item,
        length: int,
        depth: float,
        chat: Callable[[str, Messages], Messages],
        rng: np.random.Generator,
        name: str,
    ) -> Padded:
        """The item with filler around its context (or its conversation), so that the rendered prompt has `length` tokens.

        Args:
            chat: the messages of a context and a history.
        """
        own = _PLACE if item.history else f"\n\n{item.context.strip()}\n\n"
        history = list(item.history)

        def messages(text: str) -> Messages:
            if not history:
                return chat(text.strip("\n"), [])
            before, _, after = text.partition(_PLACE.strip())
            split = 1 if history[0]["role"] == "system" else 0
            return chat(item.context, [*history[:split], *_aside(before), *history[split:], *_aside(after)])

        found = haystack_of(
            self._context, self.pool, self.order(item, rng), [Insertion(own, depth / 100)], length, messages, name
        )
        filler = found.text.replace(own.strip(), "", 1)
        telltale = [answer for answer in item.answers if len(answer) >= SHORTEST_TELLTALE]
        return Padded(
            messages=messages(found.text),
            actual_depth=100 * found.depths[0],
            on_target=abs(found.depths[0] - depth / 100) <= DEPTH_TOLERANCE + 1e-9,
            answer_in_filler=_holds(filler, telltale),
            repetitions=found.repetitions,
        )


def own_text(item: Item) -> str:
    """The item's own context; a conversation as one text."""
    return item.context or "\n".join(message["content"] for message in item.history)


def _holds(text: str, answers: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(len(answer) >= SHORTEST_TELLTALE and answer.casefold() in folded for answer in answers)


def _aside(text: str) -> Messages:
    """Filler as an exchange of its own in a conversation; nothing for no text."""
    text = text.strip()
    if not text:
        return []
    return [
        {"role": "user", "content": DATASET_ASIDE.format(text=text)},
        {"role": "assistant", "content": DATASET_ASIDE_ANSWER},
    ]


def _lines(text: str) -> list[str]:
    """A document's pieces with its own line breaks, so that code and tables stay what they are."""
    lines = [piece for line in text.strip().splitlines() for piece in cut_long("\n" + line)]
    return [f"\n{lines[0]}", *lines[1:]]
