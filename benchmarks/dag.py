"""How long planning takes: `snakemake -n` for models x experiments x shards, 800 to 6,400 inference jobs.

python benchmarks/dag.py [--models 50 ...]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS, SHARDS = 8, 16


def plan(models: int, folder: Path) -> tuple[float, int]:
    """Seconds of a dry run over models x 8 experiments x 16 shards, and the number of inference jobs planned."""
    block = yaml.safe_load((ROOT / "config/models.yaml").read_text())["embedded"] | {"shards": SHARDS, "overrides": {}}
    (folder / "models.yaml").write_text(yaml.safe_dump({f"model{i}": block for i in range(models)}))
    experiment = {"task": "niah", "parameters": {"lengths": [256], "depths": [50]}}
    (folder / "experiments.yaml").write_text(yaml.safe_dump({f"niah{i}": experiment for i in range(EXPERIMENTS)}))
    names = ",".join(f"model{i}" for i in range(models))
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--workflow-profile", str(ROOT / "profiles/default"), "--config", f"models={names}"]
    command += [f"model_definitions={folder}/models.yaml", f"experiment_definitions={folder}/experiments.yaml"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    jobs = re.search(r"collect_responses\s+(\d+)", done.stdout + done.stderr)
    return seconds, int(jobs.group(1)) if jobs else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[6, 12, 25, 50], help="numbers of models to plan for")
    for models in parser.parse_args().models:
        with tempfile.TemporaryDirectory() as folder:
            seconds, jobs = plan(models, Path(folder))
        print(f"{models} models x {EXPERIMENTS} experiments x {SHARDS} shards: {jobs} inference jobs planned in {seconds:.1f} s")


if __name__ == "__main__":
    main()
