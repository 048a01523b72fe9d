"""Shards: stable, balanced by tokens, prefixes together; gathering misses and doubles nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextrot.errors import DataError
from contextrot.records import Response, Sample, read_responses, write_responses, write_samples
from contextrot.responses.shards import asking_order, assign_shards, gather_responses, token_weights


def sample(name, tokens, prefix=None, turns=1, fits=True):
    condition = {} if prefix is None else {"prefix_group": prefix}
    return Sample(name, [], ["x"], 10, tokens, fits_window=fits, later_prompts=["more"] * (turns - 1), condition=condition)


def loads(samples, shards):
    sums = dict.fromkeys(range(1, shards + 1), 0)
    for weight, shard in zip(token_weights(samples), assign_shards(samples, shards), strict=True):
        sums[shard] += weight
    return list(sums.values())


def test_shards_are_balanced_by_tokens_not_by_rows():
    samples = [sample("big", 900_000), *[sample(f"s{i:03}", 9_000) for i in range(100)]]
    low, high = sorted(loads(samples, 2))
    assert high - low <= 10_000
    assert assign_shards(samples, 2).count(assign_shards(samples, 2)[0]) == 1


def test_samples_with_one_prefix_stay_together():
    samples = [sample(f"s{i}", 100 * i, prefix=i % 3) for i in range(30)]
    shards = assign_shards(samples, 3)
    assert all(len({shards[i] for i in range(30) if i % 3 == group}) == 1 for group in range(3))


def test_samples_that_share_a_prefix_are_asked_in_succession_and_the_longest_of_all_first():
    histories = [
        sample(f"{group}{turns}", 100 * turns + bonus, group) for group, bonus in (("a", 0), ("b", 9)) for turns in (1, 2, 3)
    ]
    samples = [*histories, sample("alone", 250), sample("never sent", 10**6, fits=False), sample("longest", 10**5)]
    assert [samples[i].sample_id for i in asking_order(samples)] == ["longest", "b3", "b2", "b1", "a3", "a2", "a1", "alone"]


def test_groups_of_one_length_are_not_mixed():
    samples = [sample(f"s{i}", 1000, prefix=i % 2) for i in range(6)]
    assert asking_order(samples) == [0, 2, 4, 1, 3, 5]


def test_a_prefix_named_like_a_sample_is_no_prefix_of_it():
    samples = [sample("a", 100), sample("b", 100, prefix="a")]
    assert sorted(assign_shards(samples, 2)) == [1, 2]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60), st.integers(1, 8))
def test_every_sample_falls_on_one_shard_whatever_the_order(tokens, shards):
    samples = [sample(f"s{i}", n) for i, n in enumerate(tokens)]
    assigned = dict(zip([s.sample_id for s in samples], assign_shards(samples, shards), strict=True))
    assert set(assigned.values()) <= set(range(1, shards + 1))
    again = assign_shards(samples[::-1], shards)
    assert dict(zip([s.sample_id for s in samples[::-1]], again, strict=True)) == assigned
    weights = token_weights(samples)
    best = max(*weights, sum(weights) / shards)
    assert max(loads(samples, shards)) <= 2 * best


def test_what_is_never_sent_weighs_nothing():
    assert token_weights([sample("s", 10**6, fits=False), sample("t", 100, turns=3)]) == [0, 130]


@pytest.fixture
def files(tmp_path):
    """`files(rows of shard 1, rows of shard 2)`: gathers them over three samples, the second of two turns."""
    asked = [sample("a", 1), sample("b", 2, turns=2), sample("c", 3)]
    write_samples(tmp_path / "samples.parquet", asked)

    def gather(*shards):
        paths = []
        for number, rows in enumerate(shards, 1):
            paths.append(tmp_path / f"{number}-of-{len(shards)}.parquet")
            write_responses(paths[-1], [Response(name, turn, "answered", text=f"{name}{turn}") for name, turn in rows])
        gather_responses(tmp_path / "samples.parquet", paths, tmp_path / "responses.parquet")
        return [(r.sample_id, r.turn) for r in read_responses(tmp_path / "responses.parquet")]

    return gather


def test_gathering_restores_the_samples_order(files):
    assert files([("c", 0), ("b", 1), ("b", 0)], [("a", 0)]) == [("a", 0), ("b", 0), ("b", 1), ("c", 0)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", 0), ("b", 0), ("c", 0)], "sample 'b' has answers to the turns"),
        ([("a", 0), ("b", 0), ("b", 1)], "sample 'c' has answers to the turns"),
        ([("a", 0), ("a", 0), ("b", 0), ("b", 1), ("c", 0)], "turn 0 of sample 'a'"),
        ([("a", 0), ("b", 0), ("b", 1), ("c", 0), ("d", 0)], "sample 'd' is answered but not asked"),
    ],
)
def test_a_missing_doubled_or_foreign_row_is_an_error(files, rows, message):
    with pytest.raises(DataError, match=message):
        files(rows[:2], rows[2:])
