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


TYPED = {
    "status": "print_status",
    "leaderboard": "write_leaderboard",
    **{f"{prefix}request_store": "keep_request_store" for prefix in ("", "verify_", "pack_", "export_", "prune_")},
    "check_models_of_tier": "check_models",
    "draw_figure": "draw_figures",
}
"""Rules that people ask for by another word than their script's, or that share the script of another."""


def test_rule_script_and_function_share_one_verb_phrase(root):
    rules = "\n".join(path.read_text() for path in sorted((root / "rules").glob("*.smk")))
    blocks = re.findall(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", rules, re.MULTILINE | re.DOTALL)
    scripts = {name: match[1] for name, block in blocks if (match := re.search(r"scripts/(\w+)\.py", block))}
    assert len(scripts) > 20
    assert {name: script for name, script in scripts.items() if script != name} == TYPED
    for script in sorted({*scripts.values()} - {"print_status"}):
        text = (root / f"workflow/scripts/{script}.py").read_text()
        assert re.search(rf"^from contextrot\S* import .*\b{script}\b", text, re.MULTILINE), f"{script} imports no such function"
        assert re.search(rf"\b{script}\(", text.partition("with reporting_errors")[2]), f"{script} calls no such function"


def test_rules_hold_names_and_hardly_a_lambda(root):
    rules = {path.name: path.read_text() for path in (root / "rules").glob("*.smk")}
    assert sum(text.count("lambda") for text in rules.values()) <= 3
    assert not [name for name, text in rules.items() if re.search(r"^def ", text, re.MULTILINE)]
    assert len((root / "Snakefile").read_text().splitlines()) < 50


def test_no_two_test_files_have_one_name(root):
    """Pytest could not collect them in one run."""
    names = [path.name for path in (root / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)
