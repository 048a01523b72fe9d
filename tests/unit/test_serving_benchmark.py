import json

import pytest

from contextrot.engines import Endpoint
from contextrot.errors import ConfigError, EngineError
from contextrot.records import Sample
from contextrot.serving.benchmark import compare, cross_check, run_vllm_benchmark
from contextrot.serving.load import Timing
from contextrot.settings import ModelSettings


def timing(ttft, end, tokens=11):
    return Timing("s", 0.0, ttft, end, prompt_tokens=9, completion_tokens=tokens, cached_tokens=0, text="")


def model(**options):
    return ModelSettings(engine="vllm", name="m", window=100, max_output_tokens=9, engine_options=options)


SAMPLES = [Sample(f"s{i}", [{"role": "user", "content": f"text {i}"}], [], 3, 10, condition={}) for i in range(2)]
RESULT = {"completed": 2, "failed": 0, "ttfts": [1.0, 2.0], "itls": [[0.5, 0.5], [0.25, 0.25]], "output_lens": [3, 3]}


def benchmark_that_finds(tmp_path, result, status=0):
    """A stand-in for vLLM's interpreter that writes a result where the benchmark would."""
    (tmp_path / "found.json").write_text(json.dumps(result))
    script = tmp_path / "python"
    script.write_text(
        "#!/bin/sh\nwhile [ $# -gt 0 ]; do case $1 in --result-dir) folder=$2;; --result-filename) name=$2;; esac; shift; done\n"
        f"cp {tmp_path}/found.json $folder/$name\nexit {status}\n"
    )
    script.chmod(0o755)
    return model(python=str(script))


ENDPOINT = Endpoint("vllm", "m", "hosted_vllm", base_url="http://127.0.0.1:1/v1")


def test_medians_are_compared_in_percent_of_vllms():
    found = compare([timing(1.09, 2.09), timing(1.09, 2.09)], {"ttft": [1.0, 1.0], "tpot": [0.1, 0.1], "e2el": [2.0, 2.0]})
    assert found["measures"]["ttft_seconds"]["difference_percent"] == pytest.approx(9.0)
    assert found["measures"]["tpot_seconds"]["difference_percent"] == pytest.approx(0.0)
    assert found["measures"]["end_to_end_seconds"]["difference_percent"] == pytest.approx(4.5)
    assert found["within_tolerance"]


def test_more_than_a_tenth_apart_is_said():
    assert not compare([timing(1.2, 2.2)], {"ttft": [1.0], "tpot": [0.1], "e2el": [2.2]})["within_tolerance"]


def test_tpot_and_end_to_end_follow_from_vllms_gaps(tmp_path):
    found = run_vllm_benchmark(ENDPOINT, benchmark_that_finds(tmp_path, RESULT), SAMPLES, {"temperature": 0}, tmp_path / "b")
    assert found == {"ttft": [1.0, 2.0], "tpot": [0.5, 0.25], "e2el": [2.0, 2.5]}
    assert [json.loads(line)["prompt"] for line in (tmp_path / "b/prompts.jsonl").read_text().splitlines()] == [
        "text 0",
        "text 1",
    ]


@pytest.mark.parametrize("result", [{**RESULT, "completed": 1}, {**RESULT, "failed": 1}], ids=["one missing", "one failed"])
def test_a_benchmark_with_holes_is_refused(tmp_path, result):
    with pytest.raises(EngineError, match="completed"):
        run_vllm_benchmark(ENDPOINT, benchmark_that_finds(tmp_path, result), SAMPLES, {}, tmp_path / "b")


def test_a_benchmark_that_fails_names_its_log(tmp_path):
    with pytest.raises(EngineError, match=r"exit status 2.*benchmark\.log"):
        run_vllm_benchmark(ENDPOINT, benchmark_that_finds(tmp_path, RESULT, 2), SAMPLES, {}, tmp_path / "b")


def test_other_engines_have_no_benchmark_of_vllms(tmp_path):
    other = ModelSettings(engine="transformers", name="m", window=100, max_output_tokens=9)
    with pytest.raises(ConfigError, match="cross_check"):
        cross_check(ENDPOINT, other, SAMPLES, {}, tmp_path / "log")
