"""Token sequences that share beginnings, as a tree, and the passes that run every shared token through a model once.

A *pass* is one call of the model. Whole subtrees that fit a token budget are packed into one pass, in which each token
attends to its own ancestors only; what is longer goes in chunks whose keys and values stay cached for all that follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np


@dataclass
class Node:
    """A run of tokens without a fork.

    Attributes:
        tokens: the run.
        position: of its first token in every sequence that goes through it.
        children: by their first token.
        first: number of its first token in the tree, in preorder.
        size: tokens in it and below it.
    """

    tokens: list[int]
    position: int
    children: dict[int, Node] = field(default_factory=dict)
    first: int = -1
    size: int = 0

    @property
    def end(self) -> int:
        """Position after its last token."""
        return self.position + len(self.tokens)


@dataclass(frozen=True)
class Pass:
    """One call of the model.

    Attributes:
        past: cached tokens that precede all of these, P.
        tokens: ids, T.
        positions: of each token in its sequence, T.
        numbers: of each token in the tree, T.
        spans: (start, length, parent) of each run; the parent is the place in `tokens` of the token before it, -1 for the past.
        keep: whether keys and values of these tokens must stay cached.
    """

    past: int
    tokens: list[int]
    positions: list[int]
    numbers: list[int]
    spans: list[tuple[int, int, int]]
    keep: bool

    @property
    def causal(self) -> bool:
        """Whether each token follows the one before it, so that the usual causal mask is right."""
        return all(parent == start - 1 for start, _, parent in self.spans)

    def allowed(self) -> np.ndarray:
        """Which tokens each token attends to, shape (T, P + T)."""
        mask = np.zeros((len(self.tokens), self.past + len(self.tokens)), bool)
        mask[:, : self.past] = True
        for start, length, parent in self.spans:
            if parent >= 0:
                mask[start : start + length] = mask[parent]
            own = slice(self.past + start, self.past + start + length)
            mask[start : start + length, own] = np.tri(length, dtype=bool)
        return mask


class PrefixTree:
    """The tree of some sequences.

    Args:
        sequences: token ids; none may be empty.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        self.root = Node([], 0)
        for sequence in sequences:
            if not sequence:
                raise ValueError("an empty sequence has no place in a prefix tree")
            self._insert(list(sequence))
        self.tokens = _number(self.root, 0)
        """Tokens in the tree, each shared one once."""

    def _insert(self, sequence: list[int]) -> None:
        node, at = self.root, 0
        while at < len(sequence):
            child = node.children.get(sequence[at])
            if child is None:
                node.children[sequence[at]] = Node(sequence[at:], at)
                return
            shared = _common(child.tokens, sequence, at)
            if shared < len(child.tokens):
                upper = Node(child.tokens[:shared], child.position)
                child.tokens, child.position = child.tokens[shared:], child.position + shared
                upper.children[child.tokens[0]] = child
                node.children[upper.tokens[0]] = upper
                child = upper
            node, at = child, at + shared

    def locate(self, sequence: Sequence[int]) -> list[int]:
        """Numbers of a sequence's tokens in the tree; the sequence must be one of the tree's, or begin one."""
        node, numbers = self.root, []
        while len(numbers) < len(sequence):
            node = node.children[sequence[len(numbers)]]
            numbers.extend(range(node.first, node.first + min(len(node.tokens), len(sequence) - len(numbers))))
        return numbers

    def passes(self, budget: int) -> Iterator[Pass]:
        """The passes that compute the whole tree, each of at most `budget` tokens, in an order in which the cached tokens
        before each are exactly its first `past` ones (after cropping the cache to that length)."""
        yield from _children_passes(self.root, budget)


def _common(run: list[int], sequence: list[int], at: int) -> int:
    """How many tokens of a run the sequence repeats from place `at`."""
    if run == sequence[at : at + len(run)]:
        return len(run)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(run, sequence[at : at + len(run)], strict=False)))


def _number(node: Node, first: int) -> int:
    """Numbers the tokens below and returns how many there are."""
    node.first = first
    node.size = len(node.tokens)
    for child in node.children.values():
        node.size += _number(child, first + node.size)
    return node.size


def _children_passes(node: Node, budget: int) -> Iterator[Pass]:
    together: list[Node] = []
    for child in node.children.values():
        if child.size > budget:
            yield from _long_passes(child, budget)
            continue
        if together and sum(n.size for n in together) + child.size > budget:
            yield _packed(together, node.end)
            together = []
        together.append(child)
    if together:
        yield _packed(together, node.end)


def _long_passes(node: Node, budget: int) -> Iterator[Pass]:
    for start in range(0, len(node.tokens), budget):
        tokens = node.tokens[start : start + budget]
        position, number = node.position + start, node.first + start
        yield Pass(
            past=position,
            tokens=tokens,
            positions=list(range(position, position + len(tokens))),
            numbers=list(range(number, number + len(tokens))),
            spans=[(0, len(tokens), -1)],
            keep=bool(node.children) or start + budget < len(node.tokens),
        )
    yield from _children_passes(node, budget)


def _packed(nodes: list[Node], past: int) -> Pass:
    packed = Pass(past, [], [], [], [], keep=False)

    def add(node: Node, parent: int) -> None:
        start = len(packed.tokens)
        packed.tokens.extend(node.tokens)
        packed.positions.extend(range(node.position, node.end))
        packed.numbers.extend(range(node.first, node.first + len(node.tokens)))
        packed.spans.append((start, len(node.tokens), parent))
        for child in node.children.values():
            add(child, start + len(node.tokens) - 1)

    for node in nodes:
        add(node, -1)
    return packed
