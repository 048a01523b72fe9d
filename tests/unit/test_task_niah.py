import csv
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contextrot import tasks
from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.figures import FigureContext
from contextrot.figures.style import save
from contextrot.matching.match import match
from contextrot.randomness import generator_for
from contextrot.records import Judgement, Response
from contextrot.scores.score import score_responses, select, summarize_scores
from contextrot.task import SampleContext
from contextrot.tasks.niah.needles import Distractor, followed_distractor, read_needles
from contextrot.tasks.niah.task import NeedleInAHaystack, NeedleParameters
from tests.experiment_files import write_experiment

SMALL = {"lengths": [600], "depths": [50], "needles": ["restaurant_high"]}
DATA = Path(__file__).resolve().parents[2] / "data"

HEADINGS = tuple(text.splitlines()[0] for text in (path.read_text() for path in sorted(Path("data/essays").glob("*.txt"))))


def task(**parameters):
    return NeedleInAHaystack(validate(NeedleParameters, parameters, "a test"))


def build(tokenizer, window=200_000, data=DATA, **parameters):
    return task(**parameters).samples(SampleContext(tokenizer, window, 1_000, data, partial(generator_for, 1)))


def text_of(sample):
    return sample.messages[0]["content"]


@pytest.mark.parametrize("order", ["original", "shuffled"])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_distractors_are_within_the_length_and_recorded_with_their_depths(o200k, order, count):
    sample = build(o200k, **SMALL, distractors=count, order=order)[0]
    assert 595 <= sample.prompt_tokens <= 600
    assert sample.prompt_tokens == o200k.count_chat(sample.messages)
    condition = sample.condition
    assert (
        len(condition["distractor_texts"]) == len(condition["distractor_depths"]) == len(condition["distractor_names"]) == count
    )
    places = []
    for planted in condition["distractor_texts"]:
        before, after = text_of(sample).split(planted)
        headed = before.rstrip().endswith(HEADINGS)  # a heading is a piece of its own
        assert (headed or before.rstrip()[-1] in ".!?\"'>") and after.lstrip()[0] in "\"'(<" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        places.append(len(before))
    assert np.argsort(places, kind="stable").tolist() == np.argsort(condition["distractor_depths"], kind="stable").tolist()


def test_one_distractor_is_the_first_of_four_so_that_only_their_number_differs(o200k):
    one, four = build(o200k, **SMALL, distractors=[1, 4])
    assert one.condition["distractor_names"] == four.condition["distractor_names"][:1]


def test_a_distractor_more_than_a_set_has_is_refused(o200k):
    with pytest.raises(ConfigError, match=r"distractors = \[9\]: needle set 'restaurant_high' has only 4"):
        build(o200k, **SMALL, distractors=9)


def test_adding_conditions_changes_no_other_sample(o200k):
    few = {s.sample_id: s for s in build(o200k, **SMALL)}
    many = {
        s.sample_id: s
        for s in build(o200k, **SMALL, distractors=[4, 0], order=["shuffled", "original"], topic=["science", "essays"])
    }
    assert len(many) == 8
    for name, sample in few.items():
        assert many[name] == sample


def test_shuffled_and_original_haystacks_hold_other_orders_and_topics_other_texts(o200k):
    texts = {text_of(s) for s in build(o200k, **SMALL, order=["original", "shuffled"], topic=["essays", "science"])}
    assert len(texts) == 4


def test_repeats_have_haystacks_from_other_places(o200k):
    samples = build(o200k, **SMALL, repeats=3)
    assert len({text_of(s) for s in samples}) == 3
    assert [s.condition["repeat"] for s in samples] == [0, 1, 2]


def test_similarity_is_that_of_the_needle_file(o200k):
    samples = build(o200k, lengths=[600], depths=[0], needles=["restaurant_high", "restaurant_low"])
    assert [s.condition["similarity"] for s in samples] == ["high", "low"]
    assert samples[0].references == samples[1].references


def test_a_prompt_over_the_window_is_not_sent(o200k):
    sample = build(o200k, window=800, **SMALL)[0]
    assert (sample.fits_window, sample.messages, sample.prompt_tokens) == (False, [], None)


