"""A client on a scripted server, for the tests of the client."""

from __future__ import annotations

import asyncio

import pytest

from contextrot.engines import Endpoint
from contextrot.responses.client import Client
from contextrot.responses.prices import pricing_of
from contextrot.responses.store import RequestStore
from contextrot.responses.usage import Ledger
from contextrot.settings import ModelSettings, Settings
from tests.scripted_server import Act, ScriptedServer


def model_at(server: ScriptedServer, **changes) -> ModelSettings:
    values = {"engine": "external", "name": "m", "base_url": server.url, "window": 1000, "max_output_tokens": 50}
    return ModelSettings(**(values | {"tokens_per_minute": 10**9, "timeout_seconds": 20} | changes))


class Session:
    """A client on a scripted server, with short pauses."""

    def __init__(self, folder, model, endpoint=None, key=None, **settings):
        self.settings = Settings(request_store=str(folder / "store"), **settings)
        self.store = RequestStore(self.settings.request_store)
        self.usage = Ledger(folder / "t" / "m" / "e", "1-of-1", "m", pricing_of(model), self.settings.budget_usd)
        self.endpoint = endpoint or Endpoint("external", model.name, "hosted_vllm", model.base_url, api_key=key)
        self.model = model

    def ask(self, *prompts, **arguments):
        """The responses to prompts asked side by side; errors stand in their places."""

        async def run():
            async with Client(self.endpoint, self.model, self.settings, self.store, self.usage, pause_seconds=0.001) as client:
                self.client = client
                asked = [client.ask([{"role": "user", "content": p}], 50, **arguments) for p in prompts]
                return await asyncio.gather(*asked, return_exceptions=True)

        return asyncio.run(run())


@pytest.fixture
def session(tmp_path):
    """`session(script, **settings)`: a server with that script, and a session on it."""
    servers = []

    def start(script=lambda prompt, before: Act(), model=None, key=None, **settings):
        server = ScriptedServer(script)
        servers.append(server)
        server.__enter__()
        started = Session(tmp_path, model_at(server, **(model or {})), key=key, **settings)
        started.server = server
        return started

    yield start
    for server in servers:
        server.__exit__(None, None, None)
