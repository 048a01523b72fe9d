"""Where results come from: a hash of the code behind them, and what ran with which versions on which machine."""

from __future__ import annotations

import hashlib
from pathlib import Path

LIBRARY = Path(__file__).parent


def code_hash(*names: str) -> str:
    """A hash of library files, for a rule's params: an edit of these files, and of no other, runs the rule again.

    Args:
        names: files, folders or glob patterns below workflow/contextrot: "scoring.py", "figures", "tasks/niah.py".

    Raises:
        ValueError: if a name matches no file (a rule that names a file that was moved).
    """
    files: set[Path] = set()
    for name in names:
        found = sorted(LIBRARY.glob(name))
        found = [file for path in found for file in (path.rglob("*.py") if path.is_dir() else [path])]
        if not found:
            raise ValueError(f"no file of the library matches {name!r}")
        files.update(found)
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.relative_to(LIBRARY).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
