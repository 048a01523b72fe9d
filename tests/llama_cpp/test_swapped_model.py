"""Another GGUF file behind the same address and name is another model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from contextrot import engines
from contextrot.engines.process import free_port
from contextrot.records import Sample
from contextrot.responses.collect import ask_samples
from contextrot.responses.prices import pricing_of
from contextrot.responses.usage import Ledger
from contextrot.settings import ModelSettings, Settings
from contextrot.task import Parameters, Task


@pytest.fixture
def swappable(model, tmp_path):
    """`serve()`: a server of tmp_path/model.gguf, always at one address."""
    file = tmp_path / "model.gguf"
    shutil.copy(model.name, file)
    options = {**model.engine_options, "port": free_port(), "threads": 1}
    local = model.model_copy(update={"name": str(file), "engine_options": options, "window": 1024})
    return file, lambda: engines.serve(local, tmp_path / "engine.log")


def test_a_swapped_file_behind_the_same_url_and_name_is_asked_anew(swappable, tmp_path):
    file, serve = swappable

    def ask(url: str):
        there = ModelSettings(
            engine="external",
            name="model",
            base_url=url,
            tokenizer="server",
            window=1024,
            max_output_tokens=8,
            tokens_per_minute=10**9,
            concurrency=1,
        )
        sample = Sample("a", [{"role": "user", "content": "Say yes."}], ["yes"], 8, None)
        usage = Ledger(tmp_path / "t" / "m" / "e", "1-of-1", "m", pricing_of(there), None)
        run = Settings(request_store=str(tmp_path / "store"))
        [response] = ask_samples([sample], Task(Parameters()), there, run, usage, tmp_path / "log", "m", canaries=False)["a"]
        return response

    with serve() as endpoint:
        url = endpoint.base_url
        first, again = ask(url), ask(url)
    content = bytearray(Path(file).read_bytes())
    content[-1000:] = bytes(1000)
    Path(file).write_bytes(content)
    with serve() as endpoint:
        assert endpoint.base_url == url
        swapped = ask(url)
    assert (first.cached, again.cached, swapped.cached) == (False, True, False)
    assert first.server_fingerprint == again.server_fingerprint != swapped.server_fingerprint
