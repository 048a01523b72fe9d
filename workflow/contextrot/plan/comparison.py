"""What a comparison compares, and what the rules of rules/comparison.smk look up."""

from __future__ import annotations

import re
from typing import Any

from contextrot.errors import ConfigError
from contextrot.figures.comparison import COMPARISON_FIGURES
from contextrot.plan.paths import any_of
from contextrot.plan.runs import Run, run_of
from contextrot.plan.stage import Stage

COMPARISON = re.compile(r"(?:(?P<tier>[^/]+)/)?comparison/(?:conditions/(?P<model>[^/]+)/(?P<task>[^/]+)|(?P<experiment>[^/]+))")


class Comparisons(Stage):
    """scores.parquet of several models, conditions or tiers -> tables and figures.

    A comparison is named by its folder below results: `{tier}/comparison/{experiment}` are the selected models;
    `{tier}/comparison/conditions/{model}/{task}` the selected experiments of a task; `comparison/{experiment}` the selected models in
    each tier.
    """

    @property
    def constraint(self) -> str:
        """The names of comparisons, as a regular expression."""
        project = self.project
        tiers, models, experiments = any_of(project.settings.tiers), any_of(project.models), any_of(project.experiments)
        return rf"(({tiers})/)?comparison/(conditions/({models})/[A-Za-z0-9_]+|({experiments}))"

    def runs(self, comparison: str) -> list[Run]:
        """What is compared.

        Raises:
            ConfigError: if the name is that of no comparison.
        """
        found, project = _parts(comparison), self.project
        tier, model, task, experiment = found["tier"], found["model"], found["task"], found["experiment"]
        if model and tier:
            compared = [(tier, model, name) for name in self.conditions(task)]
        else:
            tiers = [tier] if tier else list(project.settings.tiers)
            compared = [(tier, name, experiment) for name in project.selected_models for tier in tiers]
        return [run_of(project, *names) for names in compared]

    def conditions(self, task: str) -> list[str]:
        """The selected experiments of a task."""
        return [name for name in self.project.selected_experiments if self.project.experiments[name].task == task]

    def entries(self, wildcards: Any) -> list[dict[str, str]]:
        """What is compared, with titles that tell all apart: those that two share are followed by the names in config."""
        runs, titles = self.runs(wildcards.comparison), self.titles(wildcards.comparison)
        return [
            {
                "title": f"{title} ({run.model}, {run.experiment})" if titles.count(title) > 1 else title,
                "tier": run.tier,
                "model": run.model,
                "experiment": run.experiment,
                "engine": run.settings.engine,
                "note": run.note,
            }
            for title, run in zip(titles, runs, strict=True)
        ]

    def titles(self, comparison: str) -> list[str]:
        """What is compared, for people."""
        found, runs = _parts(comparison), self.runs(comparison)
        if found["model"] and found["tier"]:
            return [run.experiment_title for run in runs]
        return [run.model_title if found["tier"] else f"{run.model_title}, {run.tier}" for run in runs]

    def sources(self, wildcards: Any) -> list[str]:
        """The scores of what is compared, in its order."""
        return [str(run.folder / "scores.parquet") for run in self.runs(wildcards.comparison)]

    def length(self, wildcards: Any) -> str | None:
        """The column of the lengths of what is compared."""
        return self.runs(wildcards.comparison)[0].task.length_column

    def pair_columns(self, wildcards: Any) -> list[str]:
        """By which columns experiments are paired; samples are by their ids, and then none is named."""
        of_conditions = _parts(wildcards.comparison)["task"] is not None
        return list(self.runs(wildcards.comparison)[0].task.pair_columns) if of_conditions else []

    def facts(self, wildcards: Any) -> dict[str, str]:
        """What figures and captions say about a comparison: its title, what is compared, by which engines and judges, and notes."""
        found, runs, project = _parts(wildcards.comparison), self.runs(wildcards.comparison), self.project
        tier = f"tier {found['tier']}" if found["tier"] else "all tiers"
        conditions = f"{project.title(found['model'])}: conditions of {found['task']}" if found["model"] else None
        return {
            "title": f"{conditions or project.title(found['experiment'])}, {tier}",
            "entries": "; ".join(self.titles(wildcards.comparison)),
            "engines": ", ".join(dict.fromkeys(run.settings.engine for run in runs)),
            "judges": "; ".join(filter(None, dict.fromkeys(", ".join(run.judges) for run in runs)))
            or "none: the task scores by itself",
            "notes": "; ".join(dict.fromkeys(run.note for run in runs if run.note)),
        }

    def names(self, tier: str) -> list[str]:
        """All comparisons of a tier: one of each selected experiment with lengths, and one of each task that has several of them."""
        project = self.project
        tasks = {name: project.task_class(name) for name in project.selected_experiments}
        compared = [name for name, task in tasks.items() if task.length_column and "score" in task.measures]
        found = [f"{tier}/comparison/{name}" for name in compared]
        return found + [
            f"{tier}/comparison/conditions/{model}/{task}"
            for model in project.selected_models
            for task in dict.fromkeys(project.experiments[name].task for name in compared)
            if len(self.conditions(task)) > 1
        ]

    def figures(self, tier: str) -> list[str]:
        """Figures of every comparison of a tier that has more than one thing to compare; others by their path."""
        compared = [name for name in self.names(tier) if len(self.runs(name)) > 1]
        return [f"results/{name}/{figure}.png" for name in compared for figure in COMPARISON_FIGURES]


def _parts(comparison: str) -> re.Match[str]:
    found = COMPARISON.fullmatch(comparison)
    if not found:
        raise ConfigError(
            f"results/{comparison} is no comparison: use results/TIER/comparison/EXPERIMENT or one of its other forms."
        )
    return found