def test_a_length_too_short_for_the_distractors_is_named(o200k):
    with pytest.raises(ConfigError, match="length 120 is too short for the prompt of 'restaurant_high' with 4 distractors"):
        build(o200k, lengths=[120], depths=[0], needles=["restaurant_high"], distractors=4)


def test_several_needles_at_once_are_spread_over_the_depths_and_all_asked_for(o200k):
    names = ["restaurant_high", "spare_key_high", "night_train_high", "writing_advice_high"]
    sample = build(o200k, lengths=[2_000], depths=[10], needles=names, needles_at_once=4)[0]
    assert sample.prompt_tokens == 2_000
    assert sample.condition["needle_depths"] == pytest.approx([10, 35, 60, 85], abs=2)
    assert len(sample.references) == 4
    assert all(question in text_of(sample) for question in sample.condition["question"].split("\n"))
    assert sample.max_output_tokens == 1_000


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"needles": ["restaurant_high", "restaurant_low"], "needles_at_once": 2}, "share a question"),
        ({"needles": ["restaurant_high"], "needles_at_once": 2}, "1 needles cannot be asked for in groups of 2"),
        ({"needles": ["resturant_high"]}, "Did you mean 'restaurant_high'"),
    ],
)
def test_needles_that_do_not_go_together_are_refused(o200k, parameters, message):
    with pytest.raises(ConfigError, match=message):
        build(o200k, **{**SMALL, **parameters})


def test_each_needle_has_its_own_score(o200k):
    sample = build(o200k, lengths=[900], depths=[0], needles=["restaurant_high", "spare_key_high"], needles_at_once=2)[0]
    given = task().score(sample, Response(sample.sample_id, 0, "answered", "The Tin Heron."), [True, None])
    assert given == {"score": 0.5, "needle_scores": [1.0, 0.0], "chosen_distractor": None}


@pytest.mark.parametrize("name", sorted(read_needles(DATA / "tasks/needles.yaml")))
def test_every_distractor_that_is_quoted_or_named_is_recognised_and_the_gold_answer_is_not(name):
    needles = read_needles(DATA / "tasks/needles.yaml")[name]
    known = f"{needles.question} {needles.answer}"
    assert followed_distractor(needles.answer, known, needles.distractors) is None
    assert followed_distractor(needles.needle, known, needles.distractors) is None
    assert followed_distractor("I do not know.", known, needles.distractors) is None
    for distractor in needles.distractors:
        assert followed_distractor(distractor.text, known, needles.distractors) == distractor.name
        assert followed_distractor(f"It was this: {distractor.short}.", known, needles.distractors) == distractor.name


def test_without_distractors_in_the_haystack_none_is_followed():
    assert followed_distractor("Platform four", "From which platform? Platform nine", ()) is None
    assert followed_distractor("four", "Platform nine", (Distractor("x:1", "It leaves from four.", "Platform four"),)) is None


def test_a_needle_file_of_ones_own_may_have_plain_distractors_and_no_similarity(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("- {name: mine, question: 'What?', needle: It is 7., answer: 7, distractors: [It was 6.]}")
    mine = read_needles(path)["mine"]
    assert (mine.answer, mine.similarity, mine.distractors[0].short) == ("7", None, "It was 6.")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- {name: a, question: q, needle: n}", "needle set 'a' has no 'answer'"),
        (
            "- {name: a, question: q, needle: n, answer: b, distractors: [{short: s}]}",
            "needle set 'a', distractor 1 has no 'text'",
        ),
        ("a: b", "must hold a list of sets"),
        ("- [", "line 1, column 4: not valid YAML"),
    ],
)
def test_a_needle_file_with_a_fault_is_named(tmp_path, content, message):
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(DataError, match=message):
        read_needles(tmp_path / "mine.yaml")


