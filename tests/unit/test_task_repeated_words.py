from functools import partial
from pathlib import Path

import pytest

from contextrot import tasks
from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.records import Response, write_responses, write_samples
from contextrot.scores.score import score_responses, select, summarize_scores
from contextrot.task import SampleContext
from contextrot.tasks.repeated_words.task import (
    RepeatedWords,
    RepeatedWordsParameters,
    measure,
    position_bin,
    positions,
    units_of,
)


def task(**parameters):
    return RepeatedWords(validate(RepeatedWordsParameters, parameters, "a test"))


def context(tokenizer, window=200_000, max_output_tokens=32_000):
    return SampleContext(tokenizer, window, max_output_tokens, Path("data"), partial(generator_for, 1))


def text(common, modified, count, index):
    return " ".join(modified if i == index else common for i in range(count))


def test_every_position_below_100_words():
    assert positions(25) == list(range(25))
    assert positions(75) == list(range(75))


@pytest.mark.parametrize(("count", "step", "number"), [(100, 1, 100), (250, 2, 126), (750, 7, 108), (10_000, 100, 101)])
def test_from_100_words_evenly_spaced_plus_the_last(count, step, number):
    found = positions(count)
    assert found[:3] == [0, step, 2 * step]
    assert found[-1] == count - 1
    assert len(found) == number


def test_three_positions_are_the_first_the_middle_and_the_last():
    assert positions(25, 3) == [0, 12, 24]
    assert positions(5_000, 3) == [0, 2500, 4999]
    assert positions(2, 3) == [0, 1]


def test_the_last_position_is_in_the_last_bin_and_not_in_a_bin_of_its_own():
    assert position_bin(0, 25) == 0
    assert position_bin(24, 25) == 19
    assert {position_bin(i, 10_000) for i in positions(10_000)} == set(range(20))


def test_a_perfect_copy_scores_1_everywhere():
    assert measure(text("apple", "apples", 25, 7), "apple", "apples", 25, 7) == {
        "score": 1.0,
        "levenshtein": 1.0,
        "modified_word_present": 1.0,
        "position_accuracy": 1.0,
        "word_count_delta": 0.0,
        "other_words": 0.0,
        "refusal": 0.0,
        "off_task": 0.0,
        "empty": 0.0,
    }


def test_an_introduction_is_told_apart_from_the_copy_and_moves_no_position():
    given = measure("Sure! Here is the text:\n\n" + text("apple", "apples", 25, 7), "apple", "apples", 25, 7)
    assert (given["position_accuracy"], given["other_words"], given["modified_word_present"]) == (1, 1, 1)
    cut = measure(text("apple", "apples", 25, 7)[:-2], "apple", "apples", 25, 7)
    assert (cut["position_accuracy"], cut["other_words"]) == (1, 0)  # "app" at the end is cut off, not said


def test_levenshtein_is_divided_by_the_longer_text():
    given = measure("ab ab ab", "ab", "cd", 2, 0)
    # "cd ab" (5 characters) to "ab ab ab" (8): insert "ab " before, then cd -> ab: at least 5 edits; 1 - 5/8.
    assert given["levenshtein"] == pytest.approx(1 - 5 / 8)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("", "empty"),
        (" \n", "empty"),
        (None, "refusal"),
        ("I am sorry, but I can't repeat the word apple so often.", "refusal"),
        ("An apple is a round fruit that grows on trees.", "off_task"),
        ("apple apple apple. Apples are a fruit of the rose family.", "off_task"),
    ],
)
def test_what_is_no_copy_counts_as_0_in_the_score_and_is_left_out_of_the_other_measures_whatever_its_kind(answer, kind):
    given = measure(answer, "apple", "apples", 100, 3)
    assert given.pop("score") == 0
    assert {name: given.pop(name) for name in ("refusal", "off_task", "empty")} == {
        name: float(name == kind) for name in ("refusal", "off_task", "empty")
    }
    assert set(given) == {"levenshtein", "modified_word_present", "position_accuracy", "word_count_delta", "other_words"}
    assert set(given.values()) == {None}


def test_a_refusal_by_the_provider_is_a_refusal_whatever_its_text():
    sample = task(counts=[25]).samples(context(Characters()))[0]
    given = RepeatedWords(RepeatedWordsParameters()).score(sample, Response(sample.sample_id, 0, "refused", text=None), [])
    assert given["refusal"] == 1


