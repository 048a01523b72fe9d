"""Which rules an edit of the library runs again: those whose code it changes, and no others."""

from __future__ import annotations

import shutil

import pytest

from contextrot import tasks
from contextrot.plan import code_hash as module
from contextrot.plan.code_hash import code_hash, reached_modules

SCORING = ("score_turn", "score", "columns", "metrics")


def plugins(task: str, *members: str) -> list[str]:
    kind = tasks.load(task)
    return [f"{kind.__module__.removeprefix('contextrot.')}:{kind.__name__}.{member}" for member in members]


def hashes() -> dict[str, str]:
    """Each rule's hash, with its plug-ins, as the rules ask for it."""
    asked = {
        **{f"score {task}": ("score_responses", *plugins(task, *SCORING)) for task in tasks.names()},
        **{f"draw {task}": ("draw_figures", f"tasks.{task}.figures") for task in tasks.names()},
        **{f"layers {task}": ("extract_cosines", *plugins(task, "state_requests")) for task in ("niah", "context_switching")},
        **{f"judge {kind}": ("judge_responses", f"judging.judges.{kind}:JUDGE") for kind in ("match", "llm", "story")},
        **{
            name: (name,)
            for name in ("write_comparison", "draw_comparison", "write_agreement", "write_summary", "gather_responses")
        },
        **{name: (name,) for name in ("write_run_metadata", "tabulate_results", "export_inspect_log")},
    }
    return {name: code_hash(*arguments) for name, arguments in asked.items()}


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A copy of the library; `library(file, old, new)` edits it and gives the names of the rules that run again."""
    shutil.copytree(module.LIBRARY, tmp_path / "contextrot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(module.SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))

    def read_again():
        module._module.cache_clear()
        module._script.cache_clear()

    monkeypatch.setattr(module, "LIBRARY", tmp_path / "contextrot")
    monkeypatch.setattr(module, "SCRIPTS", tmp_path / "scripts")
    read_again()
    before = hashes()

    def edit(file: str, old: str, new: str) -> set[str]:
        path = tmp_path / "contextrot" / file
        text = path.read_text()
        assert old in text, f"{file} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1))
        read_again()
        return {name for name, value in hashes().items() if value != before[name]}

    yield edit
    monkeypatch.undo()
    read_again()


def test_the_denominator_of_every_mean_scores_everything_again(library):
    changed = library("records.py", 'SCORED_OUTCOMES = ("answered", ', "SCORED_OUTCOMES = (")
    assert {f"score {task}" for task in tasks.names() if task != "serving"} <= changed
    assert "layers niah" not in changed


def test_the_seed_of_every_bootstrap_makes_every_interval_again(library):
    assert {"write_comparison", "write_summary"} <= library("randomness.py", "default_rng", "another_rng")


def test_what_run_metadata_counts_is_written_again(library):
    changed = library("plan/provenance.py", "def responses_summary(", "@another\ndef responses_summary(")
    assert changed == {"write_run_metadata", "write_summary"}


def test_another_choice_of_states_looks_at_that_task_s_layers_again_and_at_no_other(library):
    changed = library("tasks/context_switching/task.py", "    def state_requests(", "    @another\n    def state_requests(")
    assert "layers context_switching" in changed and "layers niah" not in changed


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tasks/story_sequences/recovery.py", "from __future__", "# a comment\nfrom __future__"),
        ("scores/stats.py", '"""', '"""Another first line. '),
        ("scores/score.py", "task: Task,", "task: Any,"),
    ],
    ids=["comment", "docstring", "annotation"],
)
def test_words_for_readers_run_nothing_again(library, file, old, new):
    assert library(file, old, new) == set()


def test_a_module_for_stories_scores_stories_alone(library):
    changed = library("tasks/story_sequences/recovery.py", "import annotations\n", "import annotations\n\nprint()\n")
    assert {name for name in changed if name.startswith("score ")} == {"score story_sequences"}


def test_a_figure_of_one_task_draws_that_task_alone(library):
    changed = library("tasks/story_sequences/figures.py", "def draw_", "@another\ndef draw_")
    assert changed <= {"draw story_sequences"}


def test_a_judge_judges_again_and_no_other_judge(library):
    assert library("judging/judges/story.py", "def judge(", "@another\ndef judge(") == {"judge story"}


def test_how_samples_are_built_is_no_matter_of_scores(library):
    changed = library("samples/haystack.py", "    def compose(", "    @another\n    def compose(")
    assert not {name for name in changed if name.startswith(("score ", "judge ", "layers "))}


def test_the_style_of_figures_draws_all_and_scores_nothing(library):
    changed = library("figures/style.py", "import annotations\n", "import annotations\n\nprint()\n")
    assert {f"draw {task}" for task in tasks.names()} | {"draw_comparison", "write_agreement"} <= changed
    assert not {name for name in changed if name.startswith(("score ", "judge ", "layers "))}


def test_lazy_imports_and_members_through_self_are_followed():
    reached = reached_modules("score_responses", *plugins("niah", *SCORING))
    assert {"contextrot.scores.score", "contextrot.scores.stats", "contextrot.tasks.niah.task", "contextrot.task"} <= reached
    assert not {"contextrot.samples.haystack", "contextrot.responses.client", "contextrot.settings"} & reached


def test_a_script_or_plug_in_that_is_gone_is_an_error():
    with pytest.raises(ValueError, match="'gone'"):
        code_hash("gone")
    with pytest.raises(ValueError, match="'contextrot.judging.judges.gone'"):
        code_hash("judge_responses", "judging.judges.gone:JUDGE")
    with pytest.raises(ValueError, match="'gone'"):
        code_hash("judge_responses", "judging.judges.match:gone")
