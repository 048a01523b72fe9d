"""Answers of an earlier run through the whole of the pipeline: samples, responses, judgements, scores, metrics."""

import csv
from pathlib import Path

import pandas as pd
import pytest
import yaml

from contextrot import tasks
from contextrot.errors import DataError, EngineError, RequestError
from contextrot.figures import FigureContext
from contextrot.figures.style import save
from contextrot.judging.agreement import judge_agreement
from contextrot.judging.judge import judge_responses
from contextrot.project import Project
from contextrot.records import read_responses
from contextrot.responses.collect import collect_responses
from contextrot.scores.score import score_responses, select, summarize_scores
from tests.stages import build_samples, judging_context

NUMBERS = Path(__file__).resolve().parents[1] / "fixtures/published/gpt_4_1_niah_evaluated.csv"
"""Lengths, depths and verdicts of the published answers, without their texts."""
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "reference" / "chroma"
MODEL = {"engine": "recorded", "name": "old", "tokenizer": "tiktoken:o200k_base", "window": 1_000_000, "max_output_tokens": 1_000}


def run(folder, task, parameters, engine="recorded", allow_failed=False):
    """Metrics, scores and the agreement of judges `old` and `match`."""
    (folder / "config").mkdir(exist_ok=True)
    model = {**MODEL, "engine": engine} | ({"base_url": "http://127.0.0.1:9"} if engine == "external" else {})
    (folder / "config/models.yaml").write_text(yaml.safe_dump({"old": model}))
    (folder / "config/experiments.yaml").write_text(yaml.safe_dump({"again": {"task": task, "parameters": parameters}}))
    judges = {"old": {"kind": "recorded"}, "match": {"kind": "match"}}
    config = {"models": ["old"], "judges": judges, "default_judges": ["old", "match"], "allow_failed": allow_failed}
    project = Project({**config, "request_store": str(folder / "store")}, folder)
    task = project.task("test", "old", "again")
    samples, responses = folder / "samples.parquet", folder / "again" / "responses" / "1-of-1.parquet"
    build_samples(project, "test", "old", "again", samples)
    collect_responses(
        samples,
        responses,
        task=task,
        model_name="old",
        model=project.models["old"],
        settings=project.settings,
        experiment="again",
        shard=1,
        shards=1,
        log=folder / "log",
        data=project.data,
    )
    judgements = [folder / "judgements" / f"{name}.parquet" for name in judges]
    for path in judgements:
        context = judging_context(project, path.stem, task, folder / "log")
        judge_responses(samples, responses, path, context)
    score_responses(task, samples, responses, judgements, folder / "scores.parquet")
    summarize_scores(task, folder / "scores.parquet", folder / "metrics.csv")
    agreement = judge_agreement(judgements)
    return pd.read_csv(folder / "metrics.csv"), pd.read_parquet(folder / "scores.parquet"), agreement


def write_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def niah_rows(outputs):
    return [
        {"token_count": 500, "approximate_input_length": 500, "needle_depth": depth, "question": "Q?", "answer": "every week",
         "output": output, "llm_judge_output": verdict}
        for depth, (output, verdict) in enumerate(outputs)
    ]  # fmt: skip


@pytest.mark.parametrize("path", [NUMBERS, PUBLISHED / NUMBERS.name], ids=["numbers", "texts"])
def test_the_published_49_of_88_come_out_with_their_counts_by_length(tmp_path, path):
    if not path.exists():
        pytest.skip("the published GPT-4.1 answers are not beside this checkout")
    metrics, scores, agreement = run(tmp_path, "niah", {"answers_csv": str(path), "csv_answer": "every week"})
    overall = select(metrics, "score").iloc[0]
    assert (round(overall["value"] * overall["n"]), overall["n"]) == (49, 88)
    by_length = select(metrics, "score", "length").set_index("length")
    assert (by_length["value"] * by_length["n"]).round().astype(int).to_dict() == {
        500: 11, 1_000: 11, 5_000: 11, 10_000: 2, 50_000: 1, 100_000: 4, 500_000: 4, 900_000: 5,
    }  # fmt: skip
    assert set(by_length["n"]) == {11}
    # 48 of the 49 right answers hold "every week", none of the 39 wrong ones does: kappa = 0.977.
    assert agreement["kappa"].item() == pytest.approx(0.977, abs=0.001)
    assert scores["prompt_tokens"].isna().all()


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published GPT-4.1 answers are not beside this checkout")
def test_the_results_file_has_the_true_lengths_and_the_whole_needle_as_gold_is_nearly_never_matched(tmp_path):
    path = PUBLISHED / "gpt_4_1_niah_evaluated.csv"
    metrics, scores, agreement = run(tmp_path, "niah", {"answers_csv": str(path)})
    assert agreement["kappa"].item() == pytest.approx(0.055, abs=0.001)
    for name, draw in tasks.drawing("niah").items():
        save(draw(FigureContext(scores, metrics, tmp_path, "GPT-4.1", "NIAH, published answers")), tmp_path / f"{name}.png")
    with (PUBLISHED / "gpt_4_1_niah_results.csv").open(newline="") as file:
        assert [int(row["token_count"]) for row in csv.DictReader(file)][:2] == [501, 500]


