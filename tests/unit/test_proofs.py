"""What the GPU tests run, without a GPU: the same bodies on the CPU, and on timings that a formula makes."""

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
