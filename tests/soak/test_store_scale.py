"""A million answers by eight processes that are killed at moments drawn by chance; opened, looked up, verified, damaged.

By hand: python -m tests.soak.test_store_scale FOLDER [ANSWERS]
"""

from __future__ import annotations

import hashlib
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from contextrot.responses.segments import Segments
from tests.conftest import ROOT

WRITERS, KILLS = 8, 24
TEXT = '{"format": "contextrot response 1", "key": "%s", "request": {}, "response": {"outcome": "answered", "text": "%s"}}'


def key_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def content_of(number: int) -> str:
    return TEXT % (key_of(number), f"{number} " * 40)


def write(folder: str, first: str, last: str, done: str) -> None:
    """Writes the answers that its predecessors have not, by threads as a client does; notes how far it came."""
    from concurrent.futures import ThreadPoolExecutor

    segments = Segments(Path(folder))
    numbers = [number for number in range(int(first), int(last)) if segments.get(key_of(number)) is None]
    with ThreadPoolExecutor(64) as threads:
        list(threads.map(lambda number: segments.append(key_of(number), content_of(number)), numbers))
    Path(done).touch()


def run(folder: Path, answers: int, kills: int) -> dict[str, float]:
    """Writes with kills, then measures in a new process; raises AssertionError for whatever is not as it must be."""
    rng, begin, share = random.Random(answers), time.monotonic(), answers // WRITERS
    store = folder / "segments"

    def start(writer: int) -> subprocess.Popen:
        command = [
            sys.executable,
            "-m",
            "tests.soak.test_store_scale",
            "write",
            str(store),
            str(writer * share),
            str((writer + 1) * share),
        ]
        return subprocess.Popen(
            [*command, str(folder / f"done{writer}")], cwd=ROOT, env={"PYTHONPATH": f"{ROOT}/workflow:{ROOT}"}
        )

    running, killed = {writer: start(writer) for writer in range(WRITERS)}, 0
    while any(process.poll() is None for process in running.values()):
        time.sleep(0.2)
        if killed < kills and rng.random() < 0.15:
            writer = rng.randrange(WRITERS)
            if running[writer].poll() is None:
                running[writer].kill()
                running[writer].wait()
                running[writer] = start(writer)
                killed += 1
    assert all((folder / f"done{writer}").exists() for writer in range(WRITERS))
    seconds = time.monotonic() - begin
    told = subprocess.run(
        [sys.executable, "-m", "tests.soak.test_store_scale", "measure", str(store), str(answers)],
        cwd=ROOT, env={"PYTHONPATH": f"{ROOT}/workflow:{ROOT}"}, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    figures = dict(pair.split("=") for pair in told.split())
    return {"killed": killed, "write_seconds": seconds, "answers_a_second": answers / seconds} | {
        k: float(v) for k, v in figures.items()
    }


def measure(folder: str, answers: str) -> None:
    """Opens, looks up, verifies and damages; prints what it took."""
    count, rng = int(answers), random.Random(1)
    (Path(folder) / "index").unlink(missing_ok=True)
    begin = time.monotonic()
    segments = Segments(Path(folder))
    without_index = time.monotonic() - begin
    segments._save_index()
    segments.close()
    begin = time.monotonic()
    segments = Segments(Path(folder))
    with_index, memory = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert len(segments) == count
    begin, some = time.monotonic(), rng.sample(range(count), min(count, 20_000))
    assert all(segments.get(key_of(number)) == content_of(number).encode() for number in some)
    lookup = (time.monotonic() - begin) / len(some)
    begin = time.monotonic()
    sound, damage = segments.verify()
    verifying = time.monotonic() - begin
    assert sound >= count and not [d for d in damage if not d.torn], damage[:3]
    files = len(list(Path(folder).iterdir()))
    found = 0
    for _ in range(20):  # one byte anywhere is found
        name = rng.choice(segments.names())
        path = Path(folder) / name
        with path.open("r+b") as file:
            at = rng.randrange(path.stat().st_size)
            file.seek(at)
            before = file.read(1)
            file.seek(at)
            file.write(bytes([before[0] ^ (1 << rng.randrange(8))]))
        small = Segments.__new__(Segments)
        small.folder = Path(folder)
        part = [(n, o, line) for n, o, line in near(path, at)]
        found += any(not sound_line(line) for _, _, line in part)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(before)
    print(
        f"open_without_index={without_index:.2f} open={with_index:.2f} memory_mib={memory:.0f} lookup_us={lookup * 1e6:.0f} "
        f"verify={verifying:.1f} files={files} damage_found_of_20={found}"
    )


def near(path: Path, at: int) -> list[tuple[str, int, bytes]]:
    """The lines about a place."""
    with path.open("rb") as file:
        file.seek(max(0, at - 5000))
        data = file.read(10_000)
    lines = data.split(b"\n")
    return [(path.name, 0, line) for line in (lines if at < 5000 else lines[1:])[:-1]]


def sound_line(line: bytes) -> bool:
    from contextrot.responses.segment_writer import record_in

    return record_in(line) is not None


@pytest.mark.soak
def test_a_million_answers_of_killed_writers_are_all_there(tmp_path):
    figures = run(tmp_path, 1_000_000, KILLS)
    assert figures["open"] < 5 and figures["memory_mib"] < 500 and figures["files"] <= 100
    assert figures["answers_a_second"] >= 1_000 and figures["damage_found_of_20"] == 20


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(*sys.argv[2:])
    elif sys.argv[1] == "measure":
        measure(*sys.argv[2:])
    else:
        where = Path(sys.argv[1])
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir(parents=True)
        print(run(where, int((sys.argv[2:] or ["1000000"])[0]), KILLS))
