"""The config files' sections as typed settings. Anything unknown or mistyped is an error that says what is known."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator, model_validator

from contextrot import secrets
from contextrot.checked import Checked

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
    cache_write_usd_per_million_tokens: float | None = Field(None, ge=0)
    """Price of prompt tokens that the provider puts into its cache; without it they cost as any other."""


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
    """Opening and closing mark of thoughts in the text, such as ["<think>", "</think>"]; those of the common families, and tags
    that are named for thinking, without it; [] takes no thought out of the text."""
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
    ask: Literal["direct", "batch"] | None = None
    """Whether requests go out one by one or in batches, at half the price and within a day (openai, anthropic, gemini, and any `base_url`
    with /v1/batches); the run's `ask` without it."""
    prompt_caching: Literal["auto", "breakpoints", "order", "off"] = "auto"
    """How the provider's prompt cache is used: samples that share a beginning one after the other (order), which caches that work by
    themselves need, and marked where it ends (breakpoints), as Anthropic wants. auto: breakpoints for Claude, order for other providers,
    off for servers of your own."""
    price: Price | None = None
    """Price where litellm's table has none, or another."""
    engine_options: dict[str, Any] = Field(default_factory=dict)
    """Options of the engine; checked against its own list."""
    gpu: int = Field(0, ge=0)
    """GPUs that one inference job asks for."""
    shards: int = Field(1, ge=1)
    """Jobs that one experiment's inference is split into."""
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Parameters for this model alone, by an experiment's name, or a task's for experiments that do not say them; may hold `tiers`."""

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

    @model_validator(mode="after")
    def _learn_secrets(self) -> Self:
        for one in (self.base_url, self.engine_options, self.request):
            secrets.learn_options(one)
        return self

    @property
    def hosted(self) -> bool:
        """Whether a provider elsewhere answers, and bills."""
        return self.provider is not None and self.provider not in OWN_PROVIDERS


class ExperimentSettings(Section):
    """One experiment: a task with parameters; one block in config/experiments.yaml."""

    may_be_empty = frozenset({"judges"})
    checked_later = frozenset({"parameters", "tiers"})

    task: str
    """Name of a folder in workflow/contextrot/tasks."""
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
    """A module of workflow/contextrot/judging/judges; see below."""
    model: Name | None = None
    """For a judge that asks a model: which one, by its name in config/models.yaml."""
    rubric: str | None = None
    """For `llm`: which instructions the judge follows, `chroma` (the default) or `official`."""
    answer_first: bool = False
    """For `llm`: whether the answer stands before the gold answer; two judges that differ in it alone show the bias of position."""
    labels: str | None = None
    """For `human`: the folder of the labels; the sheet of an experiment is {tier}/{model}/{experiment}.csv in it."""


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


class TrustSettings(Section):
    """What "how long a context can I trust" means: the limits of the trust table."""

    quality_share: float = Field(0.9, gt=0, le=1)
    """Share of the score at the shortest length that must be left."""
    seconds: float = Field(10, gt=0)
    """Time until an answer is whole, seconds."""
    cents: float = Field(1, gt=0)
    """Cost of a request, US cents."""
    share_of_requests: float = Field(0.5, gt=0, lt=1)
    """Share of the requests of a length that must stay within `seconds` and `cents`: 0.5 is the typical request, 0.9 nine in ten."""


class BatchSettings(Section):
    """How batches are waited for, where `ask` is batch."""

    look_seconds: float = Field(60, gt=0)
    """Longest pause between two looks at a batch, seconds."""
    wait_hours: float = Field(26, ge=0)
    """A job that has waited so long ends; the same command finds its batches again. 0 submits and ends at once, as suits a cluster."""
    failed: Literal["batch", "direct"] = "batch"
    """How requests are asked again that expired, failed or were missing in a batch: in the next one, or directly at the full price."""


class EffectiveLengthSettings(Section):
    """The adaptive search for one experiment's effective length: an entry of `effective_length`."""

    criterion: Literal["nolima", "ruler", "share", "score"] = "nolima"
    """What a length must keep: nolima (85 % of the score at the shortest length), ruler (a score of 85.6 %), or `level` as a share of
    the score at the shortest length (share) or as a score."""
    level: float | None = Field(None, gt=0, lt=1)
    """For criteria share and score: between 0 and 1."""
    width: float = Field(1.5, gt=1)
    """The wanted upper end of the interval over its lower end. Eight needles that differ as most do (0.7 logits) allow 1.5 in about half of the
    searches and 2 in three of four; the others end with what more needles, or a higher cap, would narrow."""
    max_tokens: int | None = Field(None, gt=0)
    """The search ends before it has asked for more tokens, prompts and answers together."""
    max_usd: float | None = Field(None, gt=0)
    """The search ends before it has cost more, at the model's price."""
    max_rounds: int = Field(8, ge=1, le=8)
    """Rounds at most; each is one batch of requests."""
    shortest: int | None = Field(None, ge=0)
    """Shortest length that is asked; the shortest of the experiment without it."""
    longest: int | None = Field(None, gt=0)
    """Longest length that is asked; the longest of the experiment that fits the window without it."""

    @model_validator(mode="after")
    def _level_where_it_is_needed(self) -> Self:
        if (self.criterion in ("share", "score")) != (self.level is not None):
            raise ValueError("`level` belongs to the criteria share and score, which need it; nolima and ruler have their own")
        return self


