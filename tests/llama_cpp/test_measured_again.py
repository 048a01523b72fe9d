"""A real server that is measured again is cold again, and warm where the same prompts are sent on purpose."""

from __future__ import annotations

import json

import pytest

from contextrot import engines
from contextrot.samples.build import build_samples
from contextrot.serving.measure import measure_mode
from contextrot.settings import ModelSettings
from contextrot.tasks.serving.task import Serving, ServingParameters


@pytest.fixture
def endpoint(model, tmp_path):
    """With slots enough to keep every prompt of two runs, for each slot keeps its last one."""
    with engines.serve(
        model.model_copy(update={"window": 1024, "engine_options": {**model.engine_options, "parallel": 8}}), tmp_path / "log"
    ) as endpoint:
        yield endpoint


def test_a_second_run_is_as_cold_as_the_first_and_the_same_salt_is_warm(endpoint, model, data, tmp_path):
    there = ModelSettings(
        engine="external",
        name=model.name,
        base_url=endpoint.base_url,
        tokenizer=str(data / "models/smollm2"),
        window=1024,
        max_output_tokens=16,
    )
    parameters = ServingParameters(lengths=[400], requests=2, repeats=1, warmup_requests=1, output_tokens=4, ignore_eos=False)
    samples, runs = tmp_path / "samples.parquet", {}
    build_samples(Serving(parameters), there, data, 1, samples)
    for name, salt in (("first", "a"), ("again", "a"), ("second", None)):
        task, folder = Serving(parameters.model_copy(update={"salt": salt})), tmp_path / name
        about = {"tier": "test", "seed": 1, "models": {}, "runs": [{"model": "m", "experiment": "e"}]}
        measure_mode(task, there, "aggregated", about, (samples, None, folder), folder / "log")
        summary = json.loads((folder / "summary.json").read_text())
        runs[name] = summary["cache"]
    assert [cache["warm_groups"] for cache in runs.values()] == [0, 1, 0]
    assert runs["first"]["reset_before_each_group"] is False
    assert {group["evidence"] for cache in runs.values() for group in cache["groups"]} == {"cached_tokens"}
