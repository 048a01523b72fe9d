"""A real server that is measured again is cold again, and warm where the same prompts are sent on purpose."""

from __future__ import annotations

import json
from statistics import median

import pandas as pd
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
        tokenizer="server",
        window=1024,
        max_output_tokens=16,
    )
    runs = {}
    for name, salt in (("first", "a"), ("again", "a"), ("second", None)):
        parameters = ServingParameters(
            lengths=[400], requests=2, repeats=1, warmup_requests=1, output_tokens=4, ignore_eos=False, salt=salt
        )
        task, folder = Serving(parameters), tmp_path / name
        build_samples(task, there, data, 1, folder / "samples.parquet")
        about = {"tier": "test", "seed": 1, "models": {}, "runs": [{"model": "m", "experiment": "e"}]}
        measure_mode(task, there, "aggregated", about, (folder / "samples.parquet", None, folder), folder / "log")
        summary = json.loads((folder / "summary.json").read_text())
        times = pd.read_parquet(folder / "requests.parquet")["ttft_seconds"]
        runs[name] = (summary["cache"], median(times))
    assert [runs[name][0]["warm_groups"] for name in runs] == [0, 1, 0]
    assert runs["first"][0]["reset_before_each_group"] is False
    assert runs["again"][1] < runs["second"][1] / 2