def test_rows_without_a_clear_verdict_are_unjudged_and_stay_in_the_denominator(tmp_path):
    path = write_csv(tmp_path / "a.csv", niah_rows([("every week", "True"), ("each week", "maybe"), ("no", "false")]))
    metrics, _, _ = run(tmp_path, "niah", {"answers_csv": path})
    overall = select(metrics, "score").iloc[0]
    assert (overall["value"], overall["n"], overall["unjudged"]) == (pytest.approx(1 / 3), 3, 1)


def test_errors_of_the_old_run_fail_unless_allowed_and_are_then_counted_apart(tmp_path):
    path = write_csv(tmp_path / "a.csv", niah_rows([("every week", "True"), ("FUTURE_ERROR: no", "true")]))
    with pytest.raises(RequestError, match="FUTURE_ERROR"):
        run(tmp_path, "niah", {"answers_csv": path})
    metrics, _, _ = run(tmp_path, "niah", {"answers_csv": path}, allow_failed=True)
    overall = select(metrics, "score").iloc[0]
    assert (overall["value"], overall["n"], overall["failed"]) == (1, 1, 1)
    assert read_responses(tmp_path / "again/responses/1-of-1.parquet")[1].text is None


def test_another_engine_is_not_sent_samples_without_prompts(tmp_path):
    path = write_csv(tmp_path / "a.csv", niah_rows([("every week", "True")]))
    with pytest.raises(RequestError, match="only engine `recorded` can answer"):
        run(tmp_path, "niah", {"answers_csv": path}, engine="external")


def test_old_verdicts_are_not_given_to_new_answers(tmp_path):
    from contextrot.judging.contract import JudgingContext, Pair
    from contextrot.judging.judges.recorded import judge
    from contextrot.records import Sample
    from contextrot.settings import JudgeSettings

    path = write_csv(tmp_path / "a.csv", niah_rows([("every week", "True")]))
    run(tmp_path, "niah", {"answers_csv": path})
    project = Project({"models": ["old"]}, tmp_path)
    context = JudgingContext("old", JudgeSettings(kind="recorded"), project.task("test", "old", "again"), project.data)
    pair = Pair(Sample("csv-0000500-000.0-0-0", [], ["x"], 1, None), 0, 0, "x", "another answer")
    with pytest.raises(DataError, match="belongs to another answer"):
        judge([pair], context)


def test_a_recorded_model_cannot_be_asked():
    from contextrot import engines
    from contextrot.settings import ModelSettings

    with pytest.raises(EngineError, match="engine 'recorded', which answers an experiment's samples but runs no server"):
        engines.serve(ModelSettings(**MODEL), Path("log"))


def test_longmemeval_of_both_conditions_is_judged_and_compared_in_pairs(tmp_path):
    def rows(history, outputs):
        return write_csv(
            tmp_path / f"{history}.csv",
            [
                {"custom_id": name, "token_count": 300, "question": "How many?", "answer": "3", "output": text, "llm_judge_output": right}
                for name, text, right in outputs
            ],
        )  # fmt: skip

    focused = rows("focused", [("a", "3", "True"), ("b", "Three.", "true"), ("c", "4", "false"), ("d_abs", "It is 3", "True")])
    full = rows("full", [("c", "3", "True"), ("b", "5", "false"), ("a", "3", "True")])
    metrics, scores, agreement = run(tmp_path, "longmemeval", {"focused_answers": focused, "full_answers": full})
    shares = select(metrics, "score", "history").set_index("history")
    assert shares["value"].to_dict() == {"focused": 0.75, "full": pytest.approx(2 / 3)}
    assert select(metrics, "right_in_focused_only")["value"].item() == pytest.approx(1 / 3)
    assert select(metrics, "right_in_full_only")["value"].item() == pytest.approx(1 / 3)
    assert select(metrics, "unpaired")["value"].item() == 1
    assert scores["abstention"].sum() == 1
    assert agreement["kappa"].item() == 1
    for name, draw in tasks.drawing("longmemeval").items():
        save(draw(FigureContext(scores, metrics, tmp_path, "Old model", "LongMemEval")), tmp_path / f"{name}.png")


def test_the_published_configuration_names_what_it_needs(root):
    config = yaml.safe_load((root / "config/published/config.yaml").read_text())
    project = Project(config, root)
    assert project.selected_experiments == ["niah", "longmemeval"]
    files = [
        path for name in project.selected_experiments for path in project.task("full", "gpt-4.1", name).data_files(project.data)
    ]
    assert len(files) == 3 and all(path.parent == project.data / "published" for path in files)


def test_answers_that_nobody_judged_are_no_score_of_zero(tmp_path):
    path = write_csv(tmp_path / "a.csv", niah_rows([("every week", ""), ("each week", ""), ("no", "false")]))
    with pytest.raises(DataError, match=r"no verdict on 2 of 3 answers.*such as match"):
        run(tmp_path, "niah", {"answers_csv": path})
