"""Snakemake reads its config files by YAML 1.1, where the last of two equal keys wins and 21:15 is 1275: here they are read again.

What was read is right as long as both readings agree; where they do not, the user is told instead of guessed about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from contextrot.errors import ConfigError
from contextrot.files import read_text, read_yaml
from contextrot.settings import Settings


def check_config_files(paths: Iterable[str | Path]) -> None:
    """Checks the files that Snakemake's `config` comes from, as it names them; those of another workflow for double keys alone.

    Raises:
        ConfigError: names file and line of a key that stands twice, or file and key of a value that has two readings.
    """
    for path in map(Path, paths):
        if path.suffix.lower() not in (".yaml", ".yml") or not path.is_file():
            continue
        read = read_yaml(path, error=ConfigError)
        if isinstance(read, dict) and not any(key.startswith("__use_yte__") for key in read):
            _compare(path, {key: value for key, value in read.items() if key in Settings.model_fields}, _by_yaml_1_1(path))


def checked_file(path: Path, refuse: Callable[[str], Exception]) -> Path:
    """The path of a config file that Snakemake can read; its own message would name neither file nor line."""
    try:
        check_config_files([path])
    except ConfigError as error:
        raise refuse(str(error)) from error
    return path


def _by_yaml_1_1(path: Path) -> dict[Any, Any]:
    import yaml

    try:
        found = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as YAML 1.1, as Snakemake reads it: {str(error).splitlines()[0]}.") from error
    return found if isinstance(found, dict) else {}


def _compare(path: Path, ours: Any, theirs: Any, key: str = "") -> None:
    """Refuses the first value that has two readings."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            place = f"{key}.{name}".lstrip(".")
            if name not in theirs:
                raise ConfigError(
                    f"{path}: the key {place!r} is another one in YAML 1.1, as Snakemake reads it; put it in quotes."
                )
            _compare(path, value, theirs[name], place)
    elif isinstance(ours, list) and isinstance(theirs, list):
        for value, other in zip(ours, theirs, strict=True):
            _compare(path, value, other, key)
    elif isinstance(ours, str) and ours != theirs:
        raise ConfigError(
            f"{path}: {key} = {ours} is text, but {theirs!r} to readers of YAML 1.1 such as Snakemake; put it in quotes, or write true or false."
        )
