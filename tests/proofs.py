"""What the GPU tests show, apart from the GPU: each runs something whole, checks it, and says in one line what was shown."""

from __future__ import annotations

import json
import subprocess
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from contextrot.checked import validate
from contextrot.engines.vllm import Options, interpreter, probe
from contextrot.errors import EngineError
from contextrot.samples.build import build_samples
from contextrot.serving.measure import measure_mode
from contextrot.settings import ModelSettings
from contextrot.tasks.serving.task import Serving, ServingParameters


def lacking(options: dict[str, Any], module: str | None = None) -> str | None:
    """Why vLLM with these engine options, or a module beside it, cannot run on a GPU here; None if it can."""
    asked = validate(Options, options, "the test's engine options")
    try:
        probe(asked, needs_gpu=True)
    except EngineError as error:
        return str(error)
    python = interpreter(asked)
    if module and subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode:
        return f"{python} cannot import {module}: pip install {module}"
    return None


def measured(
    settings: ModelSettings, data: Path, folder: Path, parameters: dict[str, Any], mode: str = "aggregated"
) -> dict[str, Any]:
    """Measures one server as the workflow does; gives its summary.json."""
    task = Serving(validate(ServingParameters, parameters, "the test"))
    folder.mkdir(parents=True, exist_ok=True)
    build_samples(task, settings, data, 1, folder / "samples.parquet")
    about = {"tier": "test", "seed": 1, "models": {}, "runs": [{"model": "m", "experiment": "e"}]}
    measure_mode(task, settings, mode, about, (folder / "samples.parquet", None, folder / mode), folder / "engine.log")
    return dict(json.loads((folder / mode / "summary.json").read_text()))


def serving(
    settings: ModelSettings, data: Path, folder: Path, what: str, parameters: dict[str, Any], mode: str = "aggregated"
) -> str:
    """A load of one kind: nothing failed, nothing warm, every group timed."""
    summary = measured(settings, data, folder / what, parameters, mode)
    assert summary["failed_requests"] == 0
    assert summary["cache"]["warm_groups"] == 0
    for group in summary["groups"]:
        timed = group["measures"]["ttft_seconds_median"]
        assert timed["n"] > 0 and timed["value"] > 0
    last = summary["groups"][-1]["measures"]
    parts = [f"TTFT median {1000 * last['ttft_seconds_median']['value']:.1f} ms"]
    parts += [f"score {last['score']['value']:.2f} (n = {last['score']['n']})"] if "score" in last else []
    parts += [f"energy {sum(e['joules'].values()):.0f} J" for e in (summary["energy"] or [])[-1:]]
    if transfer := summary["kv_transfer"]:
        assert transfer["decode_recomputed_tokens"] == 0 and transfer["external_hit_tokens"] > 0
        parts.append(
            f"{transfer['external_hit_tokens']} prompt tokens loaded by decode, none computed again, {transfer['bytes'] / 2**20:.1f} MiB"
        )
    if check := summary["cross_check"]:
        found = ", ".join(f"{name} {entry['difference_percent']:+.1f} %" for name, entry in check["measures"].items())
        parts.append(f"our medians against vLLM's benchmark: {found}")
    count = sum(group["measures"]["ttft_seconds_median"]["n"] for group in summary["groups"])
    return f"{what} ({mode}): {count} requests answered, {summary['cache']['cold_groups']} groups cold; last group: {', '.join(parts)}"


def hidden_states(model: str, device: str) -> str:
    """Layer states on a device are those on the CPU, over prompts that share beginnings."""
    from contextrot.hidden_states.probe import LayerProbe, Probe, load_model

    rng = np.random.default_rng(0)
    draw = lambda count: [int(token) for token in rng.integers(10, 1000, count)]  # noqa: E731
    turns = [draw(60) for _ in range(6)]
    probes = [Probe([*draw(2), *chain.from_iterable(turns[:h]), *draw(9)], [draw(3)]) for h in range(7)]
    here, there = (LayerProbe(load_model(model, dtype="float32", device=one)).measure(probes) for one in ("cpu", device))
    worst = 0.0
    for one, other in zip(here, there, strict=True):
        a, b = np.asarray(one.states), np.asarray(other.states.cpu())
        worst = max(worst, float(np.linalg.norm(a - b) / np.linalg.norm(a)))
        np.testing.assert_allclose(np.asarray(other.logit_cosines.cpu()), np.asarray(one.logit_cosines), atol=2e-3)
        np.testing.assert_allclose(other.log_likelihoods, one.log_likelihoods, rtol=1e-2, atol=2e-2)
    assert worst < 1e-2
    return f"hidden states on {device}: {len(probes)} prompts, relative difference from the CPU at most {worst:.1e}"
