"""The shipped config files with 500 faults each as a user might make them: refused with one message, or of use."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from contextrot import tasks
from contextrot.checked import validate
from contextrot.errors import ConfigError, ContextRotError, DataError
from contextrot.files import read_yaml
from contextrot.files.yaml_file import parse_yaml
from contextrot.plan.config_files import check_config_files
from contextrot.project import Project
from tests.stages import build_samples

FILES = ("config.yaml", "experiments.yaml", "models.yaml")
MUTATIONS = 510
VALUES = [
    ".nan", "-.inf", "1e308", "-1", "0", "1e999", "true", "no", "null", "[]", "{}", '""', "'0042'", "21:15", "[[]]", "[null]", "x" * 3000,
    "[1, 1]", "{a: 1}", "[-1]", "['x']", "9" * 30, "9" * 5000, "0.5", "../..", '"\\0"', '"\\ud83d"', "*nobody", "!!python/name:os.x", "2024-01-31",
    "[true]", "[.nan]", "1_000", "&a [*a]", "|", "'", "[1, [2, [3]]]", "mine.jsonl", "/dev/zero", "10000000000",
]  # fmt: skip
BUILT = ("niah", "repeated_words", "story_sequences", "context_switching", "longmemeval")


def mutated(text: str, rng: random.Random) -> tuple[str, str]:
    """The text with one fault, and what it is."""
    lines = text.splitlines()
    keyed = [i for i, line in enumerate(lines) if re.match(r"\s*[\w.-]+:", line)]
    at = rng.choice(keyed)
    indent, key, value = re.match(r"(\s*)([\w.-]+):(.*)", lines[at]).groups()
    kind = rng.choice(["value", "value", "value", "part", "typo", "delete", "double", "indent", "cut", "long", "sign"])
    if kind == "value":
        lines[at] = f"{indent}{key}: {rng.choice(VALUES)}"
    elif kind == "part":
        numbers = list(re.finditer(r"(?<![\w.])\d[\d_.]*(?![\w.])", value.split("#")[0]))
        new = rng.choice(VALUES)
        if numbers:
            found = rng.choice(numbers)
            value = value[: found.start()] + new + value[found.end() :]
        lines[at] = f"{indent}{key}:{value}"
    elif kind == "typo":
        place = rng.randrange(len(key))
        lines[at] = f"{indent}{key[:place]}{rng.choice('xyz_-.: ')}{key[place + 1 :]}:{value}"
    elif kind == "delete":
        del lines[at]
    elif kind == "double":
        lines.insert(at, lines[at])
    elif kind == "indent":
        lines[at] = rng.choice(["", " ", "   ", "\t"]) + lines[at].strip()
    elif kind == "cut":
        lines = "\n".join(lines)[: rng.randrange(len(text))].splitlines()
    elif kind == "long":
        lines[at] = f"{indent}{key * 400}:{value}"
    else:
        place = rng.randrange(len(lines[at]))
        lines[at] = lines[at][:place] + rng.choice("[]{}:,'\"&*!|>%@`#?-\t\x07") + lines[at][place:]
    return "\n".join(lines) + "\n", f"{kind} at line {at + 1}: {lines[min(at, len(lines) - 1)][:100] if lines else ''}"


def loaded(folder: Path, root: Path) -> Project:
    """The project as the workflow makes it, of the files in a folder."""
    check_config_files([folder / "config.yaml"])
    config = read_yaml(folder / "config.yaml") or {}
    definitions = {"model_definitions": str(folder / "models.yaml"), "experiment_definitions": str(folder / "experiments.yaml")}
    return Project({**config, **definitions} if isinstance(config, dict) else config, root)


@pytest.mark.parametrize("name", FILES)
def test_a_fault_in_a_config_file_is_one_message_or_of_use(root, tmp_path, name):
    shipped = {file: (root / "config" / file).read_text(encoding="utf-8") for file in FILES}
    rng = random.Random(f"faults of {name}")
    refused = accepted = built = 0
    for _ in range(MUTATIONS // len(FILES)):
        text, fault = mutated(shipped[name], rng)
        for file in FILES:
            (tmp_path / file).write_text(text if file == name else shipped[file], encoding="utf-8")
        try:
            project = loaded(tmp_path, root)
            for model in project.models:
                for experiment in project.experiments:
                    project.parameters(project.settings.tier, model, experiment)
        except ContextRotError as error:
            refused += 1
            message = str(error).replace(str(tmp_path), "")
            assert name in message, f"{fault}: {message}"
            assert len(message) < 4000, f"{fault}: {message}"
            continue
        except Exception as error:
            pytest.fail(f"{name}, {fault}: {type(error).__name__}: {error}")
        accepted += 1
        chosen = [name for name in BUILT if name in project.experiments and project.experiments[name].task in BUILT]
        if accepted % 10 == 0 and chosen and "embedded" in project.models and project.models["embedded"].engine == "transformers":
            experiment = chosen[accepted // 10 % len(chosen)]
            try:
                build_samples(project, project.settings.tier, "embedded", experiment, tmp_path / "samples.parquet")
                built += 1
            except ContextRotError as error:
                assert "\n" not in str(error).strip() and len(str(error)) < 4000, f"{fault}: {error}"
            except Exception as error:
                pytest.fail(f"{name}, {fault}, samples of {experiment}: {type(error).__name__}: {error}")
    assert refused > 50 and accepted > 10 and built, (refused, accepted, built)


ODD = [*VALUES[:6], *VALUES[7:22], "[2]", "1e12", "[1000000000000000]", "[50, 50]"]


@pytest.mark.parametrize("task", tasks.names())
def test_no_parameter_takes_what_no_run_can_use(task):
    """Numbers that are none or have no end, empty lists, true and false for numbers, names of 3,000 characters."""
    kind = tasks.load(task).Parameters
    for name, field in kind.model_fields.items():
        annotation, default = str(field.annotation), field.get_default(call_default_factory=True)
        for text in ODD:
            try:
                value = parse_yaml(text, "value")
            except DataError:
                continue
            try:
                taken = getattr(validate(kind, {name: value}, "config.yaml"), name)
            except ConfigError as error:
                assert name in str(error) and len(str(error)) < 1000, f"{name}: {text[:30]}"
                continue
            assert not (isinstance(value, float) and not -1e13 < value < 1e13), f"{name} takes {text}"
            assert not (value == [] and default != []), f"{name} takes an empty list"
            assert not (isinstance(value, bool) and "bool" not in annotation), f"{name} takes {text}"
            assert len(str(taken)) < 2000 or name in kind.long_texts, f"{name} takes 3,000 characters"
