"""What one tiny request tells of a model, against servers that answer as the real ones do."""

import asyncio
import json

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from contextrot.errors import RequestError
from contextrot.project import Project
from contextrot.responses.check_models import ModelCheck, check_model, check_models, check_table
from contextrot.settings import ModelSettings


@pytest.fixture
def server():
    with HTTPServer(threaded=True) as running:
        yield running


def answer(server, refuses=lambda body: None, usage=None, cached=True, model="m", reasoning=None, path="/v1/chat/completions"):
    """An OpenAI-compatible server; the list of bodies that it got."""
    bodies = []

    def handle(request: Request) -> Response:
        body = request.get_json()
        bodies.append(body)
        if message := refuses(body):
            return Response(json.dumps({"error": {"message": message}}), 400, content_type="application/json")
        counts = {"prompt_tokens": usage, "completion_tokens": 2} if usage else None
        if counts and cached is not None:
            counts["prompt_tokens_details"] = {"cached_tokens": 1024 if cached and len(bodies) > 1 else 0}
        said = {"content": "yes", "reasoning_content": reasoning}
        if not body.get("stream"):
            whole = {"model": model, "choices": [{"message": said, "finish_reason": "stop"}], "usage": counts}
            return Response(json.dumps(whole), content_type="application/json")
        chunks = [{"model": model, "choices": [{"delta": said, "finish_reason": "stop"}]}]
        chunks += [{"model": model, "choices": [], "usage": counts}] if counts else []
        text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        return Response(text, content_type="text/event-stream")

    server.expect_request(path).respond_with_handler(handle)
    return bodies


def check(server, **values):
    model = {"engine": "external", "name": "m", "tokenizer": "tiktoken:o200k_base", "window": 8000, "max_output_tokens": 50}
    model |= {"base_url": server.url_for("/v1")} | values
    return asyncio.run(check_model("mine", ModelSettings(**model), 0.01))


def test_a_sound_server_needs_nothing(server):
    bodies = answer(server)
    own = check(server).own_tokens
    server.clear()
    bodies = answer(server, usage=own)
    server.expect_request("/v1/models").respond_with_json({"data": [{"id": "m", "max_model_len": 8000}]})
    found = check(server)
    assert (found.reachable, found.answers_as, found.window_admitted, found.window_source) == (True, "m", 8000, "/v1/models")
    assert (found.streams, found.caches, found.thinks, found.price_known) == (True, True, False, True)
    assert found.to_set == [] and found.usable and len(bodies) == 2 and bodies[0] == bodies[1]
    assert "exact" in check_table([found])


@pytest.mark.parametrize(
    ("path", "reply", "source"),
    [
        ("/v1/models", {"data": [{"id": "m", "max_model_len": 4096}]}, "/v1/models"),
        ("/v1/models", {"data": [{"id": "other", "context_window": 9}, {"id": "m", "context_window": 4096}]}, "/v1/models"),
        ("/props", {"default_generation_settings": {"n_ctx": 4096}}, "/props"),
        ("/info", {"model_id": "m", "max_input_tokens": 4000, "max_total_tokens": 4096}, "/info"),
        ("/api/ps", {"models": [{"name": "m:latest", "context_length": 4096}]}, "/api/ps"),
        ("/api/v0/models", {"data": [{"id": "m", "loaded_context_length": 4096}]}, "/api/v0/models"),
    ],
)
def test_a_shorter_window_is_found_wherever_the_server_tells_it(server, path, reply, source):
    answer(server, usage=100)
    server.expect_request(path).respond_with_json(reply)
    found = check(server)
    assert (found.window_admitted, found.window_source, found.usable) == (4096, source, False)
    assert any("window: 4096" in advice for advice in found.to_set)


def test_odd_lists_of_models_tell_nothing(server):
    answer(server, usage=100)
    server.expect_request("/v1/models").respond_with_json({"data": [{"id": "m", "max_model_len": "long"}, 3]})
    server.expect_request("/props").respond_with_json([1])
    assert check(server).window_admitted is None


@pytest.mark.parametrize(
    ("message", "part", "says"),
    [
        ("Unknown parameter: 'stream_options'.", "stream_options", '"?stream_options"?: null'),
        ("Unsupported value: 'temperature' does not support 0", "temperature", "temperature: null"),
        ("Unsupported parameter: 'max_tokens'", "max_tokens", 'max_completion_tokens: "{limit}"'),
        ("Your organization must be verified to stream this model.", "stream", "stream: false"),
    ],
)
def test_what_a_server_refuses_is_found_and_named(server, message, part, says):
    bodies = answer(server, lambda body: message if body.get(part) is not None and body[part] is not False else None, usage=100)
    found = check(server)
    assert found.reachable and len(bodies) == 3
    [advice] = [advice for advice in found.to_set if "request" in advice]
    assert says.replace('"?', "") in advice


