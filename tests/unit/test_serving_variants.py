"""A grid of servers: their names, their options, and how they are compared."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.serving.exports import vllm_bench_lines
from contextrot.tasks.serving.pairs import compare_pairs
from contextrot.tasks.serving.task import ServingParameters
from contextrot.tasks.serving.variants import PATTERN, variants


def test_without_options_the_modes_are_the_servers():
    assert [one.name for one in variants(["aggregated", "disaggregated"], {})] == ["aggregated", "disaggregated"]


def test_every_combination_is_a_server_with_a_name_that_paths_can_have():
    found = variants(["aggregated"], {"max_num_seqs": [8, 64], "kv_cache_dtype": ["auto", "fp8"]})
    assert [one.name for one in found][:2] == [
        "aggregated+max_num_seqs=8,kv_cache_dtype=auto",
        "aggregated+max_num_seqs=8,kv_cache_dtype=fp8",
    ]
    assert len(found) == 4 and all(re.fullmatch(PATTERN, one.name) for one in found)


def test_options_go_where_dots_lead_and_leave_the_rest_as_it_is():
    [one] = variants(["disaggregated"], {"disaggregated.decode.max_num_seqs": [4]})
    given = {"dtype": "float32", "disaggregated": {"connector": "file", "decode": {"cpu_threads_bind": "1"}}}
    assert one.applied(given) == {
        "dtype": "float32",
        "disaggregated": {"connector": "file", "decode": {"cpu_threads_bind": "1", "max_num_seqs": 4}},
    }
    assert given["disaggregated"]["decode"] == {"cpu_threads_bind": "1"}


def test_values_of_any_form_have_names_of_their_own():
    found = variants(["aggregated"], {"extra_args": [[], ["--speculative-config", '{"method": "ngram"}']]})
    assert len({one.name for one in found}) == 2 and all(re.fullmatch(PATTERN, one.name) for one in found)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"dtype": []}, "at least one value"),
        ({"dtype": ["auto", "auto"]}, "none twice"),
        ({"../x": [1]}, "names engine options"),
        ({"max_num_seqs": list(range(1, 70))}, "at most 64"),
    ],
)
def test_grids_that_are_none_are_refused(vary, message):
    with pytest.raises(ConfigError, match=message):
        validate(ServingParameters, {"vary": vary}, "test")


def requests(mode, factor, scores=(1, 1, 0, 1), **more):
    rng = np.random.default_rng(3)  # the same prompts, however different among themselves
    own = np.random.default_rng(len(mode))
    rows = []
    for repeat in range(4):
        for index in range(4):
            ttft = float(rng.lognormal(0, 1))
            rows.append(
                {
                    "sample_id": f"s{repeat}-{index}", "turn": 0, "mode": mode, "length": 100, "rate": 2.0, "repeat": repeat, "warm": False,
                    "outcome": "answered", "ttft_seconds": ttft * factor * float(own.lognormal(0, 0.02)), "tpot_seconds": 0.1,
                    "end_to_end_seconds": 9.0, "score": float(scores[index]), "asked": f"needle {index}", "group_seconds": 10.0,
                    "server_prompt_tokens": 100, "completion_tokens": 5, "itl_seconds": [0.1] * 4, "start_seconds": float(index), "text": "t",
                    "error": None,
                }
            )  # fmt: skip
    return pd.DataFrame(rows).assign(**more)


def pairs(*tables):
    return compare_pairs(pd.concat(tables, ignore_index=True)).set_index("measure")


def test_a_tenth_that_single_requests_hide_is_seen_in_pairs():
    found = pairs(requests("aggregated", 1.0), requests("aggregated+dtype=x", 1.1)).loc["ttft_seconds"]
    assert found["change"] == pytest.approx(10, abs=2)
    assert 5 < found["low"] < found["high"] < 15
    assert (found["n"], found["against"]) == (16, "aggregated")


def test_scores_are_compared_by_what_was_asked():
    found = pairs(requests("aggregated", 1.0), requests("aggregated+dtype=x", 1.0, scores=(0, 0, 0, 1))).loc["score"]
    assert found["change"] == -0.5
    assert found["low"] < -0.5 < found["high"] and found["p_value"] is not None


def test_pairs_without_two_cold_answers_are_left_out():
    other = requests("aggregated+dtype=x", 2.0)
    other.loc[0, "outcome"] = "failed"
    other.loc[1, "warm"] = True
    assert pairs(requests("aggregated", 1.0), other).loc["ttft_seconds", "n"] == 14


def test_one_server_has_no_pairs():
    assert compare_pairs(requests("aggregated", 1.0)).empty


def test_vllms_form_has_its_names_and_units():
    table = requests("aggregated", 1.0)
    table.loc[0, ["outcome", "error"]] = ["failed", "503"]
    lines = [json.loads(line) for line in vllm_bench_lines(table, {"model_id": "m"}, {"tpot_seconds": 0.05}).splitlines()]
    assert len(lines) == 4
    first = lines[0]
    assert (first["num_prompts"], first["completed"], first["failed"], first["request_rate"]) == (4, 3, 1, 2.0)
    assert first["request_throughput"] == pytest.approx(0.3) and first["request_goodput"] == 0
    assert first["median_tpot_ms"] == pytest.approx(100) and first["p99_itl_ms"] == pytest.approx(100)
    assert first["total_input_tokens"] == 300 and first["output_lens"] == [0, 5, 5, 5] and first["errors"][0] == "503"
    assert first["mean_ttft_ms"] == pytest.approx(1000 * np.mean(first["ttfts"][1:]))
    assert {len(first[name]) for name in ("ttfts", "itls", "start_times", "generated_texts", "errors", "input_lens")} == {4}


def test_vllms_form_counts_requests_without_any_answer():
    table = requests("aggregated", 1.0).assign(outcome="input_cut", error="cut")
    [first, *_] = [json.loads(line) for line in vllm_bench_lines(table, {}, {}).splitlines()]
    assert (first["completed"], first["failed"], first["request_throughput"]) == (0, 4, 0.0)
    assert first["ttfts"] == [0.0] * 4 and "mean_ttft_ms" not in first


def test_vllms_form_leaves_out_what_the_server_did_not_count():
    table = requests("aggregated", 1.0, completion_tokens=None, tpot_seconds=None)
    [first, *_] = [json.loads(line) for line in vllm_bench_lines(table, {}, {}).splitlines()]
    assert not {"total_output_tokens", "output_throughput", "mean_tpot_ms", "request_goodput"} & set(first)


def test_a_grid_s_servers_are_named_in_figures_by_what_differs():
    from contextrot.tasks.serving.figures import _server_names

    assert _server_names(["aggregated+a=1,b=2", "aggregated+a=2,b=2"])["aggregated+a=1,b=2"] == "a=1, b=2"
    assert _server_names(["aggregated+a=1", "disaggregated+a=1"])["disaggregated+a=1"] == "disaggregated: a=1"
    assert _server_names(["aggregated", "disaggregated"])["aggregated"] == "aggregated"
