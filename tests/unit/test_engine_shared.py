import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from contextrot import engines
from contextrot.engines import Endpoint
from contextrot.engines.process import Server
from contextrot.errors import EngineError
from contextrot.project import Project
from contextrot.responses import kept_servers
from contextrot.responses.host import Host
from contextrot.settings import ModelSettings
from tests.unit.test_process import HEALTHY


def model(name="m", **options) -> ModelSettings:
    return ModelSettings(engine="transformers", name=name, window=100, max_output_tokens=10, engine_options=options)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """A host in this process, whose engines are small servers; the processes that were started."""
    pids: list[psutil.Process] = []

    @contextmanager
    def serve(settings, log_path):
        if settings.name == "broken":
            raise EngineError("transformers serve: no weights.")
        command = lambda port: [sys.executable, "-c", HEALTHY, str(port)]  # noqa: E731
        with Server(command, name="a server", log_path=tmp_path / "server.log") as server:
            pids.append(psutil.Process(server.process.pid))
            yield Endpoint("transformers", settings.name, "hosted_vllm", server.url, reset=server.restart, alive=server.alive)

    monkeypatch.setattr(engines, "serve", serve)
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
        listener = kept_servers.listener(f"{folder}/servers")
        host = Host(listener)
        threading.Thread(target=host.serve, daemon=True).start()
        monkeypatch.setenv(kept_servers.ADDRESS, f"{os.getppid()}:{folder}/servers")
        yield pids
        listener.close()
        host.end()
        assert not any(process.is_running() for process in pids)


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def job(tmp_path, settings=None, number=1):
    return kept_servers.serve(settings or model(), tmp_path / f"job{number}.log")


def test_the_next_job_of_the_same_model_gets_the_same_server(started, tmp_path, caplog):
    with job(tmp_path) as first:
        first.alive()
    with caplog.at_level("INFO"), job(tmp_path, number=2) as second:
        assert second.base_url == first.base_url
    assert "job1.log" in caplog.text
    assert len(started) == 1


def test_concurrency_and_price_are_no_reason_for_another_server_but_options_are(started, tmp_path):
    for settings in (model(), model().model_copy(update={"concurrency": 3, "title": "Another"})):
        with job(tmp_path, settings):
            pass
    assert len(started) == 1
    with job(tmp_path, model(threads=2)):
        assert [process.is_running() for process in started] == [False, True]


def test_two_jobs_at_once_have_a_server_each(started, tmp_path):
    with job(tmp_path) as one, job(tmp_path, number=2) as other:
        assert one.base_url != other.base_url


def test_a_job_that_fails_leaves_no_server(started, tmp_path):
    with pytest.raises(ValueError, match="in the job"), job(tmp_path):
        raise ValueError("in the job")
    psutil.wait_procs(started, timeout=30)
    assert not started[0].is_running()
    with job(tmp_path, number=2) as second:
        second.alive()
    assert len(started) == 2


def test_a_server_that_died_while_nobody_had_it_is_not_lent(started, tmp_path):
    with job(tmp_path):
        pass
    started[0].kill()
    started[0].wait(30)
    with job(tmp_path, number=2) as second:
        second.alive()


def test_a_server_that_dies_is_noticed_and_starts_again_on_its_port(started, tmp_path):
    with job(tmp_path) as endpoint:
        os.kill(started[0].pid, signal.SIGKILL)
        started[0].wait(30)
        with pytest.raises(EngineError, match="a server stopped by itself"):
            endpoint.alive()
        endpoint.reset()
        endpoint.alive()


def test_an_engine_that_does_not_start_says_so_in_the_job(started, tmp_path):
    with pytest.raises(EngineError, match="no weights"), job(tmp_path, model("broken")):
        pass
    with job(tmp_path) as endpoint:
        endpoint.alive()


def test_what_nobody_has_is_stopped_when_another_wants_the_gpu(started, tmp_path):
    with job(tmp_path):
        kept_servers.stop_idle()
        assert started[0].is_running()
    kept_servers.stop_idle()
    assert not started[0].is_running()


def test_a_job_on_another_machine_serves_for_itself(started, tmp_path, monkeypatch):
    monkeypatch.setenv(
        kept_servers.ADDRESS, f"{os.getpid()}:{os.environ[kept_servers.ADDRESS].partition(':')[2]}"
    )  # none of its parents
    with job(tmp_path):
        pass
    assert not started[0].is_running()


def test_settings_reach_the_host_as_they_are(root):
    project = Project({"tier": "test"}, root)
    for settings in project.models.values():
        assert ModelSettings(**settings.model_dump(mode="json")) == settings


def test_the_host_answers_from_the_first_moment_and_ends_with_its_owner(root):
    code = "import os; from contextrot.responses import kept_servers as shared; shared.start_host(); path = os.environ[shared.ADDRESS].split(':')[1]; "
    code += "connection = shared._Connection(path); print(path, connection.ask(do='stop idle'))"
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    path, answer = done.stdout.split()
    assert (answer, done.stderr) == ("{}", "")
    assert not Path(path).parent.exists()


def test_a_server_that_is_starting_ends_with_the_job_that_waits_for_it(tmp_path, monkeypatch):
    """It is never healthy; the job leaves, and the server is gone at once instead of after its `startup_seconds`."""

    @contextmanager
    def serve(settings, log_path):
        command = lambda port: [sys.executable, "-c", "import time; time.sleep(600)", str(port)]  # noqa: E731
        with Server(command, name="a server", log_path=tmp_path / "server.log") as server:
            yield Endpoint("transformers", settings.name, "hosted_vllm", server.url)

    monkeypatch.setattr(engines, "serve", serve)
    before = set(psutil.Process().children())  # servers that other tests keep
    with tempfile.TemporaryDirectory() as folder:
        listener = kept_servers.listener(f"{folder}/servers")
        host = Host(listener)
        threading.Thread(target=host.serve, daemon=True).start()
        connection = kept_servers._Connection(f"{folder}/servers")
        question = {"do": "lend", "model": model().model_dump(mode="json"), "log": "log"}
        connection._lines.write(kept_servers.json.dumps(question).encode() + b"\n")
        connection._lines.flush()
        wait_for(lambda: (tmp_path / "server.log").exists() and set(psutil.Process().children()) - before)
        connection.__exit__()
        wait_for(lambda: not host.servers)
        assert not set(psutil.Process().children()) - before
        listener.close()


def test_a_host_that_has_ended_is_one_clear_error(tmp_path, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv(kept_servers.ADDRESS, f"{os.getppid()}:{folder}/servers")
        listener = kept_servers.listener(f"{folder}/servers")
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        with pytest.raises(EngineError, match="keeps the run's servers gave no answer"), job(Path(tmp_path)):
            pass
        listener.close()
