import json
import threading
import time
from itertools import pairwise

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response as HttpResponse

from contextrot.engines import Endpoint
from contextrot.errors import EngineError, RequestError
from contextrot.records import Sample
from contextrot.serving.load import LoadGenerator, run_load
from contextrot.serving.timings import FailedRequest, Timing, Turn


def samples(n=1):
    messages = [{"role": "user", "content": "Go on."}]
    return [Sample(f"s{i}", messages, [], 4, 10, condition={}) for i in range(n)]


def events(tokens=4, usage=True, done=True):
    lines = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    lines += [{"choices": [{"index": 0, "delta": {"content": f"t{i} "}}]} for i in range(tokens)]
    if usage:
        counts = {"prompt_tokens": 10, "completion_tokens": tokens, "prompt_tokens_details": {"cached_tokens": 8}}
        lines.append({"choices": [], "usage": counts})
    text = "".join(f"data: {json.dumps(line)}\n\n" for line in lines)
    return text + ("data: [DONE]\n\n" if done else "")


@pytest.fixture
def threaded():
    with HTTPServer(threaded=True) as server:
        yield server


def endpoint(server, alive=lambda: None):
    return Endpoint("vllm", "m", "hosted_vllm", base_url=server.url_for("/v1"), alive=alive)


def serve(server, body, status=200):
    server.expect_request("/v1/chat/completions").respond_with_data(body, status=status, content_type="text/event-stream")


def test_counts_and_text_are_the_servers(threaded):
    serve(threaded, events())
    [timing], seconds = run_load(endpoint(threaded), samples(), 1, {"temperature": 0})
    assert (timing.prompt_tokens, timing.completion_tokens, timing.cached_tokens) == (10, 4, 8)
    assert timing.text == "t0 t1 t2 t3 "
    assert 0 < timing.ttft_seconds <= timing.end_to_end_seconds <= seconds
    assert len(timing.itl_seconds) == 3


def test_the_request_asks_for_a_stream_with_counts_and_carries_its_name(threaded):
    serve(threaded, events())
    run_load(endpoint(threaded), samples(), 1, {"temperature": 0, "ignore_eos": True})
    request = threaded.log[-1][0]
    body = json.loads(request.data)
    assert body["stream_options"] == {"include_usage": True}
    assert (body["temperature"], body["ignore_eos"], body["max_tokens"]) == (0, True, 4)
    assert request.headers["X-Request-Id"] == "s0"


def test_tpot_leaves_out_the_first_token():
    timing = Timing(
        "s", 0.0, ttft_seconds=1.0, end_to_end_seconds=4.0, prompt_tokens=1, completion_tokens=4, cached_tokens=0, text=""
    )
    assert timing.tpot_seconds == 1.0


def test_an_answer_of_one_token_has_no_tpot():
    timing = Timing(
        "s", 0.0, ttft_seconds=1.0, end_to_end_seconds=1.0, prompt_tokens=1, completion_tokens=1, cached_tokens=0, text=""
    )
    assert timing.tpot_seconds is None


def test_an_answer_that_came_in_one_piece_has_no_tpot_rather_than_0():
    assert Timing("s", 0.0, 1.0, 1.0, 1, 16, 0, "").tpot_seconds is None


def test_the_chunk_that_only_names_the_role_is_no_first_token(threaded):
    def handle(_):
        def body():
            lines = events(tokens=2).split("\n\n")
            yield lines[0] + "\n\n"
            time.sleep(0.2)
            yield "\n\n".join(lines[1:])

        return HttpResponse(body(), content_type="text/event-stream")

    threaded.expect_request("/v1/chat/completions").respond_with_handler(handle)
    [timing], _ = run_load(endpoint(threaded), samples(), 1, {})
    assert timing.ttft_seconds >= 0.2


def test_data_without_a_space_and_other_line_ends_are_read(threaded):
    serve(threaded, events().replace("data: ", "data:").replace("\n", "\r\n"))
    [timing], _ = run_load(endpoint(threaded), samples(), 1, {})
    assert timing.completion_tokens == 4


def test_an_answer_without_text_is_named(threaded):
    serve(threaded, events(tokens=0))
    with pytest.raises(RequestError, match="without a single token"):
        run_load(endpoint(threaded), samples(), 1, {})


def test_a_cut_stream_fails_the_measurement(threaded):
    serve(threaded, events(done=False))
    with pytest.raises(RequestError, match="cut"):
        run_load(endpoint(threaded), samples(), 1, {})


def test_a_stream_without_counts_is_timed_and_has_no_counts(threaded):
    serve(threaded, events(usage=False))
    [timing], _ = run_load(endpoint(threaded), samples(), 1, {})
    assert (timing.prompt_tokens, timing.completion_tokens, timing.cached_tokens, timing.tpot_seconds) == (None,) * 4
    assert timing.ttft_seconds > 0


