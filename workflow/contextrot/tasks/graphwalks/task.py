"""GraphWalks: a long list of edges, and a walk on it: breadth-first to a depth, or one step back.

Source: OpenAI (2025), GraphWalks (data set openai/graphwalks): graphs of hexadecimal names, F1 of the node sets. The graphs are drawn
here, the words are this project's own; README.md beside this file lists the deviations.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from contextrot.errors import ConfigError
from contextrot.records import Response, Sample
from contextrot.samples.composed import Messages, largest, sample_of_length, too_short
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.graphwalks import wording
from contextrot.tasks.graphwalks.graph import Edge, GrowingGraph, frontier, parents

if TYPE_CHECKING:
    import numpy as np

_ANSWER = re.compile(r"Final Answer: ?\[(.*)\]")
TOKENS_OF_AN_EDGE = 6
"""An edge has more tokens than this with any tokenizer."""


class GraphWalksParameters(Parameters):
    """Parameters of task `graphwalks`."""

    lengths: list[Annotated[int, Field(gt=0)]] = [4_096, 8_192, 16_384, 32_768, 65_536, 131_072]
    """Lengths of the rendered prompt, tokens."""
    operations: list[Literal["bfs", "parents"]] = ["bfs", "parents"]
    """Breadth-first search to a depth, or a node's parents."""
    depths: list[Annotated[int, Field(ge=1, le=100)]] = [1, 2, 4]
    """Depths of the searches."""
    most_nodes: int = Field(20, ge=1, le=1_000)
    """Largest set of nodes that is asked for."""
    repeats: int = Field(25, ge=1, le=100_000)
    """Graphs of each operation, depth and length."""
    answer_tokens: int = Field(512, gt=0)
    """Limit of an answer, tokens."""


class GraphWalks(Task):
    """Can the model follow relations that lie all over the context?"""

    Parameters = GraphWalksParameters
    version = 1
    judged = False
    groupings = [("length",), ("operation", "length"), ("walk", "length"), ("operation",), ()]
    measures = ["score", "exact", "formatted"]
    ranges = dict.fromkeys(("exact", "formatted"), (0, 1))
    length_column = "length"
    pair_columns = ["walk", "length", "repeat"]

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        walks = [("parents", 1) if operation == "parents" else (operation, depth)
                 for operation in dict.fromkeys(p.operations) for depth in (p.depths if operation == "bfs" else [1])]  # fmt: skip
        return [
            self._sample(context, operation, depth, length, repeat)
            for (operation, depth), length, repeat in product(walks, p.lengths, range(p.repeats))
        ]

    def _sample(self, context: SampleContext, operation: str, depth: int, length: int, repeat: int) -> Sample:
        walk = f"bfs to {depth}" if operation == "bfs" else "parents"
        name = f"{walk.replace(' ', '_')}-{length:07d}-{repeat:04d}"
        rng = context.rng("graphwalks", operation, depth, length, repeat)
        gold: list[str] = []

        def build() -> tuple[Messages, dict[str, Any]]:
            made, nodes = _fitted(context, operation, depth, length, self.parameters.most_nodes, rng, name)
            gold.extend(nodes)
            return made, {"nodes": nodes}

        condition = {
            "operation": operation, "walk": walk, "depth": depth, "length": length, "repeat": repeat, "question": walk, "nodes": [],
        }  # fmt: skip
        sample = sample_of_length(context, name, length, [], self.parameters.answer_tokens, build, condition)
        if sample.fits_window:
            sample.references = [f"Final Answer: [{', '.join(gold)}]"]
        return sample

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        """F1 of the nodes (0 without the asked last line), whether they are all and no other, and whether the last line is as asked."""
        said, gold = listed_nodes(response.text or ""), set(sample.condition["nodes"])
        value = 0.0 if said is None else set_f1(said, gold)
        return {"score": value, "exact": float(said == gold), "formatted": float(said is not None)}


