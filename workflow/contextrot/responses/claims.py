"""One request is asked by one at a time: the others wait for its answer, in this process and in all that share the request store.

A claim is a lock of one byte in the store's file `claims`, at a place that the request's key gives. The kernel (or the network file system's
server) holds it for its owner and takes it back when that is gone, however it ended: no claim needs a lease, a heartbeat or
clearing up, and taking one costs a microsecond. Where a file system knows no such locks, jobs go on without claims and say so once.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

FILE = "claims"
_KEY_CHARACTERS = 15
_BUSY = (errno.EAGAIN, errno.EACCES)
_FLOCK = "hhqqi4x"  # struct flock of Linux on 64 bits

log = logging.getLogger(__name__)


class Claims:
    """The claims of one client on a request store.

    Args:
        folder: of the request store.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: int | None = None
        self._works = sys.platform == "linux" and struct.calcsize("P") == 8

    def take(self, key: str) -> bool:
        """Whether the request is ours now; False while somebody else is asking it. True also where there can be no claims."""
        if not self._works:
            return True
        import fcntl

        try:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK, key))
        except OSError as error:
            if error.errno in _BUSY and self._file is not None:
                return False
            self._works = False
            log.warning("request store: %s takes no locks (%s); two jobs at once may ask the same request", self._path, error)
        return True

    def release(self, key: str) -> None:
        """Gives a claim back."""
        if self._works and self._file is not None:
            import fcntl

            with suppress(OSError):  # a network file system that is gone holds nothing either
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, key))

    def close(self) -> None:
        """Gives all claims back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _flock(kind: int, key: str) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, int(key[:_KEY_CHARACTERS], 16), 1, 0)


def whole_file(kind: int) -> bytes:
    """A lock of all of a file, for `fcntl`."""
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)