def test_a_copy_with_a_preamble_is_no_refusal():
    given = measure("Here is the text: " + text("apple", "apples", 25, 3), "apple", "apples", 25, 3)
    assert given["refusal"] == 0
    assert given["position_accuracy"] == 1  # counted from where the copy begins
    assert given["word_count_delta"] == -4


def test_the_repeated_word_does_not_count_as_the_changed_one_that_it_contains():
    assert measure(text("apples", "apples", 25, 0), "apples", "apple", 25, 24)["modified_word_present"] == 0


def test_the_changed_word_at_the_last_position_is_found():
    given = measure(text("apple", "apples", 25, 24), "apple", "apples", 25, 24)
    assert given["modified_word_present"] == given["position_accuracy"] == 1


def test_a_full_stop_at_the_end_does_not_hide_the_last_word():
    assert measure(text("apple", "apples", 25, 24) + ".", "apple", "apples", 25, 24)["position_accuracy"] == 1


def test_case_alone_tells_words_apart():
    assert measure(text("golden", "golden", 25, 3), "golden", "Golden", 25, 3)["modified_word_present"] == 0


def test_phrases_are_found_as_a_whole_and_positions_count_phrases():
    assert units_of("Golden Gate Bridge Golden Gate Park Golden", "Golden Gate Bridge", "Golden Gate Park") == [
        "Golden Gate Bridge",
        "Golden Gate Park",
        None,
    ]
    answer = text("Golden Gate Bridge", "Golden Gate Park", 25, 9)
    assert measure(answer, "Golden Gate Bridge", "Golden Gate Park", 25, 9)["position_accuracy"] == 1


def test_position_accuracy_looks_at_the_first_occurrence():
    answer = text("apple", "apples", 25, 3).split()
    answer[1] = "apples"
    assert measure(" ".join(answer), "apple", "apples", 25, 3)["position_accuracy"] == 0


def test_the_answers_limit_is_twice_the_text_and_capped_by_the_model(o200k):
    samples = task(counts=[100, 500], positions=2).samples(context(o200k, max_output_tokens=600))
    by_count = {sample.condition["count"]: sample for sample in samples}
    assert by_count[100].max_output_tokens == 2 * by_count[100].condition["text_tokens"]
    assert by_count[500].max_output_tokens == 600
    assert by_count[500].fits_window


def test_a_text_longer_than_the_longest_answer_is_counted_but_not_sent(o200k):
    sample = task(counts=[1000], positions=2).samples(context(o200k, max_output_tokens=600))[0]
    assert not sample.fits_window
    assert sample.messages == []
    assert sample.prompt_tokens > 1000


def test_a_text_that_fits_the_window_only_without_its_copy_is_not_sent(o200k):
    assert not task(counts=[1000], positions=2).samples(context(o200k, window=1500))[0].fits_window


def test_the_same_sample_has_the_same_id_whatever_else_is_asked(o200k):
    few = {s.sample_id: s.messages for s in task(counts=[25], positions=3).samples(context(o200k))}
    many = {s.sample_id: s.messages for s in task(counts=[25, 50]).samples(context(o200k))}
    assert few.items() <= many.items()


def test_pairs_may_be_written_as_text():
    assert task(pairs=["orange | San  Francisco", ["a", "b"]]).parameters.pairs == [("orange", "San Francisco"), ("a", "b")]


@pytest.mark.parametrize("pair", ["apple", ["apple", "apple"], ["", "b"]])
def test_a_pair_that_is_none_is_refused_with_its_value(pair):
    with pytest.raises(ConfigError, match="pairs"):
        task(pairs=[pair])


def test_ten_thousand_words_are_built_and_scored(o200k):
    sample = task(counts=[10_000], positions=2).samples(context(o200k))[1]
    words = sample.references[0].split()
    assert len(words) == 10_000 and words[-1] == "apples"
    answer = " ".join(words[:9_000])
    given = measure(answer, "apple", "apples", 10_000, 9_999)
    assert given["word_count_delta"] == 1_000
    assert given["levenshtein"] == pytest.approx(len(answer) / len(sample.references[0]))


