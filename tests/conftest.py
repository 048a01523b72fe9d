"""What several tests need: the project's folders, tokenizers, and a way to run snakemake as a user does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LLAMA_SERVER = (
    bool(shutil.which("llama-server")) or Path("~/.cache/contextrot/llama.cpp/build/bin/llama-server").expanduser().exists()
)
NEEDS = {
    "vllm": ((ROOT / ".venv-vllm/bin/python").exists(), "vLLM: make vllm-cpu"),
    "llama_cpp": (LLAMA_SERVER and (ROOT / "data/models/smollm2/model.safetensors").exists(), "them: make llama-server smollm2"),
    "gpu": (bool(shutil.which("nvidia-smi")), "an NVIDIA GPU with its driver, and vLLM for it: envs/vllm.yaml"),
    "slurm": (bool(shutil.which("slurmctld")) and os.geteuid() == 0, "SLURM, and root to start it: apt-get install slurm-wlm"),
    "browser": (
        bool(shutil.which("chromium") and shutil.which("chromedriver")),
        "Chromium and its driver: apt-get install chromium chromium-driver",
    ),
}


def pytest_collection_modifyitems(items):
    """What a machine lacks is skipped with the way to get it; in CI nothing is, so that a missing part fails."""
    for item in items:
        for marker, (there, how) in NEEDS.items():
            if item.get_closest_marker(marker) and not there and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason=f"needs {how}"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """The project's data folder."""
    return ROOT / "data"


@pytest.fixture(scope="session")
def o200k():
    """OpenAI's o200k_base, from litellm's bundled copy."""
    from contextrot.samples.tokenizers import load_tokenizer

    return load_tokenizer("tiktoken:o200k_base")


@pytest.fixture(scope="session")
def embedded_tokenizer(data):
    """The embedded model's tokenizer with its chat template."""
    from contextrot.samples.tokenizers import load_tokenizer

    return load_tokenizer(str(data / "models" / "embedded"))


def run_snakemake(*arguments: str, folder: Path, environment: dict[str, str] | None = None, timeout: float = 900):
    """Runs snakemake on the project's Snakefile with `folder` as the working folder; returns the finished process."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--workflow-profile", str(ROOT / "profiles" / "default"), *arguments]
    return subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def snakemake(tmp_path):
    """`snakemake(*arguments)` in an empty folder."""

    def run(*arguments: str, folder: Path = tmp_path, **options):
        return run_snakemake(*arguments, folder=folder, **options)

    return run
