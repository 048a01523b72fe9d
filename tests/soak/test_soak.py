"""Many rows, many failing, several jobs, and a server that misbehaves by chance in every way it is known that servers do.

Watched all the time: each job's memory and open files. Checked in the end: every row, and every cent against the server's own book.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from contextrot.records import Sample, read_responses, write_samples
from contextrot.responses.ledger_entries import Entries
from tests.faults.test_requests import start
from tests.scripted_server import Act, ScriptedServer, error
from tests.servers import errors

FAULTS_SHARE = 0.08
PRICES = 2.0, 8.0
"""USD a million tokens of prompts and of answers."""
JSON = {"Content-Type": "application/json"}
PASSING = ("rate_limited", "server", "timeout")
ODD_BODIES = [
    b"", b"{", b"null", b"[]", b"0", b'{"choices": []}', b'{"choices": [{}]}', b'{"choices": null}', b"<html>502</html>", b"\xff\xfe\x00",
    b'{"error": {"message": "\\u001b[2J try again", "code": 503}}', b"[" * 100_000, b'{"choices": [{"message": {"content": 1e30}}]}',
]  # fmt: skip


class Misbehaving:
    """The script of the server; a prompt is "q NUMBER", and every tenth one is never answered well.

    Attributes:
        billed: pico-USD of all answers that were sent whole.
        ways: how often it did what.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.billed = 0
        self.answered: Counter[str] = Counter()
        self.ways: Counter[str] = Counter()
        known = [r for r in vars(errors).values() if isinstance(r, list) for r in r if isinstance(r, errors.Refusal)]
        self.refusals = [r for r in known if r.status in (408, 429, 500, 502, 503, 504, 529) and r.kind in PASSING]

    def __call__(self, prompt: str, before: int) -> Act:
        number = int(prompt.split()[1])
        if number % 10 == 0:
            self.ways["never"] += 1
            return error(400, "no such thing") if number % 20 else Act(body=b'{"choices": []}', headers=JSON)
        if self.rng.random() < FAULTS_SHARE:
            return self._fault()
        self.ways["well"] += 1
        self.answered[prompt] += 1
        tokens, output = 7 + number % 5, 2 + number % 30
        self.billed += round(tokens * PRICES[0] * 1e6) + round(output * PRICES[1] * 1e6)
        usage = {"prompt_tokens": tokens, "completion_tokens": output}
        return Act(text=f"answer to {prompt}", usage=usage, stream=self.rng.random() < 0.5, delay_seconds=self.rng.random() / 100)

    def _fault(self) -> Act:
        way = self.rng.choice(["refusal", "reset", "cut", "unfinished", "odd", "odd", "slow and cut", "silent"])
        if way == "silent" and self.rng.random() < 0.9:
            way = "reset"
        self.ways[way] += 1
        if way == "refusal" and self.refusals:
            refusal = self.rng.choice(self.refusals)
            return Act(status=refusal.status, body=refusal.content, headers=JSON | {"Retry-After": "0"})
        if way == "odd":
            return Act(body=self.rng.choice(ODD_BODIES), headers=JSON)
        return {
            "refusal": error(503), "reset": Act(reset=True), "cut": Act(cut=True), "unfinished": Act(unfinished=True),
            "slow and cut": Act(cut=True, delay_seconds=0.3), "silent": Act(silent=True),
        }[way]  # fmt: skip


