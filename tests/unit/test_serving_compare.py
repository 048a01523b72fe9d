import pandas as pd
import pytest

from contextrot.errors import DataError
from contextrot.records import read_responses
from contextrot.serving.compare import compare_texts, interval, join_modes, render_report
from contextrot.serving.measure import SIMULATED, as_json
from contextrot.tasks.serving.pairs import compare_pairs
from contextrot.tasks.serving.summary import summarize_requests


def answers(*rows):
    return pd.DataFrame(rows, columns=["sample_id", "mode", "text"])


def table(mode, ids=("a", "b")):
    n = len(ids)
    return pd.DataFrame(
        {
            "turn": 0, "sample_id": ids, "mode": mode, "length": 100, "concurrency": 1, "repeat": 0, "index": range(n), "outcome": "answered",
            "unjudged": False, "target_tokens": 100, "prompt_tokens": 100, "server_prompt_tokens": 100, "completion_tokens": 3,
            "cached_tokens": 0, "ttft_seconds": [1.0 + i for i in range(n)], "tpot_seconds": 0.5, "itl_seconds": [[0.5, 0.5]] * n,
            "end_to_end_seconds": 2.0, "text": "t", "finish_reason": "length", "group_seconds": 4.0, "warm": False,
        }
    )  # fmt: skip


def folder(tmp_path, mode, requests, texts=()):
    path = tmp_path / mode
    path.mkdir()
    requests.to_parquet(path / "requests.parquet")
    answers(*[(name, mode, text) for name, text in texts]).to_parquet(path / "parity.parquet")
    return path


def test_texts_that_differ_are_counted_and_listed_with_the_place():
    found = compare_texts(
        answers(("a", "aggregated", "The key is red."), ("a", "disaggregated", "The key is blue."), ("b", "aggregated", "x"),
                ("b", "disaggregated", "x"))
    )  # fmt: skip
    assert (found["compared"], found["different"]) == (2, 1)
    [entry] = found["differences"]
    assert entry["sample_id"] == "a"
    assert entry["same_characters"] == len("The key is ")


def test_a_text_that_goes_on_where_the_other_ends_differs():
    found = compare_texts(answers(("a", "aggregated", "red"), ("a", "disaggregated", "red.")))
    assert found["differences"][0]["same_characters"] == 3


def test_one_mode_compares_nothing():
    assert compare_texts(answers(("a", "aggregated", "x")))["compared"] == 0


def test_modes_are_joined_with_a_response_for_each_request(tmp_path):
    folders = [folder(tmp_path, mode, table(mode), [("a", "x")]) for mode in ("aggregated", "disaggregated")]
    paths = [tmp_path / name for name in ("scores.parquet", "responses.parquet", "parity.json", "pairs.csv")]
    join_modes(folders, "vllm", "m", *paths)
    assert len(pd.read_parquet(paths[0])) == 4
    responses = read_responses(paths[1])
    modes = [("a", "aggregated"), ("b", "aggregated"), ("a", "disaggregated"), ("b", "disaggregated")]
    assert [(r.sample_id, r.mode) for r in responses] == modes
    assert responses[0].first_token_seconds == 1.0
    assert '"compared": 1' in paths[2].read_text()


def test_modes_with_other_prompts_are_not_compared(tmp_path):
    folders = [
        folder(tmp_path, "aggregated", table("aggregated")),
        folder(tmp_path, "disaggregated", table("disaggregated", ("a", "c"))),
    ]
    with pytest.raises(DataError, match="same prompts"):
        join_modes(folders, "vllm", "m", *[tmp_path / name for name in "1234"])


def report(note=None):
    requests = pd.concat([table("aggregated"), table("disaggregated")])
    cache = {
        "prefix": "unique",
        "prompt_tokens": 200,
        "cached_tokens": 0,
        "prefix_cache_hit_tokens": 0,
        "cold_groups": 1,
        "warm_groups": 1,
        "reset_before_each_group": False,
        "groups": [{"evidence": "cached_tokens"}] * 2,
    }
    transfer = {
        "external_hit_tokens": 192, "expected_external_hit_tokens": 192, "requests": 2, "decode_recomputed_tokens": 0,
        "decode_computed_tokens": 8, "bytes": 2**20, "seconds": 0.5, "measured_by": "the connector",
    }  # fmt: skip
    check = {"measures": {"ttft_seconds": {"difference_percent": 3.2}}, "within_tolerance": True, "tolerance_percent": 10.0}
    summary = {"note": note, "cache": cache, "salt": "5a17", "failed_requests": 2, "connector": None, "memory": None}
    summaries = {
        "aggregated": {**summary, "kv_transfer": None, "cross_check": check},
        "disaggregated": {**summary, "kv_transfer": transfer, "cross_check": None, "connector": "ExampleConnector"},
    }
    metadata = {
        "created": "2026-01-01", "workflow": {"git_commit": "abc", "git_dirty": False}, "config_hash": "h", "seed": 1,
        "machine": {"cpu": "a CPU", "cores": 2, "gpus": []}, "engine": {"versions": {"vllm": "0.32.0"}},
        "environment": {"HF_HOME": "/cache"},
    }  # fmt: skip
    return render_report(
        ("Model", "Experiment"),
        summarize_requests(requests),
        summaries,
        metadata,
        compare_texts(answers()),
        compare_pairs(requests),
    )


def test_the_report_says_what_ran_what_was_loaded_and_what_changed():
    text = report()
    assert "| aggregated | 100 | 1 | 2 | 1.5 (too few) |" in text
    assert "192 of 192 tokens loaded in 2 requests, 0 computed again" in text
    assert "ttft_seconds +3.2 %; within 10 %" in text
    assert "HF_HOME: /cache" in text
    assert "1 of 2 groups of requests were cold, by cached_tokens; 1 were read from a cache" in text
    assert "NOT emptied between them; salt 5a17" in text
    assert "2 requests failed" in text
    assert "## Disaggregated against aggregated" in text
    assert "SIMULATED" not in text


def test_a_simulated_report_says_so_at_the_top():
    assert SIMULATED in "\n".join(report(SIMULATED).splitlines()[:4])


def test_a_value_without_an_interval_says_so():
    row = {"value": 1.0, "low": float("nan"), "high": float("nan"), "n": 1}
    assert interval(row) == "1"
    assert interval({**row, "n": 8}) == "1 (too few)"
    assert interval({**row, "low": 0.5, "n": 8}) == "1 [0.5, ?]"
    assert interval({**row, "value": float("nan")}) == ""


def test_missing_numbers_are_null_in_json():
    assert as_json({"a": float("nan"), "b": [float("inf")]}).split() == ["{", '"a":', "null,", '"b":', "[", "null", "]", "}"]
