import json
import sys
from contextlib import contextmanager
from dataclasses import replace

import pytest

from contextrot.engines import Endpoint
from contextrot.errors import ConfigError, EngineError
from contextrot.records import Sample
from contextrot.serving import benchmark
from contextrot.serving.benchmark import compare, cross_check, vllm_client
from contextrot.serving.timings import Timing
from contextrot.settings import ModelSettings


def timing(ttft, end, tokens=11):
    return Timing("s", 0.0, ttft, end, prompt_tokens=9, completion_tokens=tokens, cached_tokens=0, text="")


def model(**options):
    return ModelSettings(engine="vllm", name="m", window=100, max_output_tokens=9, engine_options=options)


SAMPLES = [Sample(f"s{i}", [{"role": "user", "content": f"text {i}"}], [], 3, 10, condition={}) for i in range(2)]
RESULT = {"success": True, "error": "", "ttft": 1.0, "latency": 2.0, "output_tokens": 3}


def client_that_finds(tmp_path, result, requests=99, status=0):
    """A stand-in for vLLM's interpreter that measures the same for so many requests, and then ends."""
    script = tmp_path / "python"
    script.write_text(
        f"#!{sys.executable}\nimport json, sys\nprint('a line of the log')\nfor _ in range({requests}):\n"
        f"    line = sys.stdin.readline()\n    print(line, file=sys.stderr)\n    print('TIMES', json.dumps({result!r}), flush=True)\n"
        f"sys.exit({status})\n"
    )
    script.chmod(0o755)
    return model(python=str(script))


ENDPOINT = Endpoint("vllm", "m", "hosted_vllm", base_url="http://127.0.0.1:1/v1")


def test_medians_are_compared_in_percent_of_vllms():
    found = compare([timing(1.09, 2.09), timing(1.09, 2.09)], [timing(1.0, 2.0), timing(1.0, 2.0)])
    assert found["measures"]["ttft_seconds"]["difference_percent"] == pytest.approx(9.0)
    assert found["measures"]["tpot_seconds"]["difference_percent"] == pytest.approx(0.0)
    assert found["measures"]["end_to_end_seconds"]["difference_percent"] == pytest.approx(4.5)
    assert found["within_tolerance"]


def test_more_than_a_tenth_apart_is_said():
    assert not compare([timing(1.2, 2.2)], [timing(1.0, 2.2)])["within_tolerance"]


def test_vllms_client_is_given_the_prompt_and_the_options_and_its_times_are_read(tmp_path):
    with vllm_client(ENDPOINT, client_that_finds(tmp_path, RESULT), {"temperature": 0}, tmp_path / "log") as ask:
        found = [ask(sample) for sample in SAMPLES]
    assert [(t.ttft_seconds, t.tpot_seconds, t.end_to_end_seconds) for t in found] == [(1.0, 0.5, 2.0)] * 2
    asked = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line]
    assert [request["prompt"] for request in asked] == ["text 0", "text 1"]
    assert asked[0]["extra_body"] == {"temperature": 0} and asked[0]["output_len"] == 3
    assert asked[0]["api_url"] == "http://127.0.0.1:1/v1/chat/completions"


def test_a_request_that_failed_is_no_measurement(tmp_path):
    failing = client_that_finds(tmp_path, {**RESULT, "success": False, "error": "refused"})
    with vllm_client(ENDPOINT, failing, {}, tmp_path / "log") as ask, pytest.raises(EngineError, match="refused"):
        ask(SAMPLES[0])


def test_a_client_that_ends_names_its_log(tmp_path):
    ending = client_that_finds(tmp_path, RESULT, requests=1, status=2)
    with vllm_client(ENDPOINT, ending, {}, tmp_path / "log") as ask:
        ask(SAMPLES[0])
        with pytest.raises(EngineError, match=r"exit status 2.*log"):
            ask(SAMPLES[1])


def test_both_clients_take_turns_on_an_empty_cache(tmp_path, monkeypatch):
    events = []
    endpoint = replace(ENDPOINT, reset=lambda: events.append("reset"))

    def ours(endpoint, samples, *_):
        events.append(f"ours {samples[0].sample_id}")
        return [timing(1.0, 2.0, 3)], 2.0

    @contextmanager
    def theirs(*_):
        def ask(sample):
            events.append(f"theirs {sample.sample_id}")
            return timing(1.0, 2.0, 3)

        yield ask

    monkeypatch.setattr(benchmark, "run_load", ours)
    monkeypatch.setattr(benchmark, "vllm_client", theirs)
    found = cross_check(endpoint, model(), SAMPLES, {}, tmp_path / "log")
    assert events[:2] == ["ours s0", "theirs s0"]  # not counted
    assert events[2:] == ["reset", "ours s0", "reset", "theirs s0", "reset", "theirs s1", "reset", "ours s1"]
    assert found["within_tolerance"] and found["measures"]["ttft_seconds"]["n_ours"] == 2


def test_other_engines_have_no_benchmark_of_vllms(tmp_path):
    other = ModelSettings(engine="transformers", name="m", window=100, max_output_tokens=9)
    with pytest.raises(ConfigError, match="cross_check"):
        cross_check(ENDPOINT, other, SAMPLES, {}, tmp_path / "log")
