"""The environments of the jobs have what the project asks for."""

from __future__ import annotations

import re
import tomllib

import yaml


def dependencies(root) -> list[str]:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]


def test_the_conda_environment_has_the_project_s_dependencies(root):
    environment = yaml.safe_load((root / "envs/contextrot.yaml").read_text())
    assert environment["dependencies"][-1]["pip"] == dependencies(root)


def plain(name: str) -> str:
    return re.split(r"[\[<>=!~ ]", name)[0].lower().replace("_", "-")


def test_the_lock_has_every_dependency_pinned_and_names_no_machine(root):
    lines = (root / "requirements.lock").read_text().splitlines()
    pins = dict(line.split("==") for line in lines)
    assert {plain(name) for name in dependencies(root)} <= {plain(name) for name in pins}
    assert not any("+" in pin or "/" in pin or "@" in pin for pin in pins.values())
