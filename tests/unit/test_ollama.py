"""Ollama's own interface: a request says how long a window it wants, so that nothing is cut unseen."""

import asyncio
import json

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from contextrot.engines import external
from contextrot.responses.chat_request import ChatRequests
from contextrot.responses.ollama import as_chunk, native_body
from contextrot.responses.transport import OllamaTransport, transport_for
from contextrot.settings import ModelSettings
from contextrot.wire import faults
from contextrot.wire.faults import Failure


def ask(lines, status=200, **values):
    """The reply or failure, and the request, of an Ollama that answers these lines."""
    with HTTPServer(threaded=True) as server:
        body = lines if isinstance(lines, bytes) else "".join(json.dumps(line) + "\n" for line in lines).encode()
        sent = []

        def handle(request: Request) -> Response:
            sent.append(request.get_json())
            return Response(body, status, content_type="application/x-ndjson")

        server.expect_request("/api/chat", method="POST").respond_with_handler(handle)
        block = {"engine": "external", "provider": "ollama", "name": "llama3.2", "window": 32000, "max_output_tokens": 50}
        model = ModelSettings(**block | {"base_url": server.url_for("/v1")} | values)

        async def run():
            requests, transport = ChatRequests(model), transport_for(external.endpoint_of(model))
            assert isinstance(transport, OllamaTransport)
            try:
                chat = requests.body([{"role": "user", "content": "q"}], 20, {"stop": "X"})
                return await transport.send({"model": model.name, **chat, **requests.wire}, 20)
            except Failure as failure:
                return failure
            finally:
                await transport.close()

        return asyncio.run(run()), sent[0]


def part(text, **more):
    return {"model": "llama3.2", "message": {"role": "assistant", "content": text, **more}, "done": False}


DONE = {"model": "llama3.2", "done": True, "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 9}


def test_the_whole_window_is_asked_for_and_nothing_may_be_cut():
    reply, sent = ask([part("", thinking="hm"), part("ye"), part("s"), DONE])
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("yes", "hm", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.model) == (26, 9, "llama3.2")
    assert 0 < reply.first_token_seconds <= reply.total_seconds
    assert sent["options"] == {"num_ctx": 32000, "num_predict": 20, "temperature": 0, "stop": ["X"]}
    assert (sent["truncate"], sent["shift"], sent["stream"]) == (False, False, True)
    assert "num_ctx" not in sent and "stream_options" not in sent


def test_a_whole_answer_is_read_too():
    reply, sent = ask([{**DONE, "message": {"role": "assistant", "content": "yes"}}], request={"stream": False})
    assert (reply.text, reply.first_token_seconds, sent["stream"]) == ("yes", None, False)


def test_config_can_ask_for_less_and_for_more_options():
    _, sent = ask(
        [part("yes"), DONE], request={"num_ctx": 4096, "keep_alive": "1h", "options": {"num_gpu": 0}}, reasoning_effort="none"
    )
    assert sent["options"]["num_ctx"] == 4096 and sent["options"]["num_gpu"] == 0
    assert (sent["keep_alive"], sent["think"]) == ("1h", False)


@pytest.mark.parametrize(
    ("lines", "status", "kind"),
    [
        ([part("ye")], 200, faults.CutStream),
        (b"{broken\n", 200, faults.Malformed),
        (b'{"error": "model \\"x\\" not found, try pulling it first"}', 404, faults.Denied),
        (b'{"error": "the input length exceeds the context length"}', 400, faults.OverWindow),
        ([part("ye"), {"error": "an error was encountered while running the model"}], 200, faults.ServerFault),
    ],
)
def test_each_fault_is_known(lines, status, kind):
    failure, _ = ask(lines, status)
    assert isinstance(failure, kind)


def test_counts_that_are_not_there_are_unknown():
    chunk = as_chunk({"model": "m", "done": True, "done_reason": "length", "eval_count": 3})
    assert chunk["usage"] == {"completion_tokens": 3} and chunk["choices"][0]["finish_reason"] == "length"


def test_an_unknown_end_stays_what_it_is():
    assert as_chunk({"model": "m", "done": True, "done_reason": "unload"})["choices"][0]["finish_reason"] == "unload"


def test_a_schema_goes_as_ollama_s_format():
    schema = {"type": "object"}
    assert native_body({"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}})["format"] == schema
    assert native_body({"response_format": {"type": "json_object"}})["format"] == "json"


@pytest.mark.parametrize(
    ("base_url", "variables", "expected"),
    [
        (None, {}, "http://127.0.0.1:11434"),
        (None, {"OLLAMA_HOST": "0.0.0.0:9000"}, "http://127.0.0.1:9000"),
        (None, {"OLLAMA_HOST": "gpu"}, "http://gpu:11434"),
        (None, {"OLLAMA_API_BASE": "http://gpu:1/"}, "http://gpu:1"),
        ("http://h:1/v1/", {}, "http://h:1"),
    ],
)
def test_where_ollama_is(base_url, variables, expected, monkeypatch):
    for name in ("OLLAMA_HOST", "OLLAMA_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    block = {"engine": "external", "provider": "ollama", "name": "m", "window": 9, "max_output_tokens": 9, "base_url": base_url}
    assert external.endpoint_of(ModelSettings(**block)).base_url == expected
