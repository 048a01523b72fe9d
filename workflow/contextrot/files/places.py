"""Where a file or folder is that an experiment names."""

from __future__ import annotations

import os
from pathlib import Path


def in_data_or_here(name: str, data: Path) -> Path:
    """A file or folder by its name: in the data folder, or in the working folder if it is there alone.

    Returns:
        The place in the data folder if it is in neither, or the name cannot be a path at all; reading it then says so.
    """
    inside = data / name
    there = os.path.exists  # Path.exists raises for a name that is too long
    return inside if there(inside) or not there(name) else Path(name)
