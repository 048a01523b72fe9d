"""Loaded by each Python process of a run with this folder on PYTHONPATH: writes how long a job of Snakemake took to be ready for work.

Counted as start-up: from the process's birth to this file, and every import after it, the late ones within functions included.
"""

import atexit
import importlib._bootstrap
import json
import os
import sys
import threading
import time

_begin = time.perf_counter()
_imports = {"seconds": 0.0, "depth": 0}


def _age() -> float:
    """Seconds since this process was born (Linux; to a hundredth)."""
    with open("/proc/self/stat") as file:
        born = int(file.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - born


def _clocked(find_and_load):
    main = threading.main_thread()

    def find(name, import_):
        if threading.current_thread() is not main:
            return find_and_load(name, import_)
        _imports["depth"] += 1
        begin = time.perf_counter()
        try:
            return find_and_load(name, import_)
        finally:
            _imports["depth"] -= 1
            if not _imports["depth"]:
                _imports["seconds"] += time.perf_counter() - begin

    return find


def _write(before: float, folder: str) -> None:
    name = sys.argv[0].rpartition("/")[2]
    if name.startswith("tmp") and name.count(".") == 2:  # Snakemake's copy of a script: tmpxxxx.build_samples.py
        content = {
            "script": name.split(".")[1],
            "start_seconds": before + _imports["seconds"],
            "process_seconds": before + time.perf_counter() - _begin,
            "heavy": sorted({"torch", "transformers", "litellm"} & set(sys.modules)),
        }
        with open(f"{folder}/{os.getpid()}-{name}.json", "w") as file:
            json.dump(content, file)


if folder := os.environ.get("JOB_CLOCK_FOLDER"):
    atexit.register(_write, _age(), folder)
    importlib._bootstrap._find_and_load = _clocked(importlib._bootstrap._find_and_load)
