"""A batch API: submit, find again, look at, take the results; and that of OpenAI, which every server with `/v1/batches` speaks.

Source: OpenAI "Batch API" (files, batches, output and error file).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from contextrot.engines import Endpoint
from contextrot.engines.external import provider_url
from contextrot.responses import outgoing
from contextrot.wire import faults, http_reading, meaning
from contextrot.wire.faults import Failure

MOST_RESULT_BYTES = 1 << 31
TIMEOUT_SECONDS = 300
ODD = (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError)
"""What comes of reading JSON that has another form than the provider's."""
_OPENAI_ENDED = ("completed", "failed", "expired", "cancelled")
Items = Mapping[str, dict[str, Any]]
"""Bodies of requests by their keys."""
Results = dict[str, dict[str, Any] | Failure]
"""A whole answer in OpenAI's form, or why there is none."""

CLOCKS_APART_SECONDS = 900.0
"""This machine's clock may be so far before the provider's or behind it."""


@dataclass
class Look:
    """What a batch is now.

    Attributes:
        ended: whether nothing more comes.
        results: what came; of a batch that has not ended, nothing.
        refused: why the provider took none of it, if so.
    """

    ended: bool
    results: Results = field(default_factory=dict)
    refused: Failure | None = None


class Expired(Failure):
    """The provider did not come to it in time, and has not billed it."""

    kind = "expired"
    retried = True


class BatchApi(ABC):
    """One provider's batches.

    Attributes:
        most_items, most_bytes: of one batch.
        takes_names: whether a batch carries its name, so that it can be found by it.
    """

    most_items = 50_000
    most_bytes = 100_000_000
    takes_names = True

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._session: Any = None

    @abstractmethod
    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        """A request as it stands in a batch."""

    @abstractmethod
    async def submit(self, name: str, items: Items) -> str:
        """Submits a batch, and gives its id. Raises Failure."""

    @abstractmethod
    async def find(self, name: str, keys: list[str], since: float, known: Collection[str]) -> str | None:
        """The id of a batch of this name that was submitted after `since` (seconds since the epoch), and not `known` as another."""

    @abstractmethod
    async def look(self, batch: str, keys: list[str]) -> Look:
        """What has become of a batch whose requests have these keys, in this order. Raises Failure."""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _headers(self) -> dict[str, str]:
        return self.endpoint.request_headers

    async def call(self, method: str, url: str, **sent: Any) -> bytes:
        """The body of an answer.

        Raises:
            Failure: what another answer, or none, means.
        """
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS), headers=self._headers(), trust_env=False
            )
        try:
            async with self._session.request(method, url, proxy=outgoing.proxy_for(url), allow_redirects=False, **sent) as answer:
                if not 200 <= answer.status < 300:
                    text = (await answer.content.read(http_reading.LARGEST_ERROR_BYTES)).decode("utf-8", "replace")
                    raise meaning.failure_of(answer.status, meaning.error_of_body(text), answer.headers)
                parts, size = [], 0
                async for part in answer.content.iter_any():
                    size += len(part)
                    if size > MOST_RESULT_BYTES:
                        raise faults.Malformed(f"the results are longer than {MOST_RESULT_BYTES} bytes", answer.status)
                    parts.append(part)
                return b"".join(parts)
        except TimeoutError as error:
            raise faults.TimedOut(f"no answer within {TIMEOUT_SECONDS} s") from error
        except aiohttp.ClientConnectorError as error:
            raise faults.Unreachable(f"{type(error).__name__}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise faults.Broken(f"{type(error).__name__}: {error}") from error

    async def json(self, method: str, url: str, **sent: Any) -> dict[str, Any]:
        """As `call`, of an answer that is a JSON object."""
        content = await self.call(method, url, **sent)
        try:
            values = json.loads(content)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise faults.Malformed("the answer is no JSON object", 200)
        return values


class OpenAIBatches(BatchApi):
    """Files of requests, at most 50,000 requests and 200 MB; a name in the batch's metadata."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._url = (endpoint.base_url or provider_url("openai") or "").rstrip("/")

    def wire(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"model": self.endpoint.model, **body, **self.endpoint.extra_body}

    async def submit(self, name: str, items: Items) -> str:
        import aiohttp

        lines = [
            {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": self.wire(body)}
            for key, body in items.items()
        ]
        form = aiohttp.FormData()
        form.add_field("purpose", "batch")
        content = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode("utf-8", "surrogatepass")
        form.add_field("file", content, filename=f"{name}.jsonl", content_type="application/jsonl")
        file = await self.json("POST", f"{self._url}/files", data=form)
        asked = {
            "input_file_id": text_of(file, "id"), "endpoint": "/v1/chat/completions", "completion_window": "24h",
            "metadata": {"contextrot": name},
        }  # fmt: skip
        return text_of(await self.json("POST", f"{self._url}/batches", json=asked), "id")

    async def find(self, name: str, keys: list[str], since: float, known: Collection[str]) -> str | None:
        after = ""
        while True:
            page = await self.json("GET", f"{self._url}/batches?limit=100{after}")
            found = [batch for batch in page.get("data") or [] if isinstance(batch, dict)]
            for batch in found:
                if (batch.get("metadata") or {}).get("contextrot") == name and batch.get("status") not in ("failed", "cancelled"):
                    return text_of(batch, "id")
            if not page.get("has_more") or not found or (found[-1].get("created_at") or 0) < since - CLOCKS_APART_SECONDS:
                return None
            after = f"&after={text_of(found[-1], 'id')}"

    async def look(self, batch: str, keys: list[str]) -> Look:
        state = await self.json("GET", f"{self._url}/batches/{batch}")
        if state.get("status") not in _OPENAI_ENDED:
            return Look(False)
        files = [state.get("output_file_id"), state.get("error_file_id")]
        results: Results = {}
        for file in filter(None, files):
            for line in json_lines(await self.call("GET", f"{self._url}/files/{file}/content")):
                take(results, line.get("custom_id"), _of_openai, line)
        refused = None
        if state["status"] == "failed" and not results:
            errors = (state.get("errors") or {}).get("data") or [{"message": "the batch failed"}]
            refused = meaning.failure_of(400, errors[0])
            if "token_limit" in str(errors[0].get("code")):
                refused = faults.RateLimited(refused.message)
        return Look(True, results, refused)


def _of_openai(line: dict[str, Any]) -> dict[str, Any] | Failure | None:
    answer = line.get("response") or {}
    if not line.get("error") and 200 <= (answer.get("status_code") or 200) < 300:
        return answer["body"] if isinstance(answer.get("body"), dict) else None
    error = line.get("error") or meaning.error_of_body(json.dumps(answer.get("body")))
    if isinstance(error, dict) and error.get("code") == "batch_expired":
        return Expired("the batch expired")
    return meaning.failure_of(answer.get("status_code"), error)


def take(results: Results, key: Any, read: Callable[[Any], dict[str, Any] | Failure | None], result: Any) -> None:
    """Adds what the result of one request means; one that has another form than the provider's is Malformed, and spoils no other."""
    if isinstance(key, str):
        try:
            found = read(result)
        except ODD:
            found = faults.Malformed("the result has another form than the provider's", 200)
        if found is not None:
            results.setdefault(key, found)


def json_lines(content: bytes) -> list[dict[str, Any]]:
    """The objects of JSON lines; lines that are none are left out, as if they had not come."""
    found = []
    for line in content.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def text_of(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise faults.Malformed(f"the answer has no {name}", 200)
    return value
