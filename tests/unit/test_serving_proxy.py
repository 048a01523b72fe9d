import http.client
import json
import sys
import urllib.error
import urllib.request

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response as HttpResponse

from contextrot.engines.process import Server
from contextrot.engines.vllm.pair import LIBRARY
from contextrot.engines.vllm.proxy import enough_loaded, expected_tokens, prefill_request

BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8, "min_tokens": 8, "temperature": 0}


class Instance:
    """A stand-in for one vLLM instance that keeps what it was asked."""

    def __init__(self, server, prompt_tokens=100, cached=96, transfer=None, separator="data: "):
        self.server, self.asked = server, []
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": cached}}
        metrics = 'vllm:cache_config_info{a="x",block_size="32",hash_block_size="7"} 1.0\n'
        server.expect_request("/metrics").respond_with_data(metrics)
        server.expect_request("/health").respond_with_data("")

        def answer(request):
            self.asked.append(json.loads(request.data))
            if self.asked[-1].get("stream"):
                chunks = [{"choices": [{"delta": {"content": "hi"}}]}, {"choices": [], "usage": usage}]
                text = "".join(f"{separator}{json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
                return HttpResponse(text, content_type="text/event-stream")
            choice = {"message": {"content": "hi"}, "finish_reason": "length"}
            whole = {"choices": [choice], "usage": usage, "kv_transfer_params": transfer}
            return HttpResponse(json.dumps(whole), content_type="application/json")

        server.expect_request("/v1/chat/completions").respond_with_handler(answer)

    @property
    def url(self):
        return self.server.url_for("").rstrip("/")


@pytest.fixture
def two():
    with HTTPServer(threaded=True) as one, HTTPServer(threaded=True) as other:
        yield one, other


def proxy(tmp_path, prefill, decode, connector="file"):
    return Server(
        lambda port: [sys.executable, "-m", "contextrot.engines.vllm.proxy", "--port", str(port), "--connector", connector,
                      "--prefill", prefill.url, "--decode", decode.url],
        name="proxy", log_path=tmp_path / "proxy.log", startup_seconds=120,
        environment={"PYTHONPATH": str(LIBRARY.parent)},
    )  # fmt: skip


def ask(url, body=BODY):
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json", "X-Request-Id": "s1"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def records(url):
    with urllib.request.urlopen(f"{url}/records", timeout=60) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize(
    ("tokens", "expected"), [(1, 0), (32, 0), (33, 32), (64, 32), (65, 64), (100, 96)], ids=lambda value: str(value)
)
def test_decode_must_load_the_prompt_less_its_last_block(tokens, expected):
    assert expected_tokens(tokens, 32) == expected


def test_files_load_exactly_that_and_nixl_at_least_that():
    assert enough_loaded("file", 96, 100, 32)
    assert not enough_loaded("file", 64, 100, 32)
    assert not enough_loaded("file", 99, 100, 32)
    assert enough_loaded("nixl", 99, 100, 32)
    assert not enough_loaded("nixl", 64, 100, 32)


def test_prefill_is_asked_for_one_token_and_nothing_that_needs_more():
    asked = prefill_request({**BODY, "stream": True, "stream_options": {"include_usage": True}, "n": 2}, {"kv_key": "a"})
    assert asked["max_tokens"] == 1
    assert asked["stream"] is False
    assert not {"min_tokens", "stream_options", "n"} & set(asked)
    assert asked["kv_transfer_params"] == {"kv_key": "a"}


def test_a_request_goes_to_prefill_then_with_the_same_key_to_decode(two, tmp_path):
    prefill, decode = map(Instance, two)
    with proxy(tmp_path, prefill, decode) as running:
        assert json.loads(ask(running.url))["choices"][0]["message"]["content"] == "hi"
        [record] = records(running.url)
        assert records(running.url) == []
    assert prefill.asked[0]["max_tokens"] == 1
    assert decode.asked[0]["max_tokens"] == 8
    assert prefill.asked[0]["kv_transfer_params"] == decode.asked[0]["kv_transfer_params"]
    assert record["request_id"] == "s1"
    assert (record["loaded_tokens"], record["expected_tokens"], record["block_size"]) == (96, 96, 32)
    assert record["loaded"]


def test_a_prompt_that_was_computed_again_is_refused(two, tmp_path):
    prefill, decode = Instance(two[0]), Instance(two[1], cached=0)
    with proxy(tmp_path, prefill, decode) as running:
        with pytest.raises(urllib.error.HTTPError, match="502") as refused:
            ask(running.url)
        assert "computed the others again" in refused.value.read().decode()
        assert not records(running.url)[0]["loaded"]


def test_a_stream_whose_prompt_was_computed_again_is_cut(two, tmp_path):
    prefill, decode = Instance(two[0]), Instance(two[1], cached=0)
    with proxy(tmp_path, prefill, decode) as running:
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(running.url, {**BODY, "stream": True})
        assert not records(running.url)[0]["loaded"]


def test_a_stream_passes_through_whole(two, tmp_path):
    prefill, decode = map(Instance, two)
    with proxy(tmp_path, prefill, decode) as running:
        text = ask(running.url, {**BODY, "stream": True})
    assert text.endswith("data: [DONE]\n\n")
    assert decode.asked[0]["stream_options"] == {"include_usage": True}


def test_counts_in_a_stream_without_spaces_after_the_colon_are_found(two, tmp_path):
    prefill, decode = Instance(two[0]), Instance(two[1], separator="data:")
    with proxy(tmp_path, prefill, decode) as running:
        ask(running.url, {**BODY, "stream": True})
        assert records(running.url)[0]["loaded"]


def test_nixl_hands_the_prefills_parameters_to_decode(two, tmp_path):
    transfer = {"do_remote_prefill": True, "remote_engine_id": "e", "remote_block_ids": [1]}
    prefill, decode = Instance(two[0], transfer=transfer), Instance(two[1])
    with proxy(tmp_path, prefill, decode, "nixl") as running:
        ask(running.url)
    assert prefill.asked[0]["kv_transfer_params"]["do_remote_decode"] is True
    assert decode.asked[0]["kv_transfer_params"] == transfer


def test_nixl_without_parameters_fails(two, tmp_path):
    prefill, decode = map(Instance, two)
    with proxy(tmp_path, prefill, decode, "nixl") as running, pytest.raises(urllib.error.HTTPError, match="502"):
        ask(running.url)
    assert decode.asked == []
