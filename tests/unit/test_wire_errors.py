"""Every error of the table, over real HTTP: hosted providers through litellm's own code, servers with a URL directly."""

from __future__ import annotations

import asyncio

import pytest

from contextrot.engines import Endpoint
from contextrot.responses.transport import DirectTransport, LitellmTransport
from contextrot.wire.faults import Failure
from tests.servers.errors import HOSTED, LOCAL, Refusal
from tests.servers.wire import Said, WireServer

pytestmark = pytest.mark.filterwarnings("ignore")
BODY = {"model": "m", "messages": [{"role": "user", "content": "q"}], "max_tokens": 50}


@pytest.fixture(autouse=True)
def _azure_version(monkeypatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")


def send(said, provider="openai", kind=DirectTransport, body=BODY, timeout_seconds=20, **endpoint):
    """The reply or failure, and the server."""

    async def run(url):
        transport = kind(Endpoint("external", "m", provider, url, api_key="sk-test", **endpoint))
        try:
            return await transport.send(body, timeout_seconds)
        except Failure as failure:
            return failure
        finally:
            await transport.close()

    with WireServer(said) as server:
        return asyncio.run(run(server.url)), server


def name(refusal):
    return f"{refusal.family}-{refusal.status}-{refusal.kind}-{refusal.content[:60].decode(errors='replace')}"


def check(failure, refusal: Refusal):
    assert isinstance(failure, Failure), failure
    assert failure.kind == refusal.kind, (failure.kind, failure.message)
    if refusal.wait is not None:
        assert failure.retry_after == pytest.approx(refusal.wait)


@pytest.mark.parametrize("refusal", HOSTED + LOCAL, ids=name)
def test_a_server_with_a_url(refusal):
    failure, server = send(Said(refusal.status, refusal.content, refusal.headers))
    check(failure, refusal)
    assert failure.status == refusal.status
    assert len(server.asked) == 1


@pytest.mark.parametrize("refusal", HOSTED, ids=name)
def test_a_provider_through_litellm(refusal):
    failure, server = send(Said(refusal.status, refusal.content, refusal.headers), refusal.family, LitellmTransport)
    check(failure, refusal)
    assert len(server.asked) == 1


def test_the_table_is_as_wide_as_it_should_be():
    assert len(HOSTED) + len(LOCAL) >= 60
    assert len({refusal.family for refusal in HOSTED}) >= 12
