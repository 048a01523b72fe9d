"""The Hugging Face Hub: files that are checked, what its errors mean for a person, and which of its settings were in force."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

from contextrot.errors import DataError
from contextrot.files.tables import READERS

VARIABLES = (
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_DATASETS_CACHE",
    "HF_TOKEN_PATH",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "PYTORCH_CUDA_ALLOC_CONF",
)
"""Variables that say where models and data sets are kept and loaded from; the token itself is never among them."""


def environment() -> dict[str, str]:
    """Those of VARIABLES that are set."""
    return {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}


DATA_ENDINGS = (
    ".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".md", ".parquet", ".arrow", ".yaml", ".yml", ".xlsx", ".gz", ".zip", ".zst",
)  # fmt: skip


TEXT_TABLES = (".csv", ".tsv", ".json", ".jsonl")


def is_file_name(name: str, folder: Path | None = None) -> bool:
    """Whether a data set's name can only mean a file: it is there, has a data file's ending, or is written as a path.

    Args:
        folder: where a relative name is looked for; the working folder without it.
    """
    try:
        if Path(name).is_dir():
            return False
        if ((folder or Path()) / name).is_file():
            return True
    except (OSError, ValueError):
        return True
    return name.lower().endswith(DATA_ENDINGS) or name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1


def download(name: str, file: str, revision: str, sha256: str | None = None) -> Path:
    """A file of a data set of the Hub at one revision, from the cache if it is there; its size and checksum are checked.

    Args:
        name: id of the data set, or a local folder.
        sha256: what the file must have, hex; without it, the checksum under which the Hub itself keeps the file.

    Raises:
        DataError: if it cannot be had, or is another file than it should be.
    """
    if is_file_name(name):
        raise DataError(
            f"data set {name[:300]!r} (file {file!r}, revision {revision[:12]}) does not exist here, and a file is not looked for on "
            "the Hub; put it there, or mend the path."
        )
    if Path(name).is_dir():
        path = Path(name) / file
        if not path.is_file():
            raise DataError(f"{path} does not exist; check the file's name.")
    else:
        from huggingface_hub import hf_hub_download

        try:
            path = Path(hf_hub_download(name, file, repo_type="dataset", revision=revision))
        except Exception as error:
            raise explain("data set", f"{name!r} (file {file!r}, revision {revision[:12]})", error) from error
    check(path, sha256)
    return path


def load_rows(name: str, subset: str | None, split: str, revision: str | None) -> list[dict[str, Any]]:
    """The rows of a split of a data set of the Hub, or of a local folder.

    Files of CSV and JSON are read by this project's readers, because `datasets` guesses types: 0042 is 42, NA is none, a date a time.

    Raises:
        DataError: if such a file is not in its format, or the data set cannot be had; says what to do (see `explain`).
    """
    try:
        return _load_rows(name, subset, split, revision)
    except DataError:
        raise
    except Exception as error:
        raise explain("data set", " ".join(filter(None, [name, subset and f"({subset})", f"split {split}"])), error) from error


def _load_rows(name: str, subset: str | None, split: str, revision: str | None) -> list[dict[str, Any]]:
    from datasets import DownloadManager, disable_progress_bars, load_dataset, load_dataset_builder

    disable_progress_bars()
    builder = load_dataset_builder(name, subset, revision=revision)
    files = dict(builder.config.data_files or {}).get(split, [])
    if builder.dataset_name and files and all(Path(str(file)).suffix in TEXT_TABLES for file in files):
        paths = DownloadManager().download([str(file) for file in files])
        return [
            dict(row) for file, path in zip(files, paths, strict=True) for row in READERS[Path(str(file)).suffix](Path(path), "")
        ]
    return load_dataset(name, subset, split=split, revision=revision).to_list()


def check(path: Path, sha256: str | None = None) -> None:
    """Raises DataError if a file has another SHA-256, or than its name in the Hub's cache says (git's SHA-1 for a small file)."""
    kept_as = path.resolve().name
    expected = (sha256 or kept_as).lower()
    if not re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", expected):
        return
    digest = hashlib.sha256() if len(expected) == 64 else hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise DataError(
            f"{path} ({path.stat().st_size:,} bytes) has the checksum {digest.hexdigest()}, but should have {expected} "
            f"({'`sha256`' if sha256 else 'as the Hub names it'}). Delete {path.resolve()} and run again"
            f"{'; if another version is meant, correct `sha256`' if sha256 else ''}."
        )


def explain(kind: str, name: str, error: Exception) -> DataError:
    """The error for a person when a model or data set could not be loaded.

    Args:
        kind: "model" or "data set".
        name: its id, with configuration, split or revision where they matter.
        error: what the library raised.
    """
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    kinds = {type(link).__name__ for link in chain}
    text = " ".join(str(link) for link in chain)
    first = next((line.strip() for link in chain for line in str(link).splitlines() if line.strip()), type(error).__name__)
    if "Consistency check failed" in text:
        advice = "The download was cut off or altered on its way: run again."
    elif "GatedRepoError" in kinds or "gated" in text.lower():
        advice = "It is gated: accept its licence on huggingface.co, then set HF_TOKEN to a token that may read it."
    elif (
        kinds & {"OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectionError", "ConnectError"}
        or "offline" in text.lower()
    ):
        advice = "It is not in the local cache and the Hub could not be reached: check the network, or point HF_HOME to a cache that has it."
    elif kinds & {"RepositoryNotFoundError", "DatasetNotFoundError", "RevisionNotFoundError"}:
        advice = "Check its name and revision; if it is private, set HF_TOKEN to a token that may read it."
    else:
        advice = "Check its name, configuration, split and revision, and the network."
    return DataError(f"{kind} {name} could not be loaded: {first[:300]} {advice}")
