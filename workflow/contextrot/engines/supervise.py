"""Runs a command and ends all of its processes when it is told to, or when its own parent has died.

vLLM's engine is a process below its API server; if the API server were killed alone (as the kernel does when a job is
killed), the engine would stay and hold the GPU. This script stands between: it hears of its parent's death and ends the
whole group. Run as a script, with the standard library alone.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
PATIENCE_SECONDS = 8


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Asks the kernel (of Linux; others have no such thing) to send this process a signal when its parent has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def main(command: list[str]) -> int:
    """Runs the command; returns its exit status, 128 + signal if a signal ended it."""
    end_with_parent(signal.SIGTERM)
    child = subprocess.Popen(command, preexec_fn=end_with_parent)

    def end(number: int, _: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child.terminate()
        try:
            child.wait(PATIENCE_SECONDS)
        finally:
            os.killpg(0, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
