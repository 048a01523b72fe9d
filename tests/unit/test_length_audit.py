"""Cut prompts are found by counts, whole ones never called cut, whatever the tokenizer and the server's habits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextrot.records import Response
from contextrot.responses.input_cut import mark_cut, tell_audit, what_to_set
from contextrot.responses.length_audit import Count, audit_counts

LENGTHS = (500, 1_000, 2_000, 4_000, 5_000, 8_000, 16_000, 32_000)


def counts(lengths, served, repeats=3, cached=0):
    """`served(built)` is what the server counts."""
    return [Count(n, int(served(n)), cached) for n in lengths for _ in range(repeats)]


def cut_lengths(lengths, served, exact, repeats=3):
    audit = audit_counts(counts(lengths, served, repeats), exact)
    found = {lengths[place // repeats] for place in audit.cut}
    assert len(audit.cut) == repeats * len(found)
    return sorted(found)


@pytest.mark.parametrize("window", [2_048, 4_096, 4_032, 8_192])
@pytest.mark.parametrize(
    ("ratio", "exact"), [(1, True), (1, False), (1 / 0.86, False), (0.86, False), (1 / 1.14, False), (1.14, False)]
)
def test_a_cutting_server_is_found_from_its_window_on(window, ratio, exact):
    cut = cut_lengths(LENGTHS, lambda n: min(n * ratio, window), exact)
    assert cut == [n for n in LENGTHS if n * ratio > window]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("lengths", [(8_000, 16_000, 32_000), (6_000, 32_000), (5_000, 10_000, 20_000)])
def test_an_experiment_that_is_over_the_window_as_a_whole(lengths, exact):
    assert cut_lengths(lengths, lambda n: 4_096, exact) == list(lengths)


@pytest.mark.parametrize("exact", [True, False])
def test_one_length_far_over_the_window(exact):
    assert cut_lengths((32_000,), lambda n: 4_032, exact) == [32_000]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("keep", [0, 512])
@pytest.mark.parametrize("lengths", [LENGTHS, (6_000, 8_000, 12_000, 16_000, 32_000)])
def test_a_server_that_drops_half_windows_until_the_rest_fits(lengths, keep, exact):
    """As llama.cpp's server did: counts rise and fall below the window."""

    def served(n, window=4_096):
        block = (window - keep) // 2
        erased = max(0, -(-(n - window) // block))
        return n - erased * block

    assert cut_lengths(lengths, served, exact) == [n for n in lengths if n > 4_096]


@pytest.mark.parametrize("exact", [True, False])
def test_some_prompts_of_a_length_are_cut_by_one_of_several_servers(exact):
    rows = [Count(n, 4_032 if n > 4_032 and i % 2 else n) for n in LENGTHS for i in range(6)]
    assert audit_counts(rows, exact).cut == {at for at, row in enumerate(rows) if row.server < row.built}


@pytest.mark.parametrize("difference", [-8, -1, 0, 1, 8])
def test_an_exact_tokenizer_may_differ_by_a_few_tokens(difference):
    assert not cut_lengths(LENGTHS, lambda n: n + difference, True)


def test_an_exact_tokenizer_misses_no_small_cut():
    assert cut_lengths((1_000, 4_110, 4_400), lambda n: min(n, 4_096), True) == [4_110, 4_400]


def test_a_frame_that_the_server_s_template_lacks_is_no_cut():
    assert not cut_lengths(LENGTHS, lambda n: n - 40, True)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("surplus", [30, 500, 3_000])
def test_a_constant_surplus_passes_and_is_told(surplus, exact):
    audit = audit_counts(counts((100, *LENGTHS), lambda n: n + surplus), exact)
    assert not audit.cut
    assert audit.surplus_tokens == (surplus if exact and surplus > 64 else None)


def test_a_cut_within_the_surplus_is_found_too():
    assert cut_lengths((500, 1_000, 4_000, 5_000), lambda n: min(n + 500, 4_096), True) == [4_000, 5_000]


@pytest.mark.parametrize(
    ("lengths", "served", "cut"),
    [
        ((1_000, 4_000, 8_000), lambda n: min(n + 5_000, 8_192), [4_000, 8_000]),  # counts that stand still
        ((500, 1_000, 2_000, 4_000, 8_000), lambda n: min(n + 300, 8_150), [8_000]),  # less than was added to three lengths
        ((500, 8_000), lambda n: min(n + 300, 8_150), []),  # two lengths do not tell
    ],
)
def test_a_cut_that_is_smaller_than_the_surplus(lengths, served, cut):
    assert cut_lengths(lengths, served, True) == cut


@pytest.mark.parametrize("shortest", [128, 200, 500])
def test_a_cut_of_a_twentieth_is_no_other_tokenizer(shortest):
    assert cut_lengths((shortest, 8_000), lambda n: min(n, 7_600), True) == [8_000]


def test_another_tokenizer_that_differs_little_is_no_cut():
    for ratio in (0.95, 0.97):
        assert audit_counts(counts(LENGTHS, lambda n, ratio=ratio: n * ratio), True).another_tokenizer
        assert cut_lengths(LENGTHS, lambda n, ratio=ratio: min(n * ratio, 6_000), True) == [8_000, 16_000, 32_000]
    assert cut_lengths((500, 1_000, 8_000), lambda n: min(n - 25, 7_600), True) == [8_000]


def test_prompts_of_one_length_that_lack_the_same_have_a_frame_and_no_cut():
    built = [3_800, 3_850, 3_900, 4_000]
    assert not audit_counts([Count(n, n - 30) for n in built], True).cut
    assert len(audit_counts([Count(n, 3_770) for n in built], True).cut) == 4


def test_a_server_that_counts_only_what_it_had_not_cached():
    rows = [Count(n, n - cached, cached) for n in LENGTHS for cached in (0, 256, n - 30)]
    for exact in (True, False):
        assert not audit_counts(rows, exact).cut


def test_a_cut_prompt_that_was_cached_is_cut():
    rows = [Count(n, min(n, 4_096), min(n, 4_096) - 96) for n in LENGTHS for _ in range(3)]
    for exact in (True, False):
        assert {rows[at].built for at in audit_counts(rows, exact).cut} == {5_000, 8_000, 16_000, 32_000}


def test_a_tokenizer_that_is_called_exact_and_is_not():
    audit = audit_counts(counts(LENGTHS, lambda n: n * 1.2), True)
    assert audit.another_tokenizer
    assert not audit.cut
    assert not audit_counts(counts(LENGTHS, lambda n: n * 0.8), True).cut
    assert cut_lengths(LENGTHS, lambda n: min(n * 0.8, 4_096), True) == [8_000, 16_000, 32_000]


def test_a_text_whose_words_are_other_tokens_than_the_instructions_is_no_cut():
    words = (25, 50, 100, 500, 1_000, 5_000, 10_000)
    for tokens in (0.4, 0.5, 2):
        rows = [Count(80 + n, int(90 + tokens * n)) for n in words]
        rows += [Count(80 + n, 90 + n) for n in words]
        assert not audit_counts(rows, False).cut
        assert not audit_counts(rows[: len(words)], False).cut


def test_unknown_counts_are_unverified_and_never_cut():
    audit = audit_counts([None, Count(500, 500), Count(32_000, 0)], True)
    assert (audit.cut, audit.verified, audit.unverified) == (frozenset(), 1, 2)
    assert audit_counts([], True).verified == 0


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.integers(60, 200_000), min_size=1, max_size=12, unique=True),
    st.floats(0.86, 1.17),
    st.integers(-10, 60),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.01, 0.03]),
)
def test_whole_prompts_are_never_called_cut_by_a_stand_in(lengths, ratio, frame, seed, noise):
    rng = np.random.default_rng(seed)
    rows = [Count(n, max(1, round((n * ratio + frame) * (1 + noise * rng.uniform(-1, 1))))) for n in lengths for _ in range(3)]
    assert not audit_counts(rows, False).cut


