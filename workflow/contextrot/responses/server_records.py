"""What servers and builds of engines said of themselves, as the request store remembers it: files that any job may read without asking anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from contextrot.files.regular_files import read_regular
from contextrot.records import write_text

SERVERS = "servers"
"""Folder in the request store."""
LARGEST_ANSWER = 20_000_000


def remember(store: Path, name: str, said: dict[str, Any]) -> None:
    """Keeps what was said under a fingerprint, or under another name."""
    write_text(store / SERVERS / f"{name}.json", json.dumps(said, indent=2))


def said_by(store: Path, name: str) -> dict[str, Any]:
    """What the server or build of a fingerprint said of itself; empty if nobody here has asked it."""
    try:
        said = json.loads(read_regular(store / SERVERS / f"{name}.json", LARGEST_ANSWER))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
