import json
import os
import sys

import pandas as pd
import pytest
import yaml

from contextrot.errors import ConfigError, EngineError
from contextrot.plan.provenance import measurement_metadata
from contextrot.project import Project
from contextrot.serving.measure import measure_mode, mode_settings
from contextrot.serving.memory import process_tree, resident_bytes
from contextrot.serving.simulated import simulated_load
from contextrot.serving.timings import Turn
from contextrot.serving.yarn import stretched
from contextrot.settings import ModelSettings

VARIABLE = "CONTEXT_RESEARCH_ALLOW_SIMULATED_BACKEND"


def settings(engine="vllm", **more):
    return ModelSettings(engine=engine, name="m", window=4096, max_output_tokens=64, **more)


@pytest.fixture
def project(root, data, tmp_path):
    folder = str(data / "models" / "embedded")
    model = {"engine": "simulated", "name": "m", "tokenizer": folder, "window": 4096, "max_output_tokens": 64}
    smoke = {
        "smoke": True,
        "seed": 0,
        "lengths": [256, 512],
        "concurrency": [1, 2],
        "requests": 2,
        "repeats": 2,
        "output_tokens": 5,
    }
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"sim": model}))
    (tmp_path / "experiments.yaml").write_text(yaml.safe_dump({"e0": {"task": "serving", "parameters": smoke}}))
    config = {
        "models": ["sim"],
        "model_definitions": str(tmp_path / "models.yaml"),
        "experiment_definitions": str(tmp_path / "experiments.yaml"),
    }
    return Project(config, root)


def measured(project, tmp_path):
    from tests.stages import build_samples

    build_samples(project, "test", "sim", "e0", tmp_path / "samples.parquet")
    place = ("test", "sim", "e0")
    paths = (tmp_path / "samples.parquet", None, tmp_path / "out")
    about = measurement_metadata(project, *place)
    measure_mode(project.task(*place), project.models["sim"], "aggregated", about, paths, tmp_path / "log")
    return tmp_path / "out"


