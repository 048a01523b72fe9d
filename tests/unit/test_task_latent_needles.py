"""Needles that share no word with their questions; NoLiMa's base score and effective lengths."""

import json
from functools import partial

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextrot import tasks
from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.randomness import generator_for
from contextrot.records import Response
from contextrot.samples.corpus import topic_documents
from contextrot.task import SampleContext
from contextrot.tasks.latent_needles.base_score import SHARE, base_score, effective_length
from contextrot.tasks.latent_needles.needles import NAMES, read_latent_needles, shared_words
from contextrot.tasks.latent_needles.task import LatentNeedles, LatentNeedlesParameters
from tests.fixtures.published_effective_lengths import NOLIMA, NOLIMA_LENGTHS


def build(tokenizer, data, seed=1, window=200_000, **parameters):
    of = LatentNeedles(validate(LatentNeedlesParameters, parameters, "a test"))
    return of, of.samples(SampleContext(tokenizer, window, 2_000, data, partial(generator_for, seed)))


def score(of, sample, answer):
    return of.score(sample, Response(sample.sample_id, 0, "answered", answer), [])["score"]


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), length=st.integers(250, 2000), depth=st.sampled_from([0, 30, 100]))
def test_lengths_are_exact_the_needle_stands_once_and_names_nobody_else(seed, length, depth, embedded_tokenizer, data):
    of, samples = build(
        embedded_tokenizer, data, seed, lengths=[length], depths=[depth], needles=["rialto", "vegan"], orders=["plain", "inverted"]
    )  # fmt: skip
    assert len(samples) == 2 * 2 * 2
    for sample in samples:
        text, (person,) = sample.messages[0]["content"], sample.references
        assert length - 8 <= embedded_tokenizer.count_chat(sample.messages) <= length
        assert text.count(person) == 1 and not any(name in text for name in NAMES if name != person)
        assert score(of, sample, f"It was {person}.") == 1
        assert score(of, sample, next(name for name in NAMES if name != person)) == 0
        assert sample.condition["on_target"] or length < 400


def test_no_needle_of_the_project_shares_a_word_with_its_question_nor_the_texts_with_what_links_them(data):
    found = read_latent_needles(data / "tasks/latent_needles.yaml", [], ["one", "two"], ["plain", "inverted"])
    assert len(found) == 12 * 2 * 2
    assert not any(shared_words(needle.needle, needle.question) for needle in found)
    text = " ".join("".join(document) for document in topic_documents("essays", data))
    places = (
        "Parthenon",
        "Alhambra",
        "Brandenburg",
        "Kiyomizu",
        "Rialto",
        "Sphinx",
        "Opera House",
        "vegan",
        "peanut",
        "insulin",
    )
    assert not [word for word in (*places, *NAMES) if word in text]


def test_a_needle_that_shares_a_word_with_its_question_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text('a: {needle: "{person} lives in Athens.", one_hop: "Who lived near Athens?"}')
    with pytest.raises(DataError, match="athen"):
        read_latent_needles(path, [], ["one"], ["plain"])


def test_the_papers_own_file_is_read(tmp_path, embedded_tokenizer, data):
    block = {
        "id": "0401", "reasoning_type": "world_knowledge", "system_prompt": "", "needle": "Actually, {CHAR} paints beside the {1}.",
        "task_template": "Snippet:\n\n{haystack}\n\nQuestion: {question}", "questions": {"onehop": "Who saw {2}?", "twohop": "Who saw {3}?"},
        "character_set": ["Yuki", "Stuart"], "tests": {"T1": {"input_args": ["Zwinger", "Dresden", "Saxony"]}},
    }  # fmt: skip
    path = tmp_path / "needle_set.json"
    path.write_text(json.dumps([block]))
    _, samples = build(embedded_tokenizer, data, needle_file=str(path), lengths=[300], depths=[50])
    assert [sample.condition["question"] for sample in samples] == ["Who saw Dresden?", "Who saw Saxony?"]
    assert f"Actually, {samples[0].references[0]} paints beside the Zwinger." in samples[0].messages[0]["content"]
    path.write_text('[{"id": 1}]')
    with pytest.raises(DataError, match="NoLiMa"):
        build(embedded_tokenizer, data, needle_file=str(path), lengths=[300])


def test_a_needle_set_that_is_not_there_is_said(embedded_tokenizer, data):
    with pytest.raises(ConfigError, match="rialto"):
        build(embedded_tokenizer, data, needles=["rilato"], lengths=[300])
    with pytest.raises(ConfigError, match="too short"):
        build(embedded_tokenizer, data, needles=["rialto"], lengths=[20])


def test_the_base_score_takes_the_best_short_length_of_each_pair_before_the_mean():
    rows = [("a", 250, 1), ("a", 250, 0), ("a", 1000, 1), ("b", 500, 0), ("b", 1000, 1), ("b", 1000, 0), ("b", 2000, 1)]
    # pair a: max(0.5, 1) = 1; pair b: max(0, 0.5) = 0.5; the 2,000 tokens do not count
    assert base_score(pd.DataFrame(rows, columns=["pair", "length", "score"])) == 0.75
    assert base_score(pd.DataFrame([("a", 2000, 1)], columns=["pair", "length", "score"])) is None


@pytest.mark.parametrize(("model", "claimed", "base", "threshold", "scores"), NOLIMA, ids=[row[0] for row in NOLIMA])
def test_the_papers_effective_lengths_all_follow_its_own_rule(model, claimed, base, threshold, scores):
    assert pytest.approx(threshold, abs=0.06) == SHARE * base
    found = effective_length(base, dict(zip(NOLIMA_LENGTHS, scores, strict=True)))
    assert ("<1" if found is None else str(found)) == claimed


def test_metrics_have_the_base_score_and_figures_are_drawn(embedded_tokenizer, data, tmp_path):
    from contextrot.figures import FigureContext
    from contextrot.figures.style import save
    from contextrot.records import write_responses, write_samples
    from contextrot.scores.score import score_responses, select, summarize_scores

    of, samples = build(embedded_tokenizer, data, lengths=[500, 1500], depths=[50], needles=["rialto", "vegan"])
    answers = [s.references[0] if s.condition["length"] == 500 and s.condition["hops"] == "one" else "Nobody" for s in samples]
    write_samples(tmp_path / "samples.parquet", samples)
    write_responses(tmp_path / "responses.parquet", [Response(s.sample_id, 0, "answered", a) for s, a in zip(samples, answers, strict=True)])  # fmt: skip
    score_responses(of, tmp_path / "samples.parquet", tmp_path / "responses.parquet", [], tmp_path / "scores.parquet")
    summarize_scores(of, tmp_path / "scores.parquet", tmp_path / "metrics.csv")
    scores, metrics = pd.read_parquet(tmp_path / "scores.parquet"), pd.read_csv(tmp_path / "metrics.csv")
    base = select(metrics, "base_score").iloc[0]
    assert base["value"] == 0.5 and base["n"] == 4 and base["low"] < 0.5 < base["high"]
    for name, draw in tasks.drawing("latent_needles").items():
        save(draw(FigureContext(scores, metrics, tmp_path, "A model", "Latent needles")), tmp_path / f"{name}.png")
