"""Real vLLM servers of the embedded model on the CPU, in float32; `make vllm-cpu` builds their environment."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import yaml

from contextrot import engines
from contextrot.project import Project
from contextrot.serving.measure import mode_settings


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/vllm/" in str(item.path):
            item.add_marker(pytest.mark.vllm)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def model(root):
    """The embedded model's settings for vLLM."""
    if not (root / ".venv-vllm/bin/python").exists():
        pytest.skip("vLLM is not built: make vllm-cpu")
    return Project(yaml.safe_load((root / "config/config.yaml").read_text()), root).models["embedded-vllm"]


@pytest.fixture(scope="session")
def serve(model, tmp_path_factory):
    """`serve(mode)` as a context manager; its log in a folder of its own."""

    def start(mode):
        return engines.serve(mode_settings(model, mode, None), tmp_path_factory.mktemp(mode) / "engine.log")

    return start


@pytest.fixture(scope="session")
def both(serve):
    """Endpoints of one instance and of a pair, up for the whole session."""
    with ExitStack() as stack:
        yield {mode: stack.enter_context(serve(mode)) for mode in ("aggregated", "disaggregated")}


@pytest.fixture(scope="session")
def aggregated(both):
    return both["aggregated"]


@pytest.fixture(scope="session")
def pair(both):
    return both["disaggregated"]