def test_simulated_timings_need_the_environments_consent(project, tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(EngineError, match=VARIABLE):
        measured(project, tmp_path)
    assert not (tmp_path / "out").exists()


def test_every_simulated_output_says_so(project, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    out = measured(project, tmp_path)
    assert "SIMULATED" in json.loads((out / "summary.json").read_text())["note"]
    assert "SIMULATED" in json.loads((out / "run_metadata.json").read_text())["note"]
    assert pd.read_parquet(out / "requests.parquet")["note"].str.contains("SIMULATED").all()


def test_the_run_metadata_has_what_a_reader_needs_and_no_secret(project, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-value")
    monkeypatch.setenv("LIGHTNING_STUDIO_URL", "https://lightning.ai/studio?token=hidden")
    monkeypatch.setenv("HF_HOME", "/cache/hf")
    text = (measured(project, tmp_path) / "run_metadata.json").read_text()
    metadata = json.loads(text)
    assert metadata["seed"] == 0
    assert metadata["config_hash"]
    assert metadata["environment"]["HF_HOME"] == "/cache/hf"
    assert "git_commit" in metadata["workflow"]
    assert "sk-secret-value" not in text
    assert "hidden" not in text


def test_warm_up_counts_nowhere_and_every_group_is_measured(project, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    out = measured(project, tmp_path)
    requests = pd.read_parquet(out / "requests.parquet")
    assert len(requests) == 2 * 2 * 2 * 2
    assert not requests["sample_id"].str.startswith("warmup").any()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["warmup_requests"] == 2
    assert [(g["length"], g["concurrency"]) for g in summary["groups"]] == [(256, 1), (256, 2), (512, 1), (512, 2)]


NIAH = {"task": "niah", "task_parameters": {"needles": ["restaurant_high"], "answer_tokens": 8}, "rates": [5], "lengths": [300]}


@pytest.mark.parametrize(
    ("load", "column", "rows"),
    [
        ({"trace": "traces/example.csv", "trace_seconds": 100, "trace_speeds": [60], "repeats": 1}, "speed", 9),
        ({"turns": 3, "rates": [5], "lengths": [256], "requests": 2, "repeats": 1}, "rate", 6),
        (NIAH | {"requests": 4, "repeats": 2}, "rate", 8),
    ],
    ids=["trace", "sessions", "quality"],
)
def test_every_kind_of_load_goes_the_whole_way(project, tmp_path, monkeypatch, load, column, rows):
    monkeypatch.setenv(VARIABLE, "1")
    project.experiments["e0"].parameters.clear()
    project.experiments["e0"].parameters.update(load)
    out = measured(project, tmp_path)
    requests = pd.read_parquet(out / "requests.parquet")
    assert len(requests) == rows and set(requests["outcome"]) == {"answered"}
    summary = json.loads((out / "summary.json").read_text())
    assert column in summary["groups"][0]
    assert summary["open_loop"][0][column] == load.get("trace_speeds", load.get("rates"))[0]
    measures = set(summary["groups"][0]["measures"])
    assert ("score" in measures) == ("task" in load)
    assert summary["energy"] is None and summary["left_out_of_requests"] == []


def test_simulated_requests_queue_for_prefill(monkeypatch):
    from contextrot.records import Sample

    monkeypatch.setenv(VARIABLE, "1")
    options = {"prefill_tokens_per_second": 100, "decode_tokens_per_second": 10}
    model = settings("simulated", engine_options=options)
    samples = [Sample(f"s{i}", [], [], 11, 100, condition={}) for i in range(2)]
    timings, seconds = simulated_load(model, [[Turn(sample)] for sample in samples], 2)
    assert [t.ttft_seconds for t in timings] == [1.0, 2.0]
    assert timings[0].tpot_seconds == pytest.approx(0.1)
    assert seconds == pytest.approx(3.0)


def test_an_open_loop_of_simulated_requests_queues_from_when_they_are_due(monkeypatch):
    from contextrot.records import Sample

    monkeypatch.setenv(VARIABLE, "1")
    model = settings("simulated", engine_options={"prefill_tokens_per_second": 100, "decode_tokens_per_second": 10})
    samples = [Sample(f"s{i}", [], [], 1, 100, condition={}) for i in range(3)]
    sessions = [[Turn(sample, due)] for sample, due in zip(samples, [0.5, 5.0, 0.0], strict=True)]
    timings, seconds = simulated_load(model, sessions)
    assert [t.ttft_seconds for t in timings] == pytest.approx([1.5, 1.0, 1.0])
    assert seconds == pytest.approx(6.0)


def test_a_simulated_session_s_next_prompt_comes_after_the_answer_and_holds_the_chat(monkeypatch):
    from contextrot.records import Sample

    monkeypatch.setenv(VARIABLE, "1")
    model = settings("simulated", engine_options={"prefill_tokens_per_second": 100, "decode_tokens_per_second": 10})
    sample = Sample("s", [], [], 11, 100, condition={})
    [first, later, other], _ = simulated_load(
        model, [[Turn(sample, 0.0), Turn(sample, None, think_seconds=3.0, grows=True)], [Turn(sample, 4.0)]]
    )
    assert (first.start, later.start, later.prompt_tokens) == (0.0, 5.0, 211)
    assert (later.ttft_seconds, other.ttft_seconds) == pytest.approx((2.11, 1.0))


@pytest.mark.parametrize("engine", ["transformers", "external", "simulated"])
def test_only_vllm_is_split_in_two_or_stretched(engine):
    with pytest.raises(ConfigError, match="needs engine 'vllm'"):
        mode_settings(settings(engine), "disaggregated", None)
    with pytest.raises(ConfigError, match="needs engine 'vllm'"):
        mode_settings(settings(engine), "aggregated", 4.0)


def test_the_mode_becomes_an_engine_option():
    options = mode_settings(settings(), "disaggregated", None).engine_options
    assert options == {"mode": "disaggregated", "disaggregated": {}, "stream_interval": 1}


def test_yarn_keeps_the_native_window_as_the_original(tmp_path):
    config = {
        "model_type": "llama",
        "rope_parameters": {"rope_type": "default", "rope_theta": 5e5},
        "max_position_embeddings": 4096,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = stretched(settings().model_copy(update={"name": str(tmp_path)}), 4.0)
    assert model.window == model.engine_options["max_model_len"] == 16384
    assert model.engine_options["hf_overrides"]["rope_parameters"] == {
        "rope_type": "yarn", "rope_theta": 5e5, "factor": 4.0, "original_max_position_embeddings": 4096,
    }  # fmt: skip


def test_yarn_is_refused_where_positions_are_scaled_already(tmp_path):
    rope = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 4096}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "rope_parameters": rope}))
    with pytest.raises(ConfigError, match="llama3"):
        stretched(settings().model_copy(update={"name": str(tmp_path)}), 4.0)


def test_a_process_tree_has_its_children_and_their_memory():
    import subprocess

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        tree = process_tree(os.getpid())
        assert {os.getpid(), child.pid} <= tree
        assert resident_bytes({os.getpid(), child.pid}) > resident_bytes({child.pid}) > 0
        child.communicate(b"\n")
    assert resident_bytes({child.pid}) is None
