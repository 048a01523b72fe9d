"""What several tests need: the project's folders, tokenizers, and a way to run snakemake as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
    from contextrot.tokenizers import load_tokenizer

    return load_tokenizer("tiktoken:o200k_base")


@pytest.fixture(scope="session")
def embedded_tokenizer(data):
    """The embedded model's tokenizer with its chat template."""
    from contextrot.tokenizers import load_tokenizer

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