def test_measured_similarity_without_its_extra_says_what_to_install(o200k, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[similarity\]'"):
        build(o200k, **SMALL, similarity_model="some/model")


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def chroma_row(length, depth, **more):
    return {"question": "Q?", "answer": "The needle.", "approximate_input_length": length, "needle_depth": depth, **more}


def test_chromas_prompts_and_answers_are_joined_by_what_they_ask(o200k, tmp_path):
    write_csv(tmp_path / "prompts.csv", [chroma_row(500, d, prompt=f"Prompt {d}", token_count=500) for d in (0, 10, 20)])
    write_csv(tmp_path / "answers.csv", [chroma_row(500, d, output=f"to {d}", token_count=500) for d in (20, 0)])
    of = task(prompts_csv="prompts.csv", answers_csv="answers.csv")
    samples = of.samples(SampleContext(o200k, 10_000, 100, tmp_path, partial(generator_for, 1)))
    answers = of.recorded_answers(tmp_path)
    joined = {text_of(s): answers[s.sample_id].text if s.sample_id in answers else None for s in samples}
    assert joined == {"Prompt 0": "to 0", "Prompt 10": None, "Prompt 20": "to 20"}
    assert samples[0].prompt_tokens == o200k.count_chat(samples[0].messages)


def test_a_row_without_a_length_is_named(o200k, tmp_path):
    write_csv(tmp_path / "prompts.csv", [chroma_row("long", 0, prompt="x")])
    with pytest.raises(DataError, match="length 'long' and depth '0' of a row must be numbers"):
        build(o200k, data=tmp_path, prompts_csv="prompts.csv")


@pytest.fixture(scope="module")
def scored(o200k, tmp_path_factory):
    """A model that is worse the longer the prompt and the more distractors, which it often follows."""
    folder = tmp_path_factory.mktemp("niah")
    of = task(
        lengths=[500, 1_000, 2_000],
        depths=[0, 50, 100],
        needles=["restaurant_high", "restaurant_low"],
        distractors=[0, 1, 4],
        repeats=2,
    )
    samples = of.samples(SampleContext(o200k, 2_100, 256, DATA, partial(generator_for, 1)))
    rng, answers = np.random.default_rng(1), []
    for sample in samples:
        condition = sample.condition
        right = rng.random() < 0.95 - 0.1 * condition["distractors"] - condition["length"] / 5_000
        wrong = condition["distractor_answers"] if rng.random() < 0.7 else []
        text = sample.references[0] if right else wrong[0] if wrong else "I do not know."
        answers.append(("answered", text) if sample.fits_window else ("over_window", None))
    return metrics_of(of, samples, answers, folder)


def test_metrics_are_given_for_each_condition_and_length(scored):
    scores, metrics = scored
    rows = select(metrics, "score", "similarity", "distractors", "order", "topic", "length")
    assert len(rows) == 2 * 3 * 3
    assert set(rows[rows["length"] == 2_000]["n"]) == {0} and set(rows[rows["length"] == 2_000]["over_window"]) == {6}
    assert scores["chosen_distractor"].dropna().str.startswith("restaurant_").all()
    assert scores[scores["score"] == 1]["chosen_distractor"].isna().all()


@pytest.mark.parametrize("figure", sorted(tasks.figures("niah")))
def test_figures_are_drawn(scored, figure, tmp_path):
    scores, metrics = scored
    save(
        tasks.drawing("niah")[figure](FigureContext(scores, metrics, tmp_path, "A model", "Needles")),
        tmp_path / f"{figure}.png",
    )
    assert (tmp_path / f"{figure}.png").stat().st_size > 5_000


def test_without_distractors_the_confusion_figure_says_so(scored, tmp_path):
    scores, metrics = scored
    context = FigureContext(scores[scores["distractors"] == 0], metrics, tmp_path, "A model", "Needles")
    figure = tasks.drawing("niah")["distractor_confusion"](context)
    assert "no distractors in this experiment" in [text.get_text() for text in figure.axes[0].texts]


@pytest.fixture(scope="module")
def several(o200k, tmp_path_factory):
    """Two needles in each prompt, of which a model finds the first; the longest prompts are over its window."""
    folder = tmp_path_factory.mktemp("several")
    of = task(lengths=[900, 3_000], depths=[0, 100], needles=["restaurant_high", "spare_key_high"], needles_at_once=2)
    samples = of.samples(SampleContext(o200k, 2_000, 256, DATA, partial(generator_for, 1)))
    answers = [("answered" if s.fits_window else "over_window", "The Tin Heron." if s.fits_window else None) for s in samples]
    return of, *metrics_of(of, samples, answers, folder)


def metrics_of(of, samples, answers, folder):
    """Scores and metrics of (outcome, text) of each sample, judged by `match`."""
    given = list(zip(samples, answers, strict=True))
    judgements = [
        Judgement(sample.sample_id, 0, item, "match", match(reference, text) is not None)
        for sample, (_, text) in given
        if text
        for item, reference in enumerate(sample.references)
    ]
    responses = [Response(sample.sample_id, 0, *answer) for sample, answer in given]
    paths = write_experiment(folder, samples, responses, {"match": judgements})
    score_responses(of, *paths)
    summarize_scores(of, paths[3], folder / "metrics.csv")
    return pd.read_parquet(paths[3]), pd.read_csv(folder / "metrics.csv")


def test_each_needle_has_its_own_share_by_length_and_prompts_never_sent_are_counted(several):
    _, _, metrics = several
    rows = select(metrics, "needle_score", "needle", "length").set_index(["needle", "length"])
    assert rows.loc[("restaurant_high", 900), ["value", "n"]].tolist() == [1, 2]
    assert rows.loc[("spare_key_high", 900), ["value", "low", "n"]].tolist() == [0, 0, 2]
    assert rows.loc[("spare_key_high", 3_000), ["n", "over_window"]].tolist() == [0, 2]
    assert rows.loc[("spare_key_high", 3_000)].isna()["value"]
    assert select(metrics, "score", "length").set_index("length").loc[900, "value"] == 0.5


def test_each_needle_is_counted_at_its_own_depth(several):
    _, _, metrics = several
    rows = select(metrics, "needle_score", "length", "depth").set_index(["length", "depth"])
    # The first needle is asked for at 0 and 100, the second half the haystack further: at 50 and 150 - 100.
    assert rows.loc[900]["value"].to_dict() == {0: 1, 50: 0, 100: 1}
    assert rows.loc[900]["n"].to_dict() == {0: 1, 50: 2, 100: 1}


def figures_of(of):
    return [name for name, figure in tasks.figures("niah").items() if figure.drawn(of, weights=True, judged=True)]


def test_figures_of_several_needles_show_each(several, tmp_path):
    of, scores, metrics = several
    assert figures_of(of) == ["heatmap", "accuracy_by_length", "accuracy_by_needle"]
    for name in figures_of(of):
        figure = tasks.drawing("niah")[name](FigureContext(scores, metrics, tmp_path, "A model", "Two needles"))
        save(figure, tmp_path / f"{name}.png")
        if name == "accuracy_by_needle":
            legend = [text.get_text() for text in figure.legends[0].get_texts()]
            assert legend == ["restaurant high (n = 2)", "spare key high (n = 2)"]
            assert "over the window" in [text.get_text() for text in figure.axes[0].texts]


def test_figures_that_have_nothing_to_show_are_no_targets():
    assert figures_of(task(needles=["restaurant_high"])) == ["heatmap", "accuracy_by_length"]
    assert "distractor_confusion" in figures_of(task(distractors=[0, 4]))
    assert figures_of(task(answers_csv="a.csv")) == ["heatmap", "accuracy_by_length"]


def test_a_haystack_of_900_000_tokens_is_exact_and_scored_and_drawn(o200k, tmp_path):
    of = task(lengths=[900_000], depths=[50], needles=["restaurant_high"], distractors=4)
    samples = of.samples(SampleContext(o200k, 1_000_000, 256, DATA, partial(generator_for, 1)))
    assert samples[0].prompt_tokens == 900_000
    assert text_of(samples[0]).count("Tin Heron") == 1
    scores, metrics = metrics_of(of, samples, [("answered", "The Tin Heron.")], tmp_path)
    assert select(metrics, "score", "length").set_index("length").loc[900_000, ["value", "n"]].tolist() == [1, 1]
    for name in figures_of(of):
        save(
            tasks.drawing("niah")[name](FigureContext(scores, metrics, tmp_path, "A model", "Needles")), tmp_path / f"{name}.png"
        )
