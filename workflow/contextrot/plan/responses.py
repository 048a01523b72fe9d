"""What the rules of rules/inference.smk look up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from contextrot import engines
from contextrot.plan.paths import EXPERIMENT
from contextrot.plan.stage import Lookup, Stage
from contextrot.plan.turns import server_resource
from contextrot.project import Project
from contextrot.secrets import public
from contextrot.settings import ON_THE_WIRE, ModelSettings

ANSWERING = ["engine", "name", "revision", "base_url", "provider", "sampling", "reasoning_tokens", "reasoning_effort"]


def answering(model: ModelSettings) -> str:
    """What of a model's settings changes its answers, as text without secrets: Snakemake keeps it in its own records."""
    asked = {name: value for name, value in model.request.items() if name not in ON_THE_WIRE}
    template = ["chat_template"] if model.chat_template and not engines.of(model).elsewhere else []
    settings = model.model_dump(mode="json", include={*ANSWERING, "engine_options", *template}) | (
        {"request": asked} if asked else {}
    )
    return json.dumps(public(settings), ensure_ascii=False, separators=(",", ":"))


def turn(project: Project, name: str | None, after: float = 0) -> float:
    """Priority of a job that asks a model: one model after the other, so that a server goes on from job to job, and none of them
    before light jobs that are ready (which have 1)."""
    model = None if name is None else project.models.get(name)
    return 1 if name is None or model is None or engines.of(model).elsewhere else -list(project.models).index(name) - after


def api_resources(project: Project, model_for: Callable[[Any], ModelSettings | None]) -> dict[str, Lookup]:
    """`api` for any server elsewhere, `api_{provider}` for each provider, `server_{port}` for each on this machine: 1 if the job asks it, so that jobs at once can be limited."""

    def asks(provider: str | None) -> Lookup:
        def places(wildcards: Any) -> int:
            model = model_for(wildcards)
            return int(model is not None and engines.of(model).elsewhere and provider in (None, model.provider))

        return places

    def turn_at(server: str) -> Lookup:
        return lambda wildcards: int(server_resource(model_for(wildcards)) == server)

    providers = sorted({model.provider for model in project.models.values() if model.provider})
    return {
        "api": asks(None),
        **{f"api_{provider}": asks(provider) for provider in providers},
        **{server: turn_at(server) for server in servers_of(project)},
    }


def servers_of(project: Project) -> list[str]:
    """The resources of the servers on this machine, at each of which one job asks at a time unless `--resources` says otherwise."""
    return sorted({name for model in project.models.values() if (name := server_resource(model))})


class Responses(Stage):
    """samples.parquet -> responses.parquet."""

    @property
    def servers(self) -> list[str]:
        """See `servers_of`."""
        return servers_of(self.project)

    @property
    def api(self) -> dict[str, Lookup]:
        """The resources of servers elsewhere."""
        return api_resources(self.project, self.model)

    def answering(self, wildcards: Any) -> str:
        """What of a model's settings changes its answers; a change of concurrency or price asks nothing again."""
        return answering(self.model(wildcards))

    def priority(self, wildcards: Any) -> float:
        """One model after the other; first what has the longest way to go: layers to look at."""
        task = self.project.task_class(wildcards.experiment)
        looked_at = task.score_inputs and engines.of(self.model(wildcards)).has_weights
        return turn(self.project, wildcards.model, after=0 if looked_at else 0.5)

    def threads(self, wildcards: Any) -> int:
        """A job that waits for a server elsewhere takes no core; one that runs a model on the CPU as many as its engine."""
        return self.cores_of(self.model(wildcards))

    def memory(self, wildcards: Any, attempt: int) -> int:
        """Megabytes of a job that asks, more with each attempt."""
        return (2000 if engines.of(self.model(wildcards)).elsewhere else 8000) * attempt

    def shards(self, wildcards: Any) -> list[str]:
        """The responses of all jobs of an experiment."""
        shards = self.project.shards(wildcards.model, wildcards.experiment)
        return [f"{EXPERIMENT}/responses/{shard}-of-{shards}.parquet" for shard in range(1, shards + 1)]
