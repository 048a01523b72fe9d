"""Context switching: samples, scores, percent change and tau against hand-computed values."""

from __future__ import annotations

import itertools
from functools import partial

import pandas as pd
import pytest

from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.records import Response, write_samples
from contextrot.responses.shards import assign_shards
from contextrot.task import SampleContext
from contextrot.tasks.context_switching.labels import read_label
from contextrot.tasks.context_switching.task import ContextSwitching, percent_changes, rouge_l, slug


class CharacterTokenizer:
    """Counts characters: enough for samples."""

    exact = True

    def count_chat(self, messages):
        return sum(len(message["content"]) for message in messages)


def task(**parameters) -> ContextSwitching:
    return ContextSwitching(validate(ContextSwitching.Parameters, parameters, "test"))


def build(data, seed=1, window=100_000, **parameters):
    context = SampleContext(CharacterTokenizer(), window, 512, data, partial(generator_for, seed))
    return task(**{"targets": ["sentiment", "multiple_choice"], "history_turns": [0, 1, 2, 4], "items": 3, **parameters}).samples(
        context
    )


def test_every_pair_same_task_pairs_included(data):
    samples = build(data)
    pairs = {(s.condition["target"], s.condition["distractor"]) for s in samples}
    both = ("sentiment", "multiple_choice")
    assert pairs == {(t, d) for t in both for d in (*both, "none")}
    assert len(samples) == 2 * 3 * (1 + 2 * 3)


def test_the_zero_shot_question_is_asked_once_not_once_a_distractor(data):
    assert sum(s.condition["history_turns"] == 0 for s in build(data)) == 2 * 3


def test_the_histories_of_one_question_stay_on_one_server_when_sharded(data):
    samples = build(data)
    places = {}
    for sample, shard in zip(samples, assign_shards(samples, 4), strict=True):
        places.setdefault((sample.condition["target"], sample.condition["distractor"], sample.condition["item"]), set()).add(
            shard
        )
    assert len(places) == 2 * 3 * 3
    assert all(len(shards) == 1 for shards in places.values())
    assert set.union(*places.values()) == {1, 2, 3, 4}


def test_each_history_extends_the_shorter_ones_and_ends_with_the_same_question(data):
    by_chain = {}
    for sample in build(data):
        c = sample.condition
        by_chain.setdefault((c["target"], c["distractor"], c["item"]), []).append(sample)
    for (_, distractor, _), chain in by_chain.items():
        if distractor == "none":
            continue
        for shorter, longer in itertools.pairwise(chain):
            assert longer.messages[: len(shorter.messages) - 1] == shorter.messages[:-1]
            assert longer.messages[-1] == shorter.messages[-1]
            assert len(longer.messages) == 2 * longer.condition["history_turns"] + 1


def test_a_same_task_history_never_asks_the_target_itself(data):
    for sample in build(data, history_turns=[0, 150], items=20, targets=["sentiment"]):
        earlier = [m["content"] for m in sample.messages[:-1] if m["role"] == "user"]
        assert sample.messages[-1]["content"] not in earlier


def test_more_items_and_more_distractors_change_no_earlier_sample(data):
    few = {s.sample_id: s for s in build(data)}
    many = {s.sample_id: s for s in build(data, items=5, distractors=["sentiment", "multiple_choice", "short_posts_qa"])}
    assert few.items() <= many.items()


def test_a_prompt_over_the_window_is_kept_but_never_sent(data, tmp_path):
    samples = build(data, window=400)
    beyond = [s for s in samples if not s.fits_window]
    assert beyond
    assert all(s.messages == [] and s.prompt_tokens for s in beyond)
    write_samples(tmp_path / "samples.parquet", samples)


def test_without_zero_turns_there_is_nothing_to_compare_with():
    with pytest.raises(ConfigError, match="must hold 0"):
        task(history_turns=[1, 2])


def test_the_files_it_depends_on_are_those_of_its_sets(data):
    assert [path.name for path in task(targets=["sentiment"], distractors=["short_posts_qa"]).data_files(data)] == [
        "sentiment.jsonl",
        "short_posts_qa.jsonl",
    ]
    assert task(targets=["mmlu"]).data_files(data) == []


