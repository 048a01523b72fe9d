"""A figure is one function of tasks/<name>/figures.py, found without importing the module."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import SimpleNamespace

import pytest

from contextrot import tasks
from contextrot.figures.declared import Figure, figures_in


@pytest.fixture
def module(tmp_path):
    def write(text: str):
        path = tmp_path / "figures.py"
        path.write_text(text)
        return path

    return write


def test_a_function_is_a_figure_and_its_first_paragraph_says_what_it_shows(module):
    found = figures_in(
        module(
            'import no_such_library\n\n\ndef draw_a(context):\n    """Shows\n    this.\n\n    More."""\n\n\ndef draw_b(context): ...\n'
        )
    )
    assert [(figure.name, figure.shows) for figure in found.values()] == [("a", "Shows this."), ("b", "b")]


def test_a_task_without_the_module_has_no_figures(tmp_path):
    assert figures_in(tmp_path / "figures.py") == {}


def test_a_need_of_a_figure_that_is_not_drawn_is_an_error(module):
    with pytest.raises(ValueError, match="NEEDS names 'heat', but there is no function draw_heat"):
        figures_in(module('NEEDS = {"heat": ["judge"]}\n\n\ndef draw_heatmap(context): ...\n'))


@pytest.mark.parametrize(
    ("needs", "weights", "judged", "drawn"),
    [
        ((), False, False, True),
        (("judge",), True, False, False),
        (("judge",), False, True, True),
        (("weights",), False, True, False),
        (("cosines.parquet",), False, True, False),
        (("cosines.parquet",), True, False, True),
        (("several",), True, True, False),
        (("files",), False, False, True),
    ],
)
def test_a_figure_is_drawn_if_there_is_what_it_needs(needs, weights, judged, drawn):
    task = SimpleNamespace(several=False, files=["a/summary.json"])
    assert Figure("a", "a", needs).drawn(task, weights=weights, judged=judged) == drawn


def test_files_are_those_named_and_those_that_the_task_names():
    task = SimpleNamespace(true=True, files=["a/summary.json"])
    assert Figure("a", "a", ("judge", "cosines.parquet", "true", "files")).files(task) == ["cosines.parquet", "a/summary.json"]


@pytest.mark.parametrize("name", tasks.names())
def test_every_declared_figure_has_its_function_and_names_what_its_task_has(name):
    declared, functions = tasks.figures(name), tasks.drawing(name)
    assert declared, f"{name} draws nothing"
    for figure in declared.values():
        assert list(inspect.signature(functions[figure.name]).parameters) == ["context"]
        assert figure.shows != figure.name, f"draw_{figure.name} of {name} does not say what it shows"
        for need in figure.needs:
            assert "." in need or need in ("weights", "judge") or hasattr(tasks.load(name), need)


def test_finding_figures_imports_nothing_that_draws(root):
    code = "import sys; from contextrot import tasks; [tasks.figures(n) for n in tasks.names()]; print([m for m in sys.modules if m in ('matplotlib', 'pandas') or m.endswith('.figures.style')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(root / "workflow")}, check=True
    )
    assert done.stdout.strip() == "[]"
