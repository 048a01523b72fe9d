"""What the client has not to ask again, what makes two requests the same, and what they may cost."""

from __future__ import annotations

import asyncio

import pytest

from contextrot.errors import RequestError
from contextrot.responses.chat_request import ChatRequests
from contextrot.responses.client import Client, NotInStore, model_identity
from contextrot.responses.usage import Ledger
from contextrot.settings import ModelSettings, Price
from tests.client_session import Session
from tests.scripted_server import Act


def test_a_finished_request_is_never_asked_again(session):
    s = session()
    [first], [second] = s.ask("q"), s.ask("q")
    assert len(s.server.prompts) == 1
    assert (first.cached, second.cached) == (False, True)
    assert (second.text, second.total_seconds, second.prompt_tokens) == (first.text, first.total_seconds, first.prompt_tokens)


def test_a_repeat_is_an_answer_of_its_own(session):
    s = session(lambda prompt, before: Act(text=f"take {before}"))
    assert [s.ask("q", repeat=i)[0].text for i in (0, 1, 0, 1)] == ["take 0", "take 1", "take 0", "take 1"]


def test_without_the_store_it_is_asked_again(session):
    s = session()
    s.ask("q")
    [r] = s.ask("q", use_store=False)
    assert (r.cached, len(s.server.prompts)) == (False, 2)


def test_without_an_endpoint_only_the_store_answers(session):
    s = session()
    s.ask("known")
    client = Client(None, s.model, s.settings, s.store, s.usage)
    assert asyncio.run(client.ask([{"role": "user", "content": "known"}], 50)).cached
    with pytest.raises(NotInStore):
        asyncio.run(client.ask([{"role": "user", "content": "new"}], 50))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "n"},
        {"base_url": "http://127.0.0.1:1/v1"},
        {"sampling": {"temperature": 0.5}},
        {"reasoning_effort": "high"},
        {"reasoning_tokens": 5},
        {"engine_options": {"extra_body": {"top_k": 1}}},
        {"revision": "abc"},
    ],
    ids=str,
)
def test_what_changes_the_answer_changes_the_key(tmp_path, change):
    assert _key(change) != _key({})


@pytest.mark.parametrize(
    "change",
    [
        {"concurrency": 3},
        {"price": {"input_usd_per_million_tokens": 1, "output_usd_per_million_tokens": 1}},
        {"tokens_per_minute": 7},
        {"timeout_seconds": 1},
        {"title": "T"},
        {"gpu": 2},
        {"shards": 3},
        {"sampling": {"temperature": 0.0}},
    ],
    ids=str,
)
def test_what_does_not_change_the_answer_does_not_change_the_key(tmp_path, change):
    assert _key(change) == _key({})


def _key(change):
    from contextrot.responses.store import request_key

    values = {"engine": "external", "name": "m", "base_url": "http://x/v1", "window": 100, "max_output_tokens": 10, **change}
    model = ModelSettings(**values)
    return request_key({**model_identity(model), "body": ChatRequests(model).body([{"role": "user", "content": "q"}], 10, {})})


def test_a_retrained_local_model_is_another_model(tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"one")
    model = ModelSettings(engine="transformers", name=str(folder), window=100, max_output_tokens=10)
    before = model_identity(model)
    assert model_identity(model) == before
    (folder / "model.safetensors").write_bytes(b"two")
    assert model_identity(model) != before


def test_the_budget_stops_before_it_is_exceeded_and_the_run_can_go_on(session):
    price = Price(input_usd_per_million_tokens=10_000, output_usd_per_million_tokens=10_000)
    s = session(model={"price": price, "concurrency": 3}, budget_usd=2.0)
    # a request costs 0.09 (7 + 2 tokens at 0.01) and at most 0.57 (7 + 50)
    results = s.ask(*[f"q{i}" for i in range(40)], prompt_tokens=7)
    errors = [e for e in results if isinstance(e, RequestError)]
    assert errors
    assert "budget_usd" in str(errors[0])
    assert s.usage.spent_usd == pytest.approx(0.09 * len(s.server.prompts))
    assert 2.0 - 0.57 - 0.09 < s.usage.spent_usd <= 2.0
    asked = len(s.server.prompts)
    more = Session(s.store.folder.parent, s.model, s.endpoint, budget_usd=20.0)
    assert all(r.outcome == "answered" for r in more.ask(*[f"q{i}" for i in range(40)], prompt_tokens=7))
    assert len(s.server.prompts) == 40
    assert more.usage.counts["from_store"] == asked


def test_a_budget_without_a_price_is_an_error(tmp_path):
    with pytest.raises(RequestError, match="price of model 'm' is unknown"):
        Ledger(tmp_path, "1-of-1", "m", None, budget_usd=1.0)


def test_a_cost_without_a_price_is_unknown_not_zero(session):
    s = session(model={"provider": "hosted_vllm"})
    [r] = s.ask("q")
    assert r.cost_usd is None
    s.usage.write()
    assert "Estimated cost: unknown" in (s.usage.folder / "token_dashboard.txt").read_text()