def test_a_users_set_needs_only_config(data):
    sets = {
        "mine": {
            "file": "tasks/sentiment.jsonl",
            "template": "{text} Good?",
            "answer": "label",
            "labels": ["positive", "negative"],
        }
    }
    samples = build(data, targets=["mine"], sets=sets)
    assert samples[0].messages[0]["content"].endswith(" Good?")


def test_names_of_pairs_are_file_names():
    assert slug("mmlu:high_school_physics/validation") == "mmlu-high_school_physics-validation"
    assert list(task(targets=["mmlu:anatomy/test"], distractors=["sentiment"]).pairs) == ["mmlu-anatomy-test_vs_sentiment"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("(B) because", "B"),
        ("**B**", "B"),
        ("Answer: B", "B"),
        ("The correct answer is B.", "B"),
        ("B\nUser: next", "B"),
        ("A good question", None),
        ("b", "B"),
        ("answer: (c)", "C"),
        ("A. London\nB. Paris\nC. Rome\nD. Oslo\nAnswer: C", "C"),
        ("The answer is A because B, C and D are wrong.", "A"),
        ("I think D is right.", "D"),
        ("Not A, but B", "B"),
        ("It is a big city", None),
        ("Answer with one letter: A, B, C or D?", None),
        ("E", None),
        ("Between A and B", None),
        ("", None),
    ],
)
def test_a_letter_must_stand_alone(text, label):
    assert read_label(text, ["A", "B", "C", "D"]) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The film review is negative, but it has positive elements.", "negative"),
        ("I would say it is positive overall, although the ending has negative aspects.", "positive"),
        ("Is it positive or negative? It is negative.", "negative"),
        ("It's hard to say whether this is positive or negative.", None),
        ("The review is positive. The review is negative.", None),
        ("The review is not positive", None),
    ],
)
def test_what_an_answer_concludes_counts_whatever_else_it_names(text, label):
    assert read_label(text, ["positive", "negative"]) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I would choose B.", "B"),
        ("Sure! Here it is:\n\nB. Paris", "B"),
        ("Option B is right; A is wrong", "B"),
        ("My answer is A good one", "A"),
        ("A is the right answer", None),
        ("It is rich in vitamin C", None),
        ("A or B", None),
        ("A/B", None),
        ("The answer is neither A nor B", None),
        ("A. x\nB. y\nC. z", None),
    ],
)
def test_a_letter_in_a_sentence_counts_where_it_stands_as_an_option(text, label):
    assert read_label(text, ["A", "B", "C", "D"]) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("positive", "positive"),
        (" Positive.", "positive"),
        ("positively not", None),
        ("This film review is positive. The reviewer praises it.", "positive"),
        ("It is positive, not negative.", "positive"),
        ("It's not positive but negative", "negative"),
        ("'negative'", "negative"),
        ("not positive", None),
        ("positive or negative", None),
        ("Positive/negative", None),
        ("It has positive and negative sides", None),
        ("neither positive nor negative", None),
        ("non-negative", None),
    ],
)
def test_a_single_word_label_is_read_anywhere(text, label):
    assert read_label(text, ["positive", "negative"]) == label


def score(labels, references, accepted, text, outcome="answered"):
    from contextrot.records import Sample

    sample = Sample("s", [], references, 8, 1, condition={"labels": labels, "accepted": accepted})
    return task().score(sample, Response("s", 0, outcome, text), [])


def test_a_format_error_is_wrong_and_counted_apart():
    assert score(["A", "B"], ["A"], ["A"], "A")["score"] == 1
    assert score(["A", "B"], ["A"], ["A"], "B") == {"score": 0, "format_error": 0, "label": "B"}
    assert score(["A", "B"], ["A"], ["A"], "I like it") == {"score": 0, "format_error": 1, "label": None}
    assert score(["A", "B"], ["A"], ["A"], None, "empty")["format_error"] == 1


