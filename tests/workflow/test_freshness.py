"""What runs again after an edit of a finished run's code, data or config: the jobs that depend on it, and no others.

One copy of the workflow has all its results (empty files, with Snakemake's own records of the jobs). Each edit is made, planned by
`snakemake -n` and undone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

EXPERIMENTS = ("niah", "story_sequences", "context_switching")
OPTIONS = ["--config", "models=embedded", f"experiments={','.join(EXPERIMENTS)}"]
TARGETS = [f"results/test/embedded/{name}/metrics.html" for name in EXPERIMENTS]
TARGETS += [
    f"results/test/embedded/{figure}.png" for figure in ("niah/figures/heatmap", "story_sequences/figures/tokens_by_turn")
]
TARGETS += ["results/test/embedded/context_switching/figures/cosine_lines.png"]
TARGETS += ["results/test/summary.md", "results/test/run_metadata.json", "results/test/comparison/niah/rank.png"]
MESSAGES = {
    "build_samples": r"Building the samples of (\w+) for",
    "collect_responses": r"Asking embedded the samples of (\w+)",
    "gather_responses": r"Gathering the responses of (\w+) from",
    "judge_responses": r"Judging (\w+) of",
    "extract_cosines": r"Looking at the layers of embedded for (\w+)",
    "score_responses": r"Scoring (\w+) of",
    "draw_figures": r"Drawing (?!test/)(?:\w+ of )?(\w+) for",
    "tabulate_results": r"Tabulating the metrics and failures of (\w+) of",
    "write_comparison": "Comparing test/comparison/()",
    "draw_comparison": "Drawing test/comparison/()",
    "write_summary": "Summarizing tier ()",
    "write_run_metadata": "Noting what ran()",
}
AFTER = {
    "build_samples": ["collect_responses", "extract_cosines", "gather_responses", "judge_responses", "score_responses"],
    "collect_responses": ["gather_responses"],
    "gather_responses": ["judge_responses", "extract_cosines", "score_responses", "tabulate_results"],
    "judge_responses": ["score_responses", "tabulate_results"],
    "extract_cosines": ["score_responses", "draw_figures"],
    "score_responses": ["draw_figures", "tabulate_results", "write_comparison", "write_summary", "write_run_metadata"],
    "write_comparison": ["draw_comparison"],
}
"""Rule -> rules that read what it writes."""
OF_TIER = ("write_summary", "write_run_metadata", "write_comparison", "draw_comparison")
STATES_NEED_ANSWERS = ("context_switching",)

Job = tuple[str, str]


class Finished:
    """A copy of the workflow whose results are there."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.folder = folder
        names = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
        for name in names:
            if name.startswith(("workflow/", "rules/", "config/", "data/", "profiles/", "envs/", "Snakefile", "pyproject")):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)
        program = [sys.executable, "-B", str(Path(__file__).with_name("dry_runs.py"))]
        self.process = subprocess.Popen(program, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        outputs = [line.split("\t")[0] for line in self.snakemake("--summary").splitlines() if line.startswith("results/")]
        for output in outputs:
            (folder / output).parent.mkdir(parents=True, exist_ok=True)
            (folder / output).touch()
        self.snakemake("--touch", "--forceall", "--cores", "1")
        self.jobs = self.plan("--forceall")

    def snakemake(self, *arguments: str) -> str:
        self.process.stdin.write(json.dumps([*TARGETS, *arguments, *OPTIONS]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def plan(self, *arguments: str) -> set[Job]:
        """The jobs of a dry run: (rule, experiment)."""
        said = self.snakemake("-n", *arguments)
        assert "This was a dry-run" in said or "Nothing to be done" in said, said
        messages = re.findall(r"^\s*Job \d+: (.*)$", said, re.MULTILINE)
        found = {(rule, match[1]) for text in messages for rule, form in MESSAGES.items() if (match := re.match(form, text))}
        assert len(found) == len(set(messages)), messages
        return found

    def after(self, path: str, edit: Callable[[str], str]) -> set[Job]:
        """The jobs that are planned after an edit of a file, which is then undone."""
        file = self.folder / path
        text, times = file.read_text(encoding="utf-8"), file.stat()
        changed = edit(text)
        assert changed != text, f"the edit changes nothing in {path}"
        file.write_text(changed, encoding="utf-8")
        try:
            return self.plan()
        finally:
            file.write_text(text, encoding="utf-8")
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    def with_what_follows(self, roots: Iterable[Job]) -> set[Job]:
        """Jobs, and all that read what they write."""
        found, waiting = set(), list(roots)
        while waiting:
            rule, experiment = job = waiting.pop()
            if job in found or job not in self.jobs:
                continue
            found.add(job)
            for name in AFTER.get(rule, []):
                if name == "extract_cosines" and rule == "gather_responses" and experiment not in STATES_NEED_ANSWERS:
                    continue
                if name == "write_comparison" and experiment != "niah":
                    continue
                waiting.append((name, "" if name in OF_TIER else experiment))
        return found


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    run = Finished(root, tmp_path_factory.mktemp("finished"))
    yield run
    run.process.stdin.close()
    run.process.stdout.close()
    run.process.wait(timeout=60)


def jobs(rule: str, *experiments: str) -> list[Job]:
    return [(rule, experiment) for experiment in experiments or EXPERIMENTS]


def becomes(old: str, new: str) -> Callable[[str], str]:
    """An edit of the first place where a text stands."""

    def edit(text: str) -> str:
        assert old in text, f"the file does not hold {old!r}"
        return text.replace(old, new, 1)

    return edit


def before(definition: str) -> Callable[[str], str]:
    """An edit of a function or class, whatever it holds; the module can still be imported."""
    return becomes(definition, f"{re.match(' *', definition)[0]}@(lambda same: same)\n{definition}")


LIBRARY, TASKS = "workflow/contextrot", "workflow/contextrot/tasks"
SCORING = jobs("score_responses")
TIER = [("write_summary", ""), ("write_run_metadata", "")]
EDITS = {
    "the denominator of every mean": (
        f"{LIBRARY}/records.py",
        becomes('SCORED_OUTCOMES = ("answered", ', "SCORED_OUTCOMES = ("),
        jobs("gather_responses"),
    ),
    "the seed of every bootstrap": (
        f"{LIBRARY}/randomness.py",
        becomes("default_rng", "another_rng"),
        [*jobs("score_responses", "context_switching"), ("write_comparison", ""), *TIER],
    ),
    "what the summary sums of responses": (f"{LIBRARY}/plan/provenance.py", before("def responses_summary("), TIER),
    "which states are looked at": (
        f"{TASKS}/context_switching/task.py",
        before("    def state_requests("),
        jobs("extract_cosines", "context_switching"),
    ),
    "another chat template": (
        "data/models/embedded/chat_template.jinja",
        lambda text: text + "{# another #}",
        jobs("build_samples"),
    ),
    "a comment": (f"{TASKS}/story_sequences/recovery.py", lambda text: f"# a comment\n{text}", []),
    "a docstring": (f"{LIBRARY}/scores/stats.py", becomes('"""', '"""Another first line. '), []),
    "a layout": (f"{LIBRARY}/scores/score.py", becomes("    task: Task,", "\n    task: Task,"), []),
    "the samples of a task, without a new version": (f"{TASKS}/niah/plan.py", before("    def messages("), []),
    "the version of a task": (
        f"{TASKS}/niah/task.py",
        lambda text: re.sub(r"    version = (\d+)", r"    version = 99", text),
        jobs("build_samples", "niah"),
    ),
    "how a task scores": (f"{TASKS}/niah/task.py", before("    def score("), jobs("score_responses", "niah")),
    "how stories are scored": (
        f"{TASKS}/story_sequences/repetition.py",
        before("def distinct_n("),
        jobs("score_responses", "story_sequences"),
    ),
    "an interval": (
        f"{LIBRARY}/scores/stats.py",
        before("def mean_interval("),
        [*SCORING, ("write_comparison", ""), *TIER, *jobs("draw_figures", "context_switching")],
    ),
    "an effective length": (
        f"{LIBRARY}/scores/rot_curves.py",
        before("def effective_length("),
        [("write_comparison", ""), ("write_summary", "")],
    ),
    "a comparison": (f"{LIBRARY}/scores/comparison.py", before("def compare("), [("write_comparison", "")]),
    "a judge": (f"{LIBRARY}/judging/judges/match.py", before("def judge("), jobs("judge_responses", "niah")),
    "a judge that nobody asks": (f"{LIBRARY}/judging/judges/story.py", before("def judge("), []),
    "the look of figures": (
        f"{LIBRARY}/figures/style.py",
        before("def new_figure("),
        [*jobs("draw_figures"), ("draw_comparison", "")],
    ),
    "a task's figure": (f"{TASKS}/niah/figures.py", before("def draw_heatmap("), jobs("draw_figures", "niah")),
    "the words of a caption": (
        f"{TASKS}/niah/figures.py",
        becomes("Share of right answers by length", "How many are right by length"),
        [],
    ),
    "a layer probe": (
        f"{LIBRARY}/hidden_states/probe.py",
        before("class LayerProbe"),
        jobs("extract_cosines", "context_switching"),
    ),
    "how shards are gathered": (f"{LIBRARY}/responses/shards.py", before("def gather_responses("), jobs("gather_responses")),
    "how a server is asked": (f"{LIBRARY}/responses/client.py", lambda text: text + "\n\nANOTHER = 1\n", []),
    "a page of failures": (f"{LIBRARY}/report/failures.py", before("def list_failures("), jobs("tabulate_results")),
    "a corpus": ("data/essays/a-defence-of-footnotes.txt", lambda text: text + " More.", jobs("build_samples", "niah")),
    "config: the seed": (
        "config/config.yaml",
        lambda text: re.sub(r"(?m)^seed: .*$", "seed: 77", text),
        [*jobs("build_samples"), ("write_comparison", "")],
    ),
    "config: a parameter of one experiment": (
        "config/models.yaml",
        becomes("lengths: [256, 1024, 2048, 4000]", "lengths: [256]"),
        jobs("build_samples", "niah"),
    ),
    "config: an experiment's title": (
        "config/experiments.yaml",
        becomes("Needle in a haystack", "Other"),
        [*jobs("draw_figures", "niah"), *jobs("tabulate_results", "niah"), ("draw_comparison", ""), ("write_summary", "")],
    ),
    "config: a model's sampling": (
        "config/models.yaml",
        becomes("embedded:\n", "embedded:\n  sampling: {temperature: 0.5}\n"),
        jobs("collect_responses"),
    ),
    "config: a model's title": (
        "config/models.yaml",
        becomes("title: Embedded model", "title: Other"),
        [*jobs("draw_figures"), *jobs("tabulate_results"), ("write_comparison", ""), ("write_summary", "")],
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_plans_what_depends_on_it_and_nothing_else(finished, name):
    path, edit, roots = EDITS[name]
    assert finished.after(path, edit) == finished.with_what_follows(roots)


def test_a_finished_run_plans_nothing(finished):
    assert finished.plan() == set()
    assert {rule for rule, _ in finished.jobs} == set(MESSAGES)