def test_what_each_oddity_asks_for(server):
    answer(server, usage=None, cached=None, model="m-mini", reasoning="hm")
    found = check(server)
    said = " ".join(found.to_set)
    assert found.thinks and found.caches is None and found.server_tokens is None
    for part in ("answers_as: m-mini", "reports no token counts", "reasoning_tokens"):
        assert part in said


def test_a_count_that_differs_is_told_by_how_much(server):
    answer(server, usage=2000)
    found = check(server)
    assert f"{(found.own_tokens - 2000) / 2000:+.1%}" in check_table([found])
    assert any("tokenizer" in advice for advice in found.to_set)


def test_openrouter_tells_window_and_price(server, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-0123456789")
    answer(server, usage=100, model="maker/m")
    entry = {"id": "maker/m", "context_length": 4096, "pricing": {"prompt": "0.00000005", "completion": "0.0000002"}}
    server.expect_request("/v1/models").respond_with_json({"data": [{"id": "maker/n", "context_length": 9}, entry]})
    found = check(server, provider="openrouter", name="maker/m")
    assert (found.window_admitted, found.window_source, found.price_known) == (4096, "OpenRouter's list", False)
    [advice] = [advice for advice in found.to_set if "price" in advice]
    assert "{input_usd_per_million_tokens: 0.05, output_usd_per_million_tokens: 0.2}" in advice


def test_an_unreachable_server_and_a_missing_key_are_told(server, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = check(server, base_url="http://127.0.0.1:9/v1")
    assert found.reachable is False and "connection" in found.problem
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    found = check(server, api_key_env="NO_SUCH_KEY")
    assert found.reachable is False and "NO_SUCH_KEY" in found.problem


def test_a_server_that_is_loading_is_asked_again(server):
    server.expect_ordered_request("/v1/chat/completions").respond_with_json({"error": {"message": "Loading model"}}, status=503)
    answer(server, usage=100)
    assert check(server).reachable


def test_ollama_is_asked_for_the_window(server):
    def chat(request: Request) -> Response:
        body = request.get_json()
        assert body["options"]["num_ctx"] == 8000
        done = {"model": "m:latest", "done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 1}
        lines = [{"model": "m:latest", "message": {"role": "assistant", "content": "yes"}, "done": False}, done]
        return Response("".join(json.dumps(line) + "\n" for line in lines), content_type="application/x-ndjson")

    server.expect_request("/api/chat").respond_with_handler(chat)
    server.expect_request("/api/ps").respond_with_json({"models": []})
    server.expect_request("/api/show", method="POST").respond_with_json({"model_info": {"llama.context_length": 6000}})
    found = check(server, provider="ollama")
    assert (found.answers_as, found.window_admitted, found.window_source) == ("m:latest", 6000, "/api/show")


def test_a_server_that_the_run_starts_is_not_asked(server):
    found = check(server, engine="vllm", base_url=None)
    assert found == ModelCheck("mine", "vllm", window=8000, price_known=True)
    assert "started by the run" in check_table([found])


def test_all_models_and_judges_are_asked_and_one_that_cannot_be_used_fails(server, tmp_path, monkeypatch, root, capsys):
    answer(server, usage=100)
    server.expect_request("/v1/models").respond_with_json({"data": [{"id": "m", "max_model_len": 100}]})
    block = {"engine": "external", "name": "m", "base_url": server.url_for("/v1"), "window": 50, "max_output_tokens": 9}
    block["tokenizer"] = "tiktoken:o200k_base"
    definitions = {"good": block, "short": {**block, "window": 8000}}
    (tmp_path / "models.yaml").write_text(json.dumps(definitions))
    monkeypatch.chdir(tmp_path)
    config = {"models": ["good"], "experiments": ["niah"], "model_definitions": str(tmp_path / "models.yaml")}
    config["judges"] = {"strict": {"kind": "llm", "model": "short"}}
    config |= {"default_judges": ["strict"]}
    project = Project(config, root)
    models = project.models_asked
    assert list(models) == ["good", "short"]
    with pytest.raises(RequestError, match="short: `window: 100`"):
        check_models(models, tmp_path / "a.json", tmp_path / "a.md", pause_seconds=0.01)
    assert [check["model"] for check in json.loads((tmp_path / "a.json").read_text())] == ["good", "short"]
    assert "| good" in capsys.readouterr().out
    check_models(models, tmp_path / "a.json", tmp_path / "a.md", strict=False)
    assert "| good" in (tmp_path / "a.md").read_text()