def test_rouge_l_of_the_best_accepted_answer():
    # "the grey cat" against "the cat": longest common subsequence 2, precision 2/3, recall 2/2, F = 0.8
    assert rouge_l("the grey cat", ["a dog", "the cat"]) == pytest.approx(0.8)
    assert score([], ["the cat"], ["a dog", "the cat"], "the grey cat") == {"score": pytest.approx(0.8)}
    assert rouge_l("", ["the cat"]) == 0


def frame(before, after, outcome="answered"):
    rows = [("none", 0, i, value, "answered") for i, value in enumerate(before)]
    rows += [("d", 2, i, value, outcome) for i, value in enumerate(after)]
    columns = ["distractor", "history_turns", "item", "score", "outcome"]
    return pd.DataFrame(rows, columns=columns).assign(target="t", unjudged=False)


def test_percent_change_against_the_hand_computed_value():
    (row,) = percent_changes(frame([1, 1, 1, 1, 0], [1, 1, 0, 0, 0]), "score", "percent_change").to_dict("records")
    assert row["value"] == pytest.approx(-50)  # (2/5 - 4/5) / (4/5) x 100
    assert row["low"] <= -50 <= row["high"]
    assert (row["n"], row["target"], row["distractor"], row["history_turns"]) == (5, "t", "d", 2)


def test_percent_change_pairs_the_same_items():
    # the third item was not answered after the history, so it counts on neither side: (0.5 - 1) / 1
    scores = frame([1, 1, 0], [1, 0, 0])
    scores.loc[(scores["history_turns"] == 2) & (scores["item"] == 2), "outcome"] = "failed"
    (row,) = percent_changes(scores, "score", "percent_change").to_dict("records")
    assert (row["value"], row["n"], row["failed"]) == (pytest.approx(-50), 2, 1)


def test_percent_change_to_nothing_has_a_width():
    (row,) = percent_changes(frame([1] * 17 + [0] * 3, [0] * 20), "score", "percent_change").to_dict("records")
    # Wilson's 0 to 0.1611 over 0.85 (0.6396 to 0.9476): 0.1611 / sqrt(0.6396 * (1.7 - 0.6396)) = 0.1956
    assert (row["value"], row["low"]) == (-100, -100)
    assert row["high"] == pytest.approx(-80.4, abs=0.1)


def test_percent_change_from_zero_is_missing_not_infinite():
    (row,) = percent_changes(frame([0, 0], [1, 0]), "score", "percent_change").to_dict("records")
    assert row["value"] is None
    assert row["low"] is None


def test_metrics_without_a_local_model_have_no_likelihoods():
    scores = frame([1, 1], [1, 0]).assign(format_error=0.0, likelihood_correct=float("nan"), tau=float("nan"))
    metrics = task().metrics(scores)
    assert metrics[metrics["measure"] == "tau"]["value"].isna().all()
    assert not (metrics["measure"] == "likelihood_percent_change").any()
    change = metrics[metrics["measure"] == "percent_change"]
    assert change["value"].tolist() == [pytest.approx(-50)]


def test_tau_of_a_group_is_the_mean_over_items():
    scores = frame([1, 1], [1, 0]).assign(format_error=0.0, likelihood_correct=1.0)
    scores["tau"] = [0.0, 0.0, 0.5, 1.5]
    metrics = task().metrics(scores)
    row = metrics[
        (metrics["measure"] == "tau")
        & (metrics["distractor"] == "d")
        & (metrics["grouping"] == "target,distractor,history_turns")
    ]
    assert row["value"].tolist() == [1.0]


def test_states_are_asked_with_the_labels_the_zero_shot_answer_and_the_question_without_history(data):
    samples = build(data)
    zero = next(s for s in samples if s.condition["history_turns"] == 0)
    requests = task().state_requests(samples, {zero.sample_id: Response(zero.sample_id, 0, "answered", " positive\n")})
    of_item = [r for r in requests if r.group == zero.sample_id]
    assert len(of_item) == 7
    assert {r.base_id for r in of_item} == {zero.sample_id}
    assert all(r.labels == ["positive", "negative"] and r.zero_shot_answer == "positive" for r in of_item)
    assert all(r.zero_shot_answer is None for r in requests if r.group != zero.sample_id)
