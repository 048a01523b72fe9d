"""What the rules of rules/serving.smk look up."""

from __future__ import annotations

import json
from typing import Any

from contextrot.errors import unknown
from contextrot.plan.paths import EXPERIMENT, folder_of
from contextrot.plan.scores import SCORING
from contextrot.plan.stage import Lookup, Stage, cached_hash
from contextrot.secrets import public
from contextrot.tasks.serving.variants import PATTERN

MODE = PATTERN
"""What the folders of an experiment's servers are called."""
NOT_MEASURED = {"title", "price", "overrides", "shards"}
"""Settings of a model that change nothing of its speed."""


class Serving(Stage):
    """samples.parquet -> {mode}/ -> scores.parquet, parity.json -> report_latest.md."""

    @property
    def experiments(self) -> list[str]:
        """Names of the experiments that measure serving."""
        return [name for name, block in self.project.experiments.items() if block.task == "serving"]

    @property
    def folder(self) -> str:
        """The folder of those experiments alone."""
        return folder_of(experiment=self.experiments or ["no experiment"])

    def settings(self, wildcards: Any) -> str:
        """What of a model's settings changes its speed."""
        settings = self.model(wildcards).model_dump(mode="json", exclude=NOT_MEASURED)
        return json.dumps(public(settings), separators=(",", ":"))

    def parity_samples(self, wildcards: Any) -> str | list[str]:
        """Samples of the experiment whose answers the modes must agree on, where one is named."""
        experiment = self.task(wildcards).parameters.parity_with
        if experiment is None:
            return []
        known = set(self.project.experiments) - set(self.experiments)
        if experiment not in known:
            raise self.invocation.refuse(str(unknown("experiment", experiment, known, "`parity_with`")))
        return f"results/{wildcards.tier}/{wildcards.model}/{experiment}/samples.parquet"

    def of_modes(self, name: str) -> Lookup:
        """A file of each server that is measured."""
        return lambda wildcards: [f"{EXPERIMENT}/{one.name}/{name}" for one in self.task(wildcards).parameters.variants]

    def threads(self, wildcards: Any) -> int:
        """All cores, so that nothing else of the workflow is measured with it; beside a GPU 8."""
        return 8 if self.model(wildcards).gpu else self.invocation.cores or 8

    def joining_code(self, wildcards: Any) -> str:
        """Hash of the code that joins modes and summarizes their requests."""
        return cached_hash("join_modes", *self.members(wildcards, *SCORING))

    def reports(self) -> list[str]:
        """Reports of the selected experiments that measure serving."""
        tier = self.project.settings.tier
        return [f"results/{tier}/{model}/{name}/report_latest.md" for model, name in self.selection if name in self.experiments]

    def results(self) -> list[str]:
        """Reports and figures of the selected models' serving experiments: the named ones, or all."""
        project = self.project
        chosen = [name for name in project.settings.experiments if name in self.experiments] or self.experiments
        return [
            f"results/{project.settings.tier}/{model}/{experiment}/{name}"
            for model in project.selected_models
            for experiment in chosen
            for name in ["report_latest.md", *(f"figures/{figure}.png" for figure in project.figures_of(model, experiment))]
        ]
