"""Target 7 and the rest of 5: where the time of the whole test tier goes, from Snakemake's own benchmark files.

The tier is run once in a folder of its own. Each job's wall time is Snakemake's; what of it is not work is start-up: of the process
(Python and its imports, by job_clock/sitecustomize.py) and of the model's server (by the job's log). What Snakemake needs while no job
runs is a bar of its own. Then the same command runs again, with nothing to do.

    python benchmarks/whole_tier.py [--cores 2]
    python benchmarks/whole_tier.py --folder FOLDER     # keep the run there; drawn again from what is there
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
FIGURE = ROOT / "benchmarks" / "whole_tier.png"
RUNS_A_MODEL = {"collect_responses", "extract_cosines", "measure_mode"}
NOT_SCRIPTS = {"write_report"}  # runs Snakemake in turn, so that it is not a light job


@dataclass
class Rule:
    """The jobs of one rule, seconds.

    Attributes:
        walls: of each job, by Snakemake.
        process: of all jobs' processes until they were ready, imports included.
        server: of all jobs' servers until they were ready.
    """

    walls: list[float] = field(default_factory=list)
    process: float = 0.0
    server: float = 0.0

    @property
    def work(self) -> float:
        return max(sum(self.walls) - self.process - self.server, 0.0)


def snakemake(folder: Path, arguments: list[str]) -> float:
    """Runs the workflow in a folder, with the clock in its jobs; its wall time."""
    clock = folder / "clock"
    clock.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "JOB_CLOCK_FOLDER": str(clock), "PYTHONPATH": str(ROOT / "benchmarks" / "job_clock")}
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--workflow-profile", str(ROOT / "profiles/default"), *arguments]
    begin = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    return time.perf_counter() - begin


def server_seconds(log: Path) -> float:
    """From knowing what must be asked until the server was ready, by a job's log; 0 if it started none."""
    times = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        for mark in (" need no engine", ": served by "):
            if mark in line and " INFO " in line:
                times[mark] = datetime.fromisoformat(line[:19])
    return (times[": served by "] - times[" need no engine"]).total_seconds() if ": served by " in times else 0.0


