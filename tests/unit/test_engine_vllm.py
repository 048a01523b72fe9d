import json
import sys
from contextlib import suppress

import psutil
import pytest

from contextrot import engines
from contextrot.engines.vllm import (
    OPERATIONAL_OPTIONS,
    Options,
    clear_cache,
    command,
    environment,
    extra_body,
    interpreter,
    probe,
    server_environment,
)
from contextrot.engines.vllm.pair import own_options, share_a_gpu, transfer_arguments
from contextrot.errors import ConfigError, EngineError
from contextrot.settings import ModelSettings

FACTS = {"installed": True, "versions": {"vllm": "0.32.0"}, "python": "3.11.7"}


def model(**options):
    gpu = options.pop("gpu", 0)
    return ModelSettings(
        engine="vllm", name="Qwen/Qwen3-8B", window=32768, max_output_tokens=8192, gpu=gpu, engine_options=options
    )


def words(**options):
    return command(model(), Options(**options), 8000)


def interpreter_that_says(tmp_path, facts, server="exit 3"):
    """A stand-in for vLLM's interpreter: it answers the probe, and `server` is what its server does."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\nif [ \"$1\" = -c ]; then echo 'FACTS{json.dumps(facts)}'; else {server}; fi\n")
    path.chmod(0o755)
    return str(path)


def after(words, name):
    return words[words.index(name) + 1]


def test_every_option_reaches_the_command_line():
    given = words(
        tensor_parallel_size=2, gpu_memory_utilization=0.9, max_model_len=4096, dtype="bfloat16", kv_cache_dtype="fp8",
        quantization="awq", enforce_eager=True, enable_prefix_caching=False, enable_chunked_prefill=False, block_size=32,
        max_num_seqs=4, max_num_batched_tokens=8192, reasoning_parser="qwen3", extra_args=["--swap-space", "4"],
        hf_overrides={"rope_parameters": {"rope_type": "yarn", "factor": 4.0}},
    )  # fmt: skip
    assert after(given, "--tensor-parallel-size") == "2"
    assert after(given, "--gpu-memory-utilization") == "0.9"
    assert after(given, "--max-model-len") == "4096"
    assert after(given, "--dtype") == "bfloat16"
    assert after(given, "--kv-cache-dtype") == "fp8"
    assert after(given, "--quantization") == "awq"
    assert after(given, "--block-size") == "32"
    assert after(given, "--max-num-seqs") == "4"
    assert after(given, "--max-num-batched-tokens") == "8192"
    assert after(given, "--reasoning-parser") == "qwen3"
    assert json.loads(after(given, "--hf-overrides")) == {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}
    assert {"--enforce-eager", "--no-enable-prefix-caching", "--no-enable-chunked-prefill"} <= set(given)
    assert given[-2:] == ["--swap-space", "4"]


def test_a_cpu_reads_each_prompt_whole_unless_told_otherwise():
    given = words(device="cpu", max_num_batched_tokens=8192, max_model_len=16384)
    assert "--no-enable-chunked-prefill" in given
    assert after(given, "--max-num-batched-tokens") == "16384"
    assert after(words(device="cpu"), "--max-num-batched-tokens") == "32768"
    asked = words(device="cpu", enable_chunked_prefill=True)
    assert "--enable-chunked-prefill" in asked
    assert "--max-num-batched-tokens" not in asked
    assert "--max-num-batched-tokens" not in words()


def test_the_window_is_the_model_length_unless_another_is_named():
    assert after(words(), "--max-model-len") == "32768"


@pytest.mark.parametrize("option", ["enforce_eager", "trust_remote_code"])
def test_a_switch_is_off_unless_asked_for(option):
    flag = f"--{option.replace('_', '-')}"
    assert flag not in words()
    assert flag not in words(**{option: False})
    assert flag in words(**{option: True})


def test_the_server_listens_on_loopback_only():
    assert after(words(), "--host") == "127.0.0.1"


def test_a_misspelt_option_names_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="tensor_parallel_size"), engines.serve(model(tensor_paralel_size=2), tmp_path / "log"):
        pass


def test_each_request_says_what_the_config_says():
    assert extra_body(Options()) == {}
    options = Options(chat_template_kwargs={"enable_thinking": False}, stream_interval=16)
    assert extra_body(options) == {"chat_template_kwargs": {"enable_thinking": False}, "stream_interval": 16}


def test_options_that_change_answers_are_part_of_the_key():
    answering = set(Options.model_fields) - OPERATIONAL_OPTIONS
    assert {
        "dtype",
        "kv_cache_dtype",
        "quantization",
        "hf_overrides",
        "chat_template_kwargs",
        "mode",
        "max_model_len",
    } <= answering
    assert set(Options.model_fields) >= OPERATIONAL_OPTIONS


def test_a_missing_interpreter_says_how_to_build_it(tmp_path):
    with (
        pytest.raises(EngineError, match="make vllm-cpu"),
        engines.serve(model(python=str(tmp_path / "none/python")), tmp_path / "log"),
    ):
        pass


def test_an_interpreter_without_vllm_says_what_to_install(tmp_path):
    python = interpreter_that_says(tmp_path, {**FACTS, "installed": False})
    with pytest.raises(EngineError, match="vLLM is not installed"), engines.serve(model(python=python), tmp_path / "log"):
        pass


def test_the_probe_runs_in_a_real_interpreter():
    try:
        facts = probe(Options(python=sys.executable), needs_gpu=False)
    except EngineError as error:
        assert "vLLM is not installed" in str(error)
    else:
        assert facts["versions"]


def test_a_model_that_asks_for_a_gpu_does_not_run_without_one(tmp_path):
    python = interpreter_that_says(tmp_path, {**FACTS, "gpus": []})
    with (
        pytest.raises(EngineError, match=r"needs 1 GPU\(s\).*sees 0"),
        engines.serve(model(python=python, gpu=1), tmp_path / "log"),
    ):
        pass


def test_two_way_tensor_parallelism_needs_two_gpus(tmp_path):
    python = interpreter_that_says(tmp_path, {**FACTS, "gpus": ["A100"]})
    options = {"python": python, "device": "cuda", "tensor_parallel_size": 2}
    with pytest.raises(EngineError, match=r"needs 2 GPU\(s\)"), engines.serve(model(**options), tmp_path / "log"):
        pass


def test_a_gpu_build_is_not_taken_for_the_cpu(tmp_path):
    python = interpreter_that_says(tmp_path, FACTS)
    with pytest.raises(ConfigError, match="GPU build"), engines.serve(model(python=python, device="cpu"), tmp_path / "log"):
        pass


def test_a_failed_start_stops_with_the_end_of_the_log_and_nothing_falls_back(tmp_path):
    python = interpreter_that_says(tmp_path, FACTS, server="echo 'CUDA out of memory'; exit 1")
    with (
        pytest.raises(EngineError, match="stopped by itself.*out of memory"),
        engines.serve(model(python=python), tmp_path / "log"),
    ):
        pass


def test_a_pair_needs_to_be_told_how_it_is_split(tmp_path):
    python = interpreter_that_says(tmp_path, FACTS)
    with (
        pytest.raises(ConfigError, match="disaggregated"),
        engines.serve(model(python=python, mode="disaggregated"), tmp_path / "log"),
    ):
        pass


def processes(pids):
    """Those of the processes that the kernel still lists: a killed one may wait a moment for init to reap it."""
    found = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(int(pid)))
    return found


def test_one_failed_instance_stops_the_other(tmp_path):
    marker = tmp_path / "pids"
    server = f'echo $$ >> {marker}; case "$*" in *kv_consumer*) exit 1;; esac; exec sleep 1000'
    python = interpreter_that_says(tmp_path, FACTS, server=server)
    options = {"python": python, "mode": "disaggregated", "startup_seconds": 0.5, "disaggregated": {"connector": "file"}}
    with pytest.raises(EngineError), engines.serve(model(**options), tmp_path / "log"):
        pass
    _, alive = psutil.wait_procs(processes(marker.read_text().split()), timeout=60)
    assert not alive
    assert not list(tmp_path.glob("kv-*"))


@pytest.mark.parametrize(
    ("prefill", "decode", "device", "shared"),
    [("0", "1", "auto", False), ("0", "0", "auto", True), (None, None, "auto", True), (None, None, "cpu", False)],
)
def test_instances_on_one_gpu_start_one_after_the_other(prefill, decode, device, shared):
    split = {"prefill": {"visible_devices": prefill}, "decode": {"visible_devices": decode}}
    assert share_a_gpu(Options(device=device, disaggregated=split)) is shared


def test_the_decode_instance_keeps_no_prefixes_and_each_has_its_own_options():
    split = {"prefill": {"cpu_threads_bind": "0", "extra_args": ["--x"]}, "decode": {"gpu_memory_utilization": 0.4}}
    options = Options(extra_args=["--all"], gpu_memory_utilization=0.5, disaggregated=split)
    prefill, decode = (own_options(options, getattr(options.disaggregated, role), role) for role in ("prefill", "decode"))
    assert prefill.enable_prefix_caching
    assert not decode.enable_prefix_caching
    assert prefill.extra_args == ["--all", "--x"]
    assert (prefill.gpu_memory_utilization, decode.gpu_memory_utilization) == (0.5, 0.4)
    assert (prefill.cpu_threads_bind, decode.cpu_threads_bind) == ("0", None)


def test_transfers_go_through_nixl_or_through_files(tmp_path):
    options = Options(disaggregated={"connector": "nixl"})
    arguments, environment = transfer_arguments(options, "prefill", None)
    config = json.loads(arguments[1])
    assert (config["kv_connector"], config["kv_role"], config["kv_load_failure_policy"]) == (
        "NixlConnector",
        "kv_producer",
        "fail",
    )
    assert environment["VLLM_NIXL_SIDE_CHANNEL_PORT"]
    arguments, environment = transfer_arguments(options, "decode", tmp_path)
    config = json.loads(arguments[1])
    assert (config["kv_connector"], config["kv_role"]) == ("MeasuredFileConnector", "kv_consumer")
    assert config["kv_connector_extra_config"] == {"shared_storage_path": str(tmp_path)}
    assert "vllm_side" in environment["PYTHONPATH"]


def test_devices_and_threads_reach_the_environment():
    variables = server_environment(
        model(), Options(visible_devices="1", cpu_threads_bind="0-3", cpu_kv_cache_gib=2, environment={"A": "b"})
    )
    assert variables["CUDA_VISIBLE_DEVICES"] == "1"
    assert variables["VLLM_CPU_OMP_THREADS_BIND"] == "0-3"
    assert variables["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert variables["A"] == "b"


def test_without_a_named_interpreter_it_is_that_of_make_vllm_or_the_workflows_own(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "WORKFLOW_ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert interpreter(Options()) == sys.executable
    built = tmp_path / ".venv-vllm/bin/python"
    built.parent.mkdir(parents=True)
    built.touch()
    assert interpreter(Options()) == interpreter(Options(python=".venv-vllm/bin/python")) == str(built)


def test_the_token_of_gated_models_comes_from_the_env_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (tmp_path / ".env").write_text("HF_TOKEN=hf_x\nOPENAI_API_KEY=sk-x\n")
    variables = server_environment(model(), Options())
    assert variables["HF_TOKEN"] == "hf_x"
    assert "OPENAI_API_KEY" not in variables


class Restartable:
    def __init__(self, url):
        self.url, self.restarts = url, 0

    def alive(self):
        pass

    def restart(self):
        self.restarts += 1


@pytest.mark.parametrize(
    ("status", "body", "restarts"), [(200, {"success": True}, 0), (200, {"success": False}, 1), (404, {}, 1)]
)
def test_the_cache_is_cleared_by_the_server_or_by_a_restart(httpserver, status, body, restarts):
    httpserver.expect_request("/reset_prefix_cache", method="POST").respond_with_json(body, status=status)
    server = Restartable(httpserver.url_for("").rstrip("/"))
    clear_cache(server)
    assert server.restarts == restarts