@settings(max_examples=400, deadline=None)
@given(st.lists(st.integers(60, 200_000), min_size=1, max_size=12, unique=True), st.integers(-8, 3_000))
def test_whole_prompts_are_never_called_cut_by_an_exact_tokenizer(lengths, difference):
    assert not audit_counts([Count(n, n + difference) for n in lengths], True).cut


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.integers(200, 200_000), min_size=1, max_size=12, unique=True),
    st.integers(256, 150_000),
    st.sampled_from([0.86, 1.0, 1.16]),
)
def test_every_clear_cut_is_found_and_nothing_else(lengths, window, ratio):
    for exact in {ratio == 1, False}:
        rows = [Count(n, min(round(n * ratio), window)) for n in lengths]
        cut = {rows[at].built for at in audit_counts(rows, exact).cut}
        assert cut <= {n for n in lengths if n * ratio >= window - 8}
        clear = {n for n in lengths if (n > window + 8 if exact else n > 2 * window)}
        assert clear <= cut


def test_marked_responses_keep_their_text_and_say_why(capsys):
    rows = [
        Response("a", 0, "answered", text="4", prompt_tokens=500),
        Response("b", 0, "answered", text="blue", prompt_tokens=4_032),
        Response("c", 0, "failed", prompt_tokens=None),
        Response("c", 1, "empty", prompt_tokens=4_032, built_tokens=64_000),
        Response("d", 0, "over_window"),
    ]
    marked, audit = mark_cut(rows, [500, 32_000, 32_000, None, None], True)
    assert [r.outcome for r in marked] == ["answered", "input_cut", "failed", "input_cut", "over_window"]
    assert (marked[1].text, marked[1].error_message) == ("blue", "the server counted 4,032 prompt tokens where 32,000 were sent")
    assert rows[1].outcome == "answered"
    tell_audit("m e", audit, "http://127.0.0.1:11434/v1")
    message = capsys.readouterr().err
    assert "num_ctx" in message and "`window`" in message and "64,000" in message and "4,032" in message


def test_a_count_that_is_of_no_window_asks_for_no_window():
    assert "stream_options: null" in what_to_set("http://h/v1", 7) and "window: 7" not in what_to_set("http://h/v1", 7)


@pytest.mark.parametrize("window", [10**9, 4_096])
def test_real_text_by_another_model_s_tokenizer(data, o200k, embedded_tokenizer, window):
    """A vocabulary of 4,096 needs a fifth more tokens than one of 200,000, and not evenly."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((data / "essays").glob("*.txt"))[:12])
    prompts = [text[begin : begin + 4 * n] for n in (100, 500, 1_000, 2_000, 4_000, 8_000, 16_000) for begin in (0, 5_000, 9_000)]
    served = [len(embedded_tokenizer.encode(prompt)) + 30 for prompt in prompts]
    rows = [Count(len(o200k.encode(p)) + 7, min(n, window)) for p, n in zip(prompts, served, strict=True)]
    assert audit_counts(rows, False).cut == {at for at, n in enumerate(served) if n > window}


def test_many_prompts_take_no_longer_than_they_must():
    """Each is looked at a few times, not once for each other: ten times the rows are not a hundred times the time."""
    rows = [Count(n, min(n + i % 7, 4_096)) for i in range(20_000) for n in (500, 2_000, 8_000)]
    assert len(audit_counts(rows, False).cut) == 20_000
