"""Shared beginnings are kept once, and every pass attends to its own ancestors only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrot.hidden_states.prefix_tree import PrefixTree

SEQUENCES = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=8)


def test_shared_tokens_are_counted_once():
    assert PrefixTree([[1, 2, 3], [1, 2, 4, 5], [1, 2]]).tokens == 5


def test_a_sequence_is_found_by_the_numbers_of_its_tokens():
    tree = PrefixTree([[1, 2, 3], [1, 2, 4], [9]])
    assert tree.locate([1, 2])[:2] == tree.locate([1, 2, 3])[:2] == tree.locate([1, 2, 4])[:2]
    assert len({*tree.locate([1, 2, 3]), *tree.locate([1, 2, 4]), *tree.locate([9])}) == 5


def test_an_empty_sequence_is_refused():
    with pytest.raises(ValueError, match="empty"):
        PrefixTree([[]])


@given(SEQUENCES, st.integers(1, 30))
def test_every_token_attends_to_exactly_its_own_prefix_whatever_the_budget(sequences, budget):
    tree = PrefixTree(sequences)
    cached: list[tuple[int, int]] = []  # (number, token) of what a cache would hold
    prefix_of: dict[int, list[int]] = {}
    for one in tree.passes(budget):
        assert len(one.tokens) <= budget
        del cached[one.past :]
        assert len(cached) == one.past
        row_of = [*cached, *zip(one.numbers, one.tokens, strict=True)]
        for place, (number, seen) in enumerate(zip(one.numbers, one.allowed(), strict=True)):
            prefix_of[number] = [row_of[column][1] for column in np.flatnonzero(seen)]
            assert one.positions[place] == len(prefix_of[number]) - 1
        if one.keep:
            assert one.causal
            cached = row_of
    assert len(prefix_of) == tree.tokens
    for sequence in sequences:
        for length, number in enumerate(tree.locate(sequence), 1):
            assert prefix_of[number] == sequence[:length]
