"""`tokenizer: server` counts as the server does, and says what is wrong when it cannot."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from werkzeug import Response

from contextrot.errors import ConfigError, DataError, EngineError
from contextrot.samples.server_tokenizer import ServerTokenizer
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.settings import ModelSettings

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is it?"}]
FRAME = 3


def rendered(messages, system=True):
    """What the stand-ins' template makes of a chat: a mark before each message and one at the end."""
    if not system and messages[0]["role"] == "system":
        raise ValueError("System role not supported")
    return "".join(f"\x01{m['content']}" for m in messages) + "\x02"


def answer(content, status=200):
    return Response(json.dumps(content), status=status, content_type="application/json")


@pytest.fixture
def llama(httpserver):
    """llama.cpp in miniature: a token a character, BOS added to chats."""
    options = {"system": True, "counts": True, "asked": []}

    def route(path, reply, method="POST"):
        def handle(request):
            options["asked"].append(path)
            try:
                return reply(request.get_json() if method == "POST" else None)
            except ValueError as error:
                return answer({"error": {"code": 500, "message": str(error), "type": "server_error"}}, 500)

        httpserver.expect_request(path, method=method).respond_with_handler(handle)

    def tokenize(body):
        return answer({"tokens": [0] * bool(body.get("add_special")) + [ord(c) for c in body.get("content", "")]})

    def count(body):
        if not options["counts"]:
            return answer({"error": {"code": 404, "message": "File Not Found"}}, 404)
        return answer({"input_tokens": 1 + len(rendered(body["messages"], options["system"])), "object": "response.input_tokens"})

    route("/tokenize", tokenize)
    route("/detokenize", lambda body: answer({"content": "".join(map(chr, body["tokens"]))}))
    route("/apply-template", lambda body: answer({"prompt": rendered(body["messages"], options["system"])}))
    route("/v1/chat/completions/input_tokens", count)
    route("/props", lambda _: answer({"default_generation_settings": {"n_ctx": 4096}}), method="GET")
    return options


@pytest.fixture
def vllm(httpserver):
    """vLLM in miniature."""
    options = {"system": True, "bodies": []}

    def tokenize(request):
        body = request.get_json()
        options["bodies"].append(body)
        if body["model"] != "m":
            return answer({"error": {"message": f"The model `{body['model']}` does not exist.", "code": 404}}, 404)
        try:
            text = rendered(body["messages"], options["system"]) if "messages" in body else body["prompt"]
        except ValueError as error:
            return answer({"error": {"message": str(error), "code": 400}}, 400)
        return answer({"count": len(text), "max_model_len": 2048, "tokens": [ord(c) for c in text], "token_strs": None})

    httpserver.expect_request("/tokenize", method="POST").respond_with_handler(tokenize)
    httpserver.expect_request("/detokenize", method="POST").respond_with_handler(
        lambda request: answer({"prompt": "".join(map(chr, request.get_json()["tokens"]))})
    )
    return options


def opened(httpserver, **options):
    return ServerTokenizer(httpserver.url_for("/v1"), "m", **options)


def test_llama_cpp_counts_encodes_and_decodes(httpserver, llama):
    tokenizer = opened(httpserver)
    assert (tokenizer.kind, tokenizer.window, tokenizer.lossless, tokenizer.exact) == ("llama.cpp", 4096, True, True)
    assert tokenizer.encode("né") == [ord("n"), ord("é")]
    assert tokenizer.encode_batch(["a", "", "bc"]) == [[97], [], [98, 99]]
    assert tokenizer.decode([97, 98]) == "ab"
    assert tokenizer.count_chat(CHAT) == 1 + FRAME + len("Be brief.Where is it?")
    assert tokenizer.as_sent(CHAT) is CHAT


def test_an_older_llama_cpp_renders_first_and_gives_the_same_count(httpserver, llama):
    llama["counts"] = False
    assert opened(httpserver).count_chat(CHAT) == 1 + FRAME + len("Be brief.Where is it?")


