"""The adaptive search through the whole of Snakemake: it finds a known length, and a run killed in every round ends as any other."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from contextrot.engines.simulated import VARIABLE
from contextrot.tasks.niah.needles import read_needles
from tests.conftest import ROOT
from tests.scripted_server import Act, ScriptedServer

FOLDER = "results/full/tested/niah"
NEEDLES = ["restaurant_high", "spare_key_high", "night_train_high", "parrot_name_high"]
HALF_CHARACTERS, SILENT_AFTER = 4_000, 3


def options(folder: Path, model: dict) -> list[str]:
    """Options for a search of at most 2,000 tokens, in files of `folder`."""
    parameters = {"lengths": [256, 2000], "needles": NEEDLES, "answer_tokens": 48}
    model = {"name": "m", "tokenizer": "{data}/models/embedded", "window": 4096, "max_output_tokens": 64, **model}
    (folder / "experiments.yaml").write_text(yaml.safe_dump({"niah": {"task": "niah", "parameters": parameters}}))
    (folder / "models.yaml").write_text(yaml.safe_dump({"tested": model}))
    (folder / "search.yaml").write_text(yaml.safe_dump({"effective_length": {"niah": {"width": 2.0, "max_tokens": 2_000_000}}}))
    named = [
        f"{kind}_definitions={folder / name}" for kind, name in (("experiment", "experiments.yaml"), ("model", "models.yaml"))
    ]
    return ["--configfile", str(folder / "search.yaml"), "--config", *named, "models=tested", "experiments=niah", "tier=full"]


def start(folder: Path, model: dict) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--workflow-profile", str(ROOT / "profiles/default"), "effective_length", *options(folder, model)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env={**os.environ, VARIABLE: "1"}, start_new_session=True, **pipes)


def right_or_wrong(answers: dict[str, str], prompt: str) -> str:
    """The needle's answer with a chance that falls with the prompt's length, the same whenever it is asked."""
    draw = int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16) / 2**32
    right = draw < 0.97 / (1 + (len(prompt) / HALF_CHARACTERS) ** 2)
    return next(answer for question, answer in answers.items() if question in prompt) if right else "no idea"


def end(folder: Path) -> dict:
    return json.loads((folder / FOLDER / "effective_length.json").read_text())


@pytest.mark.slow
def test_a_search_on_a_known_curve_finds_its_length_within_eight_rounds(tmp_path):
    run = start(tmp_path, {"engine": "simulated", "engine_options": {"half_length_tokens": 1500, "slope": 3.0, "top": 0.97}})
    said, _ = run.communicate(timeout=900)
    assert run.returncode == 0, said
    found = end(tmp_path)
    assert found["verdict"] == "found"
    assert found["rounds"] <= 8
    # 85 % of the score at 256 tokens: where 0.97 / (1 + (length / 1500)^3) is 0.97 * 0.85 / (1 + (256 / 1500)^3)
    truth = 1500 * ((1 + (256 / 1500) ** 3) / 0.85 - 1) ** (1 / 3)
    assert found["low"] <= truth <= found["high"]
    assert found["high"] / found["low"] <= 2.0
    assert found["population"] == "kind"
    assert "4 needles" in found["warning"]


@pytest.mark.slow
def test_a_search_that_is_killed_in_each_round_asks_only_what_was_under_way_again_and_ends_the_same(tmp_path):
    answers = {needles.question: needles.answer for needles in read_needles(ROOT / "data/tasks/needles.yaml").values()}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    answered: list[str] = []
    killed: set[int] = set()
    in_round = {"number": 0, "answered": 0}
    enough = threading.Event()

    def answer(prompt: str, before: int) -> Act:
        return Act(right_or_wrong(answers, prompt), usage={})

    def silent_in_each_new_round(prompt: str, before: int) -> Act:
        number = len(list((broken / FOLDER / "rounds").glob("*/choice.json")))
        if number != in_round["number"]:
            in_round.update(number=number, answered=0)
        if number not in killed and in_round["answered"] >= SILENT_AFTER:
            enough.set()
            return Act(silent=True)
        in_round["answered"] += 1
        answered.append(prompt)
        return answer(prompt, before)

    with ScriptedServer(answer) as server:
        model = {"engine": "external", "base_url": server.url, "tokens_per_minute": 10**9, "concurrency": 4}
        run = start(whole, model)
        said, _ = run.communicate(timeout=900)
        assert run.returncode == 0, said
        server.script = silent_in_each_new_round
        for _ in range(10):
            enough.clear()
            run = start(broken, model)
            finished = threading.Thread(target=lambda run=run: (run.wait(), enough.set()), daemon=True)
            finished.start()
            assert enough.wait(600)
            if run.poll() is None:
                killed.add(in_round["number"])
                os.killpg(run.pid, signal.SIGINT)
            run.communicate(timeout=120)
            if run.returncode == 0:
                break
    assert end(broken) == end(whole)
    assert killed == set(range(1, end(whole)["rounds"] + 1))
    # what was under way when a run was killed may have been answered to nobody, and is asked again
    assert len(answered) - len(set(answered)) <= model["concurrency"] * len(killed)
