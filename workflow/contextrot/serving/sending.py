"""One request of a load: its body, as the model's server takes it, and its stream, timed chunk by chunk."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from contextrot import engines
from contextrot.errors import RequestError
from contextrot.records import Sample
from contextrot.responses.chat_request import LIMITS, ChatRequests
from contextrot.serving.timings import Timing
from contextrot.wire.event_stream import EventReader
from contextrot.wire.faults import Failure
from contextrot.wire.reply import Reply
from contextrot.wire.reply_form import whole_characters

if TYPE_CHECKING:
    from contextrot.engines import Endpoint
    from contextrot.settings import ModelSettings

log = logging.getLogger(__name__)

NEEDED = ("model", "messages", "stream")
"""Parts that no request can do without: without a stream there is no first token to time."""


class Bodies:
    """The bodies of a load's requests.

    Attributes:
        changes: what was left out or renamed because the server, or the model's family, refuses it; one line each.
    """

    def __init__(self, endpoint: Endpoint, model: ModelSettings | None = None) -> None:
        self._endpoint = endpoint
        elsewhere = model is not None and engines.of(model).elsewhere
        self._requests = ChatRequests(model) if elsewhere else None
        self._removed: set[str] = set()
        self._own_changes: list[str] = []

    @property
    def changes(self) -> list[str]:
        """See the class."""
        return [*(self._requests.changes if self._requests else []), *self._own_changes]

    def __call__(self, sample: Sample, options: dict[str, Any]) -> dict[str, Any]:
        """The body of one request."""
        if self._requests is None:
            asked = {"messages": sample.messages, "max_tokens": sample.max_output_tokens, **options}
        else:
            asked = self._requests.body(sample.messages, sample.max_output_tokens, options)
        wire = {"model": self._endpoint.model, "stream": True, "stream_options": {"include_usage": True}}
        body = {**wire, **self._endpoint.extra_body, **asked}
        if "max_tokens" in self._removed and "max_completion_tokens" not in self._removed:
            body["max_completion_tokens"] = sample.max_output_tokens
        return {name: value for name, value in body.items() if name not in self._removed}

    def leave_out(self, message: str, options: dict[str, Any], sample: Sample) -> bool:
        """Leaves out, from now on, the part of a request that a server's refusal names; whether it names one."""
        for name in sorted(self(sample, options), key=len, reverse=True):
            if name not in NEEDED and re.search(rf"\b{re.escape(name)}\b", message):
                self._removed.add(name)
                renamed = "; max_completion_tokens is sent instead" if name == LIMITS[0] else ""
                self._own_changes.append(f"{name} is left out: the server refuses it{renamed}")
                log.warning("%s: %s", self._endpoint.model, self._own_changes[-1])
                return True
        return False


def now() -> float:
    """Seconds of the running loop's monotonic clock."""
    return asyncio.get_running_loop().time()


async def send(session: ClientSession, url: str, body: dict[str, Any], sample_id: str) -> Timing:
    """Sends one request and times its stream.

    Raises:
        RequestError: if there is no whole answer.
        ClientError, OSError, TimeoutError: if the connection breaks, or it takes too long.
    """
    start = last = now()
    first, gaps, reply, reader, ended = None, [], Reply(), EventReader(), False
    async with session.post(url, json=body, headers={"X-Request-Id": sample_id}, allow_redirects=False) as answer:
        if answer.status != 200:
            raise RequestError(f"the engine answered {answer.status} to {sample_id!r}: {(await answer.text())[:400]}")
        try:
            async for part in answer.content.iter_any():
                at = now()
                for event in reader.feed(part):
                    if event.chunk is None:
                        ended = True
                    elif reply.add(event.chunk, at - start, event.name) and first is None:
                        first = last = at
                    elif first is not None and event.chunk.get("choices"):
                        gaps.append(at - last)
                        last = at
            for event in reader.end():
                ended = ended or event.chunk is None
                if event.chunk is not None:
                    reply.add(event.chunk, now() - start, event.name)
        except Failure as failure:
            raise RequestError(f"the engine broke off {sample_id!r}: {failure.message}") from failure
    ended = ended or reply.finish_reason is not None
    if ended and first is None:
        raise RequestError(f"the engine answered {sample_id!r} without a single token of text: there is nothing to time.")
    if not ended:
        raise RequestError(f"the stream of {sample_id!r} was cut.")
    return Timing(
        sample_id=sample_id,
        start=start,
        ttft_seconds=first - start,
        end_to_end_seconds=last - start,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        cached_tokens=reply.cached_tokens,
        text=whole_characters(reply.reasoning + reply.text),
        finish_reason=reply.finish_reason,
        itl_seconds=gaps,
        said=whole_characters(reply.text),
    )
