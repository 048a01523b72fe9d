"""Engine `external`: a server that already runs (any OpenAI-compatible URL, or Ollama), or a provider that litellm knows.

Keys come from the environment or from `.env` in the folder where snakemake was started; they are written nowhere.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import Field

from contextrot import secrets
from contextrot.api_keys import api_key
from contextrot.checked import validate
from contextrot.engines import Endpoint, Engine
from contextrot.engines.provider_environment import filled_in, hand_over
from contextrot.errors import ConfigError
from contextrot.settings import OWN_PROVIDERS, ModelSettings, Section

ADDRESSES = {
    "anthropic": ("https://api.anthropic.com", "ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    "gemini": ("https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_BASE"),
    "openai": ("https://api.openai.com/v1", "OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "openrouter": ("https://openrouter.ai/api/v1", "OPENROUTER_API_BASE"),
}
"""Of providers their own address, and the variables that litellm reads another from, in its order."""
OLLAMA_URL = "http://127.0.0.1:11434"
OPERATIONAL_OPTIONS = frozenset({"answers_as", "headers"})


class Options(Section):
    """`engine_options` of engine `external`."""

    answers_as: str | None = None
    """The model's name in the server's answers, where it is another than `name`."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Fields added to each request, such as chat_template_kwargs; `request` of the model's block can do the same and more."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Headers of each request; `${VARIABLE}` in a value is taken from the environment or `.env`. Written nowhere."""


@contextmanager
def serve(model: ModelSettings, log_path: Path) -> Iterator[Endpoint]:
    """The endpoint of a server or provider elsewhere; nothing is started.

    Raises:
        ConfigError: if neither base_url nor provider is set, the URL is none, or the key is missing.
    """
    yield endpoint_of(model)


def endpoint_of(model: ModelSettings) -> Endpoint:
    """Where a model's requests go, with the credentials of its address turned into headers.

    Raises:
        ConfigError: as `serve`.
    """
    options: Options = validate(Options, model.engine_options, "engine_options of engine 'external'")
    if model.base_url is None and model.provider is None:
        raise ConfigError(
            f"model {model.name!r} with engine 'external' needs `base_url` (a server that runs, such as "
            "http://127.0.0.1:8080/v1) or `provider` (such as openai, anthropic, gemini, openrouter, ollama), or both."
        )
    hand_over(model.provider)
    base_url = model.base_url
    if model.provider in OWN_PROVIDERS:
        base_url = _ollama_url(base_url)
    if base_url is None and model.provider == "openrouter":
        base_url = provider_url("openrouter")
    if base_url is None and model.provider == "azure" and not os.environ.get("AZURE_API_BASE"):
        raise ConfigError(
            f"model {model.name!r} needs the address of your Azure resource: set `base_url` to it, or AZURE_API_BASE "
            "(environment or .env), and AZURE_API_VERSION where a version is needed."
        )
    headers = {name: filled_in(name, value) for name, value in options.headers.items()}
    query: dict[str, str] = {}
    if base_url is not None:
        base_url, login, query = _address(model.name, base_url)
        headers = {**login, **headers}
        if model.provider not in (None, *OWN_PROVIDERS) and set(query) - {"api-version"}:
            raise ConfigError(
                f"the address of model {model.name!r} has a query ({', '.join(sorted(query))}), which a `provider` is not sent; "
                "leave it out and give what it says as `engine_options.headers`, or leave out `provider`."
            )
    public_url = base_url and secrets.without_credentials(base_url)
    return Endpoint(
        engine="external",
        model=model.name,
        provider="ollama" if model.provider in OWN_PROVIDERS else model.provider or "hosted_vllm",
        base_url=base_url,
        answers_as=options.answers_as,
        api_key=api_key(model),
        headers=headers,
        query=query,
        extra_body=options.extra_body,
        details={name: value for name, value in (("base_url", public_url), ("provider", model.provider)) if value},
    )


def provider_url(provider: str) -> str | None:
    """Where a provider is that config gives no address of: as the environment says (litellm believes it too), else its own; None if not known."""
    own, *variables = ADDRESSES.get(provider, (None,))
    found = next((value for name in variables if (value := os.environ.get(name))), own)
    secrets.learn_address(found)
    return found and found.rstrip("/")


def _address(name: str, base_url: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """A base_url without user, password and query; the header that they make; the query.

    Raises:
        ConfigError: if it is no URL.
    """
    secrets.learn_address(base_url)
    try:
        parts = urlsplit(base_url.strip())
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError(
            f"base_url = {secrets.without_credentials(base_url)!r} of model {name!r} is not a URL; "
            "it begins with http:// or https://, and a password in it has no `/`, `@` or `:` (write them as %2F, %40, %3A)."
        )
    user, password, _ = secrets.address_credentials(base_url)
    login = {}
    if user is not None:
        token = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
        secrets.learn(token)
        login = {"Authorization": f"Basic {token}"}
    plain = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    return plain, login, dict(parse_qsl(parts.query, keep_blank_values=True))


def _ollama_url(base_url: str | None) -> str:
    """Ollama's own address, without the `/v1` of its other interface; from OLLAMA_HOST where config names none."""
    url = base_url or os.environ.get("OLLAMA_API_BASE") or os.environ.get("OLLAMA_HOST") or OLLAMA_URL
    if "://" not in url:
        url = f"http://{url}" if ":" in url else f"http://{url}:11434"
    return url.rstrip("/").removesuffix("/v1").removesuffix("/api").replace("//0.0.0.0", "//127.0.0.1")


ENGINE = Engine(Options, serve, elsewhere=True, operational_options=OPERATIONAL_OPTIONS, endpoint=endpoint_of)
