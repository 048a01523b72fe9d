"""Which prompts share a beginning, in which order they are asked so that a provider's prompt cache has it, and where it ends.

Prompts that share beginnings are the leaves of a tree, whose inner nodes are where they part. Asked in the order of a walk through that tree, each
shares with the one just before it the most that it shares with any before it; so a cache entry at the end of that is all it needs. The
eleven depths of one haystack come shallow needles first: each reads what its forerunner shared with it and writes the next stretch, and 6.5 of
11 haystacks are computed, which is the size of the tree and so the least there is.

Anthropic ("Prompt caching"): an entry is written only where a block is marked, at most 4 a request, and found by the same blocks up to there.
So all prompts through one node are cut into blocks at it, marked or not. Cuts stand before white space, where a tokenizer cuts as well.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contextrot.records import Sample
from contextrot.responses.chat_request import CLAUDE
from contextrot.responses.model_names import base_name
from contextrot.responses.shards import PREFIX_COLUMN
from contextrot.samples.sample_table import column, selected
from contextrot.settings import ModelSettings

MOST_MARKS = 4
SHORTEST_CHARACTERS = 1_000
"""No provider caches a shorter prefix (Anthropic, OpenAI and Google from 1,024 tokens on)."""
WITH_KEY = ("openai", "azure")
"""Providers that take `prompt_cache_key`: requests of one key go to one machine."""
_MARK = {"type": "ephemeral"}
_BETWEEN = "\0"
_JOINT = re.compile(r"[\s\0]|(?<=[。！？，、；])")
_LOOKED_BACK = 1_000


@dataclass(frozen=True)
class Cut:
    """The end of a block: `offset` characters into a message, and whether the cache is to keep what ends there."""

    message: int
    offset: int
    marked: bool


@dataclass(frozen=True)
class Marks:
    """What one request tells the provider's prompt cache.

    Attributes:
        cuts: the ends of its blocks.
        kept: numbers of messages up to whose ends the chat is kept, or was by the turn before.
        key: of its group.
    """

    cuts: Sequence[Cut] = ()
    kept: Sequence[int] = ()
    key: str | None = None

    def on(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body as it is sent: messages in blocks, those marked that the provider is to keep."""
        body = {**body, "prompt_cache_key": self.key} if self.key else body
        messages, cuts = [dict(message) for message in body["messages"]], list(self.cuts)
        cuts += [Cut(number, len(messages[number]["content"]), True) for number in self.kept]
        kept = [cut for cut in cuts if cut.marked][-MOST_MARKS:]
        for number in {cut.message for cut in cuts}:
            text, blocks, begin = messages[number]["content"], [], 0
            for cut in (cut for cut in cuts if cut.message == number):
                if text[begin : cut.offset]:
                    mark = {"cache_control": _MARK} if cut in kept else {}
                    blocks.append({"type": "text", "text": text[begin : cut.offset], **mark})
                    begin = cut.offset
            if text[begin:]:
                blocks.append({"type": "text", "text": text[begin:]})
            messages[number]["content"] = blocks
        return {**body, "messages": messages}


