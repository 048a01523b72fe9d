"""Real processes: a run, its job, and the end of either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import psutil
import pytest

from contextrot.jobs import lifeline

JOB = """
import sys, time
from contextrot.jobs.reporting import reporting_errors
with reporting_errors("job.log"):
    try:
        print("begun", flush=True)
        {work}
    finally:
        open("cleared", "w").close()
"""
RUN = """
import subprocess, sys
from contextrot.jobs.lifeline import begin_run
begin_run(submitted={submitted})
job = subprocess.Popen([sys.executable, "job.py"], stdout=subprocess.PIPE, text=True)
job.stdout.readline()
try:
    print(job.pid, flush=True)
    job.wait()
except KeyboardInterrupt:
    job.wait()
    print("interrupted", flush=True)
"""


@contextmanager
def python(code, folder, root, **environment):
    """A process of this code, and its children's end with the test."""
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow"), **environment}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        with process:
            yield process
            process.kill()
    finally:
        process.kill()


@contextmanager
def run(folder, root, work="time.sleep(600)", submitted=False, **environment):
    """A run and its job, which has begun."""
    (folder / "job.py").write_text(JOB.format(work=work))
    with python(RUN.format(submitted=submitted), folder, root, **environment) as process:
        yield process, psutil.Process(int(process.stdout.readline()))


def ended(process, within=30):
    return not psutil.wait_procs([process], timeout=within)[1]


def test_a_job_ends_in_good_order_when_only_its_run_was_killed(root, tmp_path):
    with run(tmp_path, root) as (process, job):
        process.kill()
        assert ended(job)
    assert (tmp_path / "cleared").exists()
    assert "the run that started this job has ended" in (tmp_path / "job.log").read_text()


def test_a_job_that_hears_no_signal_ends_all_the_same(root, tmp_path):
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    with run(tmp_path, root, deaf) as (process, job):
        process.kill()
        assert ended(job)
    assert not (tmp_path / "cleared").exists()


def test_a_job_that_begins_after_its_run_has_ended_does_nothing(root, tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = lifeline._name(owner.pid)
    owner.communicate(b"\n")
    with python(JOB.format(work="pass"), tmp_path, root, CONTEXTROT_RUN=name) as job:
        assert job.communicate()[0] == ""
    assert job.returncode == 143


def test_a_run_that_was_not_reaped_has_ended(root, tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = lifeline._name(owner.pid)
    assert lifeline._lives(name)
    owner.stdin.close()
    os.waitid(os.P_PID, owner.pid, os.WEXITED | os.WNOWAIT)
    assert not lifeline._lives(name)
    owner.wait()


@pytest.mark.parametrize("submitted", [True, False])
def test_what_a_cluster_started_outlives_the_run_that_submitted_it_and_nothing_else_does(root, tmp_path, submitted):
    submitter = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with run(tmp_path, root, submitted=submitted, CONTEXTROT_RUN=lifeline._name(submitter.pid)) as (process, job):
        submitter.communicate(b"\n")
        if submitted:
            assert not ended(job, within=2)
            process.kill()
        assert ended(job)
        assert ended(psutil.Process(process.pid)) if not submitted else True


def test_a_run_in_another_container_is_not_looked_for(root, tmp_path):
    with python(JOB.format(work="pass"), tmp_path, root, CONTEXTROT_RUN="another-boot/pid:[1] 4 5") as job:
        assert job.communicate()[0] == "begun\n"
    assert job.returncode == 0


def test_a_hung_up_run_is_interrupted_once_and_so_are_its_jobs(root, tmp_path):
    with run(tmp_path, root) as (process, job):
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.communicate(timeout=30)[0] == "interrupted\n"
        assert ended(job)
    assert (tmp_path / "cleared").exists()
    assert "interrupted" in (tmp_path / "job.log").read_text()


def test_a_job_that_is_hung_up_alone_ends_as_by_ctrl_c(root, tmp_path):
    with run(tmp_path, root) as (process, job):
        job.send_signal(signal.SIGHUP)
        process.wait(timeout=30)
    assert "interrupted" in (tmp_path / "job.log").read_text()


def test_nohup_is_left_alone(root, tmp_path):
    (tmp_path / "job.py").write_text(JOB.format(work="sys.stdin.readline()"))
    command = ["nohup", sys.executable, "job.py"]
    environment = {**os.environ, "PYTHONPATH": str(root / "workflow")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
        process.communicate("go on\n")
        assert process.returncode == 0
