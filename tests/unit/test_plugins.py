"""Plug-ins are found by what they declare; a helper beside them is none, whatever it defines or mentions."""

from __future__ import annotations

import sys

import pytest

from contextrot import engines, plugins
from contextrot.errors import ConfigError
from contextrot.judging import judges

HELPERS = {
    "by_function": "def serve(model, log_path): ...\ndef judge(pairs, context): ...\ndef answers(): ...\n",
    "by_word": '"""ENGINE = and JUDGE = in words.\n\nENGINE = Engine()\nJUDGE = Judge()\n"""\n',
    "by_import": "from contextrot.engines.external import ENGINE\nfrom contextrot.judging.judges.match import JUDGE\n",
    "within": "def make():\n    ENGINE = JUDGE = 1\n    return ENGINE\n",
}


@pytest.fixture
def helpers(tmp_path, monkeypatch):
    """A folder of helpers that is looked at as if it lay beside the plug-ins of both packages."""
    for name, code in HELPERS.items():
        (tmp_path / f"{name}.py").write_text(code)
    plugins.names.cache_clear()
    for package in (engines, judges):
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    yield tmp_path
    plugins.names.cache_clear()
    for name in [name for name in sys.modules if name.rpartition(".")[2] in {*HELPERS, "own"}]:
        del sys.modules[name]


@pytest.mark.parametrize("package", [engines, judges], ids=["engines", "judges"])
def test_a_helper_beside_the_plug_ins_is_none(helpers, package):
    assert not set(HELPERS) & set(package.names())
    with pytest.raises(ConfigError, match="'by_function'"):
        package.load("by_function")
    assert f"{package.__name__}.by_function" not in sys.modules


def test_a_module_that_declares_itself_is_an_engine_and_a_judge(helpers):
    (helpers / "own.py").write_text(
        "from contextrot.engines import Engine\nfrom contextrot.judging.contract import Judge\n"
        "ENGINE = Engine(None, elsewhere=True)\nJUDGE: Judge = Judge(lambda pairs, context: [])\n"
    )
    plugins.names.cache_clear()
    assert "own" in engines.names() and "own" in judges.names()
    assert engines.load("own").elsewhere and judges.load("own").asks is None


def test_the_known_engines_and_judges_are_found():
    assert engines.names() == ("external", "llama_cpp", "recorded", "simulated", "transformers", "vllm")
    assert judges.names() == ("human", "llm", "match", "recorded", "story")


@pytest.mark.parametrize("name", engines.names())
def test_an_engine_serves_or_answers_and_says_where_it_asks(name):
    engine = engines.load(name)
    assert (engine.serve is None) != (engine.answers is None)
    assert (engine.endpoint is not None) == engine.elsewhere
    assert engine.operational_options <= set(engine.options.model_fields)
    assert not (engine.has_weights and engine.elsewhere)


def test_no_other_module_asks_for_an_engine_or_judge_by_its_name():
    import ast

    from tests.conftest import ROOT

    named = {*engines.names(), *judges.names()}
    found = []
    for path in [*(ROOT / "workflow").rglob("*.py"), *(ROOT / "rules").glob("*.smk")]:
        if path.suffix == ".smk":
            words = [f"{mark} {quote}{name}{quote}" for mark in ("==", "!=") for quote in "\"'" for name in named]
            found += [str(path) for word in words if word in path.read_text()]
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare) and {"engine", "kind"} & {
                getattr(node.left, "attr", None),
                getattr(node.left, "id", None),
            }:
                constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                found += [f"{path}:{node.lineno}" for one in constants if one in named and "engine" in ast.unparse(node.left)]
                found += [
                    f"{path}:{node.lineno}" for one in constants if one in judges.names() and "judg" in ast.unparse(node.left)
                ]
    assert not found
