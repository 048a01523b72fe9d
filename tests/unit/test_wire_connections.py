"""Connections that break, end, are used again or lead elsewhere, over real HTTP."""

from __future__ import annotations

import pytest

from contextrot.responses.transport import DirectTransport, LitellmTransport
from contextrot.wire.faults import Broken, Failure, StaleConnection, Unreachable
from contextrot.wire.reply import Reply
from tests.servers import dialects
from tests.servers.wire import Said, WireServer
from tests.unit.test_wire_errors import BODY, send

pytestmark = pytest.mark.filterwarnings("ignore")
BOTH = pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])


@pytest.fixture(autouse=True)
def _azure_version(monkeypatch):
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")


@BOTH
def test_a_refused_connection_is_unreachable(kind):
    import asyncio

    from contextrot.engines import Endpoint

    async def run():
        transport = kind(Endpoint("external", "m", "openai", "http://127.0.0.1:9/v1", api_key="sk-test"))
        try:
            await transport.send(BODY, 20)
        finally:
            await transport.close()

    with pytest.raises(Unreachable):
        asyncio.run(run())


def test_a_redirect_does_not_carry_the_key_elsewhere():
    with WireServer(dialects.openai()) as elsewhere:
        for provider, kind in (("openai", DirectTransport), ("openai", LitellmTransport), ("anthropic", LitellmTransport)):
            failure, _ = send(Said(307, headers={"Location": f"{elsewhere.url}/chat/completions?key=1"}), provider, kind)
            assert failure.kind == "denied"
            assert "redirects" in failure.message
            assert "key=1" not in failure.message
    assert elsewhere.asked == []


def several(said, count):
    """Outcomes of requests one after another on one transport, and the server."""
    import asyncio

    from contextrot.engines import Endpoint

    async def run(url):
        transport, found = DirectTransport(Endpoint("external", "m", "openai", url)), []
        for _ in range(count):
            try:
                found.append(await transport.send(BODY, 20))
            except Failure as failure:
                found.append(failure)
            await asyncio.sleep(0.02)
        await transport.close()
        return found

    with WireServer(said) as server:
        return asyncio.run(run(server.url)), server


def test_a_kept_alive_connection_is_used_again():
    found, server = several(dialects.openai(), 5)
    assert all(isinstance(reply, Reply) for reply in found)
    assert server.connections == 1


def test_a_kept_alive_connection_that_brings_no_byte_is_stale_and_a_first_one_unreachable():
    answers = {0: dialects.openai(), 1: Said(raw=b""), 2: Said(raw=b"")}
    found, _ = several(lambda number: answers[number], 3)
    assert isinstance(found[0], Reply)
    assert isinstance(found[1], StaleConnection)
    assert isinstance(found[2], Broken)
    assert not isinstance(found[2], StaleConnection)


def test_a_stream_is_whole_at_done_whatever_happens_to_the_connection_then():
    body = dialects.openai().body
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % (len(body) + 100)
    found, _ = send(Said(raw=head + body))
    assert found.text == "yes"


@pytest.mark.parametrize(
    "url", ["https://user:secret@127.0.0.1:{}/v1", "httpx://user:secret@127.0.0.1:{}/v1", "127.0.0.1:{}/v1", "http:///v1"]
)
def test_an_address_that_no_time_mends_stops_at_once_and_is_not_shown(url):
    import asyncio

    from contextrot.engines import Endpoint

    async def plain(_, writer):
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")
        writer.close()

    async def run():
        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport = DirectTransport(Endpoint("external", "m", "openai", url.format(port)))
        try:
            await transport.send(BODY, 20)
        except Failure as failure:
            return failure
        finally:
            await transport.close()
            server.close()

    failure = asyncio.run(run())
    assert failure.kind == "denied"
    assert "secret" not in failure.message


@pytest.mark.parametrize(("status", "kind"), [(401, "denied"), (429, "rate_limited"), (503, "server"), (400, "bad_request")])
@pytest.mark.parametrize(
    "more", ["Content-Encoding: gzip\r\nContent-Length: 3\r\n", "Content-Length: 300\r\n", "Transfer-Encoding: chunked\r\n"]
)
def test_a_refusal_whose_body_breaks_means_what_its_status_says(status, kind, more):
    body = "30\r\nno" if "chunked" in more else "no!"
    raw = f"HTTP/1.1 {status} X\r\nRetry-After: 7\r\n{more}\r\n{body}".encode()
    failure, _ = send(Said(raw=raw, close=True))
    assert (failure.kind, failure.status, failure.retry_after, failure.billed) == (kind, status, 7, False)


@pytest.mark.parametrize("kind", [DirectTransport, LitellmTransport])
@pytest.mark.parametrize("location", ["http://[::1", "//[", "http://h%E2%84%80/", ""])
def test_a_redirect_to_what_is_no_address_stops_as_any_other(kind, location):
    failure, _ = send(Said(status=302, headers={"Location": location}), kind=kind)
    assert failure.kind == "denied"
