"""Whether a server read the prompts whole: its own count of each prompt beside the count by the tokenizer that built it.

Some servers cut a prompt that exceeds their window and answer what is left, with status 200. Their count gives them away: it stops
growing while the prompts grow. An answer to a cut prompt says nothing about its length, so its outcome is `input_cut`.

How much less a server may count follows from how exact the tokenizer is.

*Exact* (the model's own): FEW_TOKENS, for a begin-of-text token or a template's last newline that one of the two leaves out. A larger
deficit of at most FRAME_TOKENS is a frame (a default system prompt that the server's template lacks) if prompts of other lengths have
the same one, which those that are cut never have.

*A stand-in* (an encoding of another model, also one that was called exact and is not): calibrated on the shortest prompts, which are the
last to be cut. From there on, the longer prompts must grow as the shorter ones did: the server's count may not fall under what the
prompts before lead to expect, less a tolerance from their own spread. A server that puts a system prompt or tools in front counts
a constant more, so increments are compared and not ratios alone.

Whatever the tokenizer, counts that stay where they are while the built lengths differ (a plateau) are cut, the shortest as well.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

FEW_TOKENS = 8
FRAME_TOKENS = 64
SMALLEST_WINDOW = 128
"""Prompts below this many tokens are never called cut: no server has a window so small."""
BIN = 1.15
"""Prompts whose lengths differ by less than this factor are looked at together."""
LEAST_RATIO = 0.55
"""Of the server's count to that of a stand-in; less is a cut unless the counts grow with the prompts."""
LEAST_SLOPE = 0.35
"""Of the growth of the server's count to that of a stand-in's."""
TOLERANCE, WIDEST_TOLERANCE = 0.08, 0.2
SURPLUS_RATIO = 1.25
"""From this ratio on a single length does not tell a frame in front of the prompt from tokens that are smaller."""
PLATEAU = 0.03
"""Relative spread of counts that are taken for the same: some servers cut by characters or by whole messages."""


@dataclass(frozen=True)
class Count:
    """Two counts of one prompt.

    Attributes:
        built: by the tokenizer that built it.
        server: by the server.
        cached: how many of them the server had cached, as it says.
        upstream: who answered behind a router.
    """

    built: int
    server: int
    cached: int = 0
    upstream: str | None = None


@dataclass(frozen=True)
class LengthAudit:
    """What the counts of an experiment say.

    Attributes:
        cut: positions of the prompts that were cut.
        verified, unverified: prompts with both counts, and those sent without one of the server.
        kept_tokens: the most that the server counted of a cut prompt, None if none is cut.
        longest_cut_tokens: built length of the longest cut prompt.
        surplus_tokens: what the server adds to every prompt; None if nothing notable, or if a stand-in cannot tell.
        another_tokenizer: whether the tokenizer is called exact but does not count as the server does.
    """

    cut: frozenset[int] = frozenset()
    verified: int = 0
    unverified: int = 0
    kept_tokens: int | None = None
    longest_cut_tokens: int | None = None
    surplus_tokens: int | None = None
    another_tokenizer: bool = False


@dataclass
class _Row:
    place: int
    built: int
    counted: int
    upstream: str | None
    cut: bool = False
    lower: float = 0.0

    @property
    def ratio(self) -> float:
        return self.counted / self.built


@dataclass
class _Trust:
    """What the prompts so far lead to expect."""

    anchors: list[tuple[float, float]] = field(default_factory=list)  # (built, counted), medians of a bin's whole prompts
    spread: list[float] = field(default_factory=list)
    tolerance: float = TOLERANCE

    def add(self, rows: Sequence[_Row]) -> None:
        ratio = median(row.ratio for row in rows)
        self.anchors.append((median(row.built for row in rows), median(row.counted for row in rows)))
        self.spread += [abs(math.log(row.ratio / ratio)) for row in rows]
        self.tolerance = min(max(TOLERANCE, 4 * 1.4826 * median(self.spread)), WIDEST_TOLERANCE)

    def least(self, built: float) -> float:
        """The lowest count of an uncut prompt of that length."""
        (first, first_counted), (last, last_counted) = self.anchors[0], self.anchors[-1]
        steepest = math.inf
        if last >= BIN * first:
            steepest = max(0.95 * (last_counted - first_counted) / (last - first), LEAST_SLOPE)
        elif last_counted / last > SURPLUS_RATIO:
            steepest = 0.75
        rest = 1 - self.tolerance
        slopes = [
            min(max(c - FRAME_TOKENS, 0) / b, steepest) for b, c in self.anchors
        ]  # the server's frame may be longer than ours
        grown = max(c + rest * slope * (built - b) for slope, (b, c) in zip(slopes, self.anchors, strict=True))
        return min(grown, rest * median(c / b for b, c in self.anchors) * built)

    def expected(self, built: float) -> float | None:
        """The count that shorter prompts lead to expect; None without any."""
        below = [(b, c) for b, c in self.anchors if b * 1.05 < built]
        return None if not below else below[-1][1] / below[-1][0] * built