def test_a_stream_that_ends_without_a_done_is_whole_where_it_says_why_it_ended(threaded):
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    serve(threaded, events(done=False) + f"data: {json.dumps(end)}\n\n")
    [timing], _ = run_load(endpoint(threaded), samples(), 1, {})
    assert timing.finish_reason == "stop"


def test_an_error_is_shown_with_what_the_server_said(threaded):
    serve(threaded, '{"error": "prompt too long"}', status=400)
    with pytest.raises(RequestError, match="400.*prompt too long"):
        run_load(endpoint(threaded), samples(), 1, {})


def test_a_stopped_engine_is_named_as_the_cause(httpserver):
    def stopped():
        raise EngineError("the decode instance of vLLM stopped by itself (exit status -9).")

    httpserver.expect_request("/v1/chat/completions").respond_with_data("", status=502)
    with pytest.raises(EngineError, match="decode instance"):
        run_load(endpoint(httpserver, stopped), samples(), 1, {})


def test_never_more_requests_at_once_than_asked(threaded):
    lock, under_way, most = threading.Lock(), 0, 0
    barrier = threading.Barrier(3)

    def handle(_):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        barrier.wait(timeout=30)
        with lock:
            under_way -= 1
        return HttpResponse(events(), content_type="text/event-stream")

    threaded.expect_request("/v1/chat/completions").respond_with_handler(handle)
    timings, _ = run_load(endpoint(threaded), samples(9), 3, {})
    assert len(timings) == 9
    assert most == 3
    assert [t.sample_id for t in timings] == [f"s{i}" for i in range(9)]


def test_a_failed_request_is_told_beside_those_that_were_answered(threaded):
    asked = []

    def handle(_):
        asked.append(1)
        return HttpResponse("busy", status=503) if len(asked) == 2 else HttpResponse(events(), content_type="text/event-stream")

    threaded.expect_request("/v1/chat/completions").respond_with_handler(handle)
    with LoadGenerator(endpoint(threaded)) as load:
        answers, _ = load.closed_loop(samples(3), 1, {})
    assert [type(answer) for answer in answers] == [Timing, FailedRequest, Timing]
    assert "503" in answers[1].message


def test_one_pool_of_connections_serves_all_groups(threaded):
    ports = []

    def handle(request):
        ports.append(request.environ["REMOTE_PORT"])
        return HttpResponse(events(), content_type="text/event-stream", headers={"Connection": "keep-alive"})

    threaded.expect_request("/v1/models").respond_with_json({"data": []})
    threaded.expect_request("/v1/chat/completions").respond_with_handler(handle)
    with LoadGenerator(endpoint(threaded)) as load:
        first = load._runner.run(_session_of(load))
        load.closed_loop(samples(2), 1, {})
        load.closed_loop(samples(2), 1, {})
        assert load._runner.run(_session_of(load)) is first
    assert len(ports) == 4


async def _session_of(load):
    await load._connect(0)
    return load._session


def test_an_open_loop_sends_when_due_and_counts_from_then(threaded):
    serve(threaded, events())
    with LoadGenerator(endpoint(threaded)) as load:
        answers, seconds = load.play([[Turn(one, due)] for one, due in zip(samples(3), [0.0, 0.1, 0.2], strict=True)], {})
    gaps = [later.start - earlier.start for earlier, later in pairwise(answers)]
    assert gaps == pytest.approx([0.1, 0.1])
    assert all(answer.ttft_seconds >= answer.late_seconds >= 0 for answer in answers)
    assert seconds >= 0.2


def test_latency_counts_from_the_time_it_was_due():
    sent_late = Timing("s", 5.0, 1.0, 2.0, 1, 2, None, "")
    counted = sent_late.counted_from(4.5)
    assert (counted.start, counted.late_seconds, counted.ttft_seconds, counted.end_to_end_seconds) == (4.5, 0.5, 1.5, 2.5)
    assert counted.tpot_seconds == sent_late.tpot_seconds


def test_a_connection_that_the_server_closed_after_its_last_answer_costs_no_request(threaded):
    """As llama-server and transformers do, which announce keep-alive."""
    import socket

    body = events().encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_and_close():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                seen = connection.recv(65536)
                while b"\r\n\r\n" not in seen or (seen.startswith(b"POST") and not seen.endswith(b"}")):
                    seen += connection.recv(65536)
                connection.sendall(head + body)

    threading.Thread(target=serve_and_close, daemon=True).start()
    there = Endpoint("external", "m", "hosted_vllm", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    with LoadGenerator(there) as load:
        answers, _ = load.closed_loop(samples(20), 1, {})
    listener.close()
    assert [type(answer) for answer in answers] == [Timing] * 20
