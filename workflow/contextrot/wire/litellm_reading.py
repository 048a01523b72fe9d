"""What litellm makes of a provider's answer, read back to what the provider said.

litellm maps every end it does not know, and some that it knows to be faults, to "stop"; reports "stop" for a stream that ended without one; and where a provider
gives no counts, it loads a tokenizer (for any name with "llama-3" from the Hub) and reports its own estimate as usage. Here the raw ends
are looked at as litellm looks them up, estimates and downloads are off, and an error is read from what the provider sent. litellm also drops what
it does not expect (a content in parts, a whole message in a stream): an answer in OpenAI's form is read from its own bytes, by the reader of all others.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from contextrot import secrets
from contextrot.wire import ends, faults, meaning
from contextrot.wire.faults import Failure
from contextrot.wire.heard import Heard, end_of_coheres, end_of_googles, error_among, in_googles_form, in_openais_form
from contextrot.wire.meaning import Sent
from contextrot.wire.reply import Reply

log = logging.getLogger(__name__)
_LARGEST_ERROR = 2**16
NEVER_CONNECTED = {"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionRefusedError", "gaierror"}
"""Classes of errors, of the libraries below litellm, that come before anything was sent."""
_NETWORK = re.compile(r"Connect|Timeout|Transport|Network|Protocol|ReadError|WriteError|Payload")
_HEARD: ContextVar[Heard | None] = ContextVar("heard", default=None)


class _ListeningMap(dict[str, str]):
    """litellm's table of ends, unchanged; notes what is looked up for the request under way."""

    def get(self, name: Any, default: Any = None) -> Any:
        heard = _HEARD.get()
        if heard is not None and isinstance(name, str) and len(heard.ends) < 1000:
            heard.ends.append(name)
        return super().get(name, default)


def prepare(litellm: Any) -> None:
    """Turns off what litellm does beside asking: downloads of tokenizers, counts of its own, telemetry; begins to listen to raw ends."""
    from litellm.litellm_core_utils import core_helpers

    litellm.telemetry = False
    litellm.disable_hf_tokenizer_download = True
    litellm.disable_token_counter = True
    table = getattr(core_helpers, "_FINISH_REASON_MAP", None)
    if table is None:
        log.warning("this version of litellm hides how answers ended: an end that it does not know will be taken for `stop`")
    elif not isinstance(table, _ListeningMap):
        core_helpers._FINISH_REASON_MAP = _ListeningMap(table)
    _stay_where_the_key_belongs()
    _never_retry()
    _listen_to_chunks()
    _listen_to_bytes()


def _never_retry() -> None:
    """No request of ours is sent again by the openai library: litellm loses `max_retries` for providers whose tables leave it out (zai), and then it is 2."""
    from openai._models import FinalRequestOptions

    asked = FinalRequestOptions.get_max_retries
    if getattr(asked, "only_elsewhere", False):
        return

    def retries(options: Any, most: int) -> int:
        return asked(options, most) if _HEARD.get() is None else 0

    retries.only_elsewhere = True  # type: ignore[attr-defined]
    FinalRequestOptions.get_max_retries = retries


def _stay_where_the_key_belongs() -> None:
    """No request of ours follows a redirect: httpx takes `Authorization` off when it goes to another host, but not `x-api-key` and its kin."""
    import httpx

    follow = httpx.AsyncClient._build_redirect_request
    if getattr(follow, "only_elsewhere", False):
        return

    def build(client: Any, request: Any, response: Any) -> Any:
        if _HEARD.get() is None:
            return follow(client, request, response)
        raise faults.Denied(redirect_of(response.headers.get("location", "")), response.status_code)

    build.only_elsewhere = True  # type: ignore[attr-defined]
    httpx.AsyncClient._build_redirect_request = build  # type: ignore[assignment]


def _listen_to_bytes() -> None:
    """Notes the bytes of the answer under way as httpx hands them on, streamed or whole."""
    import httpx

    read = httpx.Response.aiter_bytes
    if getattr(read, "listens", False):
        return

    async def listen(answer: Any, chunk_size: int | None = None) -> Any:
        heard = _HEARD.get()
        async for data in read(answer, chunk_size):
            if heard is not None:
                heard.hear(answer, data)
            yield data

    listen.listens = True  # type: ignore[attr-defined]
    httpx.Response.aiter_bytes = listen  # type: ignore[method-assign, assignment]


def redirect_of(location: str) -> str:
    """What a redirect says, without what may be secret in its address."""
    where = secrets.address_parts(location)
    return (
        f"the server redirects to {where.scheme}://{where.hostname or ''}{where.path}"[:300]
        + "; set base_url to where the API is"
    )


