"""The code's own rules: formatted, linted, scripts without logic, nothing unsafe."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["snakefmt", "--check", "Snakefile", "rules"], ["mypy"]],
    ids=" ".join,
)
def test_the_code_is_formatted_and_linted(root, command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_scripts_hold_no_logic(root):
    for script in (root / "workflow/scripts").glob("*.py"):
        assert len([line for line in script.read_text().splitlines() if line.strip()]) <= 18, script


def test_the_library_never_imports_snakemake(root):
    for module in (root / "workflow/contextrot").rglob("*.py"):
        assert not re.search(r"^\s*(import|from) snakemake", module.read_text(), re.MULTILINE), module