def listed_nodes(answer: str) -> set[str] | None:
    """The nodes in an answer's last line; None if that has not the asked form.

    Deviations from the published extraction: white space after the last line is ignored, the first node keeps no "Final Answer: [",
    and quotes around nodes are taken off.
    """
    found = _ANSWER.search(answer.rstrip().split("\n")[-1])
    return None if found is None else {node for part in found[1].split(",") if (node := part.strip().strip("'\"`"))}


def set_f1(said: set[str], gold: set[str]) -> float:
    """Harmonic mean of precision and recall; two empty sets are equal (the published code gives 1 wherever both are 0)."""
    if not said and not gold:
        return 1.0
    return 2 * len(said & gold) / (len(said) + len(gold))


def _fitted(
    context: SampleContext, operation: str, depth: int, length: int, most: int, rng: np.random.Generator, name: str
) -> tuple[Messages, list[str]]:
    """A graph as large as fits, the walk on it, and the names that it gives."""
    graph = GrowingGraph(rng)
    graph.grow(length // TOKENS_OF_AN_EDGE + 2)
    order = rng.permutation(len(graph.edges))
    start_keys = rng.permutation(len(graph.names))
    longer: dict[int, str] = {}

    def messages(edges: Sequence[Edge], node: int) -> Messages:
        def named(number: int) -> str:
            return graph.names[number] + longer.get(number, "")

        lines = [f"{named(a)} -> {named(b)}" for a, b in edges]
        content = wording.PROMPT.format(
            edges="\n".join(lines),
            operation=wording.OPERATIONS[operation].format(node=named(node), depth=depth),
            example_bfs=wording.OPERATIONS["bfs"].format(node="qa01", depth=2),
            example_parents=wording.OPERATIONS["parents"].format(node="qd04"),
        )
        return [{"role": "user", "content": content}]

    def first(count: int) -> list[Edge]:
        return [graph.edges[i] for i in order if i < count]

    def tokens(edges: Sequence[Edge], node: int) -> int:
        return context.tokenizer.count_chat(messages(edges, node))

    size = largest(lambda n: tokens(first(n), 0) <= length, len(graph.edges) - 1)
    while size > 0:
        edges = first(size)
        node, found = _walk(edges, operation, depth, most, start_keys)
        if tokens(edges, node) <= length:
            break
        size -= 1
    if size < 4:
        raise too_short(length, name)
    # the room that less than an edge leaves: some of the nodes that nobody asks for get longer names
    degree = Counter(end for edge in edges for end in edge)
    others = sorted((number for number in degree if number not in found and number != node), key=lambda n: (degree[n], n))
    spare = others[:16]

    def lengthen(digits: int) -> int:
        longer.clear()
        for place, number in enumerate(spare):
            count = digits // len(spare) + (place < digits % len(spare))
            longer[number] = "".join("0123456789abcdef"[(7 * number + 5 * i + place) % 16] for i in range(count))
        return tokens(edges, node)

    digits = max(0, largest(lambda n: lengthen(n) <= length, 120))
    nearest = max((n for n in range(digits, digits + 5) if lengthen(n) <= length), key=lengthen, default=0)
    lengthen(nearest)  # not every digit is a token: a few more may still fit
    return messages(edges, node), sorted(graph.names[number] for number in found)


def _walk(edges: Sequence[Edge], operation: str, depth: int, most: int, keys: np.ndarray) -> tuple[int, set[int]]:
    """A node to begin at, the first in a random order that gives 1 to `most` nodes, and what it gives.

    Raises:
        ConfigError: if no node does.
    """
    targets = {target for _, target in edges}
    sources = {source for source, _ in edges}
    for number in keys:
        if int(number) in (targets if operation == "parents" else sources):
            found = parents(edges, int(number)) if operation == "parents" else frontier(edges, int(number), depth)
            if 1 <= len(found) <= most:
                return int(number), found
    raise ConfigError(f"depths: no search to depth {depth} gives 1 to {most} nodes in a graph of {len(edges)} edges; ask for less depth, or longer prompts.")  # fmt: skip
