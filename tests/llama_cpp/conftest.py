"""A real llama-server with SmolLM2-135M-Instruct; `make llama-server smollm2` gets both."""

from __future__ import annotations

import pytest
import yaml

from contextrot import engines
from contextrot.project import Project


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/llama_cpp/" in str(item.path):
            item.add_marker(pytest.mark.llama_cpp)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def project(root):
    return Project(yaml.safe_load((root / "config/config.yaml").read_text()), root)


@pytest.fixture(scope="session")
def model(project):
    return project.models["smollm2-llama"]


@pytest.fixture(scope="session")
def endpoint(model, tmp_path_factory):
    with engines.serve(model, tmp_path_factory.mktemp("llama") / "engine.log") as endpoint:
        yield endpoint
