"""The config files as typed settings. Anything unknown or mistyped is an error that says what is known.

Four places say what a task's parameters are; the later wins:
the task's defaults, the experiment's `parameters`, its `tiers[tier]`, the model's `overrides[experiment or task]`
(whose own `tiers[tier]` comes last of all).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator

from contextrot import engines, judges, rubrics, secrets, tasks
from contextrot.checked import Checked, shown, validate
from contextrot.errors import ConfigError, unknown
from contextrot.files import read_yaml

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]


def _comma_list(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # a block named 2024, from the command line
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _pair_or_none(marks: list[str]) -> list[str]:
    if len(marks) not in (0, 2):
        raise ValueError('give an opening and a closing mark, such as ["<think>", "</think>"], or [] for none')
    return marks


LIMIT_VALUE = "{limit}"
ON_THE_WIRE = ("stream", "stream_options")
"""Parts of a request that change how an answer comes, not what it says: no part of its key."""
OWN_PROVIDERS = ("ollama", "ollama_chat")
"""Providers that are servers of one's own."""
NameList = Annotated[list[Name], BeforeValidator(_comma_list)]


class Section(Checked):
    """A part of the config files: unknown keys are errors, values given as text on the command line are converted."""


class Price(Section):
    """What a hosted model costs, in USD for a million tokens."""

    input_usd_per_million_tokens: float = Field(ge=0)
    """Price of prompt tokens."""
    output_usd_per_million_tokens: float = Field(ge=0)
    """Price of completion tokens, reasoning included."""
    cached_input_usd_per_million_tokens: float | None = Field(None, ge=0)
    """Price of prompt tokens that the provider had cached; without it they cost as any other."""


class ModelSettings(Section):
    """One model: one block in config/models.yaml."""

    checked_later = frozenset({"engine_options", "overrides"})
    may_be_empty = frozenset({"thinking_marks"})

    title: str | None = None
    """Name shown in figures and tables; the block's own name without it."""
    engine: str
    """How the model is served: vllm, transformers, external or simulated."""
    name: str
    """Hugging Face id, folder, or the name that the server or provider knows; `{data}` is the project's data folder."""
    revision: str | None = None
    """Pinned revision of a Hugging Face model, for vllm and transformers."""
    tokenizer: str | None = None
    """Folder or Hugging Face id of the tokenizer, a GGUF file, `tiktoken:ENCODING`, or `server` (the running server at base_url counts: llama.cpp, vLLM); the same as `name` without it."""
    chat_template: str | None = None
    """File of a Jinja chat template to count with instead of the tokenizer's own: the one that the server was given."""
    window: int = Field(gt=0)
    """Context window, tokens: prompt and answer together."""
    max_output_tokens: int = Field(gt=0)
    """The longest answer that the model may give, tokens; a task may ask for less."""
    reasoning_tokens: int = Field(0, ge=0)
    """Room for thinking beside the answer's own limit, tokens."""
    reasoning_effort: str | None = None
    """Passed to thinking models: low, medium, high."""
    thinking_marks: Annotated[list[Annotated[str, Field(min_length=1)]], AfterValidator(_pair_or_none)] | None = None
    """Opening and closing mark of thoughts in the text, such as ["<think>", "</think>"]; those of the common families without it; [] takes
    no thought out of the text."""
    base_url: str | None = None
    """For `external`: URL of an OpenAI-compatible server that already runs, such as http://127.0.0.1:11434/v1."""
    provider: str | None = None
    """For `external`: a provider that litellm knows (openai, anthropic, gemini, openrouter, azure, bedrock), with `base_url` at that
    address; or `ollama`, which asks for the whole `window` in each request."""
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; the key itself never stands in a config file."""
    tokens_per_minute: int | None = Field(None, gt=0)
    """Rate limit, prompt and completion tokens; default 50,000 for base_url, 200,000 for a provider, none for our own servers."""
    requests_per_minute: int | None = Field(None, gt=0)
    """Rate limit, requests."""
    concurrency: int = Field(8, gt=0)
    """Requests under way at once. Engine `transformers` gets one at a time unless it batches."""
    timeout_seconds: float = Field(600, gt=0)
    """A request without an answer after this time is tried again."""
    sampling: dict[str, Any] = Field(default_factory=lambda: {"temperature": 0})
    """Sampling parameters of every request: temperature, top_p, seed, ... as the OpenAI API names them."""
    request: dict[str, Any] = Field(default_factory=dict)
    """Parts of every request, which win over all others: a value changes one, null removes it, "{limit}" is the answer's limit. So
    `{max_tokens: null, max_completion_tokens: "{limit}"}` renames it, `{stream: false}` asks for whole answers, `{stream_options: null}`
    is for servers that refuse them, `{provider: {order: [...]}}` pins OpenRouter's upstream."""
    price: Price | None = None
    """Price where litellm's table has none, or another."""
    engine_options: dict[str, Any] = Field(default_factory=dict)
    """Options of the engine; checked against its own list."""
    gpu: int = Field(0, ge=0)
    """GPUs that one inference job asks for."""
    shards: int = Field(1, ge=1)
    """Jobs that one experiment's inference is split into."""
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Parameters of a task or experiment for this model alone, by its name; may hold `tiers`."""

    @field_validator("api_key_env")
    @classmethod
    def _is_a_variable(cls, name: str | None) -> str | None:
        if name is not None and (not re.fullmatch(r"[A-Za-z_]\w*", name) or (len(name) >= 20 and "_" not in name)):
            secrets.learn(name)
            raise ValueError(
                "it is the name of an environment variable, such as MY_API_KEY; the key itself never stands in a config file"
            )
        return name

    @field_validator("request")
    @classmethod
    def _of_one_answer(cls, request: dict[str, Any]) -> dict[str, Any]:
        if fixed := {"model", "messages", "n"} & request.keys():
            raise ValueError(f"{', '.join(sorted(fixed))} cannot be set: the model's `name` and the samples say it")
        if not isinstance(request.get("stream"), bool | None):
            if str(request["stream"]).lower() not in ("true", "false"):
                raise ValueError("stream is true or false")
            request = {**request, "stream": str(request["stream"]).lower() == "true"}
        return request

    @property
    def has_weights(self) -> bool:
        """Whether the model's weights can be loaded here, so that its layers can be looked at."""
        return self.engine in ("transformers", "vllm")

    @property
    def hosted(self) -> bool:
        """Whether a provider elsewhere answers, and bills."""
        return self.engine == "external" and self.provider not in OWN_PROVIDERS and (self.base_url is None or bool(self.provider))