@dataclass
class Sharing:
    """How the samples of a job share what they begin with.

    Attributes:
        order: indices of the samples, as they are asked.
        before: sample_id -> id of the sample that must be answered before it.
        cuts: sample_id -> its blocks' ends, where breakpoints are wanted.
        keys: sample_id -> what names its group to the provider.
        marks_turns: whether a chat that goes on is marked at its end.
    """

    order: list[int]
    before: dict[str, str] = field(default_factory=dict)
    cuts: dict[str, list[Cut]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    marks_turns: bool = False

    def marks(self, sample: Sample, messages: Sequence[Mapping[str, Any]], turn: int) -> Marks | None:
        """What a request of a sample tells the cache; None for nothing.

        Args:
            messages: the chat as it is sent; blocks are cut in it only as far as it begins with the sample's own.
        """
        begins = list(messages[: len(sample.messages)]) == sample.messages
        cuts = self.cuts.get(sample.sample_id, []) if begins else []
        users = [number for number, message in enumerate(messages) if message["role"] == "user"]
        last = len(sample.later_prompts)
        kept = users[-2 if turn else -1 :][: 2 if turn < last else 1] if self.marks_turns and last else []
        key = self.keys.get(sample.sample_id)
        return Marks(cuts, kept, key) if cuts or kept or key else None


def caching_of(model: ModelSettings) -> str:
    """How a model's prompt cache is used: `breakpoints`, `order` (samples of a group in succession), or `off`.

    `auto` is breakpoints for Claude, order for other providers, and off for servers of one's own, whose caches cost nothing.
    """
    if model.prompt_caching != "auto":
        return model.prompt_caching
    if not model.hosted:
        return "off"
    claude = model.provider == "anthropic" or CLAUDE.search(base_name(model.name))
    return "breakpoints" if claude else "order"


def share_prefixes(samples: Sequence[Sample], order: Sequence[int], model: ModelSettings, side_by_side: int) -> Sharing:
    """The samples' order and cuts, by the groups that their tasks give.

    Args:
        order: indices of the samples to ask, groups in succession.
        side_by_side: how many groups are asked at once.
    """
    how = caching_of(model)
    prefixes, names = column(samples, PREFIX_COLUMN), column(samples, "sample_id")
    sharing = Sharing(list(order), marks_turns=how == "breakpoints")
    if how == "off":
        return sharing
    groups: dict[Any, list[int]] = {}
    for index in order:
        groups.setdefault(index if prefixes[index] is None else f"group {prefixes[index]}", []).append(index)
    chains = []
    for name, members in groups.items():
        if len(members) > 1:
            members = _chain(members, names, list(selected(samples, members)), sharing, marks=how == "breakpoints")
            if model.provider in WITH_KEY:
                key = hashlib.sha256(str(name).encode()).hexdigest()[:32]
                sharing.keys.update((names[index], key) for index in members)
        chains.append(members)
    sharing.order = []
    for start in range(0, len(chains), side_by_side):  # a round of chains: the first of each, then the second of each
        some = chains[start : start + side_by_side]
        sharing.order += [chain[place] for place in range(max(map(len, some))) for chain in some if place < len(chain)]
    return sharing


def shared_tokens(samples: Sequence[Sample], model: ModelSettings) -> dict[str, tuple[int, int]]:
    """Tokens of each sample's prompt that its provider's prompt cache gives and takes, as far as texts tell: sample_id -> read, written."""
    how, found = caching_of(model), {}
    if how == "off":
        return {}
    groups: dict[Any, list[int]] = {}
    fits = column(samples, "fits_window")
    for index, prefix in enumerate(column(samples, PREFIX_COLUMN)):
        if prefix is not None and fits[index]:
            groups.setdefault(prefix, []).append(index)
    for members in groups.values():
        rows = list(selected(samples, members))
        texts, by_text, _, walk, ends = _tree(rows)
        for place, leaf in enumerate(walk):
            text, sample = texts[by_text[leaf]], rows[by_text[leaf]]
            tokens = (sample.prompt_tokens or 0) / max(len(text), 1)
            read = _cut_before(text, ends[place - 1][0]) if place else 0
            kept = max((_cut_before(text, end) for end, writer in ends if writer == leaf), default=0)
            found[sample.sample_id] = round(read * tokens), round(max(0, kept - read) * tokens) if how == "breakpoints" else 0
    return found


def _tree(rows: Sequence[Sample]) -> tuple[list[str], list[int], list[int], list[int], list[tuple[int, int]]]:
    """Texts of prompts, their order (the leaves), what each leaf shares with the next, the walk, and what is shared along it."""
    texts = [_text_of(sample) for sample in rows]
    by_text = sorted(range(len(texts)), key=texts.__getitem__)
    beside = [common_length(texts[a], texts[b]) for a, b in itertools.pairwise(by_text)]
    walk = walk_of(beside)
    return texts, by_text, beside, walk, shared_before(walk, beside)


def _text_of(sample: Sample) -> str:
    return _BETWEEN.join(message["content"] for message in sample.messages)


def _chain(members: list[int], names: Sequence[str], rows: Sequence[Sample], sharing: Sharing, marks: bool) -> list[int]:
    """The members of one group in the order in which they are asked; adds what that means to `sharing`."""
    texts, by_text, beside, walk, ends = _tree(rows)
    for here, there in itertools.pairwise(walk):
        sharing.before[names[members[by_text[there]]]] = names[members[by_text[here]]]
    if marks:
        for place, leaf in enumerate(walk):
            text, sample = texts[by_text[leaf]], rows[by_text[leaf]]
            written = [end for end, writer in ends if writer == leaf]
            wanted = {_cut_before(text, end) for end in written} - {0}
            read = {_cut_before(text, ends[place - 1][0])} - {0} if place else set()
            marked = {*sorted(wanted | read, reverse=True)[:MOST_MARKS]}
            nodes = {_cut_before(text, end) for end in _nodes_of(leaf, beside)} - {0}
            cuts = [_place_of(sample, at, at in marked) for at in sorted(nodes)]
            if marked:
                sharing.cuts[sample.sample_id] = cuts
    return [members[by_text[leaf]] for leaf in walk]


def common_length(a: str, b: str) -> int:
    """Characters that two texts share at their beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def walk_of(beside: Sequence[int]) -> list[int]:
    """Leaves (places in the order of their texts) in the order of a walk that enters the smaller branch first.

    Args:
        beside: what each text shares with the next.
    """
    walk, waiting = [], [(0, len(beside) + 1)]
    while waiting:
        begin, end = waiting.pop()
        if end - begin == 1:
            walk.append(begin)
            continue
        parting = min(beside[begin : end - 1])
        edges = [begin, *(i + 1 for i in range(begin, end - 1) if beside[i] == parting), end]
        branches = sorted(itertools.pairwise(edges), key=lambda branch: (branch[1] - branch[0], branch))
        waiting += reversed(branches)
    return walk


def shared_before(walk: Sequence[int], beside: Sequence[int]) -> list[tuple[int, int]]:
    """For each leaf of the walk but the first: what it shares with an earlier one at most, and the earliest that shares so much.

    In such a walk the most is shared with the one just before, and as much with all from the earliest to it.
    """
    found: list[tuple[int, int]] = []
    firsts: list[int] = []
    for place in range(1, len(walk)):
        begin, end = sorted((walk[place - 1], walk[place]))
        most, first = min(beside[begin:end]), place - 1
        while first and found[first - 1][0] >= most:
            first = firsts[first - 1]
        firsts.append(first)
        found.append((most, walk[first]))
    return found


def _nodes_of(leaf: int, beside: Sequence[int]) -> set[int]:
    """Lengths at which others part from a leaf."""
    nodes: set[int] = set()
    for side in (beside[leaf:], beside[:leaf][::-1]):
        least = None
        for length in side:
            least = length if least is None else min(least, length)
            nodes.add(least)
    return nodes


def _cut_before(text: str, end: int) -> int:
    """The last place before `end` at white space, or after a stop of scripts that have none; 0 where that is too early to be cached."""
    begin = max(0, end - _LOOKED_BACK)
    places = [match.start() for match in _JOINT.finditer(text[begin:end])]
    at = begin + places[-1] if places else 0
    return at if at >= SHORTEST_CHARACTERS else 0


def _place_of(sample: Sample, at: int, marked: bool) -> Cut:
    for number, message in enumerate(sample.messages):
        if at <= len(message["content"]):
            return Cut(number, at, marked)
        at -= len(message["content"]) + len(_BETWEEN)
    raise ValueError("a cut behind the last message")
