"""Dry runs: which jobs a config asks for, and what is said when a config is wrong."""

from __future__ import annotations

import re

import pytest
import yaml


def job_counts(output: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", output, re.MULTILINE)}


def test_the_test_tier_of_one_experiment_asks_for_each_stage_once(snakemake):
    done = snakemake(
        "-n", "results/test/embedded/niah/figures/heatmap.png", "results/test/embedded/niah/figures/accuracy_by_length.png"
    )
    assert done.returncode == 0, done.stderr
    counts = job_counts(done.stdout)
    for rule in (
        "build_samples",
        "collect_responses",
        "gather_responses",
        "judge_responses",
        "score_responses",
    ):
        assert counts[rule] == 1
    assert counts["draw_figures_of_niah"] == 1
    assert "draw_figure" not in counts


def test_a_figure_by_its_short_target(snakemake):
    done = snakemake("-n", "niah_heatmap", "--config", "models=embedded")
    assert done.returncode == 0, done.stderr
    assert "results/test/embedded/niah/figures/heatmap.png" in done.stdout


def test_selection_by_comma_lists(snakemake):
    done = snakemake("-n", "--config", "models=embedded", "experiments=niah")
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"results/test/(\w+)/(\w+)/scores", done.stdout)) == {("embedded", "niah")}


def test_the_models_are_checked_by_name_and_beside_the_cost_of_hosted_ones(snakemake):
    assert job_counts(snakemake("-n", "check_models").stdout) == {"check_models": 1, "total": 1}
    options = ["-n", "cost_estimate", "--config", "experiments=niah"]
    assert "check_models_of_tier" in job_counts(snakemake(*options, "models=gpt-4.1").stdout)
    assert "check_models_of_tier" not in job_counts(snakemake(*options, "models=embedded").stdout)


NEW_TASK = {
    "task.py": '''"""Say the word. -> word"""
from contextrot.records import Sample
from contextrot.task import Parameters, Task
from contextrot.tasks.one_word.words import WORDS
from contextrot.tasks.one_word.wording import PROMPT


class OneWord(Task):
    """Is a word said when it is asked for?"""

    groupings = [("word",)]

    def samples(self, context):
        asked = [(word, [{"role": "user", "content": PROMPT.format(word=word)}]) for word in WORDS]
        return [
            Sample(word, messages, [word], 8, None, context.tokenizer.count_chat(messages), condition={"word": word})
            for word, messages in asked
        ]
''',
    "words.py": 'WORDS = ["tide", "lamp"]\n',
    "wording.py": 'PROMPT = "Say the word {word}."\n',
    "figures.py": '''from contextrot.figures.style import new_figure


def draw_words(context):
    """The words' scores."""
    figure, ax = new_figure(context)
    ax.bar(context.scores["word"], context.scores["score"])
    return figure
''',
    "__init__.py": "",
}


@pytest.mark.parametrize("profile", [[], ["--profile", "slurm"]], ids=["", "slurm"])
def test_a_new_task_with_helpers_and_a_figure_is_one_folder_and_one_block(root, tmp_path, profile):
    """The workflow is copied with one more folder and one more block; nothing else changes, also not where a cluster groups its jobs."""
    import shutil
    import subprocess
    import sys

    copy = tmp_path / "project"
    shutil.copytree(
        root, copy, ignore=shutil.ignore_patterns(".venv*", ".git", "results", ".snakemake", ".cache", "logs"), symlinks=True
    )
    folder = copy / "workflow/contextrot/tasks/one_word"
    folder.mkdir()
    for name, text in NEW_TASK.items():
        (folder / name).write_text(text)
    with (copy / "config/experiments.yaml").open("a") as experiments:
        experiments.write("\nwords:\n  task: one_word\n")
    command = [sys.executable, "-m", "snakemake", "-n", *profile, "results/test/embedded/words/figures/words.png"]
    done = subprocess.run([*command, "--config", "experiments=words"], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = job_counts(done.stdout)
    assert [counts[rule] for rule in ("build_samples", "collect_responses", "judge_responses", "score_responses")] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("tier=tset", ["unknown tier 'tset'", "test, full"]),
        ("models=embeded", ["unknown model 'embeded'", "Did you mean 'embedded'?"]),
        ("experiments=niha", ["unknown experiment 'niha'", "Did you mean 'niah'?"]),
        ("seeed=1", ["unknown key 'seeed'", "Did you mean 'seed'?"]),
        ("seed=one", ["seed = 'one'"]),
    ],
)
def test_a_wrong_config_is_one_message_before_any_job(snakemake, option, words):
    done = snakemake("--config", option)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    for word in words:
        assert all(part in output for part in word.split(", ")), output


def test_a_misspelt_parameter_is_refused_before_any_job(snakemake, tmp_path):
    path = tmp_path / "experiments.yaml"
    path.write_text(yaml.safe_dump({"niah": {"task": "niah", "parameters": {"lenghts": [256]}}}))
    done = snakemake("--config", f"experiment_definitions={path}")
    assert done.returncode != 0
    assert "Did you mean 'lengths'?" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_workflow_is_free_of_lint(snakemake):
    done = snakemake("--lint")
    assert done.returncode == 0, done.stdout + done.stderr
