"""llama.cpp for real: a public model that others made, its counts, its window, its cache, its end."""

from __future__ import annotations

import re
from functools import partial

import httpx
import psutil
import pytest

from contextrot import engines
from contextrot.engines import llama_cpp
from contextrot.errors import ConfigError, EngineError
from contextrot.randomness import generator_for
from contextrot.records import Sample
from contextrot.responses.client import Client
from contextrot.responses.collect import ask_samples
from contextrot.responses.prices import pricing_of
from contextrot.responses.store import RequestStore
from contextrot.responses.usage import Ledger
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.settings import Settings
from contextrot.task import Parameters, SampleContext, Task


@pytest.fixture(scope="session")
def tokenizer(model):
    return tokenizer_of(model)


@pytest.fixture
def client(endpoint, model, tmp_path):
    usage = Ledger(tmp_path, "1-of-1", model.name, pricing_of(model))
    return Client(endpoint, model, Settings(request_store=str(tmp_path / "store")), RequestStore(tmp_path / "store"), usage)


def chat(text):
    return [{"role": "user", "content": text}]


def test_forty_requests_take_one_attempt_each_and_come_longest_first(model, tokenizer, tmp_path):
    """The server announces keep-alive and closes the connection after every streamed answer."""
    messages = [chat(f"Say the number {i}." + " Again." * i) for i in range(40)]
    samples = [
        Sample(f"{i:02d}", said, [str(i)], 4, tokenizer.count_chat(said), condition={"prefix_group": str(i)})
        for i, said in enumerate(messages)
    ]
    told = {**model.engine_options, "threads": 1, "arguments": ["--verbosity", "4"]}  # its log then has each prompt's length
    small = model.model_copy(update={"window": 512, "engine_options": told})
    usage = Ledger(tmp_path, "1-of-1", model.name, pricing_of(model))
    settings = Settings(request_store=str(tmp_path / "store"))
    answers = ask_samples(samples, Task(Parameters()), small, settings, usage, tmp_path / "engine.log", "numbers")
    rows = [answers[sample.sample_id][0] for sample in samples]
    assert {row.outcome for row in rows} <= {"answered", "truncated"}
    assert [row.attempts for row in rows] == [1] * 40
    came = re.findall(r"new prompt,.*task\.n_tokens = (\d+)", (tmp_path / "engine.log").read_text())
    assert [int(tokens) for tokens in came] == sorted((s.prompt_tokens for s in samples), reverse=True)


async def test_a_prompt_over_the_context_is_over_window(client):
    async with client:
        answer = await client.ask(chat("word " * 9000), 8, prompt_tokens=9030)
    assert (answer.outcome, answer.attempts, answer.text) == ("over_window", 1, None)


async def test_reset_empties_the_slots(client, endpoint):
    async with client:
        await client.reset()  # what an earlier test left, be it the template alone
        for cached in (False, True):
            answer = await client.ask(chat("The harbour is closed on Sundays. When is it closed? " * 20), 4, use_store=False)
            assert bool(answer.cached_tokens) == cached
        await client.reset()
        answer = await client.ask(chat("The harbour is closed on Sundays. When is it closed? " * 20), 4, use_store=False)
    assert not answer.cached_tokens


def test_the_server_counts_needle_prompts_as_we_do(project, model, tokenizer, tmp_path):
    context = SampleContext(tokenizer, model.window, 24, project.data, partial(generator_for, 1))
    task = project.task("test", "smollm2-llama", "niah")
    samples = [s for s in task.samples(context) if s.target_tokens == 500][:6]
    usage = Ledger(tmp_path, "1-of-1", model.name, pricing_of(model))
    settings = Settings(request_store=str(tmp_path / "store"))
    answers = ask_samples(samples, task, model, settings, usage, tmp_path / "engine.log", "needles")
    assert [answers[s.sample_id][0].prompt_tokens for s in samples] == [s.prompt_tokens for s in samples]
    assert {a.outcome for rows in answers.values() for a in rows} <= {"answered", "truncated"}
    assert {a.attempts for rows in answers.values() for a in rows} == {1}


def test_the_template_that_we_render_is_the_server_s(endpoint, tokenizer):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello,  wörld!"}]
    url = endpoint.base_url.removesuffix("/v1")
    said = httpx.post(f"{url}/apply-template", json={"messages": messages}).json()["prompt"]
    assert said == tokenizer.render_chat(messages)


def test_the_server_ends_with_its_context(model, tmp_path):
    with engines.serve(model, tmp_path / "engine.log"):
        mine = [p for p in psutil.Process().children(recursive=True) if "llama-server" in p.name()]
        assert mine
    _, alive = psutil.wait_procs(mine, timeout=5)
    assert alive == [] or not mine[-1].is_running()
    assert (tmp_path / "engine.log").read_text().startswith("$ ")


def test_a_window_over_the_model_s_context_does_not_start(model, tmp_path):
    wide = model.model_copy(update={"window": 4 * model.window})
    with pytest.raises(EngineError, match="lower `window`"), engines.serve(wide, tmp_path / "engine.log"):
        pass


def test_a_file_that_is_no_gguf_is_refused_by_name(model, tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04")
    for name, message in ((str(tmp_path / "model.gguf"), "not a GGUF file"), ("nowhere.gguf", "needs the path of a .gguf file")):
        with pytest.raises(ConfigError, match=message):
            llama_cpp.check_file(name)


def test_without_llama_cpp_the_message_says_how_to_get_it(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(llama_cpp, "BUILT_HERE", tmp_path / "llama-server")
    with pytest.raises(EngineError, match="make llama-server"), engines.serve(model, tmp_path / "engine.log"):
        pass


def test_another_file_under_the_same_name_is_another_model(model, tmp_path):
    from contextrot.responses.client import model_identity

    (tmp_path / "model.gguf").write_bytes(b"GGUF one")
    here = model.model_copy(update={"name": str(tmp_path / "model.gguf")})
    before = model_identity(here)
    (tmp_path / "model.gguf").write_bytes(b"GGUF two")
    assert model_identity(here) != before
