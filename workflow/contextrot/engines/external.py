"""Engine `external`: a server that already runs (any OpenAI-compatible URL), or a provider that litellm knows.

Keys come from the environment or from `.env` in the folder where snakemake was started; they are written nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import Field

from contextrot.engines import Endpoint
from contextrot.errors import ConfigError
from contextrot.settings import ModelSettings, Section, validate

KEY_VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
    "xai": "XAI_API_KEY",
}
NO_KEY = ("bedrock", "vertex_ai", "ollama", "ollama_chat")
OPERATIONAL_OPTIONS = frozenset({"answers_as"})


class Options(Section):
    """`engine_options` of engine `external`."""

    answers_as: str | None = None
    """The model's name in the server's answers, where it is another than `name`."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Fields added to each request, such as chat_template_kwargs."""


@contextmanager
def serve(model: ModelSettings, log_path: Path) -> Iterator[Endpoint]:
    """The endpoint of a server or provider elsewhere; nothing is started.

    Raises:
        ConfigError: if neither or both of base_url and provider are set, or the key is missing.
    """
    options: Options = validate(Options, model.engine_options, "engine_options of engine 'external'")
    if (model.base_url is None) == (model.provider is None):
        raise ConfigError(
            f"model {model.name!r} with engine 'external' needs exactly one of `base_url` (a server that runs, such as "
            "http://127.0.0.1:11434/v1) and `provider` (such as openai, anthropic, gemini, openrouter)."
        )
    if model.base_url is not None and not model.base_url.startswith(("http://", "https://")):
        raise ConfigError(
            f"base_url = {model.base_url!r} of model {model.name!r} is not a URL; it begins with http:// or https://."
        )
    yield Endpoint(
        engine="external",
        model=model.name,
        provider=model.provider or "hosted_vllm",
        base_url=model.base_url.rstrip("/") if model.base_url else None,
        answers_as=options.answers_as,
        api_key=api_key(model),
        extra_body=options.extra_body,
        details={"base_url": model.base_url} if model.base_url else {"provider": model.provider},
    )


def api_key(model: ModelSettings) -> str | None:
    """The model's key from the environment, or else from `.env`; None where none is needed.

    Raises:
        ConfigError: naming the variable, if it is needed and not set.
    """
    variable = model.api_key_env
    if variable is None and model.base_url is None and model.provider not in NO_KEY:
        variable = KEY_VARIABLES.get(model.provider, f"{model.provider.upper()}_API_KEY")
    if variable is None:
        return None
    key = os.environ.get(variable) or dotenv_values(".env").get(variable)
    if not key:
        raise ConfigError(
            f"model {model.name!r} needs an API key: set the environment variable {variable}, "
            f"or write {variable}=... into .env in the folder where snakemake is started."
        )
    return key
