"""What our client costs: requests a second against a server that answers 64 at once in 50 ms, memory of many rows, the rate limiter's error.

python benchmarks/request_client.py [ROWS]     (default 20,000; the memory figure is for as many rows as are asked)

The ceiling is 64 / 0.05 s = 1,280 requests a second; beside it stands a bare aiohttp loop on the same server in the same minute,
because a busy machine slows both. Server and client need a core each.
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "workflow")]
SECONDS, CONCURRENCY = 0.05, 64
_EVENTS = [
    {"choices": [{"index": 0, "delta": {"content": "hello world"}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 2}},
]
_BODY = "".join(f"data: {json.dumps({'model': 'm', **event})}\n\n" for event in _EVENTS).encode() + b"data: [DONE]\n\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if found:
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(rest) >= length:
                self.buffer = rest[length:]
                asyncio.get_running_loop().call_later(SECONDS, self.transport.write, _ANSWER)


async def serve() -> None:
    """The server: 50 ms for whatever is asked."""
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def bare_loop(url: str, requests: int) -> float:
    """Requests a second of aiohttp alone."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        numbers = iter(range(requests))

        async def work() -> None:
            for number in numbers:
                async with session.post(f"{url}/chat/completions", data=json.dumps({"q": number}).encode()) as answer:
                    await answer.read()

        begin = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
        return requests / (time.perf_counter() - begin)


def collect(url: str, rows: int, folder: Path) -> tuple[float, float]:
    """Rows a second and CPU seconds a row of collect_responses, everything included."""
    from contextrot.inference import collect_responses
    from contextrot.records import Sample, write_samples
    from contextrot.settings import ModelSettings, Settings
    from contextrot.tasks import Parameters, Task

    samples = folder / "test/m/e/samples.parquet"
    condition = {"length": 1000, "depth": 0.5, "needle": "spare_key"}
    write_samples(
        samples,
        [
            Sample(f"row-{i}", [{"role": "user", "content": f"{i} " + "x" * 200}], ["gold"], 48, 100, condition=condition)
            for i in range(rows)
        ],
    )
    model = {
        "engine": "external",
        "name": "m",
        "base_url": url,
        "window": 1000,
        "max_output_tokens": 50,
        "tokens_per_minute": 10**12,
    }
    arguments = {
        "task": Task(Parameters()),
        "model_name": "m",
        "settings": Settings(request_store=str(folder / "store")),
        "experiment": "e",
    }
    place = {"shard": 1, "shards": 1, "log": folder / "log"}
    begin, cpu = time.perf_counter(), time.process_time()
    collect_responses(
        samples,
        folder / "test/m/e/responses/1-of-1.parquet",
        model=ModelSettings(**model, concurrency=CONCURRENCY),
        **arguments,
        **place,
    )
    return rows / (time.perf_counter() - begin), (time.process_time() - cpu) / rows


async def limiter_error(tokens_per_minute: int, seconds: float) -> float:
    """Measured rate of the token bucket over the asked one, minus 1."""
    from contextrot.ratelimit import TokenBucket

    bucket, amount = TokenBucket(tokens_per_minute), 100
    requests = round(tokens_per_minute / 60 * seconds / amount)
    begin = time.perf_counter()
    for _ in range(requests + 1):
        await bucket.acquire(amount)
    return requests * amount / (time.perf_counter() - begin) / (tokens_per_minute / 60) - 1


def main(rows: int) -> None:
    """Prints the figures."""
    logging.basicConfig(level=logging.WARNING)
    print(f"rate limiter at 600,000 tokens a minute: {asyncio.run(limiter_error(600_000, 10)):+.2%}")
    server = subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        bare = asyncio.run(bare_loop(url, 5000))
        with tempfile.TemporaryDirectory() as folder:
            rate, cpu = collect(url, rows, Path(folder))
    finally:
        server.terminate()
    ideal = CONCURRENCY / SECONDS
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"bare aiohttp loop: {bare:,.0f} requests/s, {bare / ideal:.1%} of the ideal {ideal:,.0f}")
    print(
        f"collect_responses, {rows:,} rows: {rate:,.0f} rows/s, {rate / ideal:.1%}; {cpu * 1e6:.0f} us CPU a row; {memory:.0f} MiB at most"
    )


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        if sys.argv[1:] == ["serve"]:
            asyncio.run(serve())
        else:
            main(int(sys.argv[1]) if sys.argv[1:] else 20_000)
