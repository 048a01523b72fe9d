"""A job that asks by batches, killed at moments drawn by chance: in its submissions, between its looks, while it takes results."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from contextrot.records import Sample, read_responses, write_samples
from tests.conftest import ROOT
from tests.servers.batch_server import BatchServer, answer_to

ROWS = 60


def start(folder, server):
    environment = os.environ | {"TEST_ASK": "batch", "PYTHONPATH": f"{ROOT}/workflow:{ROOT}", "TEST_PRICE": "1000 10000"}
    environment.pop("OPENAI_API_KEY", None)
    command = [sys.executable, "-m", "tests.faults.collect", str(folder), server.url, "4"]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.parametrize("kills", [pytest.param(3, marks=pytest.mark.slow), pytest.param(20, marks=pytest.mark.soak)])
def test_a_killed_job_finds_its_batches_and_pays_nothing_twice(kills, tmp_path):
    asked = [Sample(f"s{i:03}", [{"role": "user", "content": f"question s{i:03}"}], ["x"], 20, 100) for i in range(ROWS)]
    experiment = tmp_path / "test" / "m" / "e"
    write_samples(experiment / "samples.parquet", asked)
    rng, hits = random.Random(kills), 0
    with BatchServer(faults=0.5, busy=3, looks=4 * kills, seconds=0.05, seed=kills) as server:
        for number in range(kills):
            before, limit = server.calls, rng.randint(1, 6)
            job, end = start(tmp_path, server), time.monotonic() + 60
            while job.poll() is None and server.calls < before + limit and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(rng.random() * 0.08)
            hits += job.poll() is None
            job.send_signal(signal.SIGKILL)
            job.communicate()
            if number == kills * 2 // 3:
                server.end_soon()
        server.end_soon()
        job = start(tmp_path, server)
        _, errors = job.communicate(timeout=120)
        assert job.returncode == 0, errors.decode()
        assert hits >= kills * 2 // 3
        assert len(server.billed) == ROWS and set(server.billed.values()) == {1}, server.billed
        assert not server.direct
    rows = read_responses(experiment / "responses" / "1-of-1.parquet")
    assert [row.text for row in rows] == [answer_to(sample.messages) for sample in asked]
