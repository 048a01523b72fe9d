"""What is done with the request store as a whole: told, verified, packed, exported, pruned."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from contextrot.errors import StoreError
from contextrot.files.regular_files import read_regular
from contextrot.records import write_atomically
from contextrot.responses.segment_writer import SegmentWriter, take_over
from contextrot.responses.segments import FORGOTTEN, Damage
from contextrot.responses.store import FORMAT, LARGEST_ANSWER, RequestStore
from contextrot.responses.stored_answers import checked


def _model_of(content: bytes) -> str:
    """Who answered a record, as the settings or the server name it."""
    try:
        record = json.loads(content)
        return str(record["request"].get("model") or record["response"].get("model") or "unknown")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "not readable"


def show(folder: Path) -> str:
    """Answers and bytes by model, with files of earlier versions, and how to clear the store."""
    store = RequestStore(folder)
    answers: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for _, content in store.segments.latest():
        model = _model_of(content)
        answers[model] += 1
        size[model] += len(content)
    lines = [f"{answers[model]:>12,}  {size[model] / 2**20:>10,.1f} MiB  {model}" for model in sorted(answers)]
    single = sum(1 for _ in folder.glob("??/*.json"))
    if single:
        lines.append(f"{single:>12,}  in files of their own, of an earlier version: `snakemake pack_request_store` packs them")
    stored, taken = store.size()
    head = f"{folder}: {stored:,} stored answers, {taken / 2**20:,.1f} MiB."
    clear = f"To clear it: rm -r {folder}   (nothing else breaks; the requests are asked, and paid, again)"
    return "\n".join([head, clear, *lines])


def verify(folder: Path) -> str:
    """Reads every byte.

    Raises:
        StoreError: if anything is damaged, with what and where.
    """
    store = RequestStore(folder)
    sound, damage = store.segments.verify()
    torn = [found for found in damage if found.torn]
    broken = [found for found in damage if not found.torn]
    files = [path for path in folder.glob("??/*.json") if not _sound_file(path)]
    told = f"{folder}: {sound:,} packed records are sound" + (f", {len(torn)} torn by a kill are left out" if torn else "")
    if broken or files:
        places = [_place(found) for found in broken] + [str(path) for path in files]
        raise StoreError(
            f"{told}; {len(places)} are damaged: {', '.join(places[:5])}{' ...' if len(places) > 5 else ''}. They are asked again when "
            "they are wanted; `snakemake prune_request_store` takes them out."
        )
    return told


def _place(damage: Damage) -> str:
    return f"{damage.length} bytes at {damage.offset} of {damage.segment}"


def _sound_file(path: Path) -> bool:
    try:
        record = json.loads(read_regular(str(path), LARGEST_ANSWER))
        checked(record["response"])
        return record["format"] == FORMAT and record["key"] == path.stem
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def pack(folder: Path) -> str:
    """Packs the files of earlier versions: each is deleted once its answer is on the disk elsewhere; damaged ones stay."""
    store, packed, left = RequestStore(folder), 0, 0
    try:
        for path in sorted(folder.glob("??/*.json")):
            if not _sound_file(path):
                left += 1
                continue
            content = read_regular(str(path), LARGEST_ANSWER)
            if store.segments.get(path.stem) is None:
                record = json.dumps(json.loads(content), ensure_ascii=False)
                store.segments.append(path.stem, record, at=path.stat().st_mtime_ns)
            path.unlink()
            packed += 1
    except OSError as error:
        raise StoreError(
            f"the request store {folder} cannot be packed: {error.strerror or error}. What was packed is kept."
        ) from error
    finally:
        store.close()
    for subfolder in folder.glob("??"):
        if subfolder.is_dir() and not any(subfolder.iterdir()):
            subfolder.rmdir()
    return f"{folder}: {packed:,} answers packed" + (f", {left} damaged files left as they are" if left else "")


def export(folder: Path, output: str | Path) -> str:
    """Writes all answers as JSON lines."""
    count = 0

    def write(path: Path) -> None:
        nonlocal count
        with path.open("wb") as file:
            for _, content in RequestStore(folder).segments.latest():
                file.write(content + b"\n")
                count += 1
            for path in sorted(folder.glob("??/*.json")):
                if _sound_file(path):
                    record = json.dumps(json.loads(read_regular(str(path), LARGEST_ANSWER)), ensure_ascii=False)
                    file.write(record.encode("utf-8", "surrogatepass") + b"\n")
                    count += 1

    write_atomically(output, write)
    return f"{output}: {count:,} answers"


def prune(folder: Path, models: Collection[str] = ()) -> str:
    """Writes the segments anew without superseded, taken-back and damaged records, and without the answers of some models.

    Segments that somebody writes to are left as they are; while there are any, what takes an answer back is kept, as they may hold an older one.
    A kill leaves both the old and the new, in which nothing is lost.
    """
    store = RequestStore(folder)
    segments = store.segments
    names = segments.names() if segments.folder.is_dir() else []
    files = {name: file for name in names if (file := take_over(segments.folder / name)) is not None}
    segments.look_again()  # what was written between the opening and the locks
    writer = SegmentWriter(segments.folder, new=True)
    kept = dropped = 0
    try:
        for name, key, at, content in segments.latest_places():
            if name not in files:
                continue
            if content != FORGOTTEN and _model_of(content) not in models:
                writer.append(key, content.decode("utf-8", "surrogatepass"), at, flush=False)
                kept += 1
                continue
            dropped += 1
            store.path(key).unlink(missing_ok=True)
            if len(files) < len(names):
                writer.append(key, FORGOTTEN.decode(), at, flush=False)
        writer.flush()
        before = sum(os.fstat(file).st_size for file in files.values())
        for name in files:
            (segments.folder / name).unlink()
        (segments.folder / "index").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"the request store {folder} cannot be pruned: {error.strerror or error}. Nothing is lost.") from error
    finally:
        writer.close()
        for file in files.values():
            os.close(file)
        store.close()
    damaged = 0
    for path in folder.glob("??/*.json"):
        if not _sound_file(path):
            damaged += 1
        elif models and _model_of(read_regular(str(path), LARGEST_ANSWER)) in models:
            dropped += 1
        else:
            continue
        path.unlink()
    after = sum(path.stat().st_size for path in segments.folder.glob("*.segment"))
    return f"{folder}: {kept:,} answers kept, {dropped:,} dropped, {damaged} damaged files deleted; {(before - after) / 2**20:,.1f} MiB less"


_ACTIONS: dict[str, Callable[..., str]] = {"show": show, "verify": verify, "pack": pack, "export": export, "prune": prune}


def keep_request_store(action: str, folder: str | Path, **given: Any) -> str:
    """What one of these actions has to say.

    Raises:
        StoreError: of the action.
    """
    return _ACTIONS[action](Path(folder), **given)
