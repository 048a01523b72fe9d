import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from contextrot.engines.vllm import SUPERVISE

FAMILY = textwrap.dedent(
    """
    import subprocess, sys, time
    engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(engine.pid, flush=True)
    time.sleep(600)
    """
)
JOB = textwrap.dedent(
    f"""
    import subprocess, sys
    command = [sys.executable, {str(SUPERVISE)!r}, sys.executable, "-c", {FAMILY!r}]
    server = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)
    print(server.pid, server.stdout.readline().strip(), flush=True)
    server.wait()
    """
)


def gone(*pids):
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(processes, timeout=60)[1]


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death signal is Linux's")
def test_a_job_that_is_killed_leaves_neither_server_nor_engine():
    with subprocess.Popen([sys.executable, "-c", JOB], stdout=subprocess.PIPE, text=True) as job:
        server, engine = map(int, job.stdout.readline().split())
        api = psutil.Process(server).children()[0].pid
        job.kill()
    assert gone(server, api, engine)


def test_told_to_end_it_ends_the_whole_family():
    command = [sys.executable, str(SUPERVISE), sys.executable, "-c", FAMILY]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True) as server:
        engine = int(server.stdout.readline())
        server.terminate()
    assert gone(server.pid, engine)


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_exit_status_is_the_commands(code, status):
    assert subprocess.run([sys.executable, str(SUPERVISE), sys.executable, "-c", code]).returncode == status


def test_a_killed_supervisor_takes_its_child_along():
    command = [sys.executable, str(SUPERVISE), sys.executable, "-c", FAMILY]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True) as server:
        engine = int(server.stdout.readline())
        api = psutil.Process(server.pid).children()[0].pid
        server.kill()
    assert gone(server.pid, api)
    os.kill(engine, signal.SIGKILL)
