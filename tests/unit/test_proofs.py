"""What the GPU tests run, without a GPU: the same bodies on the CPU, and on timings that a formula makes."""

import subprocess
import sys

import pytest

from contextrot.settings import ModelSettings
from tests import proofs
from tests.gpu.test_gpu import LOADS


@pytest.fixture
def simulated(monkeypatch, data):
    monkeypatch.setenv("CONTEXT_RESEARCH_ALLOW_SIMULATED_BACKEND", "1")
    folder = str(data / "models/embedded")
    return ModelSettings(engine="simulated", name="m", tokenizer=folder, window=4096, max_output_tokens=32)


@pytest.mark.parametrize("what", ["open loop", "sessions"])
def test_a_load_is_shown(simulated, data, tmp_path, what):
    line = proofs.serving(simulated, data, tmp_path, what, {**LOADS[what], "lengths": [300], "requests": 2})
    assert line.startswith(f"{what} (aggregated): ") and "TTFT median" in line


def test_hidden_states_are_compared_with_the_cpu(data):
    assert "relative difference from the CPU at most 0.0e+00" in proofs.hidden_states(str(data / "models/embedded"), "cpu")


def test_what_vllm_lacks_on_this_machine_is_the_reason_to_skip(tmp_path):
    assert "is not there" in proofs.lacking({"python": str(tmp_path / "python")})
    assert "vLLM is not installed" in proofs.lacking({"python": sys.executable})


def test_a_module_that_is_missing_beside_vllm_is_the_reason_to_skip(monkeypatch):
    monkeypatch.setattr(proofs, "probe", lambda options, needs_gpu: {})
    assert proofs.lacking({"python": sys.executable}) is None
    assert "cannot import no_such_module" in proofs.lacking({"python": sys.executable}, "no_such_module")


def test_make_test_gpu_ends_with_what_was_shown(root):
    command = [sys.executable, "-m", "pytest", "tests/gpu", "-m", "gpu", "-q", "-k", "no_such_test", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert "what was shown" in done.stdout and "- nothing: the reasons stand" in done.stdout