def test_vllm_counts_the_messages_themselves(httpserver, vllm):
    tokenizer = opened(httpserver, template_arguments={"enable_thinking": False})
    assert (tokenizer.kind, tokenizer.window, tokenizer.lossless) == ("vllm", 2048, True)
    assert tokenizer.count_chat(CHAT) == FRAME + len("Be brief.Where is it?")
    assert vllm["bodies"][-1]["chat_template_kwargs"] == {"enable_thinking": False}
    assert vllm["bodies"][-1]["add_generation_prompt"] is True
    assert tokenizer.encode("ab") == [97, 98]
    assert vllm["bodies"][-1]["add_special_tokens"] is False
    assert tokenizer.decode([97]) == "a"


def test_what_was_counted_once_is_not_asked_again(httpserver, llama):
    tokenizer = opened(httpserver)
    tokenizer.count_chat(CHAT), tokenizer.encode("again")
    asked = len(llama["asked"])
    tokenizer.count_chat(list(map(dict, CHAT))), tokenizer.encode("again").append(1), tokenizer.encode("again")
    assert len(llama["asked"]) == asked
    assert len(tokenizer.encode("again")) == 5


@pytest.mark.parametrize("kind", ["llama", "vllm"])
def test_a_template_without_a_place_for_a_system_message_is_seen_and_it_is_folded(httpserver, kind, request):
    request.getfixturevalue(kind)["system"] = False
    tokenizer = opened(httpserver)
    sent = tokenizer.as_sent(CHAT)
    assert sent == [{"role": "user", "content": "Be brief.\n\nWhere is it?"}]
    assert tokenizer.count_chat(CHAT) == tokenizer.count_chat(sent)


def test_a_chat_that_the_server_s_template_refuses_gives_its_reason(httpserver):
    for path in ("/tokenize",):
        httpserver.expect_request(path).respond_with_json({"tokens": [1]})
    for path in ("/apply-template", "/v1/chat/completions/input_tokens"):
        httpserver.expect_request(path).respond_with_json({"error": {"message": "roles must alternate"}}, status=500)
    with pytest.raises(DataError, match="refuses a chat of the roles user, user: roles must alternate"):
        opened(httpserver).count_chat([CHAT[1], CHAT[1]])


def test_a_server_that_is_not_up_is_named_without_its_password():
    with pytest.raises(EngineError, match="does not answer.*start it before samples are built") as caught:
        ServerTokenizer("http://me:hunter2@127.0.0.1:9/v1", "m")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8080/v1", "ftp://host/v1", "http://", "http://[::1/v1"])
def test_what_is_no_url_is_named(url):
    with pytest.raises(ConfigError, match="is not a URL"):
        ServerTokenizer(url, "m")


@pytest.mark.parametrize("key", ["sk-canary\n", "sk-cänary", "sk-canary"])
def test_the_key_stands_in_no_message(httpserver, key):
    httpserver.expect_request("/tokenize").respond_with_json({"error": {"message": f"bad key {key}"}}, status=400)
    with pytest.raises((ConfigError, EngineError)) as caught:
        opened(httpserver, api_key=key)
    assert "nary" not in str(caught.value)


def test_a_server_that_still_loads_its_model_is_told_apart(httpserver):
    httpserver.expect_request("/tokenize").respond_with_json({"error": {"message": "Loading model", "code": 503}}, status=503)
    with pytest.raises(EngineError, match="is not ready .503: Loading model"):
        opened(httpserver)


def test_a_server_without_the_endpoint_says_what_to_name_instead(httpserver):
    httpserver.expect_request("/tokenize").respond_with_data("404 page not found", status=404)  # as Ollama does
    with pytest.raises(ConfigError, match=r"no /tokenize.*404.*Ollama.*GGUF file or tiktoken:ENCODING"):
        opened(httpserver)


