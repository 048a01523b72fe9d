"""One request of a load: its body, as the model's server takes it, and its stream, timed chunk by chunk."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession

from contextrot import engines
from contextrot.errors import ConfigError, RequestError
from contextrot.records import Sample
from contextrot.responses.chat_request import ChatRequests, as_config, in_its_place, refused_part
from contextrot.serving.timings import Timing
from contextrot.wire import meaning
from contextrot.wire.event_stream import EventReader
from contextrot.wire.faults import Failure
from contextrot.wire.reply import Reply
from contextrot.wire.reply_form import whole_characters

if TYPE_CHECKING:
    from contextrot.engines import Endpoint
    from contextrot.settings import ModelSettings

log = logging.getLogger(__name__)

WIRE = {"stream": True, "stream_options": {"include_usage": True}}


class Bodies:
    """The bodies of a load's requests.

    Attributes:
        changes: what was left out or renamed because the server, or the model's family, refuses it; one line each.

    Raises:
        ConfigError: for a model whose answers are not streamed: there is no first token to time.
    """

    def __init__(self, endpoint: Endpoint, model: ModelSettings | None = None) -> None:
        self._endpoint = endpoint
        self._requests = ChatRequests(model) if model is not None and engines.of(model).elsewhere else None
        self._replaced: dict[str, Any] = {}
        if self._requests and not self._requests.wire["stream"]:
            raise ConfigError(
                f"task 'serving' times streams, but `request` of model {endpoint.model!r} says stream: false; take it out."
            )

    @property
    def changes(self) -> list[str]:
        """See the class."""
        refused = [f"{as_config({name: value})}: the server refuses what was asked" for name, value in self._replaced.items()]
        return [*(self._requests.changes if self._requests else []), *refused]

    def __call__(self, sample: Sample, options: dict[str, Any]) -> dict[str, Any]:
        """The body of one request."""
        asked, wire = {"messages": sample.messages, "max_tokens": sample.max_output_tokens, **options}, WIRE
        if self._requests is not None:
            asked, wire = self._requests.body(sample.messages, sample.max_output_tokens, options), self._requests.wire
        return {"model": self._endpoint.model, **wire, **self._endpoint.extra_body, **asked}

    def leave_out(self, message: str, sample: Sample, options: dict[str, Any]) -> bool:
        """Leaves out, from now on, the part of a request that a server's refusal names; whether it names one that can be spared."""
        refused = refused_part(message, self(sample, options))
        if self._requests is None or refused in (None, "stream", *self._replaced):
            return False
        self._replaced |= in_its_place(refused)
        model = self._requests.model
        self._requests = ChatRequests(model.model_copy(update={"request": {**model.request, **self._replaced}}))
        log.warning("%s: %s", self._endpoint.model, self.changes[-1])
        return True


def now() -> float:
    """Seconds of the running loop's monotonic clock."""
    return asyncio.get_running_loop().time()


async def send(session: ClientSession, url: str, body: dict[str, Any], sample_id: str) -> Timing:
    """Sends one request and times its stream.

    Raises:
        Failure: if the server answers with an error.
        RequestError: if there is no whole answer.
        ClientError, OSError, TimeoutError: if the connection breaks, or it takes too long.
    """
    start = last = now()
    first, gaps, reply, reader, ended = None, [], Reply(), EventReader(), False
    async with session.post(url, json=body, headers={"X-Request-Id": sample_id}, allow_redirects=False) as answer:
        if answer.status != 200:
            raise meaning.failure_of(answer.status, meaning.error_of_body(await answer.text()), answer.headers)
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