def audit_counts(counts: Sequence[Count | None], exact: bool) -> LengthAudit:
    """Which prompts were cut.

    Args:
        counts: of each prompt of one model and experiment, in any order; None where one of the two counts is missing.
        exact: whether the tokenizer is the model's own (Tokenizer.exact).
    """
    known = [(place, count) for place, count in enumerate(counts) if count and count.built > 0 and count.server > 0]
    rows = _rows(known)
    if not rows:
        return LengthAudit(unverified=len(counts))
    bins = _binned(rows)
    another = exact and _is_another_tokenizer(bins)
    if exact and not another:
        offset = _mark_by_difference(bins)
    else:
        offset = None
        _mark_by_growth(bins)
    for row in rows:
        row.cut = row.cut and row.built >= SMALLEST_WINDOW
    cut = [row for row in rows if row.cut]
    return LengthAudit(
        frozenset(row.place for row in cut),
        len(rows),
        len(counts) - len(rows),
        max((row.counted for row in cut), default=None),
        max((row.built for row in cut), default=None),
        offset if offset and offset > FRAME_TOKENS else None,
        another,
    )


def _rows(known: Sequence[tuple[int, Count]]) -> list[_Row]:
    """The prompts with the server's count of the whole prompt: some servers leave out what they had cached."""
    with_cache = sorted((count for _, count in known if count.cached > 0), key=lambda count: count.built)
    apart = any(count.cached > count.server for count in with_cache)
    if with_cache and not apart:

        def distance(counts: Iterable[int]) -> float:
            return median(abs(math.log(n / count.built)) for n, count in zip(counts, with_cache, strict=True))

        with_cache = with_cache[:9]
        apart = distance(c.server + c.cached for c in with_cache) < distance(c.server for c in with_cache) - 0.05
        if apart:  # unless the sums contradict each other: a plateau with a cache looks as if it were short of the cached ones
            sums = [abs(c.server + c.cached - c.built) for c in with_cache]
            apart = median(sums) <= max(FEW_TOKENS, 0.2 * median(c.built for c in with_cache))
    rows = [_Row(place, c.built, c.server + (c.cached if apart else 0), c.upstream) for place, c in known]
    return sorted(rows, key=lambda row: row.built)


def _binned(rows: Sequence[_Row]) -> list[list[_Row]]:
    bins: list[list[_Row]] = []
    for row in rows:
        if not bins or row.built > BIN * bins[-1][0].built:
            bins.append([])
        bins[-1].append(row)
    return bins


def _middle(rows: Sequence[_Row]) -> tuple[float, float]:
    return median(row.built for row in rows), median(row.counted for row in rows)


def _is_another_tokenizer(bins: Sequence[Sequence[_Row]]) -> bool:
    """Whether the counts of the shortest lengths, as far as it takes to tell, differ in proportion: neither a frame nor a cut does that."""
    middles = [_middle(rows) for rows in bins]
    far = next((at for at, (built, counted) in enumerate(middles) if at and abs(counted - built) > FRAME_TOKENS), None)
    if far is None:
        return False
    (first, first_counted), (last, last_counted) = middles[0], middles[far]
    ratio, later = first_counted / first, last_counted / last
    slope = (last_counted - first_counted) / (last - first)
    if abs(slope - 1) <= 0.02 or slope <= LEAST_RATIO or abs(ratio - later) >= abs(ratio - 1):
        return False
    return all(abs(counted / built - later) <= 0.3 * abs(later - 1) + FEW_TOKENS / built for built, counted in middles[:far])


def _mark_by_difference(bins: Sequence[Sequence[_Row]]) -> int:
    """Marks what an exact tokenizer shows to be cut; the constant by which the server counts more (or less, below 0)."""
    differences = [median(row.counted - row.built for row in rows) for rows in bins]
    offset = differences[0]
    frame = -FRAME_TOKENS <= offset < -FEW_TOKENS and _is_constant(bins, differences)
    deficit = min(offset, 0) if frame else 0
    rows = [row for of_length in bins for row in of_length]
    surplus = offset if offset > 0 or frame else 0
    for row in rows:
        row.cut = row.counted < row.built + deficit - FEW_TOKENS
    if surplus > FEW_TOKENS:
        for row in _short_of_surplus(bins, differences):
            row.cut = row.cut or row.counted < row.built + surplus - 2 * FEW_TOKENS
    _mark_at_ceiling(rows, lambda row: row.built + surplus - FEW_TOKENS / 2 > row.counted + FEW_TOKENS)
    return round(surplus)


