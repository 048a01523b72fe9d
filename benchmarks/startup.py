"""Target 5: how long each script of the workflow takes to be ready for work, and the plan of the default config.

A script's process is started with its own imports and nothing else, beside a Python that imports nothing. What the same processes
take in all, work included, is measured by whole_tier.py in a real run.

    python benchmarks/startup.py [--runs 5]
"""

from __future__ import annotations

import argparse
import ast
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
HEAVY = ("torch", "transformers", "litellm")
RUNS_A_MODEL = {"collect_responses", "extract_cosines", "measure_mode"}


def imports_of(script: Path) -> str:
    """The import statements of a script."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    return "\n".join(ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))


def seconds_of(command: list[str], folder: Path = ROOT) -> tuple[float, str]:
    """Wall time of a process, and what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return seconds, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="names of scripts; all without it, and the plan")
    parser.add_argument("--dry", action="store_true", help="measure and print, record nothing")
    arguments = parser.parse_args()
    scripts = [path for path in sorted(SCRIPTS.glob("*.py")) if not arguments.only or path.stem in arguments.only]
    bare = [seconds_of([sys.executable, "-c", ""])[0] for _ in range(arguments.runs)]
    print(f"Python alone: {statistics.median(bare):.3f} s")
    measured: dict[str, list[float]] = {}
    for script in scripts:
        code = f"{imports_of(script)}\nimport sys\nprint(*sorted(set({HEAVY}) & set(sys.modules)))"
        runs = [seconds_of([sys.executable, "-c", code]) for _ in range(arguments.runs)]
        measured[script.stem] = [seconds for seconds, _ in runs]
        heavy = runs[-1][1].strip()
        print(
            f"{script.stem}: {statistics.median(measured[script.stem]):.3f} s{f', imports {heavy}' if heavy else ''}", flush=True
        )
    light = {name: values for name, values in measured.items() if name not in RUNS_A_MODEL}
    slowest = max(light, key=lambda name: statistics.median(light[name]))
    print(f"slowest light script: {slowest}")
    plans = []
    if not arguments.only:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--snakefile", str(ROOT / "Snakefile")]
            command += ["--directory", folder, "--workflow-profile", str(ROOT / "profiles/default")]
            plans = [seconds_of(command, Path(folder))[0] for _ in range(arguments.runs)]
        print(f"snakemake -n: {statistics.median(plans):.2f} s")
    if arguments.dry:
        return
    if plans:
        record("startup", "snakemake -n, default config", plans, "target 3 s", [3.0] * len(plans), ["snakemake"])
        typical = sorted(light, key=lambda name: statistics.median(light[name]))[len(light) // 2]
        record("startup", "imports of the median light script", light[typical], "Python alone", bare, ["pydantic"])
    record(
        "startup",
        "imports of the slowest light script",
        light[slowest],
        "target 1.5 s",
        [1.5] * len(light[slowest]),
        ["pydantic"],
    )


if __name__ == "__main__":
    main()
