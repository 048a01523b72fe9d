"""What the rules of rules/effective_length.smk look up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from contextrot.errors import ContextRotError
from contextrot.plan.effective_length import goes_on, search_facts
from contextrot.plan.paths import EXPERIMENT
from contextrot.plan.stage import Stage
from contextrot.secrets import public

ROUNDS = f"{EXPERIMENT}/rounds"


class EffectiveLengthSearch(Stage):
    """rounds/{n}/choice.json -> samples -> responses -> judgements -> scores -> rounds/{n + 1}/choice.json."""

    def _before(self, wildcards: Any, name: str) -> list[str]:
        return [f"{ROUNDS}/{n}/{name}".format(**wildcards) for n in range(1, int(wildcards.round))]

    def scores_before(self, wildcards: Any) -> list[str]:
        """The scores of all earlier rounds."""
        return self._before(wildcards, "scores.parquet")

    def samples_before(self, wildcards: Any) -> list[str]:
        """The samples of all earlier rounds, none of which is asked again."""
        return self._before(wildcards, "samples.parquet")

    def settings(self, wildcards: Any) -> str:
        """What of config says how lengths are chosen, so that another criterion or width chooses again."""
        try:
            return search_facts(self.project, wildcards.tier, wildcards.model, wildcards.experiment)
        except ContextRotError as error:
            raise self.invocation.refuse(str(error)) from error

    def shards(self, wildcards: Any) -> list[str]:
        """The responses of all jobs of a round."""
        shards = self.project.shards(wildcards.model, wildcards.experiment)
        return [f"{ROUNDS}/{{round}}/responses/{shard}-of-{shards}.parquet" for shard in range(1, shards + 1)]

    def judgements(self, wildcards: Any) -> list[str]:
        """The files of all judges of a round, the one that gives the score first."""
        return [f"{ROUNDS}/{{round}}/judgements/{judge}.parquet" for judge in self.project.judges_of(wildcards.experiment)]

    def choices(self, wildcards: Any, checkpoint: Callable[..., Any]) -> list[str]:
        """The choices until one that stops; each is a checkpoint, because whether another follows stands in it."""
        choices: list[str] = []
        while not choices or goes_on(choices[-1]):
            choices.append(checkpoint(**wildcards, round=len(choices) + 1).output[0])
        return choices

    def of_selection_named(self) -> list[str]:
        """The searches: of the experiments that are named, with config's settings or the defaults; else of those that config names, or the
        first that has lengths."""
        s = self.project.settings
        with_lengths = [name for name in self.project.selected_experiments if self.project.task_class(name).length_parameter]
        named = s.experiments or list(s.effective_length) or with_lengths[:1]
        return [f"results/{s.tier}/{m}/{e}/effective_length.md" for m in self.project.selected_models for e in named]

    def sample_plan_facts(self, wildcards: Any) -> str:
        """All of config that a tier's sample plan depends on, so that another selection, aim or price plans again."""
        s = self.project.settings
        facts: list[Any] = [s.sample_plan.model_dump(), s.seed]
        for model, experiment in self.selection:
            about = self.project.models[model]
            search = s.effective_length.get(experiment)
            try:
                parameters = self._task(wildcards.tier, model, experiment).parameters.model_dump(mode="json")
            except ContextRotError as error:
                raise self.invocation.refuse(str(error)) from error
            facts.append(
                [
                    model,
                    experiment,
                    (about.engine, about.name, about.provider, public(about.base_url)),
                    (about.window, about.tokens_per_minute, about.requests_per_minute),
                    about.price and about.price.model_dump(),
                    parameters,
                    search and search.model_dump(),
                ]
            )
        return json.dumps(facts)
