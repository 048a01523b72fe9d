"""Random directed graphs that grow edge by edge, and walks on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Edge = tuple[int, int]


class GrowingGraph:
    """Edges one after the other: each second one brings a new node, so that a beginning of the list is a graph too, each node on an edge.

    Args:
        rng: draws the edges.
        digits: hexadecimal digits of a node's name.
    """

    def __init__(self, rng: np.random.Generator, digits: int = 8) -> None:
        self._rng, self._digits = rng, digits
        self.edges: list[Edge] = [(0, 1)]
        self.names: list[str] = []
        self._known: set[Edge] = {(0, 1)}
        self._nodes = 2

    def grow(self, edges: int) -> None:
        """Grows to at least so many edges, and names all nodes."""
        while len(self.edges) < edges:
            new = len(self.edges) % 2
            for _ in range(50):
                ends = [self._nodes if new else int(self._rng.integers(self._nodes)), int(self._rng.integers(self._nodes))]
                edge = (ends[0], ends[1]) if self._rng.random() < 0.5 else (ends[1], ends[0])
                if edge[0] != edge[1] and edge not in self._known:
                    break
                new = 1  # the graph is complete so far: only a new node brings an edge
            self._known.add(edge)
            self.edges.append(edge)
            self._nodes = max(self._nodes, *(node + 1 for node in edge))
        taken = set(self.names)
        while len(self.names) < self._nodes:
            name = "".join("0123456789abcdef"[i] for i in self._rng.integers(16, size=self._digits))
            if name not in taken:
                taken.add(name)
                self.names.append(name)


def frontier(edges: Sequence[Edge], start: int, depth: int) -> set[int]:
    """The nodes whose shortest way from `start`, along the edges' direction, has exactly `depth` edges."""
    following: dict[int, list[int]] = {}
    for source, target in edges:
        following.setdefault(source, []).append(target)
    seen, level = {start}, {start}
    for _ in range(depth):
        level = {target for source in level for target in following.get(source, ())} - seen
        seen |= level
    return level


def parents(edges: Sequence[Edge], node: int) -> set[int]:
    """The nodes with an edge to `node`."""
    return {source for source, target in edges if target == node}
