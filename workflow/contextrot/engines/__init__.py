"""Engines serve a model. One module here is one engine; its object ENGINE says all that others must know of it.

No other module asks for an engine by its name: who wants to know whether a model's weights are here asks `of(model).has_weights`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from contextrot import plugins, secrets
from contextrot.errors import EngineError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from contextrot.records import Response, Sample
    from contextrot.settings import ModelSettings
    from contextrot.task import Task


def _nothing() -> None:
    """What an engine does that cannot be reset."""


@dataclass(frozen=True)
class Endpoint:
    """Where requests go.

    Attributes:
        engine: the engine's name.
        model: the model as the server names it.
        provider: litellm's name of the provider; an OpenAI-compatible server is `hosted_vllm`.
        base_url: URL up to `/v1`, None for a provider that litellm knows.
        answers_as: the model's name in the server's answers, where it is another than `model`.
        api_key: from the environment; never written or shown.
        headers: further ones of each request; never written or shown.
        query: of each request's address; never written or shown.
        most_at_once: requests that it may get at once; None without a limit.
        extra_body: fields added to each request (such as chat_template_kwargs).
        reset: clears the engine's state (prefix and KV cache), or restarts the server; called between attempts.
        alive: raises EngineError if the server has stopped by itself.
        details: what is worth recording: versions, command, ports.
    """

    engine: str
    model: str
    provider: str
    base_url: str | None = None
    answers_as: str | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)
    most_at_once: int | None = None
    extra_body: dict[str, Any] = field(default_factory=dict)
    reset: Callable[[], None] = _nothing
    alive: Callable[[], None] = lambda: None
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        secrets.learn(self.api_key)
        secrets.learn_headers(self.headers)
        secrets.learn_address(self.base_url)

    @property
    def can_reset(self) -> bool:
        """Whether `reset` does anything."""
        return self.reset is not _nothing

    @property
    def request_headers(self) -> dict[str, str]:
        """All headers of a request that say who asks."""
        own = {name.lower() for name in self.headers}
        key = {"Authorization": f"Bearer {self.api_key}"} if self.api_key and "authorization" not in own else {}
        return {**key, **self.headers}

    def url(self, path: str) -> str:
        """The address of something below `base_url`."""
        query = f"?{urlencode(self.query)}" if self.query else ""
        return f"{self.base_url}/{path}{query}"


@dataclass(frozen=True)
class Engine:
    """What an engine is. It has `serve`, or `answers` if there is no server to ask.

    Attributes:
        options: the pydantic model of its `engine_options` in config.
        serve: the context manager that starts it and stops it whatever happens; raises ConfigError, EngineError.
        answers: gives all samples' responses by sample id where nothing is served; `data` is the project's data folder, and the
            ledger counts what is answered. For an experiment's samples alone: judges and serving experiments need a server.
        check: raises EngineError where the engine may not be used, before anything is done.
        elsewhere: whether a server answers that the run does not start: it may bill, limit rates and cut prompts, takes no core of
            this machine, and is not stopped.
        has_weights: whether the model's weights can be loaded here, so that its layers can be looked at.
        counts_prompts: whether its token counts are of the prompts as they were built.
        note: what must be said wherever its results are shown; None for one that can be taken at its word.
        operational_options: options that change no answer, and so are no part of the key under which one is stored.
        reuses_prefixes: whether what prompts share at their beginning is computed only once; None where the server decides it.
        rates: prompt tokens and answer tokens a second, from which the times of a load are computed where there is nothing to measure.
        in_mode: the model's settings for one mode of serving, `aggregated` or `disaggregated`; None if there is only the first.
        takes_overrides: whether `engine_options.hf_overrides` replaces values of the model's config.json.
        own_benchmark: interpreter and environment variables of the client of the engine's own serving benchmark; None if it has none.
        endpoint: where requests go, without starting anything; None unless it is `elsewhere`.
        build: versions or content of the program that would answer, so that the answers of two builds are told apart; empty where it is not here.
    """

    options: type[BaseModel]
    serve: Callable[[ModelSettings, Path], AbstractContextManager[Endpoint]] | None = None
    answers: Callable[[Sequence[Sample], Task, ModelSettings, Path, Any], dict[str, list[Response]]] | None = None
    check: Callable[[ModelSettings], None] = lambda model: None
    elsewhere: bool = False
    has_weights: bool = False
    counts_prompts: bool = True
    note: str | None = None
    operational_options: frozenset[str] = frozenset()
    reuses_prefixes: Callable[[ModelSettings], bool | None] = lambda model: None
    rates: Callable[[ModelSettings], tuple[float, float]] | None = None
    in_mode: Callable[[ModelSettings, str], ModelSettings] | None = None
    takes_overrides: bool = False
    own_benchmark: Callable[[ModelSettings], tuple[str, dict[str, str]]] | None = None
    endpoint: Callable[[ModelSettings], Endpoint] | None = None
    build: Callable[[ModelSettings], dict[str, str]] | None = None


def names() -> tuple[str, ...]:
    """Names of all engines."""
    return plugins.names(__name__, "ENGINE")


def load(name: str) -> Engine:
    """What an engine says it is.

    Raises:
        ConfigError: if there is none of that name.
    """
    return plugins.load(__name__, "ENGINE", "engine", name)


def of(model: ModelSettings) -> Engine:
    """The engine of a model.

    Raises:
        ConfigError: if there is none of that name.
    """
    return load(model.engine)


def that(has: Callable[[Engine], Any]) -> str:
    """Names of the engines of which something holds, for messages."""
    return ", ".join(repr(name) for name in names() if has(load(name)))


def serve(model: ModelSettings, log_path: str | Path) -> AbstractContextManager[Endpoint]:
    """Starts the model's engine; on leaving the context the server is stopped whatever happened.

    Raises:
        ConfigError: for an engine option that the engine does not have.
        EngineError: if there is no server to start, or it does not start.
    """
    engine = of(model)
    engine.check(model)
    if engine.serve is None:
        raise EngineError(
            f"model {model.name!r} has engine {model.engine!r}, which answers an experiment's samples but runs no server to ask; "
            "for judges and serving experiments choose another model."
        )
    return engine.serve(model, Path(log_path))