class SamplePlanSettings(Section):
    """What `snakemake plan_samples` plans for, and what it takes to be true before anything is asked."""

    difference: float = Field(0.1, gt=0, lt=1)
    """A difference of two scores that is to be found."""
    width: float = Field(0.2, gt=0, lt=1)
    """The wanted width of a score's 95 % interval."""
    power: float = Field(0.8, gt=0.05, lt=1)
    """How often the difference is to be found."""
    score: float = Field(0.8, gt=0, lt=1)
    """The score that is expected."""
    spread: float = Field(0.7, ge=0, le=5)
    """How much needles (or items) are expected to differ: standard deviation of the log-odds. In a public set of nine models the median is 0.7."""
    interaction: float = Field(0.7, ge=0, le=5)
    """The same of how differently hard they are for one model and another."""


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
    leaderboard: Annotated[list[str], BeforeValidator(_comma_list)] = ["results"]
    """Results folders that `snakemake leaderboard` ranks, from the working folder: one's own, and other people's."""
    tracker: Literal["mlflow", "wandb"] | None = None
    """Where `snakemake track` sends all numbers: mlflow or wandb, whose package must be installed; its address and key stand in the environment."""
    label_answers: int = Field(100, gt=0)
    """Answers of each experiment that `snakemake label` writes for people to label."""
    request_store: str = ".cache/responses"
    """Folder of the request store."""
    request_store_bucket: str | None = None
    """Where jobs share no folder: a bucket's address (s3://, gs://, abfs://) that the request store's answers travel through, so that a job that failed
    there repeats nothing; its keys stand in the environment."""
    ask: Literal["direct", "batch"] = "direct"
    """How hosted models are asked whose block does not say it: one by one, or in batches at half the price."""
    batch: BatchSettings = BatchSettings()
    """How batches are waited for."""
    prune_models: Annotated[list[str], BeforeValidator(_comma_list)] = []
    """Models, as their servers name them, whose answers `snakemake prune_request_store` drops."""
    budget_usd: float | None = Field(None, ge=0)
    """Requests stop, cleanly and resumably, before a model's experiment has cost more than this, over all runs; what brought no answer but may have been billed counts at its worst."""
    max_attempts: int = Field(5, ge=1)
    """Attempts for one request that bring something that is no answer (not in the protocol's form, cut off, without a choice); waiting for a server is none."""
    retry_deadline_seconds: float = Field(1800, gt=0)
    """How long one request is tried, from its first sending, while the server asks to wait, is down or does not answer."""
    hidden_states: HiddenStateSettings = HiddenStateSettings()
    """How the layers of local models are looked at."""
    trust: TrustSettings = TrustSettings()
    """The limits of the trust table."""
    population: Literal["kind", "these"] = "kind"
    """What intervals speak for: needles (or items) of the kind that was asked, or these very ones alone."""
    effective_length: dict[Name, EffectiveLengthSettings] = Field(default_factory=dict)
    """Experiments whose effective length `snakemake effective_length` finds, with what differs from the defaults."""
    sample_plan: SamplePlanSettings = SamplePlanSettings()
    """What `snakemake plan_samples` plans for."""
    allow_failed: bool = False
    """Whether rows that failed after all attempts may go on to the scores (counted apart) instead of failing the job."""
    allow_input_cut: bool = False
    """Whether a server that cuts prompts is asked all of them nevertheless; their answers are marked and count in no mean."""
    model_definitions: str = "config/models.yaml"
    """File of the models, from the workflow's own folder."""
    experiment_definitions: str = "config/experiments.yaml"
    """File of the experiments, from the workflow's own folder."""
