import csv
import json
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from contextrot import tasks
from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.matching.match import match
from contextrot.randomness import generator_for
from contextrot.records import Judgement, Response, read_samples, write_judgements, write_responses, write_samples
from contextrot.scores.score import score_responses, select, summarize_scores
from contextrot.task import SampleContext
from contextrot.tasks.longmemeval.data import entries_of, parse_questions
from contextrot.tasks.longmemeval.task import LongMemEval, LongMemEvalParameters
from embedded_model.chat_dataset import with_accepted_forms

KINDS = ("multi-session", "temporal-reasoning", "knowledge-update", "single-session-user")


def task(**parameters):
    return LongMemEval(validate(LongMemEvalParameters, parameters, "a test"))


def question(number, kind, fillers=3, name=None):
    """A question about one session among fillers; the evidence is the second oldest."""
    sessions = [[{"role": "user", "content": f"Filler {number} {i}. " + "More words. " * 20}] for i in range(fillers)]
    sessions.insert(1, [{"role": "user", "content": f"My code is K{number}.", "has_answer": True}])
    ids = [f"s{i}" for i in range(len(sessions))]
    return {
        "question_id": name or f"q{number:02d}",
        "question_type": kind,
        "question": f"What is code {number}?",
        "answer": f"K{number}",
        "question_date": "2023/06/01 (Thu) 00:00",
        "haystack_session_ids": ids,
        "haystack_dates": [f"2023/05/{i + 1:02d} (Mon) 10:00" for i in range(len(sessions))],
        "haystack_sessions": sessions,
        "answer_session_ids": ["s1"],
    }


