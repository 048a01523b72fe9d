import json
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import pytest

from contextrot import tasks
from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.figures import FigureContext
from contextrot.figures.style import save
from contextrot.randomness import generator_for
from contextrot.task import SampleContext
from contextrot.tasks.serving.summary import summarize_requests
from contextrot.tasks.serving.task import Serving, ServingParameters

LIMITS = {"ttft_seconds": 2.0, "tpot_seconds": 0.1}


def build(data, tokenizer, window=4096, **parameters):
    given = {"lengths": [256], "requests": 2, "repeats": 1, "warmup_requests": 1, "output_tokens": 16, **parameters}
    context = SampleContext(tokenizer, window, 64, data, partial(generator_for, 1))
    return Serving(validate(ServingParameters, given, "test")).samples(context)


def shared_start(one, other):
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def prompts(samples, phase="measured"):
    return [sample.messages[0]["content"] for sample in samples if sample.condition["phase"] == phase]


def test_a_smoke_run_without_a_seed_is_refused():
    with pytest.raises(ConfigError, match="seed"):
        validate(ServingParameters, {"smoke": True}, "experiment 'serving_smoke'")
    assert validate(ServingParameters, {"smoke": True, "seed": 0}, "test").seed == 0


def test_the_limits_are_those_that_are_given():
    limits = ServingParameters(ttft_limit_seconds=None, end_to_end_limit_seconds=3).limits
    assert limits == {"tpot_seconds": 0.1, "end_to_end_seconds": 3.0}
    nothing = {"rates": [1], "find_rate": True, "ttft_limit_seconds": None, "tpot_limit_seconds": None}
    with pytest.raises(ConfigError, match="at least one, such as ttft_limit_seconds"):
        validate(ServingParameters, nothing, "test")


def test_memory_needs_ascending_lengths():
    with pytest.raises(ConfigError, match="ascend"):
        validate(ServingParameters, {"memory": True, "lengths": [2000, 1000]}, "test")


def test_prompts_have_the_asked_length_exactly(data, embedded_tokenizer):
    for sample in build(data, embedded_tokenizer, lengths=[256, 1024]):
        assert sample.prompt_tokens == embedded_tokenizer.count_chat(sample.messages) == sample.target_tokens


def test_no_two_prompts_start_the_same(data, embedded_tokenizer):
    texts = prompts(build(data, embedded_tokenizer, concurrency=[1, 2], repeats=2))
    starts = {text[:14] for text in texts}
    assert len(starts) == len(texts) == 8


def test_shared_prefixes_differ_at_the_end_only(data, embedded_tokenizer):
    one, other = prompts(build(data, embedded_tokenizer, prefix="shared"))
    assert one != other
    assert shared_start(one, other) > 0.9 * len(one)


def test_another_length_changes_no_other_prompt(data, embedded_tokenizer):
    few = {s.sample_id: s.messages for s in build(data, embedded_tokenizer)}
    many = {s.sample_id: s.messages for s in build(data, embedded_tokenizer, lengths=[256, 512], concurrency=[1, 4])}
    assert all(many[name] == messages for name, messages in few.items())


def test_another_seed_gives_other_prompts(data, embedded_tokenizer):
    assert prompts(build(data, embedded_tokenizer, seed=1)) != prompts(build(data, embedded_tokenizer, seed=2))


def test_warm_up_is_apart(data, embedded_tokenizer):
    samples = build(data, embedded_tokenizer, warmup_requests=3)
    assert [s.condition["phase"] for s in samples] == ["warmup"] * 3 + ["measured"] * 2


def test_the_cross_check_has_prompts_of_the_middle_length_that_fits(data, embedded_tokenizer):
    samples = build(data, embedded_tokenizer, lengths=[2048, 256, 512, 8192], cross_check=True)
    checked = [sample for sample in samples if sample.condition["phase"] == "cross_check"]
    assert [sample.prompt_tokens for sample in checked] == [512] * 8
    assert len({sample.messages[0]["content"] for sample in checked}) == 8


def test_lengths_beyond_the_window_are_not_sent_unless_yarn_stretches_it(data, embedded_tokenizer):
    [*_, sample] = build(data, embedded_tokenizer, window=512, lengths=[600])
    assert not sample.fits_window
    [*_, sample] = build(data, embedded_tokenizer, window=512, lengths=[600], yarn_factor=2)
    assert sample.fits_window


