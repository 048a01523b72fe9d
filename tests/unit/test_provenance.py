import json
import subprocess

import pytest

from contextrot.engines.machine import git_state
from contextrot.plan.provenance import responses_summary, run_metadata, sample_count
from contextrot.project import Project
from contextrot.records import Response, write_responses
from contextrot.secrets import public
from contextrot.settings import ModelSettings

MODELS = """
hosted:
  engine: external
  name: some-model
  base_url: http://user:hunter2@127.0.0.1:1/v1?api_key=hunter3
  api_key_env: SOME_API_KEY
  tokenizer: tiktoken:o200k_base
  window: 4096
  max_output_tokens: 100
"""
EXPERIMENTS = """
niah:
  task: niah
  parameters: {lengths: [500, 1000], depths: [0, 50, 100], needles: [writing_advice_high]}
  tiers: {test: {lengths: [500]}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = Project({}).root.resolve()
    (tmp_path / "models.yaml").write_text(MODELS)
    (tmp_path / "experiments.yaml").write_text(EXPERIMENTS)
    config = {
        "models": ["hosted"],
        "model_definitions": str(tmp_path / "models.yaml"),
        "experiment_definitions": str(tmp_path / "experiments.yaml"),
    }
    monkeypatch.chdir(tmp_path)
    return Project(config, root)


def test_samples_of_the_full_tier_are_counted_without_building_prompts(project):
    assert sample_count(project, "test", "hosted", "niah") == 3
    assert sample_count(project, "full", "hosted", "niah") == 6


def test_a_dirty_checkout_is_told_from_a_clean_one_and_from_none(tmp_path):
    def git(*arguments):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    assert git_state(tmp_path) == {"git_commit": None, "git_dirty": None}
    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "one")
    state = git_state(tmp_path)
    assert len(state["git_commit"]) == 40
    assert state["git_dirty"] is False
    (tmp_path / "file").write_text("2")
    assert git_state(tmp_path)["git_dirty"] is True


def test_metadata_hold_named_variables_and_no_secret(project, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-very-secret")
    monkeypatch.setenv("HF_TOKEN", "hf_very_secret")
    monkeypatch.setenv("HF_HOME", "/cache/hf")
    monkeypatch.setenv("LIGHTNING_STUDIO_URL", "https://studio.example.org/a/b?token=hunter4")
    monkeypatch.delenv("LIGHTNING_RUN_URL", raising=False)
    metadata = run_metadata(project, "test")
    written = json.dumps(metadata)
    for secret in ("sk-very-secret", "hf_very_secret", "hunter"):
        assert secret not in written
    assert metadata["environment"] == {"HF_HOME": "/cache/hf", "LIGHTNING_STUDIO_URL": "https://studio.example.org/a/b"}
    assert metadata["models"]["hosted"]["base_url"] == "http://127.0.0.1:1/v1"
    assert metadata["models"]["hosted"]["max_output_tokens"] == 100
    assert metadata["seed"] == project.settings.seed


def test_an_option_of_the_engine_that_is_a_key_is_not_shown():
    options = {"api_key": "hunter2", "max_tokens": 5, "extra_args": ["--api-key", "hunter3", "--port", "1"]}
    shown = public(options)
    assert shown == {"api_key": "(not shown)", "max_tokens": 5, "extra_args": ["--api-key", "(not shown)", "--port", "1"]}


def test_metadata_say_how_many_samples_of_how_many(project):
    run = run_metadata(project, "test")["runs"][0]
    assert (run["samples"], run["samples_in_full"]) == (None, 6)


def test_responses_are_summed_with_unknown_prices_counted_and_not_as_zero(tmp_path):
    rows = [
        Response(
            "a",
            0,
            "answered",
            "x",
            engine="external",
            model="m",
            prompt_tokens=10,
            cached_tokens=8,
            completion_tokens=2,
            attempts=1,
            server_fingerprint="f1",
        ),
        Response("b", 0, "failed", error_type="Timeout", attempts=5),
        Response("c", 0, "over_window"),
    ]
    write_responses(tmp_path / "responses.parquet", rows)
    summary = responses_summary(tmp_path / "responses.parquet")
    assert summary["outcomes"] == {"answered": 1, "failed": 1, "over_window": 1}
    assert summary["cost_usd"] is None
    assert summary["answers_without_price"] == 1
    assert (summary["attempts"], summary["prompt_tokens"], summary["server_models"]) == (6, 10.0, ["m"])
    assert summary["prompt_tokens_from_prefix_cache"] == 8.0
    assert summary["server_fingerprints"] == ["f1"]


@pytest.mark.parametrize(
    ("engine", "options", "expected"),
    [
        ("vllm", {}, True),
        ("vllm", {"enable_prefix_caching": False}, False),
        ("transformers", {}, False),
        ("transformers", {"continuous_batching": True}, True),
        ("external", {}, None),
    ],
)
def test_metadata_say_whether_shared_prefixes_are_computed_once(project, engine, options, expected):
    settings = {"engine": engine, "name": "org/model", "window": 100, "max_output_tokens": 10, "engine_options": options}
    where = {"base_url": "http://127.0.0.1:1/v1"} if engine == "external" else {}
    project.models["m"] = ModelSettings(**settings, **where)
    project.settings.models = ["m"]
    assert run_metadata(project, "test")["models"]["m"]["prefix_reuse"] is expected


def test_what_is_left_out_of_requests_stands_in_the_metadata(project):
    project.models["hosted"].name = "gpt-5"
    [change] = run_metadata(project, "test")["models"]["hosted"]["request_changes"]
    assert "temperature: 0 is left out" in change
