"""What the plans of all stages share. A stage's methods take wildcards and give what its rules name: inputs, params, targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from contextrot import engines
from contextrot.errors import ContextRotError
from contextrot.plan.code_hash import code_hash
from contextrot.plan.paths import EXPERIMENT
from contextrot.project import Project
from contextrot.settings import ModelSettings
from contextrot.task import Task

Lookup = Callable[[Any], Any]
"""What Snakemake calls with a job's wildcards."""
cached_hash = cache(code_hash)
"""A plan asks the same for every shard of an experiment."""


@dataclass(frozen=True)
class Invocation:
    """How Snakemake was called, as far as plans depend on it.

    Attributes:
        refuse: makes an error that Snakemake tells in one message, from a text.
        local: marks a file of this machine, which is in no bucket; None where jobs share no folder with this one.
        cores: of this machine that jobs may take; None if nobody said.
        submits: whether jobs are submitted to a cluster, which is not known before the plan is made.
        config: what the command line says beside the config files.
        is_module: whether another workflow uses this one.
        bucket: gives the arguments by which a second Snakemake finds files that lie in a bucket.
    """

    refuse: Callable[[str], Exception] = ValueError
    local: Callable[[str], Any] | None = str
    cores: int | None = None
    submits: Callable[[], bool] = bool
    config: Mapping[str, Any] = field(default_factory=dict)
    is_module: bool = False
    bucket: Callable[[], Sequence[str]] = list


class Stage:
    """Base of the stages' plans."""

    def __init__(self, project: Project, invocation: Invocation) -> None:
        self.project, self.invocation = project, invocation
        self._task = cache(project.task)

    def cores_of(self, model: ModelSettings) -> int:
        """Cores of a job that asks a model: none of this machine's if a server elsewhere runs it (a cluster gives no job less than one), one
        beside a GPU, else the engine's own, up to 8."""
        if engines.of(model).elsewhere:
            return int(self.invocation.submits())
        return 1 if model.gpu else model.engine_options.get("threads") or 8

    def model(self, wildcards: Any) -> ModelSettings:
        """The settings of a job's model."""
        model: ModelSettings = self.project.models[wildcards.model]
        return model

    def task(self, wildcards: Any) -> Task:
        """The task with its parameters; a wrong parameter of a model that was not selected is reported when it is asked for."""
        try:
            return self._task(wildcards.tier, wildcards.model, wildcards.experiment)
        except ContextRotError as error:
            raise self.invocation.refuse(str(error)) from error

    def version(self, wildcards: Any) -> int:
        """The task's version, which stands for the code behind its samples and requests."""
        return self.task(wildcards).version

    def parameters(self, wildcards: Any) -> str:
        """The task's parameters in force, as JSON."""
        text: str = self.task(wildcards).parameters.model_dump_json()
        return text

    def gpus(self, wildcards: Any) -> int:
        """GPUs of a job that runs the model."""
        return self.model(wildcards).gpu

    def members(self, wildcards: Any, *members: str) -> list[str]:
        """Members of an experiment's task, for `code_hash`: no import names a plug-in."""
        kinds = [self.project.task_class(wildcards.experiment), *self.task(wildcards).borrowed]
        return [f"{kind.__module__.removeprefix('contextrot.')}:{kind.__name__}.{member}" for kind in kinds for member in members]

    @property
    def selection(self) -> list[tuple[str, str]]:
        """Every selected (model, experiment)."""
        return [(model, experiment) for model in self.project.selected_models for experiment in self.project.selected_experiments]

    def of_selection(self, name: str, tier: str | None = None) -> list[str]:
        """One file of every selected model and experiment, in a tier or the config's own."""
        tier = tier or self.project.settings.tier
        return [f"{EXPERIMENT}/{name}".format(tier=tier, model=m, experiment=e) for m, e in self.selection]

    def of_tier(self, name: str) -> Lookup:
        """As `of_selection`, in a job's tier."""
        return lambda wildcards: self.of_selection(name, wildcards.tier)

    def here(self, paths: Iterable[str | Path]) -> list[Any]:
        """Files of the workflow's own or of this machine, as inputs: they are not in the bucket that `--default-storage-provider` names.

        Where jobs share no folder they come with the code, as git tracks it; as an input they would keep the job on this machine.
        """
        local = self.invocation.local
        return [] if local is None else [local(str(path)) for path in paths]

    def files_of_folder(self, name: str, *patterns: str) -> list[Any]:
        """Files of a local model or tokenizer folder, or the GGUF file itself; none for a Hugging Face id."""
        return self.here(_files_of_folder(name, patterns))

    def served_files(self, wildcards: Any) -> list[Any]:
        """All files of a local model that a server loads."""
        return self.files_of_folder(self.model(wildcards).name, "*.safetensors", "*.json", "*.jinja")


@cache
def _files_of_folder(name: str, patterns: tuple[str, ...]) -> list[Path]:
    folder = Path(name)
    return [folder] if folder.is_file() else sorted(path for pattern in patterns for path in folder.glob(pattern))


def growing(megabytes: int) -> Callable[[Any, int], int]:
    """Memory that grows with each attempt, so that a job that ran out of it gets more."""
    return lambda wildcards, attempt: megabytes * attempt
