"""A model's server that outlives a job: a host beside Snakemake keeps it for the run's next job that asks the same model.

To load a model can take longer than to ask it. The host is a process that Snakemake starts before its first job and that ends,
with all of its servers, when Snakemake does, however that is. One job at a time has a server; its connection to the host is the
loan. A job that ends without giving its server back, because it failed or was killed, leaves it in an unknown state: it is stopped.
A server that nobody has is stopped before one of another model starts, or another user of the GPU.

Jobs on other machines, and in software environments of their own, have no host and serve for themselves.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from contextrot import engines, errors
from contextrot.engines import Endpoint
from contextrot.errors import ContextRotError, EngineError
from contextrot.settings import ModelSettings

log = logging.getLogger(__name__)

ADDRESS = "CONTEXTROT_SERVER_HOST"
"""Environment variable with the path of the host's socket; it says the process as well, as a job elsewhere may inherit it."""
SERVED = {"engine", "name", "revision", "tokenizer", "window", "gpu", "engine_options"}
"""Fields of a model's settings that make its server another one."""
STARTING_SERVERS = {"vllm", "transformers"}
"""Engines with something to keep."""


# In a job


@contextmanager
def serve(model: ModelSettings, log_path: Path) -> Iterator[Endpoint]:
    """The same as `engines.serve`, by a server that the run keeps where there is a host.

    Raises:
        ConfigError, EngineError: as `engines.serve`.
    """
    connection = _connect() if model.engine in STARTING_SERVERS else None
    if connection is None:
        with engines.serve(model, log_path) as endpoint:
            yield endpoint
        return
    with connection:
        lent = connection.ask(do="lend", model=model.model_dump(mode="json"), log=str(log_path))
        if lent["log"] != str(log_path):
            log.info("the server of an earlier job goes on; its log is %s", lent["log"])
        reset, alive = (partial(connection.ask, do=what) for what in ("reset", "alive"))
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
        self._lines.close()

    def ask(self, **question: Any) -> dict[str, Any]:
        """The host's answer; raises the error that it met."""
        with self._one_at_a_time:
            try:
                self._lines.write(json.dumps(question).encode() + b"\n")
                self._lines.flush()
                answer = json.loads(self._lines.readline())
            except (OSError, ValueError) as error:
                raise EngineError("the process that keeps the run's servers has ended; run the same command again.") from error
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


# In Snakemake


def start_host() -> None:
    """Starts the host of this process's jobs; they find it by their environment."""
    if not hasattr(socket, "AF_UNIX"):
        return
    folder = tempfile.mkdtemp(prefix="contextrot-", dir="/tmp")  # readable by this user alone; a socket's path must be short
    path = f"{folder}/servers"
    command = [sys.executable, "-m", __name__, path]
    host = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)

    def end() -> None:
        host.stdin.close()
        host.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    os.environ[ADDRESS] = f"{os.getpid()}:{path}"


# In the host


class SharedServer:
    """One model's engine, entered and left in a thread of its own: the kernel takes the end of that thread for its parent's."""

    def __init__(self, model: ModelSettings, log_path: str) -> None:
        self.key = _key(model)
        self.log_path = log_path
        self.lent = True
        self._model = model
        self._context = ExitStack()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._endpoint: Endpoint | None = None

    def start(self) -> None:
        """Starts the engine.

        Raises:
            ConfigError, EngineError: as `engines.serve`.
        """
        serving = engines.serve(self._model, self.log_path)
        self._endpoint = self._thread.submit(self._context.enter_context, serving).result()

    @property
    def ready(self) -> bool:
        """Whether it has been started."""
        return self._endpoint is not None

    def alive(self) -> None:
        """Raises EngineError if the server has ended by itself."""
        self._endpoint.alive()

    def is_alive(self) -> bool:
        """Whether the server has not ended by itself."""
        try:
            self.alive()
        except EngineError:
            return False
        return True

    def reset(self) -> None:
        """Clears the server's state, or restarts it."""
        self._thread.submit(self._endpoint.reset).result()

    def stop(self) -> None:
        """Stops the engine."""
        self._thread.submit(self._context.close).result()
        self._thread.shutdown()

    def described(self) -> dict[str, Any]:
        """The endpoint's fields, without its functions."""
        fields = {name: value for name, value in vars(self._endpoint).items() if not callable(value)}
        return {"endpoint": fields, "log": self.log_path}


class Host(socketserver.ThreadingUnixStreamServer):
    """Lends servers to jobs."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, _Job)
        self.servers: list[SharedServer] = []
        self._choosing = threading.RLock()

    def lend(self, model: ModelSettings, log_path: str) -> SharedServer:
        """A server that nobody has, else a new one, after those that nobody has were stopped."""
        with self._choosing:
            for server in self.servers:
                if not server.lent and server.key == _key(model) and server.is_alive():
                    server.lent = True
                    return server
            self.stop_idle()
            server = SharedServer(model, log_path)
            self.servers.append(server)
        try:
            server.start()
        except BaseException:
            self.stop(server)
            raise
        return server

    def stop_idle(self) -> None:
        """Stops what nobody has."""
        with self._choosing:
            for server in [server for server in self.servers if not server.lent]:
                self.stop(server)

    def stop(self, server: SharedServer) -> None:
        """Stops one server."""
        with self._choosing:
            self.servers.remove(server)
            server.stop()


class _Job(socketserver.StreamRequestHandler):
    """One job's connection; what it asks is answered in turn."""

    server: Host

    def handle(self) -> None:
        self._mine: SharedServer | None = None
        try:
            for line in self.rfile:
                try:
                    answer = self._answer(**json.loads(line))
                except ContextRotError as error:
                    answer = {"error": type(error).__name__, "message": str(error)}
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except OSError:  # the job has ended
            pass
        finally:
            if self._mine is not None:
                self.server.stop(self._mine)

    def _answer(self, do: str, model: dict[str, Any] | None = None, log: str = "") -> dict[str, Any]:
        if do == "lend":
            self._mine = self.server.lend(ModelSettings(**model), log)
            return self._mine.described()
        if do == "stop idle":
            self.server.stop_idle()
        elif do == "give back":
            self._mine.lent, self._mine = False, None
        else:
            {"alive": self._mine.alive, "reset": self._mine.reset}[do]()
        return {}


def _key(model: ModelSettings) -> str:
    return json.dumps(model.model_dump(mode="json", include=SERVED), sort_keys=True)


def main() -> None:
    """Lends servers until standard input ends, as it does with the process that holds the other end."""
    host = Host(sys.argv[1])
    threading.Thread(target=host.serve_forever, daemon=True).start()
    sys.stdin.buffer.read()
    for server in list(host.servers):
        if server.ready:
            server.stop()
    for process in psutil.Process().children(recursive=True):  # of servers that were starting
        with suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(Path(sys.argv[1]).parent, ignore_errors=True)
    os._exit(0)  # threads may wait for them


if __name__ == "__main__":
    main()
