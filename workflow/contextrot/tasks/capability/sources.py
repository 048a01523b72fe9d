"""Rows of the benchmarks' files: in a folder, in LongBench's archive, or in the Hub's cache."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from contextrot.errors import DataError
from contextrot.files import Row, read_rows
from contextrot.samples import hub

ARCHIVE = "data.zip"
V2_FILE = "data.json"


def local(source: str, data: Path) -> Path | None:
    """The folder or file that a source names, from the data folder or else the working folder; None for a data set of the Hub.

    Raises:
        DataError: for a path that does not exist.
    """
    for path in (data / source, Path(source)):
        if path.exists():
            return path
    if hub.is_file_name(source):
        raise DataError(
            f"{source} does not exist, neither in {data} nor here; mend the path, or give the id of a data set of the Hub."
        )
    return None


def held(place: Path, name: str) -> Path | None:
    """What holds a file of a local source: the source itself if it is a file, the file in the folder or its data/, or the folder's archive."""
    if not place.is_dir():
        return place
    return next((path for path in (place / name, place / "data" / name, place / ARCHIVE) if path.is_file()), None)


def local_files(source: str, data: Path, names: Sequence[str]) -> list[Path]:
    """The files of a local source that the samples are built from."""
    place = local(source, data)
    found = [] if place is None else [held(place, name) for name in names]
    return [path for path in dict.fromkeys(found) if path is not None]


def rows_of(source: str, data: Path, name: str, revision: str, archived: bool = False) -> list[Row]:
    """The rows of one file of a source.

    Args:
        name: the file's, such as qasper.jsonl.
        archived: whether the Hub's data set keeps it in data.zip.

    Raises:
        DataError: if the file is not there, or not in its format.
    """
    place = local(source, data)
    if place is None:
        path = hub.download(source, ARCHIVE if archived else name, revision)
    elif (inside := held(place, name)) is not None:
        path = inside
    else:
        there = ", ".join(sorted(path.name for path in place.iterdir())[:12]) or "nothing"
        raise DataError(f"{place} has no {name} (and no {ARCHIVE}); it has {there}. Put the file there, or leave its set out.")
    return _archived_rows(path, name) if path.suffix.lower() == ".zip" else read_rows(path, "data set")


def _archived_rows(archive: Path, name: str) -> list[Row]:
    try:
        with zipfile.ZipFile(archive) as opened, tempfile.TemporaryDirectory() as folder:
            members = {PurePosixPath(member).name: member for member in opened.namelist()}
            if name not in members:
                raise DataError(
                    f"{archive} has no {name}; it has {', '.join(sorted(members)[:12])}. Leave the set out, or get the whole archive."
                )
            unpacked = Path(folder) / name
            unpacked.write_bytes(opened.read(members[name]))
            return read_rows(unpacked, f"data set {archive}:")
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive} is no zip archive ({error}); download it again.") from error
