"""A run of the real Snakemake with a server of its own, killed in any of its parts at random moments, until it is done.

By hand, for many moments: python -m tests.faults.kills snakemake+job 20
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from contextrot.records import read_responses, read_samples
from tests.conftest import ROOT

RESULT = "results/test/booked/niah/responses.parquet"
AT_ONCE = 4
FLUSHING = 16
"""Answers that may have come and are not on the disk yet."""
SECONDS_FOR_ORPHANS = 5.0
PARTS = ("snakemake", "job", "server", "host")


@dataclass
class Run:
    """One folder with its config.

    Attributes:
        rows: of the experiment.
        orphans: what outlived a run, with the kill that it was.
        unlocked: how often `--unlock` was told and typed.
        hit: how often a kill found each part there.
    """

    folder: Path
    rows: int = 400
    seconds: float = 0.05
    orphans: list[str] = field(default_factory=list)
    unlocked: int = 0
    hit: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        lengths = [300 + 5 * i for i in range(self.rows // 5)]  # so that all prompts are others
        parameters = {"lengths": lengths, "depths": [0, 25, 50, 75, 100], "needles": ["spare_key_high"], "repeats": 1}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write("experiments.yaml", {"niah": {"task": "niah", "parameters": parameters | {"answer_tokens": 40}, "tiers": {}}})
        (self.folder / "m.gguf").write_bytes(b"GGUF")
        arguments = ["--book", str(self.book), "--seconds", str(self.seconds)]
        options = {"server": str(ROOT / "tests/servers/booked.py"), "parallel": AT_ONCE, "arguments": arguments}
        model = {"engine": "llama_cpp", "name": str(self.folder / "m.gguf"), "tokenizer": "{data}/models/embedded"}
        model |= {"window": 2048, "max_output_tokens": 64, "concurrency": AT_ONCE, "engine_options": options}
        self._write("models.yaml", {"booked": model})

    def _write(self, name: str, content: object) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content))

    @property
    def book(self) -> Path:
        """What the server was asked."""
        return self.folder / "book"

    def command(self, *more: str) -> list[str]:
        """The plain command."""
        words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        words += ["--workflow-profile", str(ROOT / "profiles/default"), RESULT, *more, "--config", "models=booked"]
        return [*words, *(f"{kind}_definitions={self.folder}/{kind}s.yaml" for kind in ("model", "experiment"))]

    def start(self) -> subprocess.Popen:
        """Begins, or goes on, in a session of its own; where a lock was left, as Snakemake tells."""
        if any((self.folder / ".snakemake/locks").glob("*")):
            self.unlocked += 1
            subprocess.run(self.command("--unlock"), check=True, capture_output=True)
        with (self.folder / "run.log").open("wb") as log:
            return subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def asked(self) -> int:
        """How many requests the server has been asked by now."""
        return self.book.read_text().count("asked ") if self.book.exists() else 0

    def kill(self, parts: str, after_requests: int) -> None:
        """Starts, kills these parts (such as "job+server") once so many requests were sent, and waits for what is left to end."""
        before, run, deadline = self.asked(), self.start(), time.monotonic() + 240
        while run.poll() is None and self.asked() < before + after_requests and time.monotonic() < deadline:
            time.sleep(0.02)
        family = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)] if run.poll() is None else []
        if parts == "group":
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            self.hit["group"] += bool(family)
        for process in family:
            if (part := _part_of(process, run.pid)) in parts.split("+"):
                self.hit[part] += 1
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        if "snakemake" not in parts and parts != "group":
            with suppress(psutil.Error):
                family += psutil.Process(run.pid).children(recursive=True)
        run.wait(timeout=240)
        _, alive = psutil.wait_procs(set(family), timeout=SECONDS_FOR_ORPHANS)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                self.orphans.append(f"{parts} after {after_requests} requests: {process.cmdline()[:4]}")

    def finish(self) -> None:
        """The plain command, until the end.

        Raises:
            AssertionError: if it fails.
        """
        for _ in range(2):  # a job that was started by a run that was killed may still be told to end
            run = self.start()
            if run.wait(timeout=280) == 0:
                return
        raise AssertionError((self.folder / "run.log").read_text())

    def check(self, kills: int) -> dict[str, int]:
        """Counts; each row is there once and right, and no more was asked twice than was under way.

        Raises:
            AssertionError: else.
        """
        asked, ended, twice = Counter(), Counter(), 0
        open_since: dict[str, tuple[str, float]] = {}
        for line in self.book.read_text().splitlines():
            what, name, pid, when = line.split()
            if what == "asked":
                twice += name in open_since and open_since[name][0] != pid and psutil.pid_exists(int(open_since[name][0]))
                asked[name] += 1
                open_since[name] = pid, float(when)
            else:
                ended[name] += 1
                open_since.pop(name, None)
        rows = read_responses(self.folder / RESULT)
        assert Counter(row.outcome for row in rows) == {"answered": self.rows}
        samples = read_samples((self.folder / RESULT).with_name("samples.parquet"))
        assert len(asked) == len({json.dumps(sample.messages) for sample in samples}), "each distinct request is asked, and once"
        again = asked.total() - len(asked)
        assert again <= kills * (AT_ONCE + FLUSHING), again
        assert not twice
        assert not self.orphans, self.orphans
        return {"rows": len(rows), "asked": asked.total(), "again": again, "never answered": asked.total() - ended.total()}


def _part_of(process: psutil.Process, snakemake: int) -> str | None:
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return None
    if process.pid == snakemake:
        return "snakemake"
    if "contextrot.responses.host" in words:
        return "host"
    if "booked.py" in words:
        return "server"
    return "job" if ".snakemake/scripts" in words else None


def main(parts: str, moments: str) -> None:
    """Kills that often, at moments that are drawn by chance, and prints what it came to."""
    rng = random.Random(parts)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        run = Run(Path(folder), rows=min(1500, 150 * int(moments)))
        begin = time.monotonic()
        for _ in range(int(moments)):
            run.kill(parts, rng.randint(1, 60))
        run.finish()
        print(parts, run.check(int(moments)), dict(run.hit), f"unlocked {run.unlocked}", f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