def test_greedy_answers_of_a_fixed_length_are_asked_for(data, embedded_tokenizer):
    task = Serving(ServingParameters(seed=3))
    [sample, *_] = build(data, embedded_tokenizer)
    assert task.request_options(sample) == {"temperature": 0, "ignore_eos": True, "seed": 3}


def test_only_figures_that_have_something_to_show_are_drawn():
    def figures_of(task):
        return [name for name, figure in tasks.figures("serving").items() if figure.drawn(task, weights=False, judged=False)]

    assert figures_of(Serving(ServingParameters())) == ["latency_by_length"]
    both = Serving(ServingParameters(modes=["aggregated", "disaggregated"], concurrency=[1, 2], memory=True))
    rates = Serving(ServingParameters(rates=[1, 2.5]))
    assert figures_of(rates) == ["latency_by_length", "latency_by_rate"]
    quality = Serving(ServingParameters(task="niah"))
    assert figures_of(quality) == ["latency_by_length", "quality_by_load"]
    assert {*figures_of(both), *figures_of(rates), *figures_of(quality)} == set(tasks.figures("serving"))
    assert tasks.figures("serving")["memory_by_length"].files(both) == ["aggregated/summary.json", "disaggregated/summary.json"]


def test_an_open_loop_has_rates_in_the_place_of_requests_at_once(data, embedded_tokenizer):
    samples = build(data, embedded_tokenizer, lengths=[256], rates=[0.5, 2], requests=2, repeats=1, warmup_requests=0)
    assert [sample.condition["rate"] for sample in samples] == [0.5, 0.5, 2, 2]
    assert "concurrency" not in samples[0].condition
    assert len({sample.sample_id for sample in samples}) == 4


@pytest.fixture
def measured(tmp_path):
    """Requests of both modes at two lengths and two concurrencies, with memory, as the engine would have left them."""
    rng, rows = np.random.default_rng(1), []
    for mode, length, concurrency, repeat, _ in product(
        ("aggregated", "disaggregated"), (1_000, 16_000), (1, 8), range(3), range(4)
    ):
        ttft = length / 20_000 * (1 + rng.random()) * (0.7 if mode == "disaggregated" else 1)
        rows.append(
            {
                "mode": mode, "length": length, "concurrency": concurrency, "repeat": repeat, "outcome": "answered",
                "ttft_seconds": ttft, "tpot_seconds": 0.02 + 0.01 * rng.random(), "itl_seconds": [0.02, 0.03],
                "end_to_end_seconds": ttft + 1, "completion_tokens": 64, "server_prompt_tokens": length,
                "group_seconds": 4 / concurrency + ttft, "score": float(rng.random() < 0.7), "asked": f"needle {len(rows) % 12}",
            }
        )  # fmt: skip
    for mode, roles in (("aggregated", ["server"]), ("disaggregated", ["prefill", "decode"])):
        peaks = {role: {"resident_bytes": 2e9, "gpu_bytes": None, "kv_cache_share": 0.4} for role in roles}
        memory = [{"length": length, "instances": peaks} for length in (1_000, 16_000)]
        (tmp_path / mode).mkdir()
        (tmp_path / mode / "summary.json").write_text(json.dumps({"memory": memory}))
    requests = pd.DataFrame(rows)
    return FigureContext(requests, summarize_requests(requests, LIMITS), tmp_path, "A model", "Serving")


@pytest.mark.parametrize("name", sorted(tasks.figures("serving")))
def test_figures_are_drawn_with_n_in_every_legend(measured, name):
    if name == "latency_by_rate":
        requests = measured.scores.rename(columns={"concurrency": "rate"})
        measured = replace(measured, scores=requests, metrics=summarize_requests(requests, LIMITS))
    figure = tasks.drawing("serving")[name](measured)
    save(figure, measured.folder / f"{name}.png")
    for axes in figure.axes if name != "delta_table" else ():
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels and all("(n = " in label for label in labels)
        assert not axes.get_legend().get_window_extent().overlaps(axes.xaxis.label.get_window_extent())
