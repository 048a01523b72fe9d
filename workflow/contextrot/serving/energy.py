"""Energy that the machine spent while requests ran, where it tells: processors by RAPL, GPUs by NVML.

Sources: Linux, Documentation/power/powercap (energy_uj counts microjoules and begins again after max_energy_range_uj); NVIDIA's NVML
(nvmlDeviceGetTotalEnergyConsumption, millijoules since the driver was loaded, Volta and later). Both count the whole package or GPU,
whoever uses it. What cannot be read is absent, never 0: files of RAPL are often for root only.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from contextrot import engines

if TYPE_CHECKING:
    from contextrot.engines import Endpoint

POWERCAP = Path("/sys/class/powercap")
MOST_GPUS = 64
Reading = dict[str, tuple[float, float | None]]
"""Source -> joules since some beginning, and after how many joules it begins again (None: never)."""


class EnergyMeter:
    """Reads every counter on entering and leaving; `joules` then holds what each has grown by.

    Args:
        endpoint: a server that this machine does not run has no energy here.
        readers: what to read, each a Reading; the machine's own without it.

    Attributes:
        joules: source (`cpu package 0`, `gpu 0`) -> joules; empty where nothing can be read.
    """

    def __init__(self, endpoint: Endpoint, readers: tuple[Callable[[], Reading], ...] | None = None) -> None:
        here = not engines.load(endpoint.engine).elsewhere
        self._readers = (rapl_joules, nvml_joules) if readers is None and here else readers or ()
        self.joules: dict[str, float] = {}
        self._before: Reading = {}

    def __enter__(self) -> EnergyMeter:
        self._before = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        after = self._read()
        for source, (end, wraps) in after.items():
            if source in self._before:
                grown = end - self._before[source][0]
                if grown < 0 and wraps is not None:
                    grown += wraps
                if grown >= 0:  # a counter that went back otherwise was reset, and says nothing
                    self.joules[source] = grown

    def _read(self) -> Reading:
        return {source: value for read in self._readers for source, value in read().items()}


def rapl_joules(folder: Path = POWERCAP) -> Reading:
    """The counters of all processor packages, and of memory where it is counted apart."""
    found: Reading = {}
    for zone in sorted(folder.glob("intel-rapl:*")):
        try:
            name = zone.joinpath("name").read_text().strip()
            if not (name.startswith("package") or name.startswith("dram")):  # core and uncore are parts of a package
                continue
            used = int(zone.joinpath("energy_uj").read_text()) / 1e6
            wraps = int(zone.joinpath("max_energy_range_uj").read_text()) / 1e6
        except (OSError, ValueError):
            continue
        place = zone.name.split(":")[1]
        found[f"cpu {name.replace('-', ' ')}" if name.startswith("package") else f"{name} of package {place}"] = (used, wraps)
    return found


def nvml_joules() -> Reading:
    """The counters of all GPUs by NVIDIA's own library, which comes with the driver; empty without one."""
    try:
        nvml = ctypes.CDLL(ctypes.util.find_library("nvidia-ml") or "libnvidia-ml.so.1")
    except OSError:
        return {}
    if nvml.nvmlInit_v2() != 0:
        return {}
    found: Reading = {}
    try:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return {}
        for index in range(min(count.value, MOST_GPUS)):
            device, used = ctypes.c_void_p(), ctypes.c_ulonglong()
            if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) != 0:
                continue
            if nvml.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(used)) == 0:
                found[f"gpu {index}"] = (used.value / 1e3, None)
    finally:
        nvml.nvmlShutdown()
    return found
