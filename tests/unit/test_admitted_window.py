"""What servers say of windows and prices is believed only where it can be true."""

from __future__ import annotations

import asyncio

import pytest

from contextrot.engines import Endpoint
from contextrot.responses import admitted_window
from contextrot.settings import ModelSettings

ODD = [None, True, 7, -1, 1e999, float("nan"), 10**400, "x", [], [1], [None], {}, {"a": 1}]
URL = "http://127.0.0.1:9/v1"


def pages(odd):
    """What a server may say at any address, with something odd in one place."""
    model = {"id": "m", "name": "m", "max_model_len": odd, "context_length": odd, "meta": odd, "pricing": odd}
    prices = {"id": "m", "pricing": {"prompt": odd, "completion": odd}}
    yield from (
        odd,
        {"data": odd},
        {"data": [odd]},
        {"data": [model]},
        {"data": [prices]},
        {"models": odd},
        {"models": [odd]},
        {"models": [model]},
    )
    yield from ({"model_info": odd}, {"model_info": {"x.context_length": odd}}, {"max_total_tokens": odd})
    yield from ({"default_generation_settings": odd}, {"default_generation_settings": {"n_ctx": odd}})


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:10])
def test_odd_answers_are_no_window_and_no_price(odd, monkeypatch):
    model = ModelSettings(engine="external", name="m", base_url=URL, window=100, max_output_tokens=5)
    for page in pages(odd):

        async def said(*_, page=page):
            return page

        monkeypatch.setattr(admitted_window, "_get", said)
        for provider in ("ollama", "hosted_vllm", "openrouter"):
            endpoint = Endpoint("external", "m", provider, URL)
            window, _ = asyncio.run(admitted_window.admitted_window(endpoint, model))
            assert window is None or 1 <= window <= 10**9
            price = asyncio.run(admitted_window.listed_price(endpoint, model))
            assert price is None or all(0 <= value <= 1e6 for value in price.values())