def _listen_to_chunks() -> None:
    """Notes of the chunks what litellm's parsers drop: OpenRouter's `provider`, the type of Anthropic's errors."""
    from litellm.llms.anthropic.chat import handler as anthropic
    from litellm.llms.openrouter.chat import transformation as openrouter

    for module, name in ((anthropic, "ModelResponseIterator"), (openrouter, "OpenRouterChatCompletionStreamingHandler")):
        parser = getattr(module, name, None)
        parse = getattr(parser, "chunk_parser", None)
        if parse is not None and not hasattr(parse, "listens"):
            parser.chunk_parser = _listening(parse)


def _listening(parse: Any) -> Any:
    def listen(iterator: Any, chunk: Any) -> Any:
        heard = _HEARD.get()
        if heard is not None and isinstance(chunk, dict):
            heard.upstream = chunk["provider"] if isinstance(chunk.get("provider"), str) else heard.upstream
            error = meaning.error_in(chunk)
            heard.error = error if isinstance(error, dict) else heard.error
        return parse(iterator, chunk)

    listen.listens = True  # type: ignore[attr-defined]
    return listen


@contextmanager
def listening(heard: Heard) -> Iterator[None]:
    """Fills `heard` with what litellm is told meanwhile in this task."""
    token = _HEARD.set(heard)
    try:
        yield
    finally:
        _HEARD.reset(token)


async def read(stream: Any, reply: Reply, begin: float, heard: Heard, sent: Sent | None) -> None:
    """Takes a stream of litellm's chunks, or a whole answer of it, into the reply.

    Raises:
        Failure: as `Reply.add` does.
    """
    if not hasattr(stream, "__aiter__"):
        reply.add(stream.model_dump(warnings=False), time.perf_counter() - begin, sent=sent)
        reply.first_token_seconds = None
    else:
        async for chunk in stream:
            reply.add(chunk.model_dump(warnings=False), time.perf_counter() - begin, sent=sent)
        if not any(getattr(chunk, "usage", None) for chunk in getattr(stream, "chunks", [])):
            reply.prompt_tokens = reply.completion_tokens = reply.reasoning_tokens = None
            reply.cached_tokens = reply.cache_written_tokens = None
    chunks = heard.chunks()
    if in_openais_form(chunks):
        _read_chunks(reply, chunks, sent)
    elif in_googles_form(chunks):  # litellm reports "stop" for one that was cut
        reply.finish_reason = end_of_googles(chunks)
    else:
        reply.finish_reason = end_of_coheres(chunks) or _end_of(stream, reply, heard.ends)
    reply.upstream = reply.upstream or heard.upstream


def _read_chunks(reply: Reply, chunks: list[dict[str, Any]], sent: Sent | None) -> None:
    """Fills a reply from chunks in OpenAI's form."""
    own = Reply()
    for chunk in chunks:
        own.add(chunk, 0.0, sent=sent)
    own.first_token_seconds, own.model = reply.first_token_seconds, own.model or reply.model
    reply.__dict__.update(own.__dict__)


def is_whole(reply: Reply, heard: Heard, sent: Sent | None) -> bool:
    """Whether an answer that litellm stumbled over is whole and readable all the same; the reply then holds it."""
    if not in_openais_form(chunks := heard.chunks()):
        return False
    try:
        _read_chunks(reply, chunks, sent)
        return bool(replace(reply).finish())
    except Failure:
        return False


def _told(heard: Heard, sent: Sent | None) -> Failure | None:
    """The failure that an answer of status 200 itself tells of, if it is more than that it cannot be read."""
    if getattr(heard.answer, "status_code", 200) >= 300:
        return None
    if (error := error_among(chunks := heard.chunks())) is not None:
        return meaning.failure_of(None, error, sent=sent)
    if in_openais_form(chunks):
        try:
            own = Reply()
            _read_chunks(own, chunks, sent)
            own.finish()
        except Failure as failure:
            return None if isinstance(failure, faults.Unreadable) else failure
    return None


def _end_of(stream: Any, reply: Reply, raw: list[str]) -> str | None:
    """The end as the provider gave it; None if it gave none, whatever litellm reports."""
    native = _native_end(stream)
    if native:
        return native
    if hasattr(stream, "__aiter__"):
        told = getattr(stream, "received_finish_reason", None) or getattr(stream, "intermittent_finish_reason", None)
        if not told:
            return None
    # What litellm maps to another word is looked up before that word: the odd one is the provider's.
    odd = [end for end in raw if end.lower() not in ("stop", "length", "tool_calls", "content_filter", "function_call")]
    return odd[-1][: ends.LONGEST_NAME] if odd else (reply.finish_reason or (raw[-1] if raw else None))


def _native_end(answer: Any) -> str | None:
    """The `native_finish_reason` that litellm keeps of a whole answer."""
    for choice in (getattr(answer, "choices", None) or [])[:1]:
        fields = getattr(choice, "provider_specific_fields", None)
        if isinstance(fields, dict) and isinstance(fields.get("native_finish_reason"), str):
            return fields["native_finish_reason"][: ends.LONGEST_NAME]
    return None


