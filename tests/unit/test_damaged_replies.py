"""Bodies of every dialect with values replaced, removed, moved or cut: each is read or refused, and what is read can be written."""

from __future__ import annotations

import copy
import json
import math
import random

from contextrot.records import Response, read_responses, write_responses
from contextrot.responses.outcomes import classify
from contextrot.wire import faults
from contextrot.wire.event_stream import EventReader, whole_object
from contextrot.wire.reply import Reply
from tests.unit.test_reply import LONE

ODD = [None, True, 0, -1, 7.0, 1e30, 10**30, math.nan, math.inf, "", "7", "null", LONE, "\x00", "x" * 5000, [], {}, [[]], {"a": {}}, [None], ["a"],
       {"text": "a"}, {"type": "text", "text": LONE}, [{"type": "thinking", "thinking": "t"}]]  # fmt: skip
GOOD = [
    {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "provider": "Together", "system_fingerprint": "f",
     "choices": [{"index": 0, "delta": {"role": "assistant", "content": "yes", "reasoning_content": "hm", "refusal": None,
                                        "tool_calls": None, "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
                  "logprobs": {"content": [{"token": "y", "logprob": -0.1, "bytes": [121], "top_logprobs": [{"token": "y", "logprob": -0.1}]}]},
                  "finish_reason": "stop"}],
     "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4},
               "completion_tokens_details": {"reasoning_tokens": 1}}},
    {"model": "m", "choices": [{"message": {"role": "assistant", "content": [{"type": "text", "text": "yes"}]}, "finish_reason": "stop"}],
     "usage": {"input_tokens": 7, "output_tokens": 2, "cache_read_input_tokens": 4}, "timings": {"prompt_n": 3, "cache_n": 4, "predicted_n": 2}},
    {"error": {"message": "prompt is too long: 201130 tokens > 200000 maximum", "type": "invalid_request_error", "code": 400,
               "details": [{"@type": "x", "retryDelay": "3s"}], "metadata": {"raw": '{"error": {"message": "x"}}', "headers": {"Retry-After": "1"}}}},
]  # fmt: skip


def places(value, path=()):
    """The paths of all values inside of a JSON value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def mutated(rng):
    """A good body with one to three values replaced, removed or moved; sometimes its text is damaged."""
    body = copy.deepcopy(rng.choice(GOOD))
    for _ in range(rng.randint(1, 3)):
        paths = places(body)
        if not paths:
            break
        *way, last = rng.choice(paths)
        holder = body
        for key in way:
            holder = holder[key]
        action = rng.random()
        if action < 0.7:
            holder[last] = copy.deepcopy(rng.choice(ODD))
        elif action < 0.85:
            del holder[last]
        elif isinstance(holder, dict):
            holder[rng.choice(["error", "content", "choices", "usage", "delta", "message", "code"])] = holder[last]
    text = json.dumps(body).encode()
    if rng.random() < 0.2:
        text = bytearray(text)
        for _ in range(rng.randint(1, 4)):
            text[rng.randrange(len(text))] = rng.randrange(256)
        text = bytes(text[: rng.randrange(1, len(text) + 1)] if rng.random() < 0.5 else text)
    return text


def fits(reply, row):
    """A response with all of the reply, as the client makes it."""
    outcome, text, reasoning = classify(reply)
    return Response(
        f"s{row}", 0, outcome, text, reasoning, reply.finish_reason, prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens, cached_tokens=reply.cached_tokens, reasoning_tokens=reply.reasoning_tokens,
        first_token_seconds=reply.first_token_seconds, total_seconds=reply.total_seconds, model=reply.model, upstream=reply.upstream,
        details=json.dumps({"logprobs": reply.logprobs}, ensure_ascii=False, allow_nan=False),
    )  # fmt: skip


def test_20_000_damaged_bodies_are_read_or_refused_and_all_that_is_read_can_be_written(tmp_path):
    rng, responses, refused = random.Random(18), [], 0
    for row in range(20_000):
        body, reply, streamed = mutated(rng), Reply(), row % 2
        try:
            if streamed:
                reader = EventReader()
                for event in [*reader.feed(b"data: " + body + b"\n\n"), *reader.end()]:
                    if event.chunk is not None:
                        reply.add(event.chunk, 0.1, event.name)
            else:
                reply.add(whole_object(body), 0.1)
            reply.finish()
        except faults.Failure as failure:
            refused += 1
            failure.message.encode()
            assert failure.retry_after is None or 0 <= failure.retry_after < 1e6
            continue
        responses.append(fits(reply, row))
    assert refused > 5_000
    assert len(responses) > 5_000
    write_responses(tmp_path / "responses.parquet", responses)
    assert [r.text for r in read_responses(tmp_path / "responses.parquet")] == [r.text for r in responses]


def test_damaged_bodies_over_the_wire_are_a_reply_or_a_failure():
    import asyncio

    from contextrot.engines import Endpoint
    from contextrot.responses.transport import DirectTransport, LitellmTransport
    from tests.servers.dialects import SSE
    from tests.servers.wire import Said, WireServer
    from tests.unit.test_wire_errors import BODY

    rng = random.Random(27)
    bodies = [mutated(rng) for _ in range(300)]

    def said(number):
        body, form = bodies[number % len(bodies)], number % 3
        if form == 0:
            return Said(rng.choice([200, 200, 200, 400, 429, 503]), body)
        return Said(200, b"data: " + body + b"\n\n" + (b"data: [DONE]\n\n" if form == 1 else b""), SSE)

    async def run(url, kind, count):
        transport = kind(Endpoint("external", "m", "openai", url, api_key="sk-test"))
        found = []
        for _ in range(count):
            try:
                found.append(await transport.send(BODY, 20))
            except faults.Failure as failure:
                found.append(failure)
        await transport.close()
        return found

    for kind, count in ((DirectTransport, 300), (LitellmTransport, 60)):
        with WireServer(said) as server:
            found = asyncio.run(run(server.url, kind, count))
        assert len(found) == count
        for row, reply in enumerate(found):
            if isinstance(reply, Reply):
                fits(reply, row)
