"""vLLM for real: one instance and a pair, their answers, counters and failures."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from contextrot import engines
from contextrot.engines.vllm.pair import records_of, transfers_of
from contextrot.engines.vllm.proxy import expected_tokens
from contextrot.errors import EngineError
from contextrot.matching.match import match
from contextrot.project import Project
from contextrot.randomness import generator_for
from contextrot.records import Sample
from contextrot.serving.benchmark import cross_check
from contextrot.serving.counters import check_loaded, difference, read_counters
from contextrot.serving.load import run_load
from contextrot.task import SampleContext

GREEDY = {"temperature": 0}
BLOCK = 32


@pytest.fixture(scope="module")
def needles(root, embedded_tokenizer, model):
    """Needle prompts of two lengths, as the quality run asks them."""
    project = Project(yaml.safe_load((root / "config/config.yaml").read_text()), root)
    context = SampleContext(embedded_tokenizer, model.window, 24, project.data, partial(generator_for, 1))
    samples = [s for s in project.task("test", "embedded", "niah").samples(context) if s.fits_window]
    lengths = sorted({s.target_tokens for s in samples})[:2]
    return [s for length in lengths for s in [s for s in samples if s.target_tokens == length][:6]]


def of_length(tokenizer, tokens, index=0, output_tokens=8):
    """A sample whose rendered prompt has exactly so many tokens."""

    def messages(words):
        return [{"role": "user", "content": f"{index}:" + " a" * words}]

    words = tokens - tokenizer.count_chat(messages(0))
    while tokenizer.count_chat(messages(words)) < tokens:
        words += 1
    while tokenizer.count_chat(messages(words)) > tokens:
        words -= 1
    sample = Sample(f"{tokens}-{index}", messages(words), [], output_tokens, tokenizer.count_chat(messages(words)), condition={})
    assert sample.prompt_tokens == tokens
    return sample


def load(endpoint, samples, concurrency=1, **options):
    timings, _ = run_load(endpoint, samples, concurrency, GREEDY | options)
    return timings


def test_the_server_counts_prompts_as_we_do(aggregated, needles):
    assert [t.prompt_tokens for t in load(aggregated, needles)] == [s.prompt_tokens for s in needles]


def test_reset_empties_the_prefix_cache(aggregated, embedded_tokenizer):
    sample = of_length(embedded_tokenizer, 300, index=7)
    assert load(aggregated, [sample])[0].cached_tokens == 0
    assert load(aggregated, [sample])[0].cached_tokens > 0
    aggregated.reset()
    assert load(aggregated, [sample])[0].cached_tokens == 0


def test_tokens_sent_together_are_the_same_and_the_first_comes_at_once(aggregated, embedded_tokenizer):
    sample = of_length(embedded_tokenizer, 300, index=8, output_tokens=100)
    each = load(aggregated, [sample], ignore_eos=True)[0]
    together = load(aggregated, [sample], ignore_eos=True, stream_interval=32)[0]
    assert together.text == each.text and together.completion_tokens == each.completion_tokens == 100
    assert len(together.itl_seconds) <= 5 < len(each.itl_seconds)
    assert together.ttft_seconds < 0.5 * together.end_to_end_seconds


def test_the_client_of_vllms_benchmark_measures_the_same_requests(aggregated, model, embedded_tokenizer, tmp_path):
    samples = [of_length(embedded_tokenizer, 600, index, output_tokens=16) for index in range(4)]
    found = cross_check(aggregated, model, samples, GREEDY | {"ignore_eos": True}, tmp_path / "engine.log")["measures"]
    assert set(found) == {"ttft_seconds", "tpot_seconds", "end_to_end_seconds"}
    assert all(entry["n_ours"] == entry["n_vllm"] == 4 for entry in found.values())
    # The same server, the same minute: on a machine however busy the two are of one size.
    assert all(1 / 3 < entry["ours_median"] / entry["vllm_median"] < 3 for entry in found.values())


def texts(endpoint, samples):
    """Greedy answers of any OpenAI-compatible server."""
    found = []
    for sample in samples:
        request = {"model": endpoint.model, "messages": sample.messages, "max_tokens": sample.max_output_tokens, **GREEDY}
        answer = httpx.post(f"{endpoint.base_url}/chat/completions", json=request, timeout=300).raise_for_status().json()
        found.append(answer["choices"][0]["message"]["content"].strip())
    return found


def test_sampled_requests_with_a_seed_are_read_beside_each_other(aggregated, embedded_tokenizer):
    samples = [of_length(embedded_tokenizer, 3000, index) for index in range(6)]
    timings = load(aggregated, samples, concurrency=6, temperature=0.8, seed=1)
    assert [timing.prompt_tokens for timing in timings] == [3000] * 6


def test_answers_agree_with_the_transformers_engine(aggregated, needles, root, tmp_path):
    embedded = Project(yaml.safe_load((root / "config/config.yaml").read_text()), root).models["embedded"]
    same_precision = embedded.model_copy(update={"engine_options": {**embedded.engine_options, "dtype": "float32"}})
    with engines.serve(same_precision, tmp_path / "transformers.log") as transformers:
        theirs = texts(transformers, needles)
    ours = texts(aggregated, needles)
    right = {name: [match(s.references[0], text) is not None for s, text in zip(needles, found, strict=True)]
             for name, found in (("transformers", theirs), ("vllm", ours))}  # fmt: skip
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    assert same >= 0.75 * len(needles), [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    assert abs(sum(right["vllm"]) - sum(right["transformers"])) <= len(needles) - same


def test_decode_loads_the_prompt_less_its_last_block(pair, embedded_tokenizer):
    lengths = [BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 1, 300, 1025]
    records_of(pair)
    before = read_counters(pair)
    load(pair, [of_length(embedded_tokenizer, length) for length in lengths])
    records = records_of(pair)
    facts = check_loaded(difference(before, read_counters(pair)), records, pair.details["connector"])
    assert [r["loaded_tokens"] for r in records] == [expected_tokens(length, BLOCK) for length in lengths]
    assert facts["external_hit_tokens"] == sum(expected_tokens(length, BLOCK) for length in lengths) > 0
    assert facts["decode_recomputed_tokens"] == 0


def test_prompts_longer_together_than_a_batch_are_loaded_whole(pair, embedded_tokenizer):
    samples = [of_length(embedded_tokenizer, 1500 + i, index=i) for i in range(6)]
    records_of(pair)
    load(pair, samples, concurrency=6)
    assert sorted(r["loaded_tokens"] for r in records_of(pair)) == sorted(
        expected_tokens(s.prompt_tokens, BLOCK) for s in samples
    )


def test_the_same_prompt_again_is_transferred_again(pair, embedded_tokenizer):
    sample = of_length(embedded_tokenizer, 400)
    records_of(pair)
    load(pair, [sample, sample], concurrency=2)
    assert [r["loaded_tokens"] for r in records_of(pair)] == [384, 384]


def test_the_transferred_bytes_are_measured_and_right(pair, embedded_tokenizer, root):
    records_of(pair)
    load(pair, [of_length(embedded_tokenizer, 300)])
    transfer = transfers_of(pair)[records_of(pair)[0]["key"]]
    config = yaml.safe_load((root / "data/models/embedded/config.json").read_text())
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    assert transfer["load_bytes"] == transfer["store_bytes"] == 288 * config["num_hidden_layers"] * 2 * heads * size * 4
    assert transfer["load_seconds"] > 0
    assert transfer["store_seconds"] > 0


def test_nothing_transferred_is_left_when_the_request_has_ended(pair, embedded_tokenizer):
    load(pair, [of_length(embedded_tokenizer, 300, index=3)])
    assert all(path.suffix == ".jsonl" for path in Path(pair.details["transfer_folder"]).iterdir())


def test_greedy_texts_are_the_same_in_both_modes(aggregated, pair, needles):
    aggregated.reset()
    assert [t.text for t in load(aggregated, needles)] == [t.text for t in load(pair, needles)]


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_a_killed_instance_is_named_nothing_stays_and_another_run_completes(serve, embedded_tokenizer, role):
    samples = [of_length(embedded_tokenizer, 700 + i, index=i, output_tokens=64) for i in range(8)]
    seen = {}
    with pytest.raises(EngineError, match=f"the {role} instance of vLLM stopped by itself"), serve("disaggregated") as endpoint:
        load(endpoint, samples[:1])
        seen = endpoint.details
        os.kill(endpoint.details["instances"][role]["pid"], signal.SIGKILL)
        load(endpoint, samples, concurrency=4)
    assert not any(psutil.pid_exists(instance["pid"]) for instance in seen["instances"].values())
    assert not Path(seen["transfer_folder"]).exists()
    with serve("disaggregated") as endpoint:
        assert len(load(endpoint, samples, concurrency=4)) == len(samples)


def test_the_needle_test_runs_through_vllm(snakemake, model, tmp_path):
    done = snakemake(
        "results/test/embedded-vllm/niah/metrics.csv", "--config", "models=embedded-vllm", "experiments=niah", timeout=3000
    )
    assert done.returncode == 0, done.stderr[-3000:]
    import pandas as pd

    metrics = pd.read_csv(tmp_path / "results/test/embedded-vllm/niah/metrics.csv")
    assert metrics["n"].max() > 0
    assert metrics["failed"].sum() == 0


def test_both_modes_are_measured_compared_and_reported(snakemake, model, root, tmp_path):
    definitions = yaml.safe_load((root / "config/models.yaml").read_text())["embedded-vllm"]
    definitions["overrides"] = {
        "niah": {
            **definitions["overrides"]["niah"],
            "tiers": {"test": {"lengths": [256], "depths": [0, 100], "answer_tokens": 16}},
        },
        "serving_disaggregated": {
            "tiers": {"test": {"lengths": [256, 1024], "concurrency": [1, 2], "requests": 2, "repeats": 2, "output_tokens": 8}}
        },
    }
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"embedded-vllm": definitions}))
    folder = "results/test/embedded-vllm/serving_disaggregated"
    done = snakemake(
        *[f"{folder}/{name}" for name in ("report_latest.md", "figures/latency_by_length.png", "figures/delta_table.png")],
        "--config", "models=embedded-vllm", f"model_definitions={tmp_path / 'models.yaml'}", timeout=3000,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    text = (tmp_path / folder / "report_latest.md").read_text()
    assert "0 computed again" in text
    assert "greedy texts are the same in aggregated and disaggregated" in text
