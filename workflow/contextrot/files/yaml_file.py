"""YAML 1.2 files: 21:15, yes and 2024-01-31 are text, numbers keep their text, keys are text, and none may stand twice."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, cast

from ruamel.yaml import YAML, MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.error import ReusedAnchorWarning, YAMLError

from contextrot.errors import ContextRotError, DataError
from contextrot.files.text import check_text, read_text
from contextrot.files.values import WrittenFloat, WrittenInt, real, whole

LARGEST = 1_000_000
"""Values of one file, with all that aliases repeat."""
DEEPEST = 60
_REFUSED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
"""Control characters: YAML takes none, but for U+0085, of which its reader would make a line's end."""
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEAN = {word: truth for truth, name in ((True, "true"), (False, "false")) for word in (name, name.title(), name.upper())}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF))|\.(nan|NaN|NAN)")


def read_yaml(path: str | Path, what: str = "", error: type[ContextRotError] = DataError) -> Any:
    """The value of a YAML file, None if it is empty.

    Args:
        what: what the file is to the user, for messages.
        error: raised for a file that is not right; a missing or unreadable one is it too.

    Raises:
        DataError, or `error`: names file and line of what is no YAML, a key that stands twice, or a tag.
    """
    named = f"{what} {path}".strip()
    try:
        return parse_yaml(read_text(path, what), named)
    except DataError as problem:
        if error is DataError:
            raise
        raise error(str(problem)) from problem


def parse_yaml(text: str, where: str) -> Any:
    """The value of YAML text; see `read_yaml`."""
    refused = _REFUSED.search(text)
    if refused:
        line = text.count("\n", 0, refused.start()) + 1
        raise DataError(
            f"{where}, line {line}: the character U+{ord(refused[0]):04X} cannot stand in YAML as it is; take it out, or write it in double "
            f'quotes as "\\x{ord(refused[0]):02x}".'
        )
    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ReusedAnchorWarning)
            node = yaml.compose(text)
    except (YAMLError, ReusedAnchorWarning) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())[:200]
        raise DataError(f"{where}{place}: not valid YAML: {problem}. Check its indentation, colons and quotes.") from error
    except RecursionError as error:
        raise DataError(f"{where}: values are nested too deep.") from error
    except ValueError as error:
        raise DataError(f"{where}: not valid YAML: {str(error)[:200]}.") from error
    return None if node is None else _Builder(where).value(node, 0)


class _Builder:
    """Makes values of nodes; counts them, so that aliases of aliases cannot fill the memory."""

    def __init__(self, where: str) -> None:
        self.where, self.made = where, 0

    def value(self, node: Node, depth: int) -> Any:
        self.made += 1
        if depth > DEEPEST or self.made > LARGEST:
            raise self.problem(node, "values are nested too deep, or an alias holds itself")
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        if isinstance(node, SequenceNode):
            self.untagged(node, "seq")
            return [self.value(part, depth + 1) for part in node.value]
        self.untagged(node, "map")
        return self.mapping(cast(MappingNode, node), depth)

    def mapping(self, node: MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        inherited: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self.problem(key_node, "a key must be one word or text")
            key = check_text(str(key_node.value), self.where)
            line = key_node.start_mark.line + 1
            if key in lines:
                raise self.problem(key_node, f"the key {key[:80]!r} stands twice, first at line {lines[key]}; keep one of them")
            lines[key] = line
            if key == "<<" and key_node.style is None:
                merged = self.value(value_node, depth + 1)
                for part in merged if isinstance(merged, list) else [merged]:
                    if not isinstance(part, dict):
                        raise self.problem(value_node, "`<<` takes a mapping, such as *name")
                    inherited = part | inherited
            else:
                own[key] = self.value(value_node, depth + 1)
        return inherited | own

    def scalar(self, node: ScalarNode) -> Any:
        text = str(node.value)
        check_text(text, f"{self.where}, line {node.start_mark.line + 1}")
        self.untagged(node, "str", "int", "float", "bool", "null", "timestamp", "value", "merge")
        if node.style is not None:
            self.untagged(node, "str")
        if node.style is not None or str(node.tag).endswith(":str"):
            return text
        if text in _NULL:
            return None
        if text in _BOOLEAN:
            return _BOOLEAN[text]
        try:
            if _WHOLE.fullmatch(text):
                return whole(text)
            if _BASED.fullmatch(text):
                return WrittenInt(text, int(text, 0))
        except ValueError as error:
            raise self.problem(node, "a number has too many digits; write it in quotes") from error
        if _REAL.fullmatch(text):
            return real(text)
        if _NOT_FINITE.fullmatch(text):
            return WrittenFloat(text, float(text.replace(".", "")))
        return text

    def untagged(self, node: Node, *kinds: str) -> None:
        tag = str(node.tag or "").removeprefix("tag:yaml.org,2002:")
        if tag and tag not in kinds:
            raise self.problem(node, f"the tag {tag!r} is not accepted; write plain values")

    def problem(self, node: Node, what: str) -> DataError:
        return DataError(f"{self.where}, line {node.start_mark.line + 1}: {what}.")
