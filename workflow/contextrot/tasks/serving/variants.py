"""The servers that an experiment measures: each mode, with every combination of the engine options that are varied."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product
from typing import Any

MOST = 64
"""Servers of one experiment."""
PATTERN = r"(?:aggregated|disaggregated)(?:\+[A-Za-z0-9._,=-]+)?"
"""What the name of one looks like, in paths."""
LONGEST_NAME = 120


@dataclass(frozen=True)
class Variant:
    """One server.

    Attributes:
        name: `aggregated`, or with options `aggregated+max_num_seqs=8,dtype=float16`; stands in paths.
        mode: aggregated or disaggregated.
        options: dotted names of engine options -> their values.
    """

    name: str
    mode: str
    options: dict[str, Any] = field(default_factory=dict)

    def applied(self, engine_options: Mapping[str, Any]) -> dict[str, Any]:
        """A model's engine options with this server's own."""
        found = deepcopy(dict(engine_options))
        for name, value in self.options.items():
            *path, last = name.split(".")
            place = found
            for part in path:
                inner = place.get(part)
                place[part] = dict(inner) if isinstance(inner, Mapping) else {}
                place = place[part]
            place[last] = value
        return found


def variants(modes: Sequence[str], vary: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """All servers, the one that others are compared with first.

    Raises:
        ValueError: for an option without values, values that are the same, or too many servers.
    """
    for name, values in vary.items():
        if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name):
            raise ValueError(f"`vary` names engine options, nested ones with dots, not {name!r}")
        texts = [json.dumps(value, sort_keys=True, default=str) for value in values]
        if not values or len(set(texts)) < len(texts):
            raise ValueError(f"`vary`: {name} needs at least one value, and none twice, not {list(values)!r}")
    found = []
    for mode in modes:
        for values in product(*vary.values()):
            options = dict(zip(vary, values, strict=True))
            found.append(Variant(_name(mode, options), mode, options))
    if len(found) > MOST:
        raise ValueError(f"`vary` and `modes` make {len(found)} servers, at most {MOST} are measured in one experiment")
    if len({one.name for one in found}) < len(found):
        raise ValueError("`vary` makes servers of one name; write their values differently")
    return found


def _name(mode: str, options: Mapping[str, Any]) -> str:
    if not options:
        return mode
    parts = []
    for name, value in options.items():
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,40}", text):
            text = hashlib.sha256(text.encode()).hexdigest()[:8]
        parts.append(f"{name}={text}")
    joined = ",".join(parts)
    short = joined if len(joined) <= LONGEST_NAME else hashlib.sha256(joined.encode()).hexdigest()[:12]
    return f"{mode}+{short}"