class ExperimentSettings(Section):
    """One experiment: a task with parameters; one block in config/experiments.yaml."""

    may_be_empty = frozenset({"judges"})
    checked_later = frozenset({"parameters", "tiers"})

    task: str
    """Name of a module in workflow/contextrot/tasks."""
    title: str | None = None
    """Name shown in figures and tables."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the task; see the task's own list in config/README.md."""
    tiers: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    """Parameters that differ in a tier."""
    judges: NameList | None = None
    """Judges by name; the first gives the score. Default: the config's `default_judges`."""
    shards: int | None = Field(None, ge=1)
    """Overrides the model's number of inference jobs."""
    by_default: bool = True
    """Whether a run that names no experiments includes this one."""


class JudgeSettings(Section):
    """One judge: one entry of `judges` in config/config.yaml."""

    kind: str
    """`match`, `llm`, `story` (rates story sequences by seven criteria), or another module of workflow/contextrot/judges."""
    model: Name | None = None
    """For `llm` and `story`: the model, by its name in config/models.yaml."""
    rubric: str | None = None
    """For `llm`: which instructions the judge follows, `chroma` (the default) or `official`."""


class HiddenStateSettings(Section):
    """How the layers of local models are looked at."""

    final_norm: bool = False
    """Whether each layer's state goes through the model's final norm before the unembedding projects it."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Precision in which weights are held; auto is float32 where memory allows, else the checkpoint's own. Arithmetic is float32 whatever they are."""
    device: str = "auto"
    """cpu, cuda, or auto: a CUDA GPU where there is one."""
    batch_tokens: int = Field(1024, gt=0)
    """Tokens of one pass through the model; more is faster on a GPU and takes more memory."""
    share_prefixes: bool = True
    """Whether tokens that prompts share are computed once; off recomputes every prompt and answer alone."""


