"""What goes out on the wire: the body with its streaming, headers, proxy; and litellm's arguments for the same."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from contextrot import secrets
from contextrot.engines import Endpoint
from contextrot.responses.prices import on_this_machine

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def streamed(body: dict[str, Any]) -> dict[str, Any]:
    """A body that says whether it is streamed: as it says itself, else streamed with token counts."""
    return body if "stream" in body else {**STREAMED, **body}


def content(endpoint: Endpoint, body: dict[str, Any]) -> bytes:
    """The JSON of a request to an OpenAI-compatible server."""
    return json.dumps({**streamed(body), **endpoint.extra_body}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def proxy_for(url: str) -> str | None:
    """The proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name for an address; never one for this machine's own servers."""
    parts, proxies = urlsplit(url), getproxies_environment()
    if on_this_machine(url) or not parts.hostname or proxy_bypass_environment(parts.netloc.rpartition("@")[2], proxies):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    secrets.learn_address(proxy)
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def litellm_arguments(endpoint: Endpoint, body: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
    """The arguments of litellm.acompletion.

    What no OpenAI request has goes into its extra_body where the provider speaks OpenAI's protocol, and beside the others elsewhere,
    where litellm would send a field of the name extra_body.
    """
    from litellm import openai_compatible_providers
    from litellm.constants import DEFAULT_CHAT_COMPLETION_PARAM_VALUES as OPENAI

    body = streamed(body)
    own = {name: value for name, value in body.items() if name in OPENAI or name in ("messages", "top_k")}
    own.pop("model", None)
    further = {name: value for name, value in body.items() if name not in own and name != "model"} | endpoint.extra_body
    if endpoint.provider in (*openai_compatible_providers, "openai", "azure", "openrouter"):
        further = {"extra_body": further} if further else {}
    return {
        **further,
        "model": f"{endpoint.provider}/{body['model']}",
        "api_key": endpoint.api_key,
        "api_base": endpoint.base_url,
        "timeout": timeout_seconds,
        "num_retries": 0,
        "max_retries": 0,
        **({"extra_headers": endpoint.headers} if endpoint.headers else {}),
        **({"api_version": endpoint.query["api-version"]} if "api-version" in endpoint.query else {}),
        **own,
    }
