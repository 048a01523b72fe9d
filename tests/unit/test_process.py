import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from contextrot.engines.process import Server, free_port
from contextrot.errors import EngineError

HEALTHY = """
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


def server(tmp_path, code=HEALTHY, **options):
    return Server(
        lambda port: [sys.executable, "-c", code, str(port)], name="a server", log_path=tmp_path / "server.log", **options
    )


def test_the_server_is_healthy_inside_and_gone_outside(tmp_path):
    with server(tmp_path) as running:
        process = psutil.Process(running.process.pid)
        running.alive()
    assert not process.is_running()


def test_it_is_stopped_when_the_block_fails(tmp_path):
    with pytest.raises(ValueError, match="inside"), server(tmp_path) as running:
        pid = running.process.pid
        raise ValueError("inside")
    assert not psutil.pid_exists(pid)


def test_a_server_that_ends_at_once_is_reported_with_the_end_of_its_log(tmp_path):
    with (
        pytest.raises(EngineError, match=r"a server stopped by itself \(exit status 3\).*no such weights"),
        server(tmp_path, "import sys; print('no such weights'); sys.exit(3)"),
    ):
        pass


def test_a_missing_executable_says_what_to_do(tmp_path):
    missing = Server(lambda port: ["/nowhere/vllm"], name="vLLM", log_path=tmp_path / "log", hint="Install it.")
    with pytest.raises(EngineError, match="/nowhere/vllm is not there or not executable. Install it"), missing:
        pass


def test_a_port_in_use_is_refused(tmp_path):
    with (
        server(tmp_path) as first,
        pytest.raises(EngineError, match=f"port {first.port} is in use"),
        server(tmp_path, port=first.port),
    ):
        pass


def test_restart_keeps_the_port(tmp_path):
    with server(tmp_path) as running:
        before, pid = running.url, running.process.pid
        running.restart()
        assert running.url == before
        assert running.process.pid != pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_no_server_outlives_its_job(root, tmp_path, number):
    job = tmp_path / "job.py"
    job.write_text(
        textwrap.dedent(
            f"""
            import sys, time
            from contextrot.engines.process import Server
            from contextrot.jobs.reporting import reporting_errors
            with reporting_errors("job.log"), Server(
                lambda port: [sys.executable, "-c", {HEALTHY!r}, str(port)], name="s", log_path="server.log"
            ) as server:
                print(server.process.pid, flush=True)
                time.sleep(600)
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow")}
    process = subprocess.Popen([sys.executable, str(job)], cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment)
    with process:
        child = psutil.Process(int(process.stdout.readline()))
        os.kill(process.pid, number)
        process.wait(timeout=30)
        _, alive = psutil.wait_procs([child], timeout=30)
        assert not alive


def test_a_free_port_can_be_bound():
    assert 1024 < free_port() < 65536