class Settings(Section):
    """config/config.yaml."""

    may_be_empty = frozenset({"models", "experiments", "default_judges"})

    tier: Name = "test"
    """How much is sampled: one of `tiers`."""
    tiers: dict[Name, str] = Field(default_factory=lambda: {"test": "a subset of each experiment", "full": "everything"})
    """The tiers, each with one line that says what it is."""
    models: NameList = ["embedded"]
    """Models to run, by their names in config/models.yaml; on the command line a comma list."""
    experiments: NameList = []
    """Experiments to run, by their names in config/experiments.yaml; none means all."""
    seed: int = Field(20261121, ge=0)
    """Seeds all samples and all resampling."""
    judges: dict[Name, JudgeSettings] = Field(default_factory=lambda: {"match": JudgeSettings(kind="match")})
    """The judges that experiments may name."""
    default_judges: NameList = ["match"]
    """Judges of experiments that name none; the first gives the score."""
    request_store: str = ".cache/responses"
    """Folder of the request store."""
    budget_usd: float | None = Field(None, ge=0)
    """Requests stop, cleanly and resumably, before a model's experiment has cost more than this, over all runs; what brought no answer but may have been billed counts at its worst."""
    max_attempts: int = Field(5, ge=1)
    """Attempts for one request that bring something that is no answer (not in the protocol's form, cut off, without a choice); waiting for a server is none."""
    retry_deadline_seconds: float = Field(1800, gt=0)
    """How long one request is tried, from its first sending, while the server asks to wait, is down or does not answer."""
    hidden_states: HiddenStateSettings = HiddenStateSettings()
    """How the layers of local models are looked at."""
    allow_failed: bool = False
    """Whether rows that failed after all attempts may go on to the scores (counted apart) instead of failing the job."""
    allow_input_cut: bool = False
    """Whether a server that cuts prompts is asked all of them nevertheless; their answers are marked and count in no mean."""
    model_definitions: str = "config/models.yaml"
    """File of the models, from the workflow's own folder."""
    experiment_definitions: str = "config/experiments.yaml"
    """File of the experiments, from the workflow's own folder."""


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
        self.settings = validate(Settings, config, file)
        s = self.settings
        definitions = _read_definitions(root / s.model_definitions)
        self.models = {
            name: validate(ModelSettings, self._located(block), f"model {name!r} in {s.model_definitions}")
            for name, block in definitions.items()
        }
        definitions = _read_definitions(root / s.experiment_definitions)
        self.experiments = {
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
            if judge.kind in ("llm", "story") and judge.model not in self.models:
                raise unknown("model", judge.model, self.models, f"judge {name!r} of {file}")
            if judge.kind == "llm" and judge.rubric not in (None, *rubrics.RUBRICS):
                raise unknown("rubric", judge.rubric, rubrics.RUBRICS, f"judge {name!r} of {file}")
        for judge in s.default_judges:
            if judge not in s.judges:
                raise unknown("judge", judge, s.judges, f"`default_judges` of {file}")
        shipped = root / Settings.model_fields["experiment_definitions"].default
        shipped = _read_definitions(shipped) if shipped.exists() else {}
        overridable = {*self.experiments, *shipped, *tasks.names()}  # another file of experiments may leave out shipped ones
        for name, model in self.models.items():
            if model.engine not in engines.names():
                raise unknown("engine", model.engine, engines.names(), f"model {name!r} in {s.model_definitions}")
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
        for name in self.experiments:
            self._check_base(name)
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

    def parameters(self, tier: str, model: str, experiment: str) -> tasks.Parameters:
        """The parameters in force for one tier, model and experiment.

        Raises:
            ConfigError: for a parameter that the task does not have, or of another type.
        """
        block = self.experiments[experiment]
        merged = {**block.parameters, **block.tiers.get(tier, {})}
        for target in (block.task, experiment) if block.task != experiment else (experiment,):
            override = dict(self.models[model].overrides.get(target, {}))
            override.pop("tiers", None)
            merged |= override | self._override_tiers(model, target).get(tier, {})
        where = f"the parameters of experiment {experiment!r} (task {block.task!r}) for model {model!r}"
        files = f"{self.settings.experiment_definitions} or {self.settings.model_definitions}"
        return validate(self.task_class(experiment).Parameters, merged, f"{where} in {files}")

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

    def figures_of(self, model: str, experiment: str) -> list[str]:
        """Names of the figures that can be drawn: those of a model's layers need its weights, those of ratings a judge."""
        task = self.task_class(experiment)
        inside = {"cosines.parquet", "likelihoods.parquet"}
        weights = self.models[model].has_weights
        drawn = self.task(self.settings.tier, model, experiment).figure_names()
        if not self.judges_of(experiment):
            drawn = [name for name in drawn if name not in task.figures_of_judges]
        return [name for name in drawn if weights or not inside & set(task.figure_inputs.get(name, []))]

    def judges_of(self, experiment: str) -> list[str]:
        """Names of an experiment's judges: those it names, else the default ones, or none for a task that scores by itself."""
        named = self.experiments[experiment].judges
        if named is not None:
            return named
        return self.settings.default_judges if self.task_class(experiment).judged else []

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
