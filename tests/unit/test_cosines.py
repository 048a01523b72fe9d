"""From samples and answers to cosines, likelihoods and the pairs' JSON files, on a small random model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from contextrot import tasks
from contextrot.errors import ConfigError, DataError, EngineError
from contextrot.hidden_states.likelihood import answer_ids, prompt_ids
from contextrot.project import Project
from contextrot.records import Response, read_samples, write_responses
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.scores.score import score_responses, summarize_scores
from contextrot.tasks.context_switching.pairs import verify_pairs
from tests.plain_hidden_states import plain_measure
from tests.stages import build_samples, export_pair, extract_cosines
from tests.tiny_models import tiny_llama

NAMES = ("test", "tiny", "switching")


@pytest.fixture(scope="module")
def project(tmp_path_factory, data):
    """A project of one small model and one experiment, with the embedded model's tokenizer."""
    root = tmp_path_factory.mktemp("project")
    tiny_llama(vocabulary=4096, tie_word_embeddings=True).save_pretrained(root / "data/models/tiny")
    for file in (data / "models/embedded").glob("*token*"):
        shutil.copy(file, root / "data/models/tiny")
    shutil.copy(data / "models/embedded/chat_template.jinja", root / "data/models/tiny")
    shutil.copytree(data / "tasks", root / "data/tasks", ignore=shutil.ignore_patterns("training"))
    (root / "config").mkdir()
    model = {"engine": "transformers", "name": "{data}/models/tiny", "window": 512, "max_output_tokens": 16}
    hosted = {"engine": "external", "provider": "openai", "name": "gpt", "window": 512, "max_output_tokens": 16}
    parameters = {
        "targets": ["sentiment", "short_posts_qa"],
        "distractors": ["multiple_choice"],
        "history_turns": [0, 1, 3],
        "items": 2,
    }
    (root / "config/models.yaml").write_text(yaml.safe_dump({"tiny": model, "hosted": hosted}))
    (root / "config/experiments.yaml").write_text(
        yaml.safe_dump({"switching": {"task": "context_switching", "parameters": parameters}})
    )
    return Project({"models": ["tiny"], "hidden_states": {"final_norm": False, "device": "cpu"}}, root)


@pytest.fixture(scope="module")
def folder(project, tmp_path_factory):
    """The experiment's files, the answers being "negative" whatever was asked."""
    folder = tmp_path_factory.mktemp("results")
    build_samples(project, *NAMES, output=folder / "samples.parquet")
    samples = read_samples(folder / "samples.parquet")
    write_responses(
        folder / "responses.parquet", [Response(s.sample_id, 0, "answered", " negative", engine="test") for s in samples]
    )
    extract_cosines(project, *NAMES, inputs=(folder / "samples.parquet", folder / "responses.parquet"), outputs=outputs(folder))
    task = project.task(*NAMES)
    score_responses(
        task,
        folder / "samples.parquet",
        folder / "responses.parquet",
        [],
        folder / "scores.parquet",
        [folder / "likelihoods.parquet"],
    )
    summarize_scores(task, folder / "scores.parquet", folder / "metrics.csv")
    return folder


def outputs(folder):
    return [folder / "cosines.parquet", folder / "likelihoods.parquet", folder / "extraction.json"]


def test_every_value_equals_the_plain_reference(project, folder):
    from contextrot.hidden_states.probe import load_model

    settings = project.models["tiny"]
    tokenizer, model = tokenizer_of(settings), load_model(settings.name, device="cpu")
    cosines = pd.read_parquet(folder / "cosines.parquet")
    likelihoods = pd.read_parquet(folder / "likelihoods.parquet").set_index("sample_id")
    samples = read_samples(folder / "samples.parquet")
    states = {}
    for sample in samples:
        labels = sample.condition["labels"]
        answers = answer_ids(tokenizer, sample.messages, [*labels, "negative"])
        plain = plain_measure(model, prompt_ids(tokenizer, sample.messages), answers)
        rows = cosines[cosines["sample_id"] == sample.sample_id].sort_values("layer")
        base = states.setdefault((sample.condition["target"], sample.condition["item"]), plain)
        np.testing.assert_allclose(rows["logit_cosine"], plain["cosines"], atol=1e-4)
        expected = [
            np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)
            for a, b in zip(plain["states"].numpy(), base["states"].numpy(), strict=True)
        ]
        np.testing.assert_allclose(rows["base_cosine"], expected, atol=1e-4)
        found = likelihoods.loc[sample.sample_id]
        np.testing.assert_allclose(found["label_log_likelihoods"], plain["log_likelihoods"][: len(labels)], atol=1e-4)
        assert found["zero_shot_log_likelihood"] == pytest.approx(plain["log_likelihoods"][-1], abs=1e-4)
        assert found["tau"] == pytest.approx(base["log_likelihoods"][-1] - plain["log_likelihoods"][-1], abs=1e-4)
        if labels:
            assert found["likelihood_label"] == labels[int(np.argmax(plain["log_likelihoods"][: len(labels)]))]


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_weights_of_few_bits_give_likelihoods_and_tau_in_float32(project, folder, tmp_path, dtype):
    import torch
    from transformers import AutoModelForCausalLM

    root = tmp_path / "project"
    shutil.copytree(project.root, root)
    place = root / "data/models/tiny"
    AutoModelForCausalLM.from_pretrained(place, dtype=torch.bfloat16).save_pretrained(place)
    coarse = Project({"models": ["tiny"], "hidden_states": {"device": "cpu", "dtype": dtype}}, root)
    extract_cosines(coarse, *NAMES, inputs=(folder / "samples.parquet", folder / "responses.parquet"), outputs=outputs(tmp_path))
    found = pd.read_parquet(tmp_path / "likelihoods.parquet").set_index("sample_id")
    model, tokenizer = AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32), tokenizer_of(coarse.models["tiny"])
    for sample in read_samples(folder / "samples.parquet"):
        answers = answer_ids(tokenizer, sample.messages, ["negative"])
        plain = plain_measure(model, prompt_ids(tokenizer, sample.messages), answers)
        assert found.loc[sample.sample_id, "zero_shot_log_likelihood"] == pytest.approx(plain["log_likelihoods"][0], abs=1e-4)
    record = json.loads((tmp_path / "extraction.json").read_text())
    assert (record["dtype"], record["weights_dtype"]) == ("float32", "float32" if dtype == "auto" else "bfloat16")