def failure_of(error: BaseException, heard: Heard, sent: Sent | None = None) -> Failure:
    """The Failure that an error of litellm, or of a library under it, means.

    Status, headers and body are taken from the first error of the chain that has them; the class that litellm chose counts only where the provider's own
    words leave it open.
    """
    chain = _chain(error)
    for cause in chain:
        if isinstance(cause, Failure):
            return cause
    if (told := _told(heard, sent)) is not None:
        return told
    if heard.error is not None:
        return meaning.failure_of(None, heard.error, sent=sent)
    if fault := next((end for end in heard.ends if ends.outcome_of_end(end) == ends.FAULT), None):
        return faults.ServerFault(f"the server gave up (finish reason {fault!r})")
    names = {cls.__name__ for cause in chain for cls in type(cause).__mro__}
    status = next((s for cause in chain if isinstance(s := getattr(cause, "status_code", None), int) and s >= 300), None)
    headers = next((h for cause in chain if (h := _headers(cause))), {})
    message = str(error)[:4000]
    body = next((b for cause in chain if (b := _body(cause))), None) or message
    if "JSONDecodeError" in names or "ValidationError" in names or "UnicodeDecodeError" in names:
        return faults.Malformed(message[: meaning.LONGEST_MESSAGE], status)
    if "Timeout" in names and not isinstance(body, dict):
        return faults.TimedOut(message[: meaning.LONGEST_MESSAGE], status)
    # litellm makes up a response for each of its errors, also where nothing came
    real = any(
        getattr(cause, "response", None) is not None for cause in chain if not type(cause).__module__.startswith("litellm")
    )
    answered = isinstance(body, dict) or bool(headers) or real
    failure = meaning.failure_of(status if answered or status != 500 else None, body, headers, sent)
    if isinstance(body, dict):
        failure.message = failure.message or message
    if type(failure) in (faults.BadRequest, faults.ServerFault):
        if "ContextWindowExceededError" in names:
            return faults.OverWindow(failure.message, failure.status, failure.retry_after)
        if "ContentPolicyViolationError" in names:
            return faults.ContentFilter(failure.message, failure.status, failure.retry_after)
        if "UnsupportedParamsError" in names:
            return faults.BadRequest(failure.message, failure.status)
    if isinstance(failure, faults.ServerFault) and not answered:
        if heard.ends or heard.content:  # it had begun: what litellm then calls a connection's error may be its own
            broke = names & {"ReadError", "RemoteProtocolError", "ClientPayloadError", "ServerDisconnectedError", "ReadTimeout"}
            return (faults.CutStream if broke else faults.Malformed)(failure.message)
        if not any(
            map(_of_network, chain)
        ):  # no byte was sent: litellm lacks a credential, a setting or a package, for all requests alike
            return faults.Denied(failure.message.partition("\nTraceback")[0])
        if names & NEVER_CONNECTED:
            return faults.Unreachable(failure.message)
        if names & {"APIConnectionError", "ReadError", "RemoteProtocolError"}:
            return faults.Broken(failure.message)
    return failure


def _of_network(error: BaseException) -> bool:
    """Whether an error came of sending; litellm's own names say nothing, it calls whatever it stumbles over a connection's error."""
    if type(error).__module__.startswith("litellm"):
        return False
    return isinstance(error, (OSError, TimeoutError)) or any(_NETWORK.search(cls.__name__) for cls in type(error).__mro__)


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it came from, the outermost first."""
    chain: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(chain) < 12:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and cause not in chain:
            chain.append(cause)
            waiting += [getattr(cause, "original_exception", None), cause.__cause__, cause.__context__]
    return chain


def _headers(error: BaseException) -> dict[str, str]:
    for source in (getattr(error, "response", None), error):
        for name in ("headers", "litellm_response_headers"):
            headers = getattr(source, name, None)
            if headers:
                try:
                    return {str(key): str(value) for key, value in dict(headers).items()}
                except (TypeError, ValueError):
                    continue
    return {}


def _body(error: BaseException) -> dict[str, Any] | str | None:
    """The provider's error object: the one that a library parsed, that of the answer's text, or JSON in the message."""
    if isinstance(body := getattr(error, "body", None), dict) and body:
        return meaning.error_in(body, "error") or body
    texts = []
    response = getattr(error, "response", None)
    if response is not None:
        with suppress(Exception):  # a stream that was not read, or none at all
            texts.append(response.text)
    texts.append(getattr(error, "message", None) or str(error))
    for text in texts:
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        if isinstance(text, str) and (start := text[:_LARGEST_ERROR].find("{")) >= 0:
            try:
                value, _ = json.JSONDecoder().raw_decode(text[start:_LARGEST_ERROR])
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict) and value:
                return meaning.error_in(value, "error") or value
    return None
