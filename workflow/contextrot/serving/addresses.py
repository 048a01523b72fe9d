"""The OpenAI-compatible address of any endpoint: its stream is what is timed, whoever answers."""

from __future__ import annotations

import os
from dataclasses import replace

from contextrot import secrets
from contextrot.engines import Endpoint
from contextrot.engines.external import provider_url
from contextrot.errors import ConfigError

OPENAI_COMPATIBLE = {"anthropic": "/v1", "gemini": "/openai"}
"""Where below a provider's address it answers in OpenAI's form."""


def timed_endpoint(endpoint: Endpoint, name: str) -> Endpoint:
    """The endpoint with the address at which it streams in OpenAI's form.

    Args:
        name: the model's, for messages.

    Raises:
        ConfigError: if none is known.
    """
    if endpoint.provider == "hosted_vllm" and endpoint.base_url is not None:
        return endpoint
    if endpoint.provider == "ollama" and endpoint.base_url is not None:
        return replace(endpoint, base_url=f"{endpoint.base_url}/v1")
    if endpoint.provider == "azure":
        raise ConfigError(
            f"task 'serving' measures OpenAI-compatible addresses; for {name!r} of Azure leave out `provider` and give `base_url` with "
            "/openai/v1 at its end."
        )
    url = endpoint.base_url or provider_url(endpoint.provider) or _litellm_address(endpoint.provider)
    if url is None:
        raise ConfigError(
            f"task 'serving' measures OpenAI-compatible addresses, and knows none of provider {endpoint.provider!r} (model {name!r}); give it as "
            "`base_url`, and leave out `provider`."
        )
    below = OPENAI_COMPATIBLE.get(endpoint.provider, "")
    url = url.rstrip("/").removesuffix(below) + below
    return replace(endpoint, base_url=url, details={**endpoint.details, "measured_at": secrets.without_credentials(url)})


def _litellm_address(provider: str) -> str | None:
    """What litellm knows of a provider's address."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    try:
        import litellm

        address = litellm.get_llm_provider(f"{provider}/any", api_key="none")[3]
    except Exception:  # of a provider that it does not know, in many kinds
        return None
    return str(address) if address else None
