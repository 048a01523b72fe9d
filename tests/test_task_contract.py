"""What holds for every task, found by listing: new tasks are tested here without an edit."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import pytest
import yaml

from contextrot import tasks
from contextrot.matching.match import match
from contextrot.project import Project
from contextrot.randomness import generator_for
from contextrot.records import Response, write_samples
from contextrot.task import SampleContext


@pytest.fixture(scope="module")
def project(root):
    return Project(yaml.safe_load((root / "config/config.yaml").read_text()), root)


def experiments():
    from contextrot.project import project_root

    return sorted(yaml.safe_load((project_root() / "config/experiments.yaml").read_text()))


def build(project, experiment, tokenizer, seed=1):
    model = project.models["embedded"]
    context = SampleContext(tokenizer, model.window, model.max_output_tokens, project.data, partial(generator_for, seed))
    return project.task("test", "embedded", experiment).samples(context)


@pytest.mark.parametrize("experiment", experiments())
def test_samples_are_the_same_for_a_seed_and_within_their_budget(project, experiment, embedded_tokenizer, tmp_path):
    first, again = build(project, experiment, embedded_tokenizer), build(project, experiment, embedded_tokenizer)
    window, parameters = project.models["embedded"].window, project.parameters("test", "embedded", experiment)
    assert first
    for name, samples in (("first", first), ("again", again)):
        write_samples(tmp_path / f"{name}.parquet", samples)
    assert (tmp_path / "first.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()
    for sample in first:
        if not sample.fits_window:
            assert sample.messages == []
            continue
        assert sample.messages[-1]["role"] == "user"
        assert sample.prompt_tokens == embedded_tokenizer.count_chat(sample.messages)
        assert sample.prompt_tokens + sample.max_output_tokens <= window * (getattr(parameters, "yarn_factor", None) or 1)
        if sample.target_tokens is not None:
            assert sample.target_tokens - 8 <= sample.prompt_tokens <= sample.target_tokens


@pytest.mark.parametrize("experiment", experiments())
def test_the_gold_answer_scores_one_and_an_empty_answer_zero(project, experiment, embedded_tokenizer):
    task = project.task("test", "embedded", experiment)
    sample = next(sample for sample in build(project, experiment, embedded_tokenizer) if sample.fits_window)
    if not sample.references:
        pytest.skip("the task has no gold answers")
    gold = " ".join(sample.references)
    for text, outcome, expected in ((gold, "answered", 1), ("", "empty", 0)):
        verdicts = [match(reference, text) is not None for reference in sample.references] if task.judged else []
        assert task.score(sample, Response(sample.sample_id, 0, outcome, text), verdicts)["score"] == expected


@pytest.mark.parametrize("name", tasks.names())
def test_parameters_are_documented(name):
    for key, field in tasks.load(name).Parameters.model_fields.items():
        assert field.description, f"{name}.{key} has no description"


@pytest.mark.parametrize("name", tasks.names())
def test_the_module_is_light_enough_to_be_loaded_at_every_parse(root, name):
    code = f"import sys, contextrot.tasks.{name}; print([m for m in ('torch', 'litellm', 'matplotlib', 'pandas', 'transformers') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(root / "workflow")}, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", tasks.names())
def test_every_measure_and_grouping_is_declared(name):
    task = tasks.load(name)
    assert "score" in task.measures
    assert isinstance(task.version, int)
    assert task.__doc__
    assert all(isinstance(grouping, tuple) for grouping in task.groupings)
