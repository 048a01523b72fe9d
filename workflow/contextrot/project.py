"""The config files as one checked whole: settings with the models, experiments and judges that they name.

Five places say what a task's parameters are; the later wins: the task's defaults, the model's `overrides[task]`, the experiment's
`parameters`, its `tiers[tier]`, the model's `overrides[experiment]`. In an override its own `tiers[tier]` comes last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from contextrot import engines, secrets, tasks
from contextrot.checked import shown, validate
from contextrot.errors import ConfigError, unknown
from contextrot.files import read_yaml
from contextrot.judging import judges
from contextrot.settings import ExperimentSettings, ModelSettings, Settings

EMBEDDED = "models/embedded"


class Project:
    """Settings with the definitions of models and experiments they point to, all checked.

    Args:
        config: the merged config, as Snakemake gives it.
        root: the folder of the Snakefile, where `data` is; found from this file without it.

    Raises:
        ConfigError: for anything unknown, mistyped or missing.
    """

    def __init__(self, config: Mapping[str, Any], root: Path | None = None) -> None:
        self.root = root = project_root() if root is None else root
        file = "config/config.yaml or --config"
        self.settings: Settings = validate(Settings, config, file)
        s = self.settings
        definitions = _read_definitions(root / s.model_definitions)
        self.models: dict[str, ModelSettings] = {
            name: validate(ModelSettings, self._located(block), f"model {name!r} in {s.model_definitions}")
            for name, block in definitions.items()
        }
        definitions = _read_definitions(root / s.experiment_definitions)
        self.experiments: dict[str, ExperimentSettings] = {
            name: validate(ExperimentSettings, block, f"experiment {name!r} in {s.experiment_definitions}")
            for name, block in definitions.items()
        }
        for model in self.models.values():
            secrets.learn_address(model.base_url)
            headers = model.engine_options.get("headers")
            secrets.learn_headers(
                {name: value for name, value in headers.items() if isinstance(value, str)} if isinstance(headers, dict) else {}
            )
        if s.tier not in s.tiers:
            raise unknown("tier", s.tier, s.tiers, "config/config.yaml or --config tier=")
        for name in s.models:
            if name not in self.models:
                raise unknown("model", name, self.models, f"`models` of {file} (they stand in {s.model_definitions})")
        for name in s.experiments:
            if name not in self.experiments:
                raise unknown(
                    "experiment", name, self.experiments, f"`experiments` of {file} (they stand in {s.experiment_definitions})"
                )
        for name, judge in s.judges.items():
            if judge.kind not in judges.names():
                raise unknown("kind of judge", judge.kind, judges.names(), f"judge {name!r} of {file}")
            kind = judges.load(judge.kind)
            if kind.asks and judge.model not in self.models:
                raise unknown("model", judge.model, self.models, f"judge {name!r} of {file}")
            kind.check(judge, f"judge {name!r} of {file}")
        for judge in s.default_judges:
            if judge not in s.judges:
                raise unknown("judge", judge, s.judges, f"`default_judges` of {file}")
        default = Settings.model_fields["experiment_definitions"].default
        shipped = _read_definitions(root / default) if s.experiment_definitions != default and (root / default).exists() else {}
        overridable = {*self.experiments, *shipped, *tasks.names()}  # another file of experiments may leave out shipped ones
        for name, model in self.models.items():
            if model.engine not in engines.names():
                raise unknown("engine", model.engine, engines.names(), f"model {name!r} in {s.model_definitions}")
            self._check_elsewhere(name, model)
            for target in model.overrides:
                if target not in overridable:
                    raise unknown(
                        "experiment or task", target, overridable, f"overrides of model {name!r} in {s.model_definitions}"
                    )
                self._override_tiers(name, target)
        for name, experiment in self.experiments.items():
            if experiment.task not in tasks.names():
                raise unknown("task", experiment.task, tasks.names(), f"experiment {name!r} in {s.experiment_definitions}")
            for tier in experiment.tiers:
                if tier not in s.tiers:
                    raise unknown(
                        "tier", tier, s.tiers, f"experiment {name!r} in {s.experiment_definitions} (`tiers` of {file} has them)"
                    )
            for judge in self.judges_of(name):
                if judge not in s.judges:
                    raise unknown("judge", judge, s.judges, f"experiment {name!r} in {s.experiment_definitions}")
        for name in s.effective_length:
            if name not in self.experiments:
                where = f"`effective_length` of {file} (they stand in {s.experiment_definitions})"
                raise unknown("experiment", name, self.experiments, where)
            if self.task_class(name).length_parameter is None:
                raise ConfigError(f"`effective_length` of {file}: the task of experiment {name!r} has no lengths.")
        for name in self.experiments:
            self._check_base(name)
        for name in self.selected_experiments:
            self._check_judges(name)
        for model in self.selected_models:
            for experiment in self.selected_experiments:
                for tier in ("", *s.tiers):  # without a tier too, which may hide what stands above it
                    self.parameters(tier, model, experiment)

    @property
    def data(self) -> Path:
        """The project's data folder."""
        return self.root / "data"

    def _located(self, block: Any) -> Any:
        """A model's block with `{data}` in its name and tokenizer replaced by the data folder."""
        if not isinstance(block, dict):
            return block
        named = {key: block[key] for key in ("name", "tokenizer", "chat_template") if isinstance(block.get(key), str)}
        paths = {key: name.replace("{data}", str(self.data)) for key, name in named.items()}
        return {**block, **paths}

    @property
    def selected_models(self) -> list[str]:
        """Names of the models to run."""
        return self.settings.models

    @cached_property
    def selected_experiments(self) -> list[str]:
        """Names of the experiments to run: those named, or all that belong to a run by default."""
        return self.settings.experiments or [name for name, block in self.experiments.items() if block.by_default]

    def task_class(self, experiment: str) -> type[tasks.Task]:
        """The task that an experiment runs."""
        return tasks.load(self.experiments[experiment].task)

    def task(self, tier: str, model: str, experiment: str) -> tasks.Task:
        """The experiment's task with its parameters for a tier and model."""
        return self.task_class(experiment)(self.parameters(tier, model, experiment))

    def parameters(self, tier: str, model: str, experiment: str) -> Any:
        """The parameters in force for one tier, model and experiment.

        Raises:
            ConfigError: for a parameter that the task does not have, or of another type.
        """
        block = self.experiments[experiment]
        of_task = self._override(tier, model, block.task)  # for experiments that say nothing else themselves
        merged = of_task | block.parameters | block.tiers.get(tier, {}) | self._override(tier, model, experiment)
        where = f"the parameters of experiment {experiment!r} (task {block.task!r}) for model {model!r}"
        files = f"{self.settings.experiment_definitions} or {self.settings.model_definitions}"
        return validate(self.task_class(experiment).Parameters, merged, f"{where} in {files}")

    def _override(self, tier: str, model: str, target: str) -> dict[str, Any]:
        """What a model's override of an experiment or task says in a tier."""
        override = {key: value for key, value in self.models[model].overrides.get(target, {}).items() if key != "tiers"}
        return override | self._override_tiers(model, target).get(tier, {})

    def _override_tiers(self, model: str, target: str) -> dict[str, dict[str, Any]]:
        """What a model's override of an experiment or task says for single tiers."""
        where = f"`tiers` in override {target!r} of model {model!r} in {self.settings.model_definitions}"
        by_tier = self.models[model].overrides.get(target, {}).get("tiers", {})
        if not isinstance(by_tier, dict):
            raise ConfigError(f"{where}: must map tiers to parameters, not {shown(by_tier)}.")
        for tier, parameters in by_tier.items():
            if tier not in self.settings.tiers:
                raise unknown("tier", tier, self.settings.tiers, where)
            if not isinstance(parameters, dict):
                raise ConfigError(f"{where}: {tier!r} must map parameters to values, not {shown(parameters)}.")
        return by_tier

    def _check_base(self, experiment: str) -> None:
        """Checks an experiment's own parameters, which a model's overrides may hide."""
        block, file = self.experiments[experiment], self.settings.experiment_definitions
        kind = self.task_class(experiment).Parameters
        where = f"experiment {experiment!r} (task {block.task!r}) in {file}"
        validate(kind, block.parameters, f"`parameters` of {where}")
        for tier, parameters in block.tiers.items():
            validate(kind, block.parameters | parameters, f"tier {tier!r} of {where}")

    def _check_elsewhere(self, name: str, model: ModelSettings) -> None:
        """Checks that what says where a model is served stands with an engine that asks there."""
        if engines.of(model).elsewhere:
            return
        given = [key for key in ("base_url", "provider") if getattr(model, key) is not None]
        if model.tokenizer == "server":
            given.append("tokenizer: server")
        if given:
            raise ConfigError(
                f"model {name!r} in {self.settings.model_definitions}: `{given[0]}` is for an engine that asks a server elsewhere "
                f"({engines.that(lambda engine: engine.elsewhere)}), but its engine is {model.engine!r}; take one of the two out."
            )

    def _check_judges(self, experiment: str) -> None:
        """Checks that each judge of an experiment can judge its task."""
        task = self.experiments[experiment].task
        for name in self.judges_of(experiment):
            only = judges.load(self.settings.judges[name].kind).task
            if only not in (None, task):
                raise ConfigError(
                    f"judge {name!r} judges answers of the task {only} only, and experiment {experiment!r} has the task {task!r}; "
                    "take it out of the experiment's `judges` (or of `default_judges`)."
                )
        first = next(iter(self.judges_of(experiment)), None)
        if first is not None and not judges.load(self.settings.judges[first].kind).judges_all:
            raise ConfigError(
                f"judge {first!r} stands first in the judges of experiment {experiment!r}, but knows the answers that people labelled only; "
                "name a judge before it, whose verdicts give the score."
            )

    @property
    def models_asked(self) -> dict[str, ModelSettings]:
        """The selected models, then those that the judges of the selected experiments ask, by name."""
        blocks = [self.settings.judges[name] for experiment in self.selected_experiments for name in self.judges_of(experiment)]
        judging = [block.model for block in blocks if judges.load(block.kind).asks]
        return {name: self.models[name] for name in dict.fromkeys([*self.selected_models, *judging])}

    def figures_of(self, model: str, experiment: str) -> list[str]:
        """Names of the figures that there is something to draw for; see figures.declared."""
        task, weights, judged = (
            self.task(self.settings.tier, model, experiment),
            engines.of(self.models[model]).has_weights,
            bool(self.judges_of(experiment)),
        )
        declared = tasks.figures(self.experiments[experiment].task)
        return [name for name, figure in declared.items() if figure.drawn(task, weights, judged)]

    def note(self, model: str) -> str:
        """What must be said wherever a model's results are shown; empty for a model that can be taken at its word."""
        settings = self.models[model]
        if (said := engines.of(settings).note) is not None:
            return said
        if settings.name.endswith(EMBEDDED):
            return "DEMONSTRATION MODEL of a few MB: it shows the method and says nothing about large models"
        return ""

    def judges_of(self, experiment: str) -> list[str]:
        """Names of an experiment's judges: those it names, else the default ones, or none for a task that scores by itself."""
        named = self.experiments[experiment].judges
        if named is not None:
            return named
        judged = self.task_class(experiment).is_judged(self.experiments[experiment].parameters)
        return self.settings.default_judges if judged else []

    def labelling_judges(self, experiment: str) -> list[str]:
        """Those of an experiment's judges that know the labels of people."""
        return [name for name in self.judges_of(experiment) if not judges.load(self.settings.judges[name].kind).judges_all]

    def shards(self, model: str, experiment: str) -> int:
        """Number of inference jobs of one experiment."""
        return self.experiments[experiment].shards or self.models[model].shards

    def title(self, name: str) -> str:
        """The display name of a model or experiment."""
        block = self.models.get(name) or self.experiments.get(name)
        return (block.title if block else None) or name


def project_root() -> Path:
    """The folder of the Snakefile; empty if it is the working folder, so that paths in results name no machine's folders."""
    root = Path(__file__).resolve().parents[2]
    return Path() if root == Path.cwd() else root


def _read_definitions(path: Path) -> dict[str, Any]:
    """The blocks of a file of models or experiments, by name; names are text, also 2024.

    Raises:
        ConfigError: if the file is not there, no YAML, or a name stands twice or cannot be one.
    """
    content = read_yaml(path, error=ConfigError)
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must map names to blocks, but holds a {type(content).__name__}.")
    for name in content:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", name):
            raise ConfigError(
                f"{path}: the name {shown(name)} is not accepted; use letters, digits, '_', '.', '-', at most 80 characters."
            )
    return content
