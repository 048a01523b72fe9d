"""Every snakemake command that the README shows plans without an error, from the root of a clone."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = ("--executor", "--sdm")  # need a cluster, a cloud, conda or apptainer


def commands() -> list[str]:
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).splitlines()
    inline = re.findall(r"`(snakemake[^`]*)`", text)
    found = [line.split("#")[0].strip() for line in [*blocks, *inline]]
    return sorted({command for command in found if command.startswith("snakemake") and "my-model" not in command})


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone") / "contextrot"
    ignored = shutil.ignore_patterns(".venv*", ".git", "results", ".snakemake", ".cache", "logs", "__pycache__", ".pytest_cache")
    shutil.copytree(ROOT, folder, symlinks=True, ignore=ignored)
    return folder


@pytest.fixture(autouse=True, scope="module")
def old_answers(clone):
    """Files of an old run, where the README says that they are put."""
    folder = clone / "data/published"
    folder.mkdir(exist_ok=True)
    header = "approximate_input_length,needle_depth,question,answer,output,llm_judge_output"
    (folder / "gpt_4_1_niah_evaluated.csv").write_text(f"{header}\n500,0,When?,every week,Every week.,true\n")


@pytest.mark.parametrize("command", [c for c in commands() if not any(word in c for word in ELSEWHERE)])
def test_a_command_of_the_readme_plans(clone, command):
    words = [sys.executable, "-m", *shlex.split(command), *([] if "-n" in command else ["-n"])]
    done = subprocess.run(words, cwd=clone, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_every_file_that_the_readme_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text()):
        if "://" not in target:
            assert (ROOT / target).exists(), target
