"""What the rules' scripts import: one that runs no model starts in a moment."""

from __future__ import annotations

import ast
import subprocess
import sys

from tests.conftest import ROOT

HEAVY = ("torch", "transformers", "litellm")


def imports_of(script):
    """The import statements of a script, which name `snakemake` nowhere."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    return [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_no_script_imports_a_heavy_library_before_it_is_needed():
    scripts = sorted((ROOT / "workflow" / "scripts").glob("*.py"))
    assert len(scripts) > 20
    lines = ["import sys"]
    for script in scripts:
        found = f"for name in [name for name in {HEAVY} if name in sys.modules]: sys.exit('{script.name} imports ' + name)"
        lines += [*imports_of(script), found]
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
