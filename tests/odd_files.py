"""What may stand where a file is looked for, and is none that can be read."""

from __future__ import annotations

import os
from pathlib import Path

LINKS = {"zero": "/dev/zero", "full": "/dev/full", "nowhere": "/nowhere/at/all"}
KINDS = ("pipe", "loop", "folder", "huge", *LINKS)


def make_odd_file(path: Path, kind: str) -> None:
    """Puts a pipe, a link to itself, a folder, a sparse file of 100 GiB, or a link to one of LINKS at a path; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        path.touch()
        os.truncate(path, 100 << 30)
    else:
        path.symlink_to(LINKS[kind])