def read_rules(folder: Path) -> dict[str, Rule]:
    """Every rule of a finished run."""
    rules: dict[str, Rule] = defaultdict(Rule)
    for path in sorted((folder / "benchmarks" / "runs").rglob("*.tsv")):
        with path.open(encoding="utf-8") as file:
            rules[path.stem.split("-")[0]].walls += [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
    for path in (folder / "clock").glob("*.json"):
        job = json.loads(path.read_text())
        rules[job["script"]].process += job["start_seconds"]
        if job["heavy"] and job["script"] not in RUNS_A_MODEL:
            print(f"{job['script']} is a light job and imported {', '.join(job['heavy'])}")
    for path in (folder / "logs").rglob("collect_responses-*.log"):
        rules["collect_responses"].server += server_seconds(path)
    return {name: rule for name, rule in rules.items() if rule.walls}


def seconds_with_a_job(folder: Path) -> float:
    """Time in which at least one job ran, by Snakemake's metadata."""
    spans = set()
    for path in (folder / ".snakemake" / "metadata").rglob("*"):
        if path.is_file():
            content = json.loads(path.read_text())
            spans.add((content["starttime"], content["endtime"]))
    total, end = 0.0, 0.0
    for begin, until in sorted(spans):
        total += max(until - max(begin, end), 0.0)
        end = max(end, until)
    return total


def draw(rules: dict[str, Rule], idle: float, share: float, title: str) -> None:
    """One bar a rule: work, start of servers, start of processes; and Snakemake's own time."""
    sys.path[:0] = [str(ROOT / "workflow")]
    from contextrot.figures.style import use_style

    use_style()
    from matplotlib import pyplot

    names = sorted(rules, key=lambda name: sum(rules[name].walls))
    labels = ["Snakemake, no job running", *(f"{name} ({len(rules[name].walls)})" for name in names)]
    parts = {
        "work": ([0.0, *(rules[name].work for name in names)], "#0072B2"),
        "start of the model's server": ([0.0, *(rules[name].server for name in names)], "#E69F00"),
        "start of processes, imports": ([0.0, *(rules[name].process for name in names)], "#D55E00"),
        "planning, scheduling": ([idle, *(0.0 for _ in names)], "#999999"),
    }
    figure, axes = pyplot.subplots(figsize=(7.2, 0.26 * len(labels) + 1.0))
    left = [0.0] * len(labels)
    for part, (values, colour) in parts.items():
        axes.barh(labels, values, left=left, color=colour, label=part)
        left = [a + b for a, b in zip(left, values, strict=True)]
    for place, total in enumerate(left):
        axes.annotate(f"{total:.1f}", (total, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_xlabel("wall time of all jobs of a rule (s)")
    axes.set_title(f"{title}: {share:.0%} useful work", loc="left")
    axes.set_xlim(0, 1.08 * max(left))
    axes.grid(False, axis="y")
    axes.legend(loc="lower right")
    figure.savefig(FIGURE, dpi=150)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", default="2")
    parser.add_argument("--folder", type=Path, help="where the run is kept; if there is one, it is not made again")
    parser.add_argument("--config", nargs="+", default=[], help="as of snakemake, such as experiments=niah")
    parser.add_argument("--runs", type=int, default=3, help="of the command that has nothing to do")
    parser.add_argument("--dry", action="store_true", help="measure, draw and print, record nothing")
    arguments = parser.parse_args()
    options = ["--cores", arguments.cores, *(["--config", *arguments.config] if arguments.config else [])]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        wall_file = folder / "clock" / "wall_seconds"
        if not wall_file.exists():
            print(f"the test tier runs in {folder}", flush=True)
            seconds = snakemake(folder, options)
            wall_file.write_text(str(seconds))
        wall = float(wall_file.read_text())
        rules, idle = read_rules(folder), max(wall - seconds_with_a_job(folder), 0.0)
        again = [snakemake(folder, options) for _ in range(arguments.runs)]
    total = sum(sum(rule.walls) for rule in rules.values()) + idle
    work = sum(rule.work for rule in rules.values())
    share = work / total
    for name, rule in sorted(rules.items(), key=lambda item: -sum(item[1].walls)):
        print(
            f"{name:20s} {len(rule.walls):3d} jobs {sum(rule.walls):7.1f} s: work {rule.work:7.1f}, server {rule.server:5.1f}, "
            f"process {rule.process:5.1f}; median {statistics.median(rule.walls):5.2f} s, longest {max(rule.walls):6.2f} s"
        )
    jobs = sum(len(rule.walls) for rule in rules.values())
    print(f"{jobs} jobs in {wall:.1f} s; Snakemake alone {idle:.1f} s; useful work {work:.1f} of {total:.1f} s = {share:.1%}")
    print(f"again, with nothing to do: {statistics.median(again):.2f} s" if again else "")
    draw(rules, idle, share, f"Test tier, {jobs} jobs on {arguments.cores} cores, {wall:.0f} s")
    if arguments.dry:
        return
    packages = ["snakemake", "transformers"]
    record("whole_tier", f"useful work, {jobs} jobs", [share], "target 80 %", [0.8], packages, "share")
    light = {name: rule.walls for name, rule in rules.items() if name not in RUNS_A_MODEL | NOT_SCRIPTS}
    slowest = max(light, key=lambda name: statistics.median(light[name]))
    target = [1.5] * len(light[slowest])
    record("whole_tier", f"slowest light job, all in ({slowest})", light[slowest], "target 1.5 s", target, packages)
    if again:
        record("whole_tier", "a run with nothing to do", again, "target 5 s", [5.0] * len(again), packages)


if __name__ == "__main__":
    main()
