"""Target 6: judging, scores, metrics and figures of 100,000 responses, in seconds and memory of one process.

Beside it, in the same run: reading the same files and writing the scores' size back, the least that any way must do.

    python benchmarks/scoring.py [--rows 100000] [--runs 3]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from record import record

ROOT = Path(__file__).resolve().parents[1]
MAKE = """
import sys
from pathlib import Path
import numpy as np
from contextrot.records import Response, Sample, write_responses, write_samples
folder, rows = Path(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(1)
lengths, depths = [2 ** k * 250 for k in range(1, 12)], list(range(0, 101, 10))
samples, responses = [], []
for i in range(rows):
    length, depth = lengths[i % 11], depths[i // 11 % 11]
    condition = {
        "length": length, "depth": float(depth), "needle": "n", "question": "where?", "similarity": "high", "measured_similarity": 0.8,
        "distractors": 1, "order": "original", "topic": "essays", "repeat": i // 121, "actual_depth": float(depth),
        "needle_depths": [float(depth)], "distractor_names": ["d"], "distractor_depths": [50.0],
        "distractor_texts": ["The spare key is kept in the red box."], "distractor_answers": ["in the red box"],
    }
    message = [{"role": "user", "content": "a prompt of some words " * 10}]
    samples.append(Sample(f"s{i}", message, ["in the blue can"], 64, length, length, condition=condition))
    text = "It is kept in the blue can." if rng.random() < 0.7 else "I do not know."
    responses.append(Response(f"s{i}", 0, "answered", text, prompt_tokens=length, completion_tokens=9, total_seconds=0.1))
write_samples(folder / "samples.parquet", samples)
write_responses(folder / "responses.parquet", responses)
"""
OURS = """
import resource, sys, time
start = time.perf_counter()
from pathlib import Path
import yaml
from contextrot.figures.drawing import draw_figures
from contextrot.judging.contract import JudgingContext
from contextrot.judging.judge import judge_responses
from contextrot.scores.score import score_responses, summarize_scores
from contextrot.project import Project
folder, project = Path(sys.argv[1]), Project(yaml.safe_load(open("config/config.yaml")))
task = project.task("full", "embedded", "niah")
samples, responses = folder / "samples.parquet", folder / "responses.parquet"
judge = folder / "judgements" / "match.parquet"
context = JudgingContext("match", project.settings.judges["match"], task, project.data)
judge_responses(samples, responses, judge, context)
score_responses(task, samples, responses, [judge], folder / "scores.parquet")
summarize_scores(task, folder / "scores.parquet", folder / "metrics.csv")
draw_figures(project, "embedded", "niah", folder, [folder / f"{figure}.png" for figure in ("heatmap", "accuracy_by_length")])
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""
LEAST = """
import sys, time
start = time.perf_counter()
from pathlib import Path
import pandas as pd
folder = Path(sys.argv[1])
frame = pd.read_parquet(folder / "samples.parquet").merge(pd.read_parquet(folder / "responses.parquet"), on="sample_id")
frame.to_parquet(folder / "least.parquet")
import matplotlib.pyplot
print(time.perf_counter() - start)
"""


def run(code: str, *arguments: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(MAKE, folder, str(options.rows))
        measured = [run(OURS, folder) for _ in range(options.runs)]
        least = [run(LEAST, folder)[0] for _ in range(options.runs)]
    packages = ["pandas", "pyarrow", "matplotlib"]
    what = f"judge, score, summarize, draw {options.rows:,} answers"
    record("scoring", what, [m[0] for m in measured], "pandas: join the files, write them back", least, packages)
    memory = [m[1] for m in measured]
    record("scoring", "peak memory", memory, "target 1,000 MB", [1000.0] * len(memory), packages, "MB")


if __name__ == "__main__":
    main()
