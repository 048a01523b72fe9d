"""The request store of jobs that share no folder: its segments lie in a bucket too.

Before a job looks for answers it fetches the segments that are there; while it asks, and when it ends in whatever way but a kill, it puts its own
there. A fetched segment is nobody's to append to, so no two jobs write one object.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from contextrot.errors import ConfigError, StoreError
from contextrot.responses.segment_writer import FETCHED, SUFFIX
from contextrot.responses.store import RequestStore
from contextrot.secrets import without_credentials

SECONDS_BETWEEN = 20.0
MOST_SHARE = 0.1
"""Of a job's time that may go to putting its segment, which is put whole, into the bucket."""
_KEYS = {"AWS_ACCESS_KEY_ID": "SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "SNAKEMAKE_STORAGE_S3_SECRET_KEY"}
"""Variables that the bucket's client reads -> those of Snakemake's plugin, which take their place."""

log = logging.getLogger(__name__)


@contextmanager
def kept_in_bucket(store: RequestStore, address: str | None) -> Iterator[None]:
    """Fetches the store's segments from a bucket, and keeps there what is added to the store meanwhile; does nothing without an address.

    Raises:
        ConfigError: for an address that is none.
        StoreError: if the bucket cannot be read.
    """
    if address is None:
        yield
        return
    bucket = _Bucket(store, address)
    bucket.fetch()
    ended = threading.Event()
    thread = threading.Thread(target=bucket.put_now_and_then, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        bucket.put()


class _Bucket:
    def __init__(self, store: RequestStore, address: str) -> None:
        from pyarrow import fs

        self._told = without_credentials(address)
        for name, other in _KEYS.items():
            if other in os.environ:
                os.environ.setdefault(name, os.environ[other])
        try:
            self._files, self._path = fs.FileSystem.from_uri(address)
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"request_store_bucket = {self._told!r} is no address of a bucket: {error}. Name one such as s3://BUCKET/store or gs://BUCKET/store."
            ) from error
        self._store, self._folder = store, store.folder / "segments"
        self._size = 0

    def fetch(self) -> None:
        """All segments of others, as far as they are not here."""
        from pyarrow import fs

        try:
            for there in self._files.get_file_info(fs.FileSelector(self._path, allow_not_found=True)):
                if there.base_name.endswith(SUFFIX) and not (self._folder / there.base_name).exists():
                    self._fetch_one(there)
        except OSError as error:
            raise StoreError(
                f"the request store in {self._told} cannot be read: {error}. Check the address and its keys, or unset request_store_bucket."
            ) from error

    def _fetch_one(self, there: Any) -> None:
        here = self._folder / f"{FETCHED}{there.base_name}"
        if here.exists() and here.stat().st_size >= (there.size or 0):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        # in place, for readers have it open; what was there stays as it is, as segments only grow
        with self._files.open_input_stream(there.path) as content, here.open("r+b" if here.exists() else "xb") as file:
            shutil.copyfileobj(content, file)

    def put_now_and_then(self, ended: threading.Event) -> None:
        """Puts this process's segment into the bucket until the job has ended."""
        pause = SECONDS_BETWEEN
        while not ended.wait(pause):
            begin = time.monotonic()
            self.put()
            pause = max(SECONDS_BETWEEN, (time.monotonic() - begin) / MOST_SHARE)

    def put(self) -> None:
        """Puts this process's segment into the bucket, if it has grown; what cannot be put now is with the next."""
        from pyarrow import fs

        path = self._store.own_segment
        if path is None:
            return
        size = 0
        with suppress(OSError):
            size = path.stat().st_size
        if size <= self._size:
            return
        try:
            if self._files.type_name == "local":
                self._files.create_dir(self._path, recursive=True)
            target = f"{self._path}/{path.name}"
            fs.copy_files(str(path), target, source_filesystem=fs.LocalFileSystem(), destination_filesystem=self._files)
            self._size = size
        except OSError as error:
            log.warning("request store: %s does not take %s now (%s)", self._told, path.name, error)
