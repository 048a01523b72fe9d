"""Engines serve a model. One module here is one engine, with one context manager: `serve(model, log_path) -> Endpoint`.

Each also has a pydantic model `Options` of its `engine_options` in config.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from contextrot import plugins, secrets

if TYPE_CHECKING:
    from contextrot.settings import ModelSettings


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


def names() -> tuple[str, ...]:
    """Names of all engines."""
    return plugins.names(__name__, "serve")


def load(name: str) -> ModuleType:
    """The module of an engine.

    Raises:
        ConfigError: if there is none of that name.
    """
    return plugins.load(__name__, "serve", "engine", name)


def serve(model: ModelSettings, log_path: str | Path) -> AbstractContextManager[Endpoint]:
    """Starts the model's engine; on leaving the context the server is stopped whatever happened.

    Raises:
        ConfigError: for an engine option that the engine does not have.
        EngineError: if the server cannot be started.
    """
    return load(model.engine).serve(model, Path(log_path))


def reuses_prefixes(model: ModelSettings) -> bool | None:
    """Whether the model's engine computes what prompts share at their beginning only once; None where the server decides it.

    Raises:
        ConfigError: for an engine option that the engine does not have.
    """
    engine = load(model.engine)
    return engine.reuses_prefixes(model) if hasattr(engine, "reuses_prefixes") else None