def test_rows_name_their_conditions_and_how_they_were_made(folder):
    cosines = pd.read_parquet(folder / "cosines.parquet")
    assert set(cosines["layer"]) == {1, 2, 3}
    assert set(cosines["history_turns"]) == {0, 1, 3}
    assert cosines["dtype"].unique().tolist() == ["float32"]
    assert not cosines["final_norm"].any()
    record = json.loads((folder / "extraction.json").read_text())
    assert (record["share_prefixes"], record["final_norm"], record["layers"]) == (True, False, 3)
    assert "/" not in record["model"]


def test_without_a_history_tau_is_zero_and_the_state_is_its_own(folder):
    scores = pd.read_parquet(folder / "scores.parquet")
    zero = scores[scores["history_turns"] == 0]
    assert (zero["tau"] == 0).all()
    assert scores[scores["history_turns"] > 0]["tau"].abs().min() > 0
    cosines = pd.read_parquet(folder / "cosines.parquet")
    assert cosines[cosines["history_turns"] == 0]["base_cosine"].to_numpy() == pytest.approx(1)


def test_free_answers_have_no_label_likelihood_but_a_tau(folder):
    scores = pd.read_parquet(folder / "scores.parquet")
    free = scores[scores["target"] == "short_posts_qa"]
    assert free["likelihood_correct"].isna().all()
    assert free["tau"].notna().all()


def test_a_failed_zero_shot_answer_leaves_tau_missing(project, folder, tmp_path):
    samples = read_samples(folder / "samples.parquet")
    write_responses(tmp_path / "responses.parquet", [Response(s.sample_id, 0, "failed", None, engine="test") for s in samples])
    extract_cosines(
        project, *NAMES, inputs=(folder / "samples.parquet", tmp_path / "responses.parquet"), outputs=outputs(tmp_path)
    )
    found = pd.read_parquet(tmp_path / "likelihoods.parquet")
    assert found["tau"].isna().all()
    assert found[found["sample_id"].str.startswith("sentiment")]["likelihood_correct"].notna().all()


def test_another_task_has_cosines_without_labels(project, folder, tmp_path, monkeypatch):
    from contextrot.task import Task

    monkeypatch.setattr(type(project.task(*NAMES)), "state_requests", Task.state_requests)
    extract_cosines(project, *NAMES, inputs=(folder / "samples.parquet", None), outputs=outputs(tmp_path))
    first, again = (
        pd.read_parquet(f / "cosines.parquet").set_index(["sample_id", "layer"]).sort_index() for f in (folder, tmp_path)
    )
    np.testing.assert_allclose(first["logit_cosine"], again["logit_cosine"], atol=1e-5)
    assert again["base_cosine"].isna().all()


def test_a_model_whose_weights_are_elsewhere_is_refused(project, folder, tmp_path):
    with pytest.raises(EngineError, match="whose weights are here; 'hosted' is served by engine 'external'"):
        extract_cosines(
            project, "test", "hosted", "switching", inputs=(folder / "samples.parquet", None), outputs=outputs(tmp_path)
        )