def test_ten_thousand_words_are_drawn_beside_short_texts(o200k, tmp_path):
    import pandas as pd

    from contextrot.figures import FigureContext
    from contextrot.figures.style import save

    of = task(counts=[25, 10_000], positions=2)
    samples = of.samples(context(o200k))
    responses = [Response(s.sample_id, 0, "answered", s.references[0][: -s.condition["position"] or None]) for s in samples]
    paths = [tmp_path / f"{name}.parquet" for name in ("samples", "responses", "scores")]
    write_samples(paths[0], samples)
    write_responses(paths[1], responses)
    score_responses(of, *paths[:2], [], paths[2])
    summarize_scores(of, paths[2], tmp_path / "metrics.csv")
    scores, metrics = pd.read_parquet(paths[2]), pd.read_csv(tmp_path / "metrics.csv")
    levenshtein = select(metrics, "levenshtein", "count").set_index("count")
    assert 0 < levenshtein.loc[10_000, "low"] < levenshtein.loc[10_000, "value"] < levenshtein.loc[10_000, "high"] <= 1
    for name, draw in tasks.drawing("repeated_words").items():
        save(draw(FigureContext(scores, metrics, tmp_path, "A model", "Repeated words")), tmp_path / f"{name}.png")


def test_intervals_of_shares_keep_within_0_and_1_and_those_of_word_counts_need_not(scored):
    _, metrics = scored
    shares = metrics[metrics["measure"] != "word_count_delta"].dropna(subset=["low"])
    assert shares["low"].min() >= 0 and shares["high"].max() <= 1
    short = select(metrics, "word_count_delta", "count").set_index("count").loc[25]
    assert short["low"] < short["value"] < short["high"]


class Characters:
    """A tokenizer with one token for each character."""

    exact = True

    def encode(self, text):
        return [ord(c) for c in text]

    def count_chat(self, messages):
        return sum(len(m["content"]) for m in messages)


@pytest.fixture(scope="module")
def scored(o200k, tmp_path_factory):
    """Scores and metrics of a model that copies short texts, breaks off long ones, and refuses now and then."""
    import numpy as np
    import pandas as pd

    folder = tmp_path_factory.mktemp("scored")
    of = task(counts=[25, 100, 250, 1000], positions=21, pairs=["apple | apples", "golden | Golden"])
    samples = of.samples(context(o200k))
    write_samples(folder / "samples.parquet", samples)
    rng, responses = np.random.default_rng(1), []
    for sample in samples:
        words = sample.references[0].split()
        kept = words if rng.random() < 0.5 else words[: int(len(words) * rng.uniform(0.5, 1))]
        text, outcome = " ".join(kept), "answered"
        if sample.condition["count"] == 1000 and sample.condition["position"] < 300:
            text = "I can't do that."
        if sample.condition["count"] == 250:
            text, outcome = None, "over_window"
        responses.append(Response(sample.sample_id, 0, outcome, text))
    write_responses(folder / "responses.parquet", responses)
    score_responses(of, folder / "samples.parquet", folder / "responses.parquet", [], folder / "scores.parquet")
    summarize_scores(of, folder / "scores.parquet", folder / "metrics.csv")
    return pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "metrics.csv")


def test_metrics_keep_refusals_apart_and_count_what_was_not_sent(scored):
    _, metrics = scored
    of_count = select(metrics, "refusal", "count").set_index("count")
    assert of_count.loc[1000, "value"] == pytest.approx(6 / 21) and of_count.loc[1000, "n"] == 42
    assert select(metrics, "levenshtein", "count").set_index("count").loc[1000, "n"] == 30
    assert select(metrics, "score", "count").set_index("count").loc[1000, "n"] == 42
    assert of_count.loc[250, "over_window"] == 42 and of_count.loc[250].isna()["value"]


@pytest.mark.parametrize("figure", sorted(tasks.figures("repeated_words")))
def test_figures_are_drawn_and_empty_bins_have_no_bar(scored, figure, tmp_path):
    from contextrot.figures import FigureContext
    from contextrot.figures.style import save

    scores, metrics = scored
    drawn = tasks.drawing("repeated_words")[figure](FigureContext(scores, metrics, tmp_path, "A model", "Repeated words"))
    save(drawn, tmp_path / f"{figure}.png")
    if figure != "token_count_performance":
        measure = figure.replace("levenshtein_score", "levenshtein")
        bins = select(metrics, measure, "count", "position_bin").groupby("count")["value"].count()
        panels = {axes.get_title().split(" words")[0]: len(axes.patches) for axes in drawn.axes if axes.get_visible()}
        assert panels == {f"{int(count):,}": bars for count, bars in bins.items()}
        assert panels["250"] == 0 and panels["1,000"] < 20
