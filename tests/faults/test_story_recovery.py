"""Long sequences against servers that answer nothing, answer empty, or die: over real HTTP, with real processes."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response as Answer

from contextrot import engines
from contextrot.checked import validate
from contextrot.engines import Endpoint
from contextrot.engines.process import Server
from contextrot.engines.vllm import clear_cache
from contextrot.errors import RequestError
from contextrot.randomness import generator_for
from contextrot.records import read_responses, write_samples
from contextrot.responses import collect
from contextrot.responses.collect import collect_responses
from contextrot.settings import ModelSettings, Settings
from contextrot.task import SampleContext
from contextrot.tasks.story_sequences.task import StoryParameters, StorySequences

WINDOW = 120
STORIES = """
- name: tale
  prompts: [Write a long story., Building on it write more., Building on both write the end.]
- name: ode
  prompts: [Write a long ode., Building on it write more., Building on both write the end.]
"""
LONG = "One two three four. Five six seven eight.\n\nNine ten eleven twelve. " * 2


class WordTokenizer:
    """One token a word, and three for each message; the servers below count the same way."""

    exact = True

    def count_chat(self, messages):
        return sum(3 + len(message["content"].split()) for message in messages)


class ScriptedServer:
    """Gives the scripted texts in turn (the last one for ever); refuses what is over the window, as a server does."""

    def __init__(self, server: HTTPServer, *texts: str) -> None:
        self.texts, self.requests, self.statuses, self.resets = list(texts), [], [], 0
        self.lock = threading.Lock()
        server.expect_request("/v1/chat/completions").respond_with_handler(self.answer)
        self.url = server.url_for("/v1")

    def answer(self, request):
        body = request.get_json()
        with self.lock:
            self.requests.append(body)
            text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        tokens = WordTokenizer().count_chat(body["messages"])
        if tokens + body["max_tokens"] > WINDOW:
            self.statuses.append(400)
            return Answer(json.dumps({"error": {"message": "maximum context length exceeded"}}), 400)
        self.statuses.append(200)
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": tokens, "completion_tokens": len(text.split())}
        return Answer(json.dumps({"model": "tiny", "choices": [choice], "usage": usage}), content_type="application/json")

    def reset(self) -> None:
        self.resets += 1


@pytest.fixture
def http():
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`run(endpoint, **parameters)`: samples and the whole inference job, as the workflow does it; returns the rows."""
    (tmp_path / "stories.yaml").write_text(STORIES)
    monkeypatch.setattr(collect, "tokenizer_of", lambda *_: WordTokenizer())
    model = ModelSettings(
        engine="external", base_url="http://unused/v1", name="tiny", window=WINDOW, max_output_tokens=40, concurrency=2
    )
    settings = Settings(request_store=str(tmp_path / "store"), max_attempts=2, retry_deadline_seconds=0.2)

    def run(serve, **parameters):
        parameters = {"file": "stories.yaml", "sequences": 1, "margin_tokens": 10, **parameters}
        task = StorySequences(validate(StoryParameters, parameters, "a test"))
        context = SampleContext(WordTokenizer(), WINDOW, 40, tmp_path, partial(generator_for, 1))
        write_samples(tmp_path / "samples.parquet", task.samples(context))
        monkeypatch.setattr(engines, "serve", serve)
        output = tmp_path / "results" / "responses" / "1-of-1.parquet"
        collect_responses(
            tmp_path / "samples.parquet", output, task=task, model_name="tiny", model=model, settings=settings,
            experiment="stories", shard=1, shards=1, log=tmp_path / "log",
        )  # fmt: skip
        return [(row, task.columns(row)) for row in read_responses(output)]

    return run


def served_by(server: ScriptedServer):
    @contextmanager
    def serve(model, log_path) -> Iterator[Endpoint]:
        yield Endpoint("external", "tiny", "hosted_vllm", base_url=server.url, reset=server.reset)

    return serve


def test_a_window_that_fills_is_managed_so_that_the_server_never_says_400(http, run):
    server = ScriptedServer(http, LONG)
    rows = run(served_by(server), sequences=2, repeats=2)
    assert [row.outcome for row, _ in rows] == ["answered"] * 12
    assert set(server.statuses) == {200}
    assert len(server.requests) == 10, "what both sequences begin with is asked once"
    assert all(row.prompt_tokens == columns["tokens_after"] for row, columns in rows), "our count is the server's"
    assert all(columns["context_changed"] == float(row.turn == 2) for row, columns in rows)


def test_a_server_that_answers_empty_twice_then_well_makes_one_retry_chain_and_a_good_row(http, run):
    server = ScriptedServer(http, "", "", LONG)
    rows = run(served_by(server))
    assert [row.outcome for row, _ in rows] == ["answered"] * 3
    first, columns = rows[0]
    assert first.text == LONG and first.attempts == 3 and columns["retries"] == 2
    assert columns["attempt_outcomes"] == ["empty", "empty", "answered"]
    assert server.resets == 2 and len(server.requests) == 5


