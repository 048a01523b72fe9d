"""The end of a run is the end of its jobs: a job ends when the Snakemake that started it has, however that was.

Snakemake names itself in the environment of its jobs when it reads the Snakefile; so does the one that the executor of a cluster
starts around each of its jobs. So a job always looks at the Snakemake beside it, and on a cluster outlives the one that submitted it.

A terminal that is closed (SIGHUP) ends a run as Ctrl-C does.
"""

from __future__ import annotations

import logging
import os
import signal
import stat
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

OWNER = "CONTEXTROT_RUN"
"""Environment variable with the process that a job ends with."""
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_END = 3.0
"""Time for an orderly end, after which there is another."""

log = logging.getLogger(__name__)


def begin_run(submitted: bool) -> None:
    """Makes this process the one that its jobs end with, and a closed terminal an interruption.

    Args:
        submitted: whether it is there for a job of a cluster, which outlives the run that submitted it; any other ends with the
            run that it is a part of, if it is (the one that writes the report is).
    """
    if not submitted:
        end_with_owner()
    os.environ[OWNER] = _name(os.getpid())
    if threading.current_thread() is threading.main_thread():
        interrupt_at_hangup()


def end_with_owner() -> None:
    """From now on this process ends, with SIGTERM to itself, when its owner has ended; at once if it has already."""
    owner = os.environ.get(OWNER, "")
    if not owner or owner.split()[0] != _place() or owner == _name(os.getpid()):
        return  # started by hand, or in a container that does not see the owner
    if not _lives(owner):
        os._exit(143)
    threading.Thread(target=_watch, args=[owner], daemon=True, name="lifeline").start()


def interrupt_at_hangup() -> None:
    """Makes SIGHUP raise KeyboardInterrupt, once, here and in this process's children of the same group; `nohup` is left alone."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _hang_up)


def _hang_up(number: int, frame: FrameType | None) -> None:
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return  # a second came at once
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for descriptor in (1, 2):  # nobody reads what is said to a closed terminal, and to say it would be an error
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
    for child in psutil.Process().children(recursive=True):
        with suppress(OSError, psutil.Error):
            if os.getpgid(child.pid) == os.getpgrp():
                child.send_signal(signal.SIGHUP)
    raise KeyboardInterrupt


def _watch(owner: str) -> None:
    while _lives(owner):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    log.error("the run that started this job has ended, and so does the job")
    with suppress(ProcessLookupError):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
    time.sleep(SECONDS_TO_END)
    os._exit(143)


def _lives(owner: str) -> bool:
    return _name(int(owner.split()[1])) == owner


def _name(pid: int) -> str:
    """Where, which and since when: numbers of processes are given again. Without the last for a process that has ended."""
    return f"{_place()} {pid} {_begun(pid)}"


def _place() -> str:
    """What two processes have in common that see each other under the same numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return os.uname().nodename


def _begun(pid: int) -> str:
    if sys.platform == "linux":
        try:
            state, *rest = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return ""
        return "" if state in (b"Z", b"X") else rest[18].decode()
    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.Error:
        return ""
