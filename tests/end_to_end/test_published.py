"""Old answers go through the workflow as new ones do: nothing is asked, all is judged and drawn again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from contextrot.scores.score import select

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = ROOT / "tests/fixtures/published/gpt_4_1_niah_evaluated.csv"
"""Lengths, depths and verdicts of the published answers, without their texts."""


@pytest.mark.slow
def test_the_published_answers_are_judged_and_drawn_again_by_the_command_of_the_readme(tmp_path):
    for name in ("Snakefile", "rules", "workflow", "config", "profiles", "envs", "data", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / "data/published").mkdir(exist_ok=True)
    shutil.copy(NUMBERS, tmp_path / "data/published")
    command = "--configfile config/published/config.yaml --config experiments=niah --cores 2"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *command.split()], cwd=tmp_path, capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    folder = tmp_path / "results/full/gpt-4.1/niah"
    overall = select(pd.read_csv(folder / "metrics.csv"), "score").iloc[0]
    assert (round(overall["value"] * overall["n"]), overall["n"]) == (49, 88)
    assert pd.read_csv(folder / "agreement.csv")["kappa"].item() == pytest.approx(0.977, abs=0.001)
    drawn = {path.stem for path in (folder / "figures").glob("*.png")}
    assert drawn == {"heatmap", "accuracy_by_length"}
    assert (tmp_path / "results/full/report.html").stat().st_size > 10_000