def test_a_refused_key_and_an_unknown_model_are_told_apart(httpserver, vllm):
    with pytest.raises(ConfigError, match="The model `other` does not exist.*`name`"):
        ServerTokenizer(httpserver.url_for("/v1"), "other")
    httpserver.clear()
    httpserver.expect_request("/tokenize").respond_with_json({"error": "Unauthorized"}, status=401)
    with pytest.raises(ConfigError, match="refuses the key.*`api_key_env`"):
        opened(httpserver, api_key="sk-canary")


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "[]",
        "null",
        "3",
        "{}",
        '{"tokens": null}',
        '{"tokens": ["a"]}',
        '{"tokens": [true]}',
        '{"tokens": [-1]}',
        "[" * 5000,
    ],
)
def test_an_answer_that_is_no_list_of_tokens_is_refused(httpserver, body):
    httpserver.expect_request("/tokenize").respond_with_data(body)
    with pytest.raises(EngineError, match="something else than expected"):
        opened(httpserver)


@pytest.mark.parametrize("count", [None, -1, 1.5, "12", True, 1e30])
def test_a_count_that_is_none_is_refused(httpserver, count):
    httpserver.expect_request("/tokenize").respond_with_json({"tokens": [1], "count": 1, "max_model_len": "many"})
    tokenizer = opened(httpserver)
    assert tokenizer.window is None
    httpserver.clear()
    httpserver.expect_request("/tokenize").respond_with_json({"tokens": [1], "count": count})
    httpserver.expect_request("/detokenize").respond_with_json({"prompt": "x"})
    with pytest.raises(EngineError, match="something else than expected"):
        tokenizer.count_chat(CHAT[1:])


def settings(**others):
    values = {"engine": "external", "name": "m", "tokenizer": "server", "window": 4096, "max_output_tokens": 64}
    return ModelSettings(**values | others)


def test_a_model_s_block_opens_it_and_a_smaller_window_is_told(httpserver, llama, caplog):
    tokenizer = tokenizer_of(settings(base_url=httpserver.url_for("/v1"), window=8192))
    assert isinstance(tokenizer, ServerTokenizer)
    assert "window of 4096 tokens" in caplog.text


@pytest.mark.parametrize("others", [{"engine": "vllm"}, {"provider": "openai"}])
def test_a_model_without_a_server_of_its_own_cannot_ask_it(others):
    with pytest.raises(ConfigError, match="needs the `base_url`"):
        tokenizer_of(settings(**others))


BINARY, GGUF = os.environ.get("CONTEXT_RESEARCH_LLAMA_SERVER"), os.environ.get("CONTEXT_RESEARCH_GGUF")


@pytest.fixture(scope="module")
def real():
    """A llama-server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [BINARY, "-m", GGUF, "-a", "m", "-c", "4096", "-np", "1", "-t", "1", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()


@pytest.mark.skipif(
    not (BINARY and GGUF), reason="needs CONTEXT_RESEARCH_LLAMA_SERVER (a binary) and CONTEXT_RESEARCH_GGUF (a chat model)"
)
def test_a_real_llama_server_its_gguf_file_and_its_usage_agree(real, data):
    import httpx

    from contextrot.samples.gguf_tokenizer import GGUFTokenizer

    server, file = ServerTokenizer(real, "m"), GGUFTokenizer(GGUF)
    text = (data / "essays/glass.txt").read_text()
    assert server.encode(text) == file.encode(text)
    assert server.decode(server.encode(text)) == text
    for chat in (
        CHAT,
        CHAT[1:],
        [*CHAT, {"role": "assistant", "content": "There."}, CHAT[1]],
        [{"role": "user", "content": text[:4000]}],
    ):
        usage = httpx.post(f"{real}/chat/completions", json={"messages": chat, "max_tokens": 1}, timeout=120).json()["usage"]
        assert server.count_chat(chat) == file.count_chat(chat) == usage["prompt_tokens"]