def _is_constant(bins: Sequence[Sequence[_Row]], differences: Sequence[float]) -> bool:
    """Whether the shortest prompts differ by as much whatever their length, as no cut ones do."""
    if len(bins) > 1:
        return abs(differences[1] - differences[0]) <= FEW_TOKENS
    off = [row.counted - row.built for row in bins[0]]
    return bins[0][-1].built - bins[0][0].built >= 4 * FEW_TOKENS and max(off) - min(off) <= FEW_TOKENS


def _short_of_surplus(bins: Sequence[Sequence[_Row]], differences: Sequence[float]) -> list[_Row]:
    """The prompts that may have been cut within what the server adds: those beyond three lengths to which it adds the same, or whose counts stand still."""
    same = next((at for at, off in enumerate(differences) if abs(off - differences[0]) > FEW_TOKENS), len(bins))
    middles = [_middle(rows)[1] for rows in bins]
    still = next((at for at, (one, next_one) in enumerate(pairwise(middles)) if abs(next_one - one) <= FEW_TOKENS), len(bins))
    return [row for rows in bins[min(same, still) if same >= 3 else still :] for row in rows]


def _mark_by_growth(bins: list[list[_Row]]) -> None:
    """Marks what a stand-in shows to be cut."""
    trust, at = _Trust(), 0
    while at < len(bins):
        rows = bins[at]
        at += 1
        for row in rows:
            least = trust.least(row.built) if trust.anchors else LEAST_RATIO * row.built
            row.cut, row.lower = row.counted < least, least
        whole = [row for row in rows if not row.cut]
        if 2 * len(whole) < len(rows) and (grown := _grown(trust, bins[at - 1 :])):
            # growth as steady as this is no cut: other text than the shorter prompts hold
            for rows in bins[at - 1 : at - 1 + grown]:
                for row in rows:
                    row.cut, row.lower = False, 0.0
                trust.add(rows)
            at += grown - 1
        elif whole:
            trust.add(whole)
    everything = [row for rows in bins for row in rows]
    _spare_what_the_window_holds(everything)

    def beyond(row: _Row) -> bool:
        expected = trust.expected(row.built)
        return expected is None or expected >= 0.97 * row.counted

    _mark_at_ceiling(everything, beyond)
    _mark_unproven(bins)


def _grown(trust: _Trust, bins: Sequence[Sequence[_Row]]) -> int:
    """How many bins from the first on grow steadily, if over a factor of two or more; else 0.

    Servers that cut in halves of their window let counts grow as well, but over less than that.
    """
    begin = trust.anchors[-1] if trust.anchors else (0.0, 0.0)
    middles = [_middle(rows) for rows in bins]
    slope = (middles[0][1] - begin[1]) / (middles[0][0] - begin[0])
    if slope < 0.3 * (begin[1] / begin[0] if begin[0] else 1):
        return 0
    number = 1
    for (length, counted), (longer, more) in pairwise(middles):
        if not 0.85 * slope <= (more - counted) / (longer - length) <= 1.2 * slope:
            break
        number += 1
    return number if middles[number - 1][0] >= 2 * middles[0][0] else 0


def _spare_what_the_window_holds(rows: Sequence[_Row]) -> None:
    """Takes back marks of prompts that fit: a server that counted more of others did not cut these, their text is another."""
    cut = [row for row in rows if row.cut]
    if not cut or (_is_plateau(cut) and cut[-1].built >= BIN * cut[0].built):
        return
    window: dict[str | None, int] = defaultdict(int)
    for row in rows:
        window[row.upstream] = max(window[row.upstream], row.counted)
    for row in cut:
        if 0.4 * row.lower <= row.counted and row.lower <= window[row.upstream]:
            row.cut = False


def _is_plateau(cut: Sequence[_Row]) -> bool:
    counts = [row.counted for row in cut]
    return max(counts) - min(counts) <= max(FEW_TOKENS, PLATEAU * max(counts))


def _mark_at_ceiling(rows: Sequence[_Row], beyond) -> None:
    """Marks what stands exactly where the server cuts others, if more was sent."""
    cut = [row for row in rows if row.cut]
    if not cut or not _is_plateau(cut):
        return
    ceiling, lowest = max(row.counted for row in cut), min(row.counted for row in cut)
    for row in rows:
        if not row.cut and lowest - 2 <= row.counted <= 2 * ceiling - lowest + 2 and beyond(row):
            row.cut = True


def _mark_unproven(bins: Sequence[Sequence[_Row]]) -> None:
    """Marks the only length that is left if its counts lie among those of the cut ones: nothing shows that it is whole."""
    left = [rows for rows in bins if not all(row.cut for row in rows)]
    cut = [row for rows in bins for row in rows if row.cut]
    if len(left) != 1 or left[0] is not bins[0] or not cut or _is_plateau(cut):
        return
    if _middle(left[0])[1] >= 0.5 * max(row.counted for row in cut):
        for row in left[0]:
            row.cut = True
