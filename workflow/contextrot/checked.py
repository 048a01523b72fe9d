"""The base of all settings: what pydantic would let pass and no run could use is refused, with the key's name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from contextrot import secrets
from contextrot.errors import ConfigError, unknown
from contextrot.files.values import plain

LARGEST = 10**12
LARGEST_SEED = 2**63 - 1
LONGEST_NAME = 500
LONGEST_TEXT = 100_000


class Checked(BaseModel):
    """Unknown keys are errors, numbers stand for text as they are written, and text for numbers.

    Refused everywhere: true and false for numbers, what is not finite or beyond any use, names too long for a file, and lists
    without a member unless `may_be_empty` says so.
    """

    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=True, coerce_numbers_to_str=True, allow_inf_nan=False, protected_namespaces=()
    )

    may_be_empty: ClassVar[frozenset[str]] = frozenset()
    """Fields whose empty list means something."""
    checked_later: ClassVar[frozenset[str]] = frozenset()
    """Fields of any form that another schema checks, to which numbers still are what was written."""
    long_texts: ClassVar[frozenset[str]] = frozenset()
    """Fields that are no names, but prompts or answers."""

    @field_validator("*", mode="before")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields.get(info.field_name or "")
        kind: Any = field.annotation if field is not None else None
        if field is not None and _holds_boolean(value) and not _takes_boolean(kind):
            raise ValueError("true and false are not accepted here; a text that reads so goes in quotes")
        if isinstance(value, float) and not -LARGEST <= value <= LARGEST:
            raise ValueError(f"must be a number up to {LARGEST:.3g}; a text that reads so goes in quotes")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _usable(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.field_name or ""
        field = cls.model_fields.get(name)
        if (
            value == []
            and isinstance(value, list)
            and name not in cls.may_be_empty
            and field
            and field.get_default(call_default_factory=True) != []
        ):
            raise ValueError("must hold at least one value; leave the key out for the default")
        kind: Any = field.annotation if field is not None else None
        free = name == "seed" or _is_free(kind)
        if free and name not in cls.checked_later:
            value = plain(value)
        _check_sizes(value, LARGEST_SEED if free else LARGEST, LONGEST_TEXT if free or name in cls.long_texts else LONGEST_NAME)
        return value


def validate(kind: type[BaseModel], values: Mapping[str, Any], where: str) -> Any:
    """`values` as an instance of `kind`.

    Raises:
        ConfigError: with one line for each key that is unknown, missing or of another type.
    """
    if values is not None and not isinstance(values, Mapping):
        raise ConfigError(f"{where}: must be a mapping of keys to values, not {shown(values)}.")
    try:
        return kind.model_validate(dict(values or {}))
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            key = ".".join(map(str, problem["loc"]))[:200]
            if problem["type"] == "extra_forbidden":
                lines.append(str(unknown("key", key, _keys(kind, problem["loc"]), where)))
            elif problem["type"] == "missing":
                lines.append(f"{where}: {key!r} is missing.")
            else:
                message = re.sub(r"^Value error, ", "", problem["msg"])
                given = secrets.public({key: problem["input"]})[key]
                lines.append(f"{where}: {key} = {shown(given)} is not accepted: {message}.")
        raise ConfigError("\n".join(lines)) from None


def shown(value: Any) -> str:
    """A value as a message shows it: at most a line of it."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _keys(kind: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The keys that would have been accepted where an unknown one stood."""
    for part in location[:-1]:
        annotation = kind.model_fields[part].annotation if part in kind.model_fields else None
        candidates = [a for a in [annotation, *getattr(annotation, "__args__", ())] if isinstance(a, type)]
        kind = next((a for a in candidates if issubclass(a, BaseModel)), kind)
    return list(kind.model_fields)


def _holds_boolean(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_boolean, value.values()))
    return any(map(_holds_boolean, value)) if isinstance(value, list | tuple) else isinstance(value, bool)


@cache
def _takes_boolean(annotation: Any) -> bool:
    if annotation in (bool, Any) or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return True
    return any(_takes_boolean(part) for part in get_args(annotation) if _is_kind(part))


@cache
def _is_free(annotation: Any) -> bool:
    return annotation is Any or any(_is_free(part) for part in get_args(annotation) if _is_kind(part))


def _is_kind(part: Any) -> bool:
    """Whether a part of an annotation is a type: not the text of a Literal, nor a constraint."""
    return isinstance(part, type) or bool(get_args(part)) or part is Any


def _check_sizes(value: Any, largest: int, longest: int) -> None:
    if isinstance(value, bool) or value is None or isinstance(value, BaseModel):
        return
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        if abs(value) > largest:
            raise ValueError(f"must be at most {largest:.3g}")
    elif isinstance(value, str):
        if len(value) > longest:
            raise ValueError(f"must have at most {longest:,} characters, not {len(value):,}")
        if "\0" in value or any(0xD800 <= ord(letter) <= 0xDFFF for letter in value):
            raise ValueError("must not hold a NUL character or half a surrogate pair")
    elif isinstance(value, Mapping):
        for key, part in value.items():
            _check_sizes(key, largest, LONGEST_NAME)
            try:
                _check_sizes(part, largest, longest)
            except ValueError as error:
                raise ValueError(f"{str(key)[:80]}: {error}") from error
    elif isinstance(value, list | tuple):
        for part in value:
            _check_sizes(part, largest, longest)
