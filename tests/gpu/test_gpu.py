"""Everything that has only been seen on CPUs, on one GPU."""

from __future__ import annotations

import pytest
import torch

from contextrot.serving.energy import nvml_joules
from tests import proofs

SHORT = {"requests": 8, "repeats": 2, "warmup_requests": 2, "output_tokens": 32}
LOADS = {
    "closed loop": {"lengths": [500, 3000], "concurrency": [1, 8], "memory": True, **SHORT},
    "open loop": {"lengths": [1000], "rates": [4, 16], **SHORT},
    "sessions": {"lengths": [500], "turns": 3, "think_seconds": 0.2, "concurrency": [4], **SHORT},
    "trace": {"trace": "traces/example.csv", "trace_speeds": [60], "repeats": 1},
    "quality under load": {
        "task": "niah",
        "task_parameters": {"needles": ["restaurant_high"]},
        "lengths": [1000],
        "rates": [8],
        **SHORT,
    },
    "cross check": {"lengths": [1000], "cross_check": True, "requests": 4, "repeats": 1},
}


@pytest.mark.parametrize("what", LOADS)
def test_a_load_on_one_server(settings, data, folder, proved, what):
    proved(proofs.serving(settings, data, folder, what, LOADS[what]))


def test_prefill_and_decode_on_one_gpu_with_the_kv_cache_by_nixl(settings, data, folder, proved):
    if reason := proofs.lacking(settings.engine_options, "nixl"):
        pytest.skip(reason)
    split = {**settings.engine_options, "disaggregated": {"connector": "nixl"}, "visible_devices": "0"}
    pair = settings.model_copy(update={"engine_options": split})
    given = {"modes": ["disaggregated"], "lengths": [500, 3000], "concurrency": [1, 4], **SHORT}
    proved(proofs.serving(pair, data, folder, "disaggregated", given, "disaggregated"))


def test_hidden_states_on_cuda(weights, proved):
    if not torch.cuda.is_available():
        pytest.skip(f"PyTorch {torch.__version__} of the workflow's own environment sees no GPU")
    proved(proofs.hidden_states(weights, "cuda"))


def test_the_gpu_s_energy_is_counted(proved):
    found = nvml_joules()
    if not found:
        pytest.skip("NVML counts no energy of this card (it does from Volta on)")
    assert all(joules > 0 for joules, _ in found.values())
    proved(f"NVML counts the energy of {', '.join(found)}")
