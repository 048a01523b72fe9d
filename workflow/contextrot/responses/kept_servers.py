"""A model's server that outlives a job: a host beside Snakemake (see `host`) keeps it for the run's next job that asks the model.

To load a model can take longer than to ask it. Jobs on other machines, and in software environments of their own, have no host and
serve for themselves.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from contextrot import engines, errors
from contextrot.engines import Endpoint
from contextrot.errors import EngineError
from contextrot.settings import ModelSettings

log = logging.getLogger(__name__)

ADDRESS = "CONTEXTROT_SERVER_HOST"
"""Environment variable with the path of the host's socket; it says the process as well, as a job elsewhere may inherit it."""


@contextmanager
def serve(model: ModelSettings, log_path: Path) -> Iterator[Endpoint]:
    """The same as `engines.serve`, by a server that the run keeps where there is a host.

    Raises:
        ConfigError, EngineError: as `engines.serve`.
    """
    connection = None if engines.of(model).elsewhere else _connect()
    if connection is None:
        with engines.serve(model, log_path) as endpoint:
            yield endpoint
        return
    with connection:
        lent = connection.ask(do="lend", model=model.model_dump(mode="json"), log=str(log_path))
        if lent["log"] != str(log_path):
            log.info("the server of an earlier job goes on; its log is %s", lent["log"])
        reset, alive = (partial(connection.tell, what) for what in ("reset", "alive"))
        yield Endpoint(**lent["endpoint"], reset=reset, alive=alive)
        connection.ask(do="give back")


def stop_idle() -> None:
    """Stops the servers that no job has, before something else uses the GPU or is measured."""
    connection = _connect()
    if connection is not None:
        with connection:
            connection.ask(do="stop idle")


class _Connection:
    """Questions to the host and its answers, one line of JSON each; a context manager."""

    def __init__(self, path: str) -> None:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.connect(path)
            self._lines = connected.makefile("rwb")
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # the host has ended with a question half told
            self._lines.close()

    def tell(self, what: str) -> None:
        """Asks for something that has no answer; raises the error that the host met."""
        self.ask(do=what)

    def ask(self, **question: Any) -> dict[str, Any]:
        """The host's answer; raises the error that it met."""
        with self._one_at_a_time:
            try:
                self._lines.write(json.dumps(question).encode() + b"\n")
                self._lines.flush()
                answer = json.loads(self._lines.readline())
            except (OSError, ValueError) as error:
                raise EngineError(
                    "the process that keeps the run's servers gave no answer; run the same command again."
                ) from error
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["message"])
        return answer


def _connect() -> _Connection | None:
    """A connection to the host of the Snakemake that this job is a child of."""
    owner, _, path = os.environ.get(ADDRESS, "").partition(":")
    if not owner or int(owner) not in [parent.pid for parent in psutil.Process().parents()]:
        return None
    try:
        return _Connection(path)
    except OSError:
        return None


def listener(path: str) -> socket.socket:
    """A socket that jobs can connect to."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(path)
    made.listen()
    return made


def start_host() -> None:
    """Starts the host of this process's jobs; they find it by their environment. Without one they serve for themselves."""
    if not hasattr(socket, "AF_UNIX"):
        return
    try:
        folder = tempfile.mkdtemp(prefix="contextrot-", dir="/tmp")  # readable by this user alone; a socket's path must be short
    except OSError:
        return
    path = f"{folder}/servers"
    with listener(path) as own:  # so that the first job can connect before the host has begun
        command = [sys.executable, "-m", "contextrot.responses.host", str(own.fileno())]
        host = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, pass_fds=[own.fileno()]
        )

    def end() -> None:
        host.stdin.close()
        host.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    os.environ[ADDRESS] = f"{os.getpid()}:{path}"
