"""What the rules of rules/hidden_states.smk look up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contextrot import engines
from contextrot.plan.paths import EXPERIMENT
from contextrot.plan.responses import turn
from contextrot.plan.stage import Lookup, Stage, cached_hash


class HiddenStates(Stage):
    """samples.parquet and a local model's weights -> cosines.parquet, likelihoods.parquet, pairs/."""

    def code(self, wildcards: Any) -> str:
        """Hash of the code that looks at layers, and of the task's choice of what is looked at."""
        return cached_hash("extract_cosines", *self.members(wildcards, "state_requests"))

    def sources(self, wildcards: Any) -> dict[str, str]:
        """What the task's choice needs beside the samples, by name."""
        return {Path(name).stem: f"{EXPERIMENT}/{name}" for name in self.project.task_class(wildcards.experiment).state_inputs}

    def weights(self, wildcards: Any) -> list[Any]:
        """Files of the model that are looked into."""
        return self.files_of_folder(self.model(wildcards).name, "*.safetensors", "config.json")

    def options(self, wildcards: Any) -> list[str | None]:
        """How layers are looked at, and in which model."""
        model = self.model(wildcards)
        return [self.project.settings.hidden_states.model_dump_json(), model.name, model.revision]

    def priority(self, wildcards: Any) -> float:
        """On a GPU after all answers of the model, for its server has to leave."""
        return turn(self.project, wildcards.model, after=0.75) if self.model(wildcards).gpu else 1

    def threads(self, wildcards: Any) -> int:
        """Cores of a job that looks at layers."""
        return self.cores_of(self.model(wildcards))

    def pair_sources(self, wildcards: Any) -> list[str]:
        """What one pair's files are made of."""
        names = ["samples", "responses", "scores", *(["cosines"] if engines.of(self.model(wildcards)).has_weights else [])]
        return [f"{EXPERIMENT}/{name}.parquet" for name in names]

    def pairs(self, ending: str) -> Lookup:
        """A file of every pair of an experiment."""

        def paths(wildcards: Any) -> list[str]:
            task: Any = self.task(wildcards)  # only context switching has pairs
            return [f"{EXPERIMENT}/pairs/{name}{ending}" for name in task.pairs]

        return paths

    def verifications(self) -> list[str]:
        """The verification of every selected experiment that has pairs."""
        tier, experiments = self.project.settings.tier, self.project.experiments
        return [
            f"results/{tier}/{model}/{experiment}/pairs/verification.csv"
            for model, experiment in self.selection
            if experiments[experiment].task == "context_switching"
        ]
