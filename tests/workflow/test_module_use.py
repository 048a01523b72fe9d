"""The workflow as a module of another workflow, as Snakemake's documentation says: `module contextrot: snakefile: ...`."""

import subprocess
import sys

import pytest

SNAKEFILE = """
configfile: "mine.yaml"


module contextrot:
    snakefile:
        "{root}/Snakefile"
    config:
        config["contextrot"]


use rule * from contextrot as contextrot_*


rule paper:
    input:
        "results/test/embedded/niah/figures/heatmap.pdf",
        report="results/test/report.html",
    output:
        "paper.txt",
    shell:
        "cp {{input.report}} {{output}}"
"""
CONFIG = """
paper: {title: Mine}
contextrot:
  models: [embedded]
  experiments: [niah]
"""


@pytest.fixture
def folder(root, tmp_path):
    """Another workflow's folder, with its own Snakefile and config."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE.format(root=root))
    (tmp_path / "mine.yaml").write_text(CONFIG)
    return tmp_path


def dry_run(folder, target):
    command = [sys.executable, "-m", "snakemake", target, "--cores", "1", "--dry-run"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)


def test_another_workflow_asks_for_a_figure_and_a_report_of_this_one(folder):
    run = dry_run(folder, "paper")
    assert run.returncode == 0, run.stdout + run.stderr
    plan = run.stdout + run.stderr
    for rule in ("contextrot_build_samples", "contextrot_score_responses", "contextrot_draw_figure", "contextrot_write_report"):
        assert rule in plan


def test_the_others_config_is_not_read_as_ours_and_ours_is_checked(folder):
    (folder / "mine.yaml").write_text(CONFIG.replace("models:", "modles:"))
    run = dry_run(folder, "paper")
    assert run.returncode != 0
    assert "unknown key 'modles'" in run.stdout + run.stderr
    assert "Did you mean 'models'?" in run.stdout + run.stderr
