"""A run of the real Snakemake with a server of its own, killed in any of its parts at random moments, until it is done.

By hand, for many moments: python -m tests.faults.kills snakemake+job 20
"""

from __future__ import annotations

import json
import os
import random
import re
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
from contextrot.responses.store import STORE_THREADS, RequestStore
from tests.conftest import ROOT
from tests.gguf_files import write_gguf

EXPERIMENT = "niah"
AT_ONCE = 4
SECONDS_FOR_ORPHANS = 5.0
SECONDS_ON_THE_WAY = 0.05
"""What the server had written down as answered so long before it was killed may not have been sent."""
DEPTHS = [0, 25, 50, 75, 100]
PARTS = ("snakemake", "job", "server", "host")


@dataclass
class Killed:
    """What a kill found.

    Attributes:
        when: the time.
        under_way: prompts whose answer the server had not given.
        unsaved: prompts that had their answers, but not on the disk.
        most: how many may have been under way.
    """

    when: float
    under_way: set[str]
    unsaved: set[str]
    most: int


@dataclass
class Run:
    """One folder with its config.

    Attributes:
        rows: of each experiment, that all ask.
        experiments: their names.
        own: the length of prompts that only this experiment asks beside, by its name.
        together: how many servers must have been asked before one answers.
        store, book: request store, and what the server writes down; in the folder without them.
        orphans: what outlived a run, with the kill that it was.
        unlocked: how often `--unlock` was told and typed.
        hit: how often a kill found each part there.
        kills: what each found.
    """

    folder: Path
    rows: int = 400
    seconds: float = 0.05
    experiments: tuple[str, ...] = (EXPERIMENT,)
    own: dict[str, int] = field(default_factory=dict)
    together: int = 1
    store: Path | None = None
    book: Path | None = None
    orphans: list[str] = field(default_factory=list)
    unlocked: int = 0
    hit: Counter[str] = field(default_factory=Counter)
    kills: list[Killed] = field(default_factory=list)
    _running: subprocess.Popen | None = None
    _counted: int = 0

    def __post_init__(self) -> None:
        self.store, self.book = self.store or self.folder / "store", self.book or self.folder / "book"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write("experiments.yaml", {name: self._block(name) for name in self.experiments})
        write_gguf(self.folder / "m.gguf", {"general.architecture": "llama", "tokenizer.chat_template": "{{ messages }}"})
        arguments = ["--book", str(self.book), "--seconds", str(self.seconds), "--together", str(self.together)]
        options = {"server": str(ROOT / "tests/servers/booked.py"), "parallel": AT_ONCE, "arguments": arguments}
        model = {"engine": "llama_cpp", "name": str(self.folder / "m.gguf"), "tokenizer": "{data}/models/embedded"}
        model |= {"window": 2048, "max_output_tokens": 64, "concurrency": AT_ONCE, "engine_options": options}
        self._write("models.yaml", {"booked": model})

    def _lengths(self, experiment: str) -> list[int]:
        """Those that all ask, so many that no prompt is twice among them, and its own."""
        return [300 + 5 * i for i in range(self.rows // len(DEPTHS))] + ([self.own[experiment]] if experiment in self.own else [])

    def _block(self, experiment: str) -> dict[str, object]:
        parameters = {"lengths": self._lengths(experiment), "depths": DEPTHS, "needles": ["spare_key_high"], "repeats": 1}
        return {"task": "niah", "parameters": parameters | {"answer_tokens": 40}, "tiers": {}}

    def _write(self, name: str, content: object) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content))

    def result(self, experiment: str = EXPERIMENT) -> Path:
        """The answers of an experiment."""
        return self.folder / f"results/test/booked/{experiment}/responses.parquet"

    def command(self, *more: str, experiments: tuple[str, ...] = ()) -> list[str]:
        """The plain command."""
        targets = [str(self.result(name).relative_to(self.folder)) for name in experiments or self.experiments]
        words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        words += ["--workflow-profile", str(ROOT / "profiles/default"), *targets, *more, "--config", "models=booked"]
        words += [f"{kind}_definitions={self.folder}/{kind}s.yaml" for kind in ("model", "experiment")]
        return [*words, f"request_store={self.store}"]

    def start(self, *more: str, experiments: tuple[str, ...] = ()) -> subprocess.Popen:
        """Begins, or goes on, in a session of its own."""
        with (self.folder / f"run-{'-'.join(experiments)}.log").open("wb") as log:
            words = self.command(*more, experiments=experiments)
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def go_on(self) -> subprocess.Popen:
        """The run that goes on, else a new one; where a lock was left, as Snakemake tells."""
        if self._running is None or self._running.poll() is not None:
            if any((self.folder / ".snakemake/locks").glob("*")):
                self.unlocked += 1
                subprocess.run(self.command("--unlock"), check=True, capture_output=True)
            self._running = self.start()
        return self._running

    def booked(self) -> list[list[str]]:
        """What the server has written down by now: what, which prompt, process, time."""
        text = self.book.read_text() if self.book.exists() else ""
        return [line.split() for line in text[: text.rfind("\n") + 1].splitlines()]

    def asked(self) -> int:
        """How many requests the server has been asked by now."""
        return sum(what == "asked" for what, *_ in self.booked())

    def kill(self, parts: str, after_requests: int, after_seconds: float = 0.0) -> None:
        """Kills these parts (such as "job+server") after so many further requests and seconds, as soon as one is there.

        Where the run cannot go on it is waited for what is left to end.
        """
        before, deadline, run = self.asked(), time.monotonic() + 240, self.go_on()
        while run.poll() is None and self.asked() < before + after_requests and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(after_seconds)
        wanted = PARTS if parts == "group" else parts.split("+")
        found: list[tuple[str, psutil.Process]] = []
        while run.poll() is None and not found and time.monotonic() < deadline:
            found = [(part, process) for process in _family(run.pid) if (part := _part_of(process, run.pid)) in wanted]
        family = _family(run.pid)
        when = time.time()
        if parts == "group" and found:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            self.hit["group"] += 1
        for part, process in found if parts != "group" else []:
            self.hit[part] += 1
            with suppress(psutil.Error):  # gone already, or not yet taken notice of by its parent
                process.kill()
                process.wait(timeout=1)
        if parts != "server":
            if "snakemake" not in parts and parts != "group":
                run.wait(timeout=240)
            self._wait_for_orphans(f"{parts} after {after_requests} requests and {after_seconds:.2f} s", family)
        if found:
            self.kills.append(self._found(when, {str(process.pid) for _, process in found} if parts == "server" else None))

    def _wait_for_orphans(self, kill: str, family: list[psutil.Process]) -> None:
        self._running.wait(timeout=240)
        deadline = time.monotonic() + SECONDS_FOR_ORPHANS
        while (left := _at_work(self.folder, family)) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.orphans += [f"{kill}: {words[:6]}" for words in left]

    def _found(self, when: float, servers: set[str] | None) -> Killed:
        """What was asked since the last kill and is not on the disk, once all is over; for servers alone, what they had not answered."""
        lines = self.booked()
        mine = [line for line in lines if line[2] in servers] if servers else lines[self._counted :]
        self._counted = len(lines)
        surely = float("inf") if servers is None else when - SECONDS_ON_THE_WAY
        asked = {name for what, name, *_ in mine if what == "asked"}
        answered = {name for what, name, _, at in mine if what == "answered" and float(at) < surely}
        late = {name for what, name, *_ in mine if what == "answered"} - answered  # each made room for the next
        kept = answered if servers else stored(self.store)
        return Killed(when, asked - answered - kept, (asked & answered) - kept, AT_ONCE + len(late))

    def finish(self) -> None:
        """The plain command, until the end.

        Raises:
            AssertionError: if it fails.
        """
        if (
            self.go_on().wait(timeout=280) != 0 and self.go_on().wait(timeout=280) != 0
        ):  # a run that was hit may end, and not well
            raise AssertionError((self.folder / "run-.log").read_text())
        self._wait_for_orphans("the end", [])

    def check(self, beside: Run | None = None) -> dict[str, int]:
        """Counts; each row is there once and right, and asked again is exactly what was under way at a kill.

        Args:
            beside: another run that asks with the same book.

        Raises:
            AssertionError: else.
        """
        assert not self.orphans, self.orphans
        for experiment in self.experiments:
            rows = read_responses(self.result(experiment))
            assert Counter(row.outcome for row in rows) == {"answered": len(self._lengths(experiment)) * len(DEPTHS)}
        lines = self.booked()
        assert not [line for line in lines if line[0] == "twice"], "asked while the same was under way"
        asked = Counter(name for what, name, *_ in lines if what == "asked")
        assert len(asked) == len(self._prompts() | (beside._prompts() if beside else set())), "each distinct request is asked"
        lost = Counter(name for kill in self.kills for name in kill.under_way | kill.unsaved)
        for name, times in asked.items():
            assert times <= 1 + lost[name], f"{name} was asked {times} times, and under way at {lost[name]} kills"
        for kill in self.kills:
            assert len(kill.under_way) <= kill.most and len(kill.unsaved) <= AT_ONCE + STORE_THREADS, kill
        return {
            "rows": self.rows,
            "asked": asked.total(),
            "distinct": len(asked),
            "under way at kills": sum(len(kill.under_way) for kill in self.kills),
            "answered, unsaved": sum(len(kill.unsaved) for kill in self.kills),
            "servers": len({pid for what, _, pid, _ in lines if what == "asked"}),
        }

    def _prompts(self) -> set[str]:
        paths = [self.result(experiment).with_name("samples.parquet") for experiment in self.experiments]
        return {json.dumps(sample.messages) for path in paths for sample in read_samples(path)}


def stored(store: Path) -> set[str]:
    """The prompts whose answers are on the disk."""
    texts = (content.decode() for _, content in RequestStore(store).segments.latest())
    return {found[1] for text in texts if (found := re.search(r"The answer is (\w+)\.", text))}


def _family(snakemake: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        parent = psutil.Process(snakemake)
        return [parent, *parent.children(recursive=True)]
    return []


def _at_work(folder: Path, family: list[psutil.Process]) -> list[list[str]]:
    """The command lines of what still runs: of a family, or anything else that a run in this folder has started."""
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if words and (process in family or any(str(folder) in word for word in words) or process.cwd() == str(folder)):
                left.append(words)
    return left


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
        run = Run(Path(folder), rows=max(100, 50 * int(moments)))
        begin = time.monotonic()
        for _ in range(int(moments)):  # every fourth at any moment from the start, before the first request too
            requests = 0 if rng.random() < 0.25 else rng.randint(1, 60)
            run.kill(parts, requests, rng.uniform(0, 0.1 if requests else 8))
        run.finish()
        print(parts, run.check(), dict(run.hit), f"unlocked {run.unlocked}", f"{time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
