"""Perplexity by length: one continuation after more and more of the same text, and its likelihood by hand."""

import math
from functools import partial

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.figures import FigureContext
from contextrot.randomness import generator_for
from contextrot.records import Response
from contextrot.task import SampleContext
from contextrot.tasks.perplexity.figures import draw_perplexity_by_length
from contextrot.tasks.perplexity.task import Perplexity, PerplexityParameters


def build(tokenizer, data, seed=1, window=100_000, **parameters):
    of = Perplexity(validate(PerplexityParameters, {"passages": 2, "continuation_tokens": 32, **parameters}, "a test"))
    return of, of.samples(SampleContext(tokenizer, window, 500, data, partial(generator_for, seed)))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), length=st.integers(60, 1500))
def test_lengths_are_exact_and_the_passage_is_the_text_s_own_continuation(seed, length, embedded_tokenizer, data):
    lengths = [length, 2 * length]
    of, samples = build(embedded_tokenizer, data, seed, lengths=lengths)
    whole = "\n\n".join(of._books(data))
    for short, long in zip(samples[::2], samples[1::2], strict=True):
        assert short.references == long.references and short.condition["passage"] == long.condition["passage"]
        for sample, asked in ((short, length), (long, 2 * length)):
            assert asked - 8 <= embedded_tokenizer.count_chat(sample.messages) <= asked
            shown = sample.messages[0]["content"].partition("\n\n")[2]
            assert f"{shown} {sample.references[0]}" in whole
        assert long.messages[0]["content"].endswith(short.messages[0]["content"].partition("\n\n")[2][-40:])
        gold = Response("", 0, "answered", short.references[0])
        assert of.score(short, gold, [])["score"] == 1 and of.score(short, Response("", 0, "answered", "zzz"), [])["score"] == 0
        assert of.score(short, Response("", 0, "empty", None), [])["score"] == 0


def test_perplexity_is_the_exponential_of_the_mean_loss_of_a_token_and_unknown_where_no_model_gave_it():
    rows = [("0", 100, -32.0, 16), ("1", 100, -64.0, 16), ("0", 200, -16.0, 16), ("1", 200, -48.0, 16)]
    scores = pd.DataFrame(
        [
            {"passage": p, "length": n, "score": 0.0, "label_log_likelihoods": [ll], "continuation_tokens": k, "outcome": "answered", "unjudged": False}
            for p, n, ll, k in rows
        ]
    )  # fmt: skip
    of = Perplexity(validate(PerplexityParameters, {}, "a test"))
    found = of.metrics(scores)
    by_length = found[(found["measure"] == "perplexity") & (found["grouping"] == "length")].set_index("length")
    assert by_length["value"].to_dict() == {100: pytest.approx(math.exp(3)), 200: pytest.approx(math.exp(2))}
    assert (by_length["low"] < by_length["value"]).all()
    drawn = draw_perplexity_by_length(FigureContext(scores, found, None, "A model", "Perplexity", ""))
    assert list(drawn.axes[0].lines[0].get_ydata()) == pytest.approx([math.exp(3), math.exp(2)])
    hosted = of.metrics(scores.drop(columns="label_log_likelihoods"))
    assert hosted.loc[hosted["measure"] == "perplexity", "value"].isna().all()


def test_texts_that_are_too_short_are_refused(embedded_tokenizer, tmp_path):
    (tmp_path / "short.txt").write_text("One short text. And no more. " * 3)
    with pytest.raises(ConfigError, match="too few for a prompt of 4096 tokens"):
        build(embedded_tokenizer, tmp_path, topic="short.txt", lengths=[4096])


def test_the_likelihood_of_the_continuation_is_what_is_looked_at(embedded_tokenizer, data):
    of, samples = build(embedded_tokenizer, data, lengths=[200], passages=1)
    (request,) = of.state_requests(samples, {})
    assert request.labels == samples[0].references and samples[0].condition["continuation_tokens"] <= 32
