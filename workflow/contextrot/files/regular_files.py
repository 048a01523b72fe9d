"""Files that anybody may have put where we read: only regular ones, and only up to a size, so that none hangs or fills the memory."""

from __future__ import annotations

import errno
import os
import stat


def read_regular(path: str | os.PathLike[str], most_bytes: int | None = None, offset: int = 0) -> bytes:
    """The content of a regular file from an offset on.

    Args:
        most_bytes: how large what is read may be; None for any size.

    Raises:
        IsADirectoryError: for a folder.
        ValueError: for a pipe, a device, or a file that is larger.
        OSError: if it cannot be opened or read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is no regular file")
        left = status.st_size - offset
        if most_bytes is not None and left > most_bytes:
            raise ValueError(f"it has more than {most_bytes:,} bytes")
        if offset:
            os.lseek(handle, offset, os.SEEK_SET)
        data = os.read(handle, max(left, 0))
        if len(data) < left:  # one call gives 2 GiB at most, and less on some network file systems
            parts = [data]
            while (left := left - len(parts[-1])) > 0 and parts[-1]:
                parts.append(os.read(handle, left))
            data = b"".join(parts)
        return data
    finally:
        os.close(handle)
