"""What the rules of rules/figures.smk look up."""

from __future__ import annotations

import re
from typing import Any

from contextrot import tasks
from contextrot.plan.paths import EXPERIMENT, folder_of
from contextrot.plan.stage import Lookup, Stage, cached_hash


class Figures(Stage):
    """scores.parquet, metrics.csv -> figures/{figure}.png."""

    def task_name(self, wildcards: Any) -> str:
        """The task whose figures.py draws."""
        return self.project.experiments[wildcards.experiment].task

    def code(self, wildcards: Any) -> str:
        """Hash of the code that draws: of all tasks' figures those of the experiment's own."""
        return cached_hash("draw_figures", f"tasks.{self.task_name(wildcards)}.figures")

    def sources(self, figures: list[str]) -> Lookup:
        """What some figures read beside scores and metrics."""

        def paths(wildcards: Any) -> list[str]:
            declared, task = tasks.figures(self.task_name(wildcards)), self.task(wildcards)
            known = [declared[figure] for figure in figures if figure in declared]
            return sorted({f"{EXPERIMENT}/{name}" for figure in known for name in figure.files(task) or []})

        return paths

    def sources_of_one(self, wildcards: Any) -> list[str]:
        """What the job's figure reads beside scores and metrics."""
        paths: list[str] = self.sources([wildcards.figure])(wildcards)
        return paths

    def drawn_together(self) -> dict[str, list[str]]:
        """Experiment -> its figures that every selected model has, where they are several: one job draws them."""
        together: dict[str, list[str]] = {}
        for model, experiment in self.selection:
            names = self.project.figures_of(model, experiment)
            together[experiment] = [figure for figure in together.get(experiment, names) if figure in names]
        return {experiment: names for experiment, names in together.items() if len(names) > 1}

    def rule_name(self, *parts: str) -> str:
        """A name of a rule that is made of an experiment's."""
        return re.sub(r"\W", "_", "_".join(parts))

    def folder(self, experiment: str) -> str:
        """The folder of a selected experiment of the config's tier."""
        return folder_of(tier=[self.project.settings.tier], model=self.project.selected_models, experiment=[experiment])

    def short_targets(self) -> list[tuple[str, list[str]]]:
        """Each figure's short name, and its files for the selected models."""
        project = self.project
        return [
            (
                self.rule_name(experiment, figure),
                [
                    f"results/{project.settings.tier}/{model}/{experiment}/figures/{figure}.png"
                    for model in project.selected_models
                    if figure in project.figures_of(model, experiment)
                ],
            )
            for experiment, block in project.experiments.items()
            for figure in tasks.figures(block.task)
        ]

    def selected(self, tier: str | None = None) -> list[str]:
        """All figures of the selection, in a tier or the config's own."""
        return [
            f"results/{tier or self.project.settings.tier}/{model}/{experiment}/figures/{figure}.png"
            for model, experiment in self.selection
            for figure in self.project.figures_of(model, experiment)
        ]