def soak(folder: Path, rows: int, jobs: int, seconds: float) -> dict[str, object]:
    """Runs all jobs to their end; what was measured.

    Raises:
        AssertionError: if a row is wrong, a cent is missing, or memory or open files grow.
    """
    path = folder / "test" / "m" / "e" / "samples.parquet"
    asked = [Sample(f"s{i}", [{"role": "user", "content": f"q {i}"}], ["x"], 50, 7 + i % 5) for i in range(rows)]
    write_samples(path, asked)
    script = Misbehaving(1)
    environment = {"TEST_ALLOW_FAILED": "1", "TEST_TIMEOUT": "2", "TEST_DEADLINE": "30", "TEST_PRICE": " ".join(map(str, PRICES))}
    with ScriptedServer(script) as server:
        begin = time.monotonic()
        running = [start(folder, server.url, 16, **environment, TEST_SHARD=f"{n}-of-{jobs}") for n in range(1, jobs + 1)]
        seen: dict[int, list[tuple[int, int]]] = {job.pid: [] for job in running}
        while any(job.poll() is None for job in running):
            for job in running:
                if job.poll() is None:
                    process = psutil.Process(job.pid)
                    seen[job.pid].append((process.memory_info().rss >> 20, process.num_fds()))
            time.sleep(0.5)
            assert time.monotonic() - begin < seconds, f"{len(server.prompts)} requests in {seconds} s"
        outputs = [job.communicate()[0] for job in running]
        took = time.monotonic() - begin
        assert [job.returncode for job in running] == [0] * jobs, outputs
        assert "Traceback" not in "".join(outputs)

    responses = [
        r for n in range(1, jobs + 1) for r in read_responses(path.parent / "responses" / f"{n}-of-{jobs}.parquet")
    ]  # in the samples' order within a job
    assert len({r.sample_id for r in responses}) == len(responses) == rows
    for r in responses:
        prompt = f"q {r.sample_id[1:]}"
        good = prompt in script.answered  # else it is one that never is, or there was no answer three times in a row
        assert (r.outcome, r.text) == (("answered", f"answer to {prompt}") if good else ("failed", None)), r
        assert r.error_type or good
    right = [r for r in responses if r.outcome == "answered"]
    assert 0.999 * (rows - rows // 10) <= len(right) <= rows - rows // 10
    numbers = [int(r.sample_id[1:]) for r in right]
    expected = sum(round((7 + n % 5) * PRICES[0] * 1e6) + round((2 + n % 30) * PRICES[1] * 1e6) for n in numbers)
    assert sum(round(r.cost_usd * 1e12) for r in right) == expected, "every answer costs what it cost"
    entries = _ledgers(folder / "store" / "ledger")
    assert sum(e.settled for e in entries) <= script.billed <= sum(e.charged for e in entries), "no cent is nowhere"
    assert not any(e.open for e in entries)
    assert max(script.answered.values()) <= 3, "what was answered whole is asked again only where the connection broke"
    return {
        "seconds": took,
        "answered": len(right),
        "failed": rows - len(right),
        "billed_usd": script.billed / 1e12,
        "settled_usd": sum(e.settled for e in entries) / 1e12,
        "perhaps_billed_usd": sum(e.unknown for e in entries) / 1e12,
        "requests": script.ways.total(),
        "ways": dict(script.ways),
        "memory_mib_and_descriptors": _flat(seen),
    }


def _ledgers(folder: Path) -> list[Entries]:
    found = []
    for path in folder.rglob("*.jsonl"):
        found.append(Entries())
        found[-1].read(str(path))
    assert found
    return found


def _flat(seen: dict[int, list[tuple[int, int]]]) -> list[dict[str, int]]:
    """Medians of the second and of the last fifth of each job's time: by then the first requests are done, and nothing may grow."""
    told = []
    for states in seen.values():
        fifth = max(1, len(states) // 5)
        early, late = (sorted(part) for part in (states[fifth : 2 * fifth], states[-fifth - 1 : -1]))
        (memory, _), (memory_late, _) = early[len(early) // 2], late[len(late) // 2]
        files, files_late = max(n for _, n in early), max(n for _, n in late)
        assert memory_late <= memory * 1.15 + 25, f"memory grows from {memory} to {memory_late} MiB"
        assert files_late <= files + 20, f"open files grow from {files} to {files_late}"
        told.append({"memory": memory, "memory_late": memory_late, "files": files, "files_late": files_late})
    return told


@pytest.mark.slow
def test_a_minute_of_faults_leaves_every_row_right_and_every_cent_accounted(tmp_path):
    print(json.dumps(soak(tmp_path, rows=3_000, jobs=3, seconds=400)))


@pytest.mark.soak
def test_100000_rows_of_which_10000_fail(tmp_path):
    rows = int(os.environ.get("SOAK_ROWS", 100_000))
    print(json.dumps(soak(tmp_path, rows=rows, jobs=8, seconds=2 * 3600)))
