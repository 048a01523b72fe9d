"""A server as a child process: started on a free loopback port, healthy before it is used, always stopped.

The child asks the kernel for its parent's death signal, so that it ends even if the job is killed by SIGKILL (Linux).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path

from contextrot.engines.supervise import end_with_parent
from contextrot.errors import EngineError

SECONDS_TO_DIE = 2.0
WANTED: ContextVar[Callable[[], bool]] = ContextVar("wanted", default=lambda: True)
"""Whether somebody still waits for the server that is being started here."""


def free_port() -> int:
    """A loopback port that nothing has at this moment; from below those that the system gives to outgoing connections, any of which
    could take it before the server does.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def port_in_use(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A server process; a context manager that starts it and always stops it.

    Args:
        command: function from the port to the command line; the first word must be an executable.
        name: shown in messages.
        log_path: standard output and error of the server go here (appended).
        health_path: path that answers 200 when the server is ready.
        environment: variables set or replaced for the server.
        port: a fixed port; a free one without it.
        startup_seconds: time to get healthy.
        hint: what to do if it does not start.

    Raises:
        EngineError: on entering, if the executable is missing, the port is taken, or the server does not get healthy.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        *,
        name: str,
        log_path: Path,
        health_path: str = "/health",
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        startup_seconds: float = 600,
        hint: str = "",
    ) -> None:
        self.command = command
        self.name = name
        self.log_path = Path(log_path)
        self.health_path = health_path
        self.environment = dict(environment or {})
        self.fixed_port = port
        self.startup_seconds = startup_seconds
        self.hint = hint
        self.port = 0
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        """The server's address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the process and waits until it is healthy."""
        self.launch()
        self.wait_until_healthy()

    def launch(self) -> None:
        """Starts the process. The calling thread must outlive it: the kernel takes the end of that thread for its parent's."""
        if self.fixed_port and port_in_use(self.fixed_port):
            raise EngineError(
                f"{self.name}: port {self.fixed_port} is in use; stop what listens there, or leave out `port` for a free one."
            )
        self.port = self.fixed_port or free_port()
        command = [str(word) for word in self.command(self.port)]
        if not shutil.which(command[0]):
            raise EngineError(f"{self.name}: {command[0]} is not there or not executable. {self.hint}".strip())
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "ab") as log:
            log.write(f"$ {' '.join(command)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                preexec_fn=end_with_parent,
                start_new_session=True,
            )

    def wait_until_healthy(self) -> None:
        """Waits until the server answers."""
        deadline = time.monotonic() + self.startup_seconds
        while not self._healthy():
            self.alive(starting=True)
            if not WANTED.get()():
                raise EngineError(f"{self.name} was stopped while it started: nobody waits for it any more.")
            if time.monotonic() > deadline:
                raise EngineError(f"{self.name} did not get ready within {self.startup_seconds:.0f} s. {self._tail()}")
            time.sleep(0.1)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.health_path, timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def alive(self, starting: bool = False) -> None:
        """Raises EngineError if the process has ended.

        Args:
            starting: whether its port may still be closed; else a process with a closed port is given a moment to end, for what dies
                closes its connections before it can be seen to be dead.
        """
        if not starting and self.process is not None and not port_in_use(self.port):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=SECONDS_TO_DIE)
        if self.process is None or self.process.poll() is not None:
            status = "is not running" if self.process is None else f"stopped by itself ({_end_of(self.process.returncode)})"
            raise EngineError(f"{self.name} {status}. {self._tail()}")

    def _tail(self) -> str:
        try:
            lines = [line for line in self.log_path.read_text(errors="replace").splitlines() if line.strip()]
        except OSError:
            lines = []
        last = " | ".join(lines[-3:])[-600:]
        return " ".join(filter(None, [self.hint, f"Its log is {self.log_path}" + (f", ending: {last}" if last else "")]))

    def stop(self) -> None:
        """Ends the process and all of its children: SIGTERM, and SIGKILL after 10 s."""
        if self.process is None:
            return
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            try:
                self.process.wait(timeout=patience)
            except subprocess.TimeoutExpired:
                continue
            break
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None

    def restart(self) -> None:
        """Stops the process and starts it again, on the same port."""
        port = self.port
        self.stop()
        self.fixed_port = self.fixed_port or port
        self.start()


def _end_of(status: int) -> str:
    """How a process ended."""
    killed = ": it was killed, perhaps because memory ran out" if status == -signal.SIGKILL else ""
    return f"exit status {status}{killed}"
