"""The host of a run's servers: a process that Snakemake starts before its first job and that ends, with all of its servers, when
Snakemake does, however that is. Run as a program, with the number of its listening socket.

One job at a time has a server; its connection is the loan. A job that ends without giving its server back, because it failed or was
killed, leaves it in an unknown state: it is stopped. A server that nobody has is stopped before one of another model starts.
"""

from __future__ import annotations

import json
import shutil
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from contextrot import engines
from contextrot.engines import Endpoint, process
from contextrot.errors import ContextRotError, EngineError
from contextrot.settings import ModelSettings

SERVED = {"engine", "name", "revision", "tokenizer", "window", "gpu", "engine_options"}
"""Fields of a model's settings that make its server another one."""


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

    def start(self, wanted: Callable[[], bool]) -> None:
        """Starts the engine.

        Args:
            wanted: whether somebody still waits for it.

        Raises:
            ConfigError, EngineError: as `engines.serve`.
        """

        serving = engines.serve(self._model, self.log_path)
        self._endpoint = self._while(wanted, self._context.enter_context, serving)

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

    def reset(self, wanted: Callable[[], bool]) -> None:
        """Clears the server's state, or restarts it."""
        self._while(wanted, self._endpoint.reset)

    def _while(self, wanted: Callable[[], bool], function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function in the server's thread; a start in it is given up once it is not wanted any more."""
        self._thread.submit(process.WANTED.set, wanted)
        return self._thread.submit(function, *arguments).result()

    def stop(self) -> None:
        """Stops the engine."""
        self._thread.submit(self._context.close).result()
        self._thread.shutdown()

    def described(self) -> dict[str, Any]:
        """The endpoint's fields, without its functions, and where the server's log is."""
        fields = {name: value for name, value in vars(self._endpoint).items() if not callable(value)}
        return {"endpoint": fields, "log": self.log_path}


class Host:
    """Lends servers to the jobs that connect to a listening socket."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.servers: list[SharedServer] = []
        self.ending = False
        self._choosing = threading.RLock()

    def serve(self) -> None:
        """Answers each job in a thread of its own, until the socket is closed; none of them outlives the process."""
        with suppress(OSError):
            while True:
                job = _Job(self, self._listener.accept()[0])
                threading.Thread(target=job.answer_all, daemon=True).start()

    def lend(self, model: ModelSettings, log_path: str, wanted: Callable[[], bool]) -> SharedServer:
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
            server.start(wanted)
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
        """Stops one server, unless that was done."""
        with self._choosing:
            if server in self.servers:
                server.stop()
                self.servers.remove(server)

    def end(self) -> None:
        """Stops all servers, those that are starting too."""
        self.ending = True
        with self._choosing:
            for server in list(self.servers):
                self.stop(server)


class _Job:
    """One job's connection; what it asks is answered in turn."""

    def __init__(self, host: Host, connection: socket.socket) -> None:
        self._host, self._connection = host, connection
        self._mine: SharedServer | None = None

    def answer_all(self) -> None:
        """Answers until the job ends; the server that it has not given back is stopped."""
        try:
            with self._connection, self._connection.makefile("rwb", buffering=0) as lines, suppress(OSError):  # the job has ended
                for line in lines:
                    try:
                        answer = self._answer(**json.loads(line))
                    except ContextRotError as error:
                        answer = {"error": type(error).__name__, "message": str(error)}
                    lines.write(json.dumps(answer).encode() + b"\n")
        finally:
            if self._mine is not None:
                self._host.stop(self._mine)

    def _answer(self, do: str, model: dict[str, Any] | None = None, log: str = "") -> dict[str, Any]:
        if do == "lend":
            self._mine = self._host.lend(ModelSettings(**model), log, self._waits)
            return self._mine.described()
        if do == "stop idle":
            self._host.stop_idle()
        elif do == "give back":
            self._mine.lent, self._mine = False, None
        elif do == "reset":
            self._mine.reset(self._waits)
        else:
            self._mine.alive()
        return {}

    def _waits(self) -> bool:
        """Whether the job, which says nothing until it has its answer, is still there, and the run goes on."""
        if self._host.ending:
            return False
        try:
            return self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False


def _key(model: ModelSettings) -> str:
    return json.dumps(model.model_dump(mode="json", include=SERVED), sort_keys=True)


def main() -> None:
    """Lends servers until standard input ends, as it does with the process that holds the other end."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    folder, host = Path(listener.getsockname()).parent, Host(listener)
    threading.Thread(target=host.serve, daemon=True).start()
    sys.stdin.buffer.read()
    host.end()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
