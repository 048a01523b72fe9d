"""The batch APIs of Anthropic and Google, and which provider has which.

Sources: Anthropic "Message Batches" (requests in the body, results as JSON lines), Google "Batch API" of Gemini (`batchGenerateContent`, inlined
responses in the requests' order). A request in a provider's own form comes from litellm's translation, the same that direct asking
goes through.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from contextrot.engines import Endpoint
from contextrot.engines.external import provider_url
from contextrot.errors import ConfigError
from contextrot.responses.batch_api import (
    CLOCKS_APART_SECONDS,
    BatchApi,
    Expired,
    Items,
    Look,
    OpenAIBatches,
    Results,
    json_lines,
    take,
    text_of,
)
from contextrot.wire import meaning
from contextrot.wire.faults import Failure
from contextrot.wire.heard import end_of_googles
from contextrot.wire.reply_form import mapping


class AnthropicBatches(BatchApi):
    """Requests in the body, at most 100,000 and 256 MB. A batch has no name; its results are known by their requests' keys."""

    takes_names = False
    most_bytes = 200_000_000

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._url = (endpoint.base_url or provider_url("anthropic") or "").rstrip("/").removesuffix(
            "/v1"
        ) + "/v1/messages/batches"

    def _headers(self) -> dict[str, str]:
        return {"x-api-key": self.endpoint.api_key or "", "anthropic-version": "2023-06-01", **self.endpoint.headers}

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        litellm, options, messages = _translated(self.endpoint, body)
        values = {"model": self.endpoint.model, "messages": messages, "optional_params": options}
        return litellm.AnthropicConfig().transform_request(**values, litellm_params={}, headers={})

    async def submit(self, name: str, items: Items) -> str:
        requests = [{"custom_id": key, "params": self.wire(body)} for key, body in items.items()]
        return text_of(await self.json("POST", self._url, json={"requests": requests}), "id")

    async def find(self, name: str, keys: list[str], since: float, known: Collection[str]) -> str | None:
        after = ""
        while True:
            page = await self.json("GET", f"{self._url}?limit=100{after}")
            found = [batch for batch in page.get("data") or [] if isinstance(batch, dict)]
            for batch in found:
                counts = batch.get("request_counts") or {}
                if batch.get("id") in known:
                    continue
                if _seconds(batch.get("created_at")) < since - CLOCKS_APART_SECONDS or sum(counts.values()) != len(keys):
                    continue
                if batch.get("processing_status") != "ended":
                    return text_of(batch, "id")  # perhaps ours: its results will tell
                if set((await self.look(text_of(batch, "id"), keys)).results) & set(keys):
                    return text_of(batch, "id")
            if not page.get("has_more") or not found or _seconds(found[-1].get("created_at")) < since - CLOCKS_APART_SECONDS:
                return None
            after = f"&after_id={text_of(found[-1], 'id')}"

    async def look(self, batch: str, keys: list[str]) -> Look:
        state = await self.json("GET", f"{self._url}/{batch}")
        if state.get("processing_status") != "ended":
            return Look(False)
        results: Results = {}
        for line in json_lines(await self.call("GET", f"{self._url}/{batch}/results")):
            take(results, line.get("custom_id"), _of_anthropic, line.get("result"))
        return Look(True, results)


class GeminiBatches(BatchApi):
    """Inlined requests, at most 20 MB; a name as the batch's display name; responses in the requests' order."""

    most_bytes = 18_000_000

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._url = (endpoint.base_url or provider_url("gemini") or "").rstrip("/")

    def _headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self.endpoint.api_key or "", **self.endpoint.headers}

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        from litellm.llms.vertex_ai.gemini.transformation import _transform_request_body

        _, options, messages = _translated(self.endpoint, body)
        values = {"model": self.endpoint.model, "messages": messages, "optional_params": options}
        return dict(_transform_request_body(**values, custom_llm_provider="gemini", litellm_params={}, cached_content=None))

    async def submit(self, name: str, items: Items) -> str:
        requests = [{"request": self.wire(body), "metadata": {"key": key}} for key, body in items.items()]
        asked = {"batch": {"display_name": name, "input_config": {"requests": {"requests": requests}}}}
        url = f"{self._url}/models/{self.endpoint.model}:batchGenerateContent"
        return text_of(await self.json("POST", url, json=asked), "name")

    async def find(self, name: str, keys: list[str], since: float, known: Collection[str]) -> str | None:
        after = ""
        while True:
            page = await self.json("GET", f"{self._url}/batches?pageSize=100{after}")
            for operation in page.get("operations") or []:
                about = operation.get("metadata") or {}
                state = str(about.get("state"))
                if about.get("displayName") == name and not state.endswith(("_FAILED", "_CANCELLED")):
                    return text_of(operation, "name")
            if not page.get("nextPageToken"):
                return None
            after = f"&pageToken={page['nextPageToken']}"

    async def look(self, batch: str, keys: list[str]) -> Look:
        operation = await self.json("GET", f"{self._url}/{batch}")
        if not operation.get("done"):
            return Look(False)
        if error := operation.get("error"):
            return Look(True, refused=meaning.failure_of(None, error))
        responses = ((operation.get("response") or {}).get("inlinedResponses") or {}).get("inlinedResponses") or []
        results: Results = {}
        for place, answer in enumerate(responses):
            named = mapping(mapping(answer).get("metadata")).get("key")
            take(results, named or (keys[place] if len(responses) == len(keys) else None), _of_gemini, answer)
        return Look(True, results)