def test_a_model_that_cannot_be_loaded_leaves_no_partial_file(project, folder, tmp_path):
    broken = Project({"models": ["tiny"]}, project.root)
    broken.models["tiny"] = project.models["tiny"].model_copy(
        update={"name": str(tmp_path / "gone"), "tokenizer": project.models["tiny"].name}
    )
    with pytest.raises(DataError, match="could not be loaded"):
        extract_cosines(broken, *NAMES, inputs=(folder / "samples.parquet", None), outputs=outputs(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def pair(project, folder):
    name = "sentiment_vs_multiple_choice"
    paths = (folder / f"{name}.json", folder / f"{name}_debug.json")
    export_pair(project, *NAMES, pair=name, folder=folder, outputs=paths)
    return paths


def test_a_pairs_file_has_the_known_form(pair, folder):
    result, debug = (json.loads(path.read_text()) for path in pair)
    assert (result["model"], result["target"], result["distractor"]) == ("tiny", "sentiment", "multiple_choice")
    assert (result["metric_name"], result["metric_source"]) == ("accuracy", "label likelihood")
    assert list(result["metric_by_len"]) == list(result["cos_by_len"]) == list(result["debug_top5_by_len"]) == ["0", "1", "3"]
    assert all(len(layers) == 3 for layers in result["cos_by_len"].values())
    assert all(len(top) == 5 and isinstance(top[0][1], int) for top in result["debug_top5_by_len"].values())
    example = debug["debug_examples"][0]
    assert set(example) == {"prompt_text", "model_prediction", "expected_answer", "config"}
    assert (example["config"]["history_len"], len(debug["debug_examples"])) == (0, 6)
    cosines = pd.read_parquet(folder / "cosines.parquet")
    rows = cosines[(cosines["target"] == "sentiment") & (cosines["history_turns"] == 3) & (cosines["layer"] == 2)]
    assert result["cos_by_len"]["3"][1] == pytest.approx(rows["logit_cosine"].mean())


def test_free_answers_are_measured_by_rouge_of_the_generated_text(project, folder, tmp_path):
    paths = (tmp_path / "a.json", tmp_path / "a_debug.json")
    export_pair(project, *NAMES, pair="short_posts_qa_vs_multiple_choice", folder=folder, outputs=paths)
    result = json.loads(paths[0].read_text())
    assert (result["metric_name"], result["metric_source"]) == ("rouge", "generation")
    verify_pairs([paths[0]], [paths[1]], tmp_path / "verification.csv")


def test_verify_recomputes_the_metric(pair, tmp_path):
    verify_pairs([pair[0]], [pair[1]], tmp_path / "verification.csv")
    rows = pd.read_csv(tmp_path / "verification.csv")
    assert rows["equal"].all()
    assert rows["n"].tolist() == [2, 2, 2]


def test_verify_finds_a_changed_metric_and_writes_nothing(pair, tmp_path):
    changed = json.loads(pair[0].read_text())
    changed["metric_by_len"]["1"] = 0.123
    (tmp_path / "sentiment_vs_multiple_choice.json").write_text(json.dumps(changed))
    with pytest.raises(DataError, match=r"1 of 3 metrics differ .* after 1 turns: 0.123 stored"):
        verify_pairs([tmp_path / "sentiment_vs_multiple_choice.json"], [pair[1]], tmp_path / "verification.csv")
    assert not (tmp_path / "verification.csv").exists()


def test_an_unknown_pair_names_the_known_ones(project, folder, tmp_path):
    with pytest.raises(ConfigError, match="unknown pair 'a_vs_b'"):
        export_pair(project, *NAMES, pair="a_vs_b", folder=folder, outputs=(tmp_path / "a", tmp_path / "b"))


TITLES = ["A model", "Switching", ""]


@pytest.mark.parametrize("name", ["metric", "percent_change", "tau", "matrix", "cosine_heatmap", "cosine_lines"])
def test_every_figure_is_drawn_from_the_files(folder, tmp_path, name):
    from contextrot.figures.drawing import draw_figures

    files = folder / "scores.parquet", folder / "metrics.csv"
    draw_figures(tasks.drawing("context_switching"), *files, [tmp_path / f"{name}.png"], TITLES)
    assert (tmp_path / f"{name}.png").stat().st_size > 10_000


@pytest.mark.parametrize("kind", ["heatmap", "lines"])
def test_cosines_of_any_task_are_drawn_against_a_column(folder, tmp_path, kind):
    from contextrot.figures.layers import draw_cosines

    draw_cosines(folder / "cosines.parquet", tmp_path / "figure.png", kind, "prompt_tokens", TITLES)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    with pytest.raises(ConfigError, match=r"unknown column 'lenght' .*Known: history_turns, prompt_tokens"):
        draw_cosines(folder / "cosines.parquet", tmp_path / "other.png", kind, "lenght", TITLES)
    assert not (tmp_path / "other.png").exists()


def test_a_hosted_model_has_no_figures_of_its_layers(project):
    assert project.figures_of("hosted", "switching") == ["metric", "percent_change", "matrix"]
    assert project.figures_of("tiny", "switching") == [
        "metric",
        "percent_change",
        "matrix",
        "tau",
        "cosine_heatmap",
        "cosine_lines",
    ]