def test_always_empty_is_an_outcome_after_three_attempts_and_the_sequence_goes_on(http, run):
    server = ScriptedServer(http, "")
    rows = run(served_by(server))
    assert [(row.turn, row.outcome, row.attempts) for row, _ in rows] == [(0, "empty", 3), (1, "empty", 3), (2, "empty", 3)]
    assert len(server.requests) == 9 and server.resets == 6


def test_always_empty_stops_the_sequence_if_so_configured_and_keeps_all_its_rows(http, run):
    server = ScriptedServer(http, "")
    rows = run(served_by(server), after_failure="stop")
    assert [(row.turn, row.outcome) for row, _ in rows] == [(0, "empty"), (1, "empty"), (2, "empty")]
    assert len(server.requests) == 3


def test_a_second_run_replays_the_retry_chain_from_the_store_and_asks_nothing(http, run):
    server = ScriptedServer(http, "", "", LONG)
    first = run(served_by(server))
    again = run(served_by(server))
    assert len(server.requests) == 5 and server.resets == 2
    assert [(row.text, columns) for row, columns in again] == [(row.text, columns) for row, columns in first]


def test_a_job_that_failed_in_turn_two_does_not_pay_turn_one_again(http, run):
    broken = ScriptedServer(http, LONG)
    answer = broken.answer

    def fails_on_the_second_turn(request):
        if len(request.get_json()["messages"]) > 1:
            broken.requests.append(request.get_json())
            return Answer("out of memory", 500)
        return answer(request)

    http.clear()
    http.expect_request("/v1/chat/completions").respond_with_handler(fails_on_the_second_turn)
    with pytest.raises(RequestError, match="failed after all attempts"):
        run(served_by(broken), retries=1, after_failure="stop")
    assert [len(body["messages"]) for body in broken.requests] == [1, 3, 3, 3, 3]

    http.clear()
    mended = ScriptedServer(http, LONG)
    rows = run(served_by(mended), retries=1, after_failure="stop")
    assert [row.outcome for row, _ in rows] == ["answered"] * 3
    assert [len(body["messages"]) > 1 for body in mended.requests] == [True, True], "turn 1 came from the store"


MORTAL_SERVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

folder = Path(sys.argv[2])

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        turns = len(body["messages"]) // 2 + 1
        with open(folder / "asked", "a") as log:
            log.write(f"{os.getpid()} {turns}\\n")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if turns == 2 and not (folder / "died").exists():
            (folder / "died").touch()
            self.wfile.write(b'data: {"choices": [{"delta": {"content": "Half an ans"}}]}\\n\\n')
            self.wfile.flush()
            os._exit(9)
        for part in ({"delta": {"content": "A good long answer."}}, {"delta": {}, "finish_reason": "stop"}):
            self.wfile.write(f"data: {json.dumps({'choices': [part]})}\\n\\n".encode())
        self.wfile.write(b"data: [DONE]\\n\\n")

    def log_message(self, *words):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_server_that_dies_in_the_middle_of_turn_two_is_restarted_and_the_sequence_completed(tmp_path, run):
    script = tmp_path / "server.py"
    script.write_text(MORTAL_SERVER)

    @contextmanager
    def serve(model, log_path) -> Iterator[Endpoint]:
        def command(port: int) -> list[str]:
            return [sys.executable, str(script), str(port), str(tmp_path)]

        with Server(command, name="mortal", log_path=Path(log_path), startup_seconds=30) as server:
            yield Endpoint(
                "external", "tiny", "hosted_vllm", base_url=f"{server.url}/v1", reset=server.restart, alive=server.alive
            )

    rows = run(serve)
    assert [(row.outcome, row.text) for row, _ in rows] == [("answered", "A good long answer.")] * 3
    asked = [line.split() for line in (tmp_path / "asked").read_text().splitlines()]
    assert [turn for _, turn in asked] == ["1", "2", "2", "3"], "turn 1 is not asked again"
    first, second = dict.fromkeys(process for process, _ in asked)
    assert first != second and rows[1][0].attempts == 2
    for process in (first, second):
        with pytest.raises(ProcessLookupError):
            os.kill(int(process), 0)


def test_a_reset_of_a_vllm_that_was_killed_starts_it_again(tmp_path):
    script = tmp_path / "server.py"
    script.write_text(MORTAL_SERVER)

    def command(port: int) -> list[str]:
        return [sys.executable, str(script), str(port), str(tmp_path)]

    with Server(command, name="mortal", log_path=tmp_path / "log", startup_seconds=30) as server:
        server.process.kill()
        server.process.wait()
        clear_cache(server)
        server.alive()