_APIS: dict[str, Callable[[Endpoint], BatchApi]] = {
    "openai": OpenAIBatches,
    "hosted_vllm": OpenAIBatches,
    "anthropic": AnthropicBatches,
    "gemini": GeminiBatches,
}


def has_batches(provider: str | None) -> bool:
    """Whether a batch API of a provider in config is known here; None is a server with a `base_url`."""
    return (provider or "hosted_vllm") in _APIS


def batch_api(endpoint: Endpoint) -> BatchApi:
    """The batches of whoever is behind an endpoint.

    Raises:
        ConfigError: if it has none that are known here.
    """
    api = _APIS.get(endpoint.provider)
    if api is None:
        raise ConfigError(
            f"`ask: batch` of model {endpoint.model!r}: no batch API of provider {endpoint.provider!r} is known here; there is one for "
            "openai, anthropic, gemini and any `base_url` with /v1/batches. Set `ask: direct`."
        )
    return api(endpoint)


def _translated(endpoint: Endpoint, body: dict[str, Any]) -> tuple[Any, dict[str, Any], list[dict[str, Any]]]:
    """litellm, its options for a body, and the messages."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm
    from litellm.utils import get_optional_params

    body = {name: value for name, value in {**body, **endpoint.extra_body}.items() if name not in ("stream", "stream_options")}
    messages = [dict(message) for message in body.pop("messages")]
    options = get_optional_params(model=endpoint.model, custom_llm_provider=endpoint.provider, messages=messages, **body)
    return litellm, options, messages


def _of_anthropic(result: dict[str, Any]) -> dict[str, Any] | Failure | None:
    kind = result.get("type")
    if kind == "succeeded":
        return from_anthropic(result["message"])
    if kind == "errored":
        return meaning.failure_of(None, (result.get("error") or {}).get("error") or {})
    return Expired(f"the request was {kind}") if kind in ("expired", "canceled") else None


def _of_gemini(answer: dict[str, Any]) -> dict[str, Any] | Failure | None:
    if isinstance(answer.get("response"), dict):
        return from_gemini(answer["response"])
    return meaning.failure_of(None, answer["error"]) if answer.get("error") else None


def from_anthropic(message: dict[str, Any]) -> dict[str, Any]:
    """A message as a whole answer in OpenAI's form; counts and ends stay the provider's own."""
    parts = [part for part in message.get("content") or [] if isinstance(part, dict)]
    text = "".join(part.get("text") or "" for part in parts if part.get("type") == "text")
    thought = "".join(part.get("thinking") or "" for part in parts if part.get("type") == "thinking")
    said = {"role": "assistant", "content": text, "reasoning_content": thought or None}
    choice = {"index": 0, "message": said, "finish_reason": message.get("stop_reason")}
    return {"model": message.get("model"), "choices": [choice], "usage": message.get("usage")}


def from_gemini(answer: dict[str, Any]) -> dict[str, Any]:
    """As `from_anthropic`, of a GenerateContentResponse."""
    parts: list[dict[str, Any]] = []
    candidates = answer.get("candidates") or []
    for candidate in candidates[:1]:
        parts = [part for part in (candidate.get("content") or {}).get("parts") or [] if isinstance(part, dict)]
    text = "".join(part.get("text") or "" for part in parts if not part.get("thought"))
    thought = "".join(part.get("text") or "" for part in parts if part.get("thought"))
    said = {"role": "assistant", "content": text, "reasoning_content": thought or None}
    end = end_of_googles([answer])
    choices = [{"index": 0, "message": said, "finish_reason": end}] if end or candidates else []
    return {"model": answer.get("modelVersion"), "choices": choices, "usageMetadata": answer.get("usageMetadata")}


def _seconds(when: Any) -> float:
    try:
        return datetime.fromisoformat(str(when).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