@pytest.fixture
def folder(tmp_path):
    questions = [question(i, KINDS[i // 15]) for i in range(60)]
    (tmp_path / "set.json").write_text(json.dumps(questions))
    return tmp_path


def context(tokenizer, folder, window=100_000):
    return SampleContext(tokenizer, window, 1_000, Path(folder), partial(generator_for, 1))


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_every_fifteenth_question_is_the_same_in_both_conditions(o200k, folder):
    samples = task(dataset="set.json", every=15).samples(context(o200k, folder))
    asked = {h: [s.condition["question_id"] for s in samples if s.condition["history"] == h] for h in ("focused", "full")}
    assert asked["focused"] == asked["full"] == ["q00", "q15", "q30", "q45"]


def test_chromas_three_types(o200k, folder):
    samples = task(dataset="set.json", question_types="chroma").samples(context(o200k, folder))
    assert {s.condition["question_type"] for s in samples} == {"multi-session", "temporal-reasoning", "knowledge-update"}
    assert len(samples) == 2 * 45


def test_focused_holds_the_answer_session_alone_and_full_everything(o200k, folder):
    focused, full = task(dataset="set.json", every=60).samples(context(o200k, folder))
    assert "My code is K0." in focused.messages[0]["content"] and "Filler" not in focused.messages[0]["content"]
    assert all(f"Filler 0 {i}" in full.messages[0]["content"] for i in range(3))
    assert focused.condition["sessions"] == 1 and full.condition["sessions"] == 4
    assert full.prompt_tokens == o200k.count_chat(full.messages)


def test_a_history_over_the_window_is_not_sent_and_not_cut(o200k, folder):
    full = task(dataset="set.json", every=60, histories=["full"], answer_tokens=50).samples(context(o200k, folder, window=200))[0]
    assert not full.fits_window
    assert full.messages == []
    assert full.prompt_tokens > 200
    assert full.condition["dropped_sessions"] == 0


def test_truncation_drops_the_oldest_whole_sessions_and_says_if_the_answer_went_with_them(o200k, folder):
    options = {"dataset": "set.json", "every": 60, "histories": ["full"], "truncate": "oldest", "answer_tokens": 50}
    some = task(**options).samples(context(o200k, folder, window=295))[0]
    assert some.fits_window and some.prompt_tokens <= 245
    text = some.messages[0]["content"]
    assert "Filler 0 0" not in text and "My code is K0." in text and "Filler 0 1" in text and "Filler 0 2" in text
    assert (some.condition["sessions"], some.condition["dropped_sessions"], some.condition["dropped_evidence"]) == (3, 1, 0)
    less = task(**options).samples(context(o200k, folder, window=170))[0]
    assert less.condition["dropped_evidence"] == 1


def test_a_reading_holds_the_sessions_that_the_prompt_holds_and_no_other(o200k, folder):
    options = {"dataset": "set.json", "every": 60, "truncate": "oldest", "answer_tokens": 50}
    of = task(**options)
    focused, cut = of.samples(context(o200k, folder, window=295))
    assert cut.condition["dropped_sessions"] == 1
    for sample in (focused, cut):
        reading = of.reading(sample, folder, 60)
        assert reading.before + reading.context + reading.after == sample.messages[0]["content"]
        assert len(reading.passages) == sample.condition["sessions"] and len(reading.evidence) == 1


def test_an_abstention_question_is_told_by_its_id_wherever_that_says_so(o200k, folder):
    questions = [question(i, KINDS[0]) | {"question_id": name} for i, name in enumerate(("a_abs", "b_abs_2", "abs"))]
    (folder / "set.json").write_text(json.dumps(questions))
    samples = task(dataset="set.json", histories=["full"]).samples(context(o200k, folder))
    assert [sample.condition["abstention"] for sample in samples] == [True, True, False]


def test_a_file_that_is_named_is_a_tracked_input_and_a_hub_id_is_not():
    assert task(dataset="set.json").data_files(Path("data")) == [Path("data/set.json")]
    assert task(dataset="xiaowu0162/longmemeval-cleaned").data_files(Path("data")) == []
    files = task(focused_prompts="a.csv", full_answers="/b.csv").data_files(Path("data"))
    assert files == [Path("data/a.csv"), Path("/b.csv")]


def test_chromas_prompts_are_sent_as_they_are(o200k, tmp_path):
    for history in ("focused", "full"):
        rows = [
            {"custom_id": f"q{i}", "question": "Q?", "answer": "3", f"{history}_prompt": f"{history} prompt {i}"}
            for i in range(3)
        ]
        write_csv(tmp_path / f"{history}.csv", rows if history == "focused" else rows[::-1])
    samples = task(focused_prompts="focused.csv", full_prompts="full.csv", every=2).samples(context(o200k, tmp_path))
    assert [(s.sample_id, s.messages[0]["content"]) for s in samples] == [
        ("q0-focused", "focused prompt 0"),
        ("q2-focused", "focused prompt 2"),
        ("q0-full", "full prompt 0"),
        ("q2-full", "full prompt 2"),
    ]


def test_a_prompts_file_without_ids_is_refused_with_what_is_missing(o200k, tmp_path):
    write_csv(tmp_path / "a.csv", [{"question": "Q?", "answer": "3", "full_prompt": "x"}])
    with pytest.raises(DataError, match="lacks the column 'custom_id' or"):
        task(full_prompts="a.csv").samples(context(o200k, tmp_path))


def test_an_id_that_stands_twice_is_refused(o200k, tmp_path):
    write_csv(tmp_path / "a.csv", [{"custom_id": "q", "question": "Q?", "answer": "3", "full_prompt": "x"}] * 2)
    with pytest.raises(DataError, match="2 rows but 1 different ids"):
        task(full_prompts="a.csv").samples(context(o200k, tmp_path))


def test_types_of_chromas_rows_come_from_the_data_set_by_id(o200k, folder):
    write_csv(folder / "a.csv", [{"custom_id": f"q{i:02d}", "question": "Q?", "answer": "3", "output": "3"} for i in (44, 0)])
    samples = task(dataset="set.json", full_answers="a.csv", types_from_dataset=True).samples(context(o200k, folder))
    assert [s.condition["question_type"] for s in samples] == ["knowledge-update", "multi-session"]
    assert task(full_answers="a.csv").samples(context(o200k, folder))[0].condition["question_type"] is None


def test_a_type_that_no_row_has_is_an_error_and_not_an_empty_run(o200k, folder):
    write_csv(folder / "a.csv", [{"custom_id": "q", "question": "Q?", "answer": "3", "output": "3"}])
    with pytest.raises(ConfigError, match="types_from_dataset"):
        task(full_answers="a.csv", question_types="chroma").samples(context(o200k, folder))


def test_recorded_answers_are_found_by_the_samples_ids(o200k, tmp_path):
    write_csv(
        tmp_path / "full.csv",
        [
            {"custom_id": "a", "token_count": 112_000, "question": "Q?", "answer": "3", "output": "Three.", "llm_judge_output": "True"},
            {"custom_id": "b_abs", "token_count": 113_000, "question": "Q?", "answer": "No.", "output": "FUTURE_ERROR: x", "llm_judge_output": ""},
        ],
    )  # fmt: skip
    of = task(histories=["full"], full_answers="full.csv")
    first, second = of.samples(context(o200k, tmp_path))
    assert (first.sample_id, first.prompt_tokens, first.messages) == ("a-full", 112_000, [])
    assert second.condition["abstention"]
    answers = of.recorded_answers(tmp_path)
    assert answers["a-full"].verdict is True and answers["a-full"].text == "Three."
    assert answers["b_abs-full"].outcome == "failed"


def test_without_answer_files_there_are_no_recorded_answers():
    with pytest.raises(ConfigError, match="focused_answers"):
        task().recorded_answers(Path("data"))


@pytest.fixture
def scored(o200k, folder):
    """Scores and metrics of 60 questions: all right when focused, each third right when full, one of these over the window."""
    import pandas as pd

    of = task(dataset="set.json")
    samples = of.samples(context(o200k, folder))
    write_samples(folder / "samples.parquet", samples)
    responses, judgements = [], []
    for sample in read_samples(folder / "samples.parquet", columns=[]):
        number = int(sample.condition["question_id"][1:])
        full = sample.condition["history"] == "full"
        text = sample.references[0] if not full or number % 3 == 0 else "I do not know."
        outcome = "over_window" if full and number == 59 else "answered"
        responses.append(Response(sample.sample_id, 0, outcome, None if outcome == "over_window" else text))
        if outcome == "answered":
            judgements.append(Judgement(sample.sample_id, 0, 0, "match", match(sample.references[0], text) is not None))
    write_responses(folder / "responses.parquet", responses)
    write_judgements(folder / "match.parquet", judgements)
    score_responses(
        of, folder / "samples.parquet", folder / "responses.parquet", [folder / "match.parquet"], folder / "scores.parquet"
    )
    summarize_scores(of, folder / "scores.parquet", folder / "metrics.csv")
    return pd.read_parquet(folder / "scores.parquet"), pd.read_csv(folder / "metrics.csv")


def test_metrics_hold_both_conditions_and_their_paired_comparison(scored):
    _, metrics = scored
    shares = select(metrics, "score", "history").set_index("history")
    assert shares.loc["focused", "value"] == 1 and shares.loc["focused", "n"] == 60
    assert shares.loc["full", "value"] == pytest.approx(20 / 59) and shares.loc["full", "over_window"] == 1
    assert select(metrics, "focused_minus_full")["value"].item() == pytest.approx(39 / 59)
    assert select(metrics, "mcnemar_p")["n"].item() == 59
    assert select(metrics, "unpaired")["value"].item() == 1
    assert len(select(metrics, "mcnemar_p_holm", "question_type")) == 4


@pytest.mark.parametrize("figure", sorted(tasks.figures("longmemeval")))
def test_figures_are_drawn(scored, figure, tmp_path):
    from contextrot.figures import FigureContext
    from contextrot.figures.style import save

    scores, metrics = scored
    path = tmp_path / f"{figure}.png"
    save(tasks.drawing("longmemeval")[figure](FigureContext(scores, metrics, tmp_path, "A model", "LongMemEval")), path)
    assert path.stat().st_size > 5_000


@pytest.mark.parametrize(
    ("question", "gold", "right", "wrong"),
    [
        ("How many things did I buy?", "three things", ["3 items", "three", "You bought 3 things in all."], ["two", "13 things"]),
        ("How many things did I buy?", "one thing", ["1", "Just a single thing", "only one"], ["two", "none"]),
        (
            "On which date did I insulate the attic?",
            "2023/04/19",
            ["April 19, 2023", "on 19 April 2023", "2023-04-19"],
            ["2023/04/20"],
        ),
        (
            "When is my vaccination?",
            "Thursday at noon",
            ["at noon on Thursday", "Thursday, 12 pm"],
            ["Friday at noon", "Thursday at 3 pm"],
        ),
        (
            "When is my class?",
            "Tuesday afternoon",
            ["in the afternoon of Tuesday", "in the afternoon on Tuesday"],
            ["Monday afternoon"],
        ),
        (
            "Where was my stepsister born?",
            "You did not tell me",
            ["I don't know", "It is not mentioned in the chats.", "I have no record of that.", "Not specified"],
            ["Lisbon", "She was born in Ghent"],
        ),
    ],
    ids=str,
)
def test_a_generated_gold_accepts_what_any_model_may_say_and_no_other_value(question, gold, right, wrong):
    accepted = with_accepted_forms(gold)
    abstention = gold == "You did not tell me"
    assert [answer for answer in right if not match(accepted, answer, question, abstention=abstention)] == []
    assert [answer for answer in wrong if match(accepted, answer, question, abstention=abstention)] == []


def test_the_type_average_is_the_mean_of_the_types_whatever_their_sizes():
    # 3 multi-session questions of which 1 is right, 1 knowledge-update that is right: 0.5 overall, (1/3 + 1) / 2 by type
    rows = [("multi-session", 1), ("multi-session", 0), ("multi-session", 0), ("knowledge-update", 1)]
    scores = pd.DataFrame(
        [
            {"question_id": f"q{i}", "question_type": kind, "abstention": False, "history": "full", "score": float(score), "outcome": "answered", "unjudged": False}
            for i, (kind, score) in enumerate(rows)
        ]
    )  # fmt: skip
    metrics = task(histories=["full"]).metrics(scores)
    average = metrics[metrics["measure"] == "type_average"].set_index("history")
    assert average["value"].to_dict() == {"full": pytest.approx(2 / 3)}
    assert average.loc["full", "low"] < 2 / 3 < average.loc["full", "high"]
    assert average.loc["full", "n"] == 4


def test_oracle_s_file_of_the_answer_sessions_alone_is_asked_as_it_is(o200k, tmp_path):
    one = question(1, "multi-session", fillers=0)
    one |= {
        "haystack_session_ids": ["s1"],
        "haystack_sessions": one["haystack_sessions"][-1:],
        "haystack_dates": one["haystack_dates"][:1],
    }
    (tmp_path / "longmemeval_oracle.json").write_text(json.dumps([one]))
    (sample,) = task(dataset="longmemeval_oracle.json", histories=["full"]).samples(context(o200k, tmp_path))
    assert "My code is K1." in sample.messages[0]["content"]
    assert (sample.condition["sessions"], sample.condition["history"]) == (1, "full")


@pytest.mark.parametrize("chunk", [1, 7, 1000, 10**6])
def test_a_large_file_is_read_one_question_after_the_other(chunk, tmp_path):
    questions = [question(i, KINDS[i % 4]) for i in range(6)]
    for number, text in enumerate(
        (json.dumps(questions), json.dumps(questions, indent=1), " [\n" + " ,\n".join(map(json.dumps, questions)) + "]\n")
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(text, encoding="utf-8")
        assert list(entries_of(path, chunk)) == questions
        path.write_text(text.rstrip()[:-9], encoding="utf-8")
        with pytest.raises(DataError, match="cut off"):
            list(entries_of(path, chunk))


def test_a_large_file_gives_the_same_questions_as_a_small_one(o200k, tmp_path, monkeypatch):
    questions = [question(i, KINDS[i % 4]) for i in range(24)]
    (tmp_path / "set.json").write_text(json.dumps(questions))
    asked = {"dataset": "set.json", "question_types": "chroma", "every": 4}
    small = task(**asked).samples(context(o200k, tmp_path))
    monkeypatch.setattr("contextrot.tasks.longmemeval.data.LARGE_BYTES", 100)
    large = task(**asked).samples(context(o200k, tmp_path))
    assert small == large and len({s.condition["question_id"] for s in small}) == 5


def test_a_large_file_is_read_once_for_samples_and_their_readings_and_never_whole(o200k, tmp_path, monkeypatch):
    (tmp_path / "set.json").write_text(json.dumps([question(i, KINDS[i % 4]) for i in range(24)]))
    monkeypatch.setattr("contextrot.tasks.longmemeval.data.LARGE_BYTES", 100)
    held = []

    def counted(entries, where):
        questions = parse_questions(entries, where)
        held.append([one.question_id for one in questions])
        return questions

    monkeypatch.setattr("contextrot.tasks.longmemeval.data.parse_questions", counted)
    asked = {"dataset": "set.json", "question_types": "chroma", "every": 4}
    of = task(**asked)
    samples = of.samples(context(o200k, tmp_path))
    readings = [of.reading(sample, tmp_path, 60) for sample in samples]
    assert len(held) == 1 and len(held[0]) == 5
    assert [r.before + r.context + r.after for r in readings] == [s.messages[0]["content"] for s in samples]
    other = task(**asked)
    assert [other.reading(sample, tmp_path, 60) for sample in samples] == readings
    assert held[1:] == held[:1]


def test_a_large_file_that_is_no_list_is_refused(tmp_path):
    (tmp_path / "set.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="must hold a list"):
        list(entries_of(tmp_path / "set.json"))
