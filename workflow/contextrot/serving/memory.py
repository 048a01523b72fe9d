"""Memory of an engine while requests run: the processes' own, the GPUs', and the share of the KV cache in use."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from contextrot.engines import Endpoint
from contextrot.errors import EngineError
from contextrot.serving.counters import gauge, read_metrics

INTERVAL_SECONDS = 0.05
GPU_INTERVAL = 10


class MemorySampler:
    """Samples memory in a thread from entering to leaving; `peaks` holds the greatest values seen.

    Args:
        endpoint: an engine of this machine; one without `instances` in its details has nothing to sample.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.instances: dict[str, dict[str, Any]] = endpoint.details.get("instances", {})
        self.peaks: dict[str, dict[str, float]] = {role: {} for role in self.instances}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> MemorySampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        while not self._stop.is_set():
            for role, instance in self.instances.items():
                tree = process_tree(instance["pid"])
                self._raise(role, "resident_bytes", resident_bytes(tree))
                try:
                    self._raise(role, "kv_cache_share", gauge(read_metrics(instance["url"]), "vllm:kv_cache_usage_perc"))
                except EngineError:
                    return
                if count % GPU_INTERVAL == 0:
                    self._raise(role, "gpu_bytes", gpu_bytes(tree))
            count += 1
            self._stop.wait(INTERVAL_SECONDS)

    def _raise(self, role: str, name: str, value: float | None) -> None:
        if value is not None:
            self.peaks[role][name] = max(value, self.peaks[role].get(name, 0.0))


def process_tree(pid: int) -> set[int]:
    """A process and all below it."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
    tree, fresh = {pid}, {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh} - tree
        tree |= fresh
    return tree


def resident_bytes(pids: Iterable[int]) -> int | None:
    """Resident memory of processes together; None if none of them is there."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
    return total or None


def gpu_bytes(pids: set[int]) -> int | None:
    """GPU memory of processes together, as nvidia-smi tells; None without one."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    used = [line.split(",") for line in done.stdout.splitlines() if line.count(",") == 1]
    mine = [
        int(megabytes) for pid, megabytes in used if pid.strip().isdigit() and int(pid) in pids and megabytes.strip().isdigit()
    ]
    return sum(mine) * 2**20 if mine else None
