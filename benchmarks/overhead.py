"""What the workflow engine costs, one job at a time: (wall time of a run - seconds of its jobs) / jobs; or what SLURM adds to a run.

A job's seconds are those of its own process, as Snakemake's `benchmark` files say: Python's start and imports are the job's, while
planning, submitting, waiting and checking files are the engine's. What SLURM adds is the wall time of the same run there, less
that on two cores of this machine: with profile `slurm`, which submits every job, or as one job (`one`). The target: under 20 % of the run.

python benchmarks/overhead.py [--slurm profile|one] [--tier-of niah,longmemeval]   SLURM: bash tests/slurm/start.sh first, also without --slurm
"""

from __future__ import annotations

import argparse
import csv
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
SLURM = ["--profile", str(ROOT / "profiles/slurm"), "--slurm-status-command", "squeue", "--latency-wait", "10"]
SLURM += ["--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"]
ONE_JOB = ["srun", "--ntasks=1", "--cpus-per-task=2", "--mem=12G"]


def measure(options: list[str], launcher: Sequence[str] = ()) -> tuple[float, float, int]:
    """Wall seconds of a run from nothing, seconds of its jobs, and the number of its jobs."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        command = [*launcher, sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder]
        command += ["--workflow-profile", str(ROOT / "profiles/default"), *options]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        wall = time.perf_counter() - start
        output = done.stdout + done.stderr
        if done.returncode:
            raise SystemExit(output)
        rows = [
            row for path in Path(folder).glob("benchmarks/runs/**/*.tsv") for row in csv.DictReader(path.open(), delimiter="\t")
        ]
    jobs = int(re.search(r"^total\s+(\d+)$", output, re.MULTILINE).group(1))
    return wall, sum(float(row["s"]) for row in rows), jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slurm", choices=["profile", "one"], help="what SLURM adds")
    parser.add_argument("--tier-of", default="", help="experiments of the test tier, a comma list; all without it")
    arguments = parser.parse_args()
    chosen = ["--config", "models=embedded", *([f"experiments={arguments.tier_of}"] if arguments.tier_of else [])]
    tier = f"test tier {arguments.tier_of}".strip()
    if arguments.slurm:
        here, _, _ = measure(["--cores", "2", *chosen])
        one = arguments.slurm == "one"
        wall, _, jobs = measure(["--cores", "2", *chosen], ONE_JOB) if one else measure([*SLURM, *chosen])
        print(f"{jobs} jobs: {wall:.1f} s on SLURM, {here:.1f} s without: {1 - here / wall:.1%} of the run is SLURM's")
        how = "as one job" if one else "profile slurm"
        record(
            "overhead", f"{tier}, {jobs} jobs, on SLURM, {how}", [wall], "two cores of this machine", [here], ["snakemake"], "s"
        )
        return
    wall, useful, jobs = measure(["--cores", "1", *chosen])
    print(f"{jobs} jobs in {wall:.1f} s, {useful:.1f} s their own: {(wall - useful) / jobs:.3f} s a job, {1 - useful / wall:.1%}")
    what = f"engine's seconds per job on this machine, {tier}, {jobs} jobs"
    record("overhead", what, [(wall - useful) / jobs], "20 % of the run, per job", [0.2 * wall / jobs], ["snakemake"])


if __name__ == "__main__":
    main()
