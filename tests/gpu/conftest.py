"""vLLM and hidden states on one NVIDIA GPU: `make test-gpu`, under ten minutes; what was shown is said at the end, with the card's name."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from contextrot.settings import ModelSettings
from tests import proofs

PROVED = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[PROVED] = []


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/gpu/" in str(item.path):
            item.add_marker(pytest.mark.gpu)


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash[PROVED]
    asked = [(config.invocation_params.dir / argument.split("::")[0]).resolve() for argument in config.args]
    if not any(path.is_relative_to(Path(__file__).parent) for path in asked):
        return
    terminalreporter.section("what was shown")
    terminalreporter.write_line(card() or "no NVIDIA GPU")
    for line in lines or ["nothing: the reasons stand with the skipped and failed tests"]:
        terminalreporter.write_line(f"- {line}")


def card() -> str | None:
    """Name and driver of the first GPU."""
    try:
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return None
    return next(iter(done.stdout.splitlines()), None)


@pytest.fixture
def proved(request):
    """`proved(line)`: what a test has shown, for the end of the run."""
    return request.config.stash[PROVED].append


@pytest.fixture(scope="session")
def weights(data) -> str:
    """The model: CONTEXTROT_GPU_MODEL, else SmolLM2 where it is there, else the embedded one."""
    named = os.environ.get("CONTEXTROT_GPU_MODEL")
    small = data / "models/smollm2"
    return named or str(small if (small / "model.safetensors").exists() else data / "models/embedded")


@pytest.fixture(scope="session")
def settings(weights) -> ModelSettings:
    """The model by vLLM on the GPU; a third of its memory, so that a prefill and a decode instance fit on one."""
    options = {
        "device": "cuda",
        "dtype": "bfloat16",
        "enforce_eager": True,
        "gpu_memory_utilization": 0.3,
        "startup_seconds": 240,
    }
    if python := os.environ.get("CONTEXTROT_VLLM_PYTHON"):
        options["python"] = python
    if reason := proofs.lacking(options):
        pytest.skip(reason)
    return ModelSettings(engine="vllm", name=weights, window=4096, max_output_tokens=64, gpu=1, engine_options=options)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path
