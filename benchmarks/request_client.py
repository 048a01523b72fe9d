"""What our client costs: rows a second against a server that answers 64 at once in 50 ms, memory of many rows, the limiter's error.

python benchmarks/request_client.py [--rows 20000] [--repeats 3] [--folder DIR] [--record]

The ideal is 64 / 0.05 s = 1,280 requests a second. Server, bare loop and `collect_responses` are processes of their own. What the
machine itself allows is measured in the same minutes: a bare aiohttp loop that does nothing with the answers, the server's
CPU a request, and how many answers a second the disk under DIR takes with a flush each. Needs two idle cores. Memory is
the largest resident size seen in the process, looked at every 50 ms, with as many rows as are asked; --record adds the figures to
benchmarks/results.csv.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
from uvloop import run as run_loop

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
        if found and head.startswith(b"GET"):  # a look at who the server is
            self.buffer = rest
            self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        elif found:
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(rest) >= length:
                self.buffer = rest[length:]
                asyncio.get_running_loop().call_later(SECONDS, self.transport.write, _ANSWER)


async def serve() -> None:
    """The server: 50 ms for whatever is asked."""
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def bare_loop(url: str, requests: int) -> None:
    """As many requests by aiohttp alone."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        numbers = iter(range(requests))

        async def work() -> None:
            for number in numbers:
                async with session.post(f"{url}/chat/completions", data=json.dumps({"q": number}).encode()) as answer:
                    await answer.read()

        await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


def write_questions(path: Path, rows: int) -> None:
    """A samples file of short prompts."""
    from contextrot.records import Sample, write_samples

    condition = {"length": 1000, "depth": 0.5, "needle": "spare_key"}
    prompts = ([{"role": "user", "content": f"{row} " + "x" * 200}] for row in range(rows))
    write_samples(path, [Sample(f"row-{row}", p, ["gold"], 48, 100, condition=condition) for row, p in enumerate(prompts)])


def collect(url: str, folder: Path) -> None:
    """`collect_responses` of the folder's samples, everything included."""
    from contextrot.responses.collect import collect_responses
    from contextrot.settings import ModelSettings, Settings
    from contextrot.task import Parameters, Task

    experiment = folder / "test/m/e"
    model = ModelSettings(
        engine="external",
        name="m",
        base_url=url,
        window=1000,
        max_output_tokens=50,
        tokens_per_minute=10**12,
        concurrency=CONCURRENCY,
    )
    collect_responses(
        experiment / "samples.parquet",
        experiment / "responses/1-of-1.parquet",
        task=Task(Parameters()),
        model_name="m",
        model=model,
        settings=Settings(request_store=str(folder / "store")),
        experiment="e",
        shard=1,
        shards=1,
        log=folder / "log",
    )


def measured(*arguments: str) -> dict[str, float]:
    """Runs one of this file's steps in a process of its own: its seconds, CPU seconds and largest resident MiB."""
    process = psutil.Popen([sys.executable, __file__, "step", *arguments], stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        with suppress(psutil.Error):
            peak = max(peak, process.memory_info().rss)
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{arguments} ended with {process.returncode}")
    return {**json.loads(process.stdout.read()), "mib": peak / 2**20}


def step(name: str, *arguments: str) -> None:
    """One measured step; prints its seconds, without the start of the interpreter."""
    if name == "bare":
        import aiohttp  # noqa: F401
    else:
        import contextrot.responses.collect  # noqa: F401
    begin, cpu = time.perf_counter(), time.process_time()
    if name == "bare":
        run_loop(bare_loop(arguments[0], int(arguments[1])))
    else:
        collect(arguments[0], Path(arguments[1]))
    print(json.dumps({"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu}))


def disk_rate(folder: Path, answers: int = 2000) -> float:
    """Answers a second that the request store takes from as many threads as the client has."""
    from contextrot.records import Response
    from contextrot.responses.store import STORE_THREADS, RequestStore, request_key

    store = RequestStore(folder / "disk")
    begin = time.perf_counter()
    with ThreadPoolExecutor(STORE_THREADS) as threads:
        list(
            threads.map(
                lambda i: store.put(request_key({"q": i}), {}, Response("", 0, "answered", text="x" * 200)), range(answers)
            )
        )
    return answers / (time.perf_counter() - begin)


async def limiter_error(tokens_per_minute: int, seconds: float) -> float:
    """Measured rate of the token bucket over the asked one, minus 1."""
    from contextrot.responses.ratelimit import TokenBucket

    bucket, amount = TokenBucket(tokens_per_minute), 100
    requests = round(tokens_per_minute / 60 * seconds / amount)
    begin = time.perf_counter()
    for _ in range(requests + 1):
        await bucket.acquire(amount)
    return requests * amount / (time.perf_counter() - begin) / (tokens_per_minute / 60) - 1


def measure(rows: int, repeats: int, folder: Path) -> dict[str, list[float]]:
    """All figures, each as often as asked: rates a second, CPU microseconds a request, MiB."""
    figures: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        figures.setdefault(name, []).append(value)

    server = psutil.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        for number in range(repeats):
            run = folder / str(number)
            write_questions(run / "test/m/e/samples.parquet", rows)
            served = sum(server.cpu_times()[:2])
            bare = measured("bare", url, str(rows))
            add("server_us", (sum(server.cpu_times()[:2]) - served) / rows * 1e6)
            add("disk_rate", disk_rate(run))
            ours = measured("collect", url, str(run))
            shutil.rmtree(run)
            for name, values in (("bare", bare), ("ours", ours)):
                add(f"{name}_rate", rows / values["seconds"])
                add(f"{name}_us", values["cpu"] / rows * 1e6)
            add("mib", ours["mib"])
    finally:
        server.terminate()
    return figures


def show(rows: int, figures: dict[str, list[float]]) -> None:
    """Prints the medians."""
    ideal = CONCURRENCY / SECONDS
    median = {name: statistics.median(values) for name, values in figures.items()}
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"ideal: {ideal:,.0f} requests/s; the server alone could give {1e6 / median['server_us']:,.0f} on a core of its own")
    print(f"disk: {median['disk_rate']:,.0f} answers/s, each flushed")
    print(f"bare aiohttp loop: {median['bare_rate']:,.0f} requests/s, {median['bare_us']:.0f} us CPU each")
    print(
        f"collect_responses, {rows:,} rows: {median['ours_rate']:,.0f} rows/s, {median['ours_rate'] / ideal:.1%} of the ideal, "
        f"{median['ours_rate'] / median['bare_rate']:.1%} of the bare loop; {median['ours_us']:.0f} us CPU each; "
        f"at most {max(figures['mib']):.0f} MiB"
    )


def keep(rows: int, figures: dict[str, list[float]], limiter: float) -> None:
    """Writes the figures to benchmarks/results.csv."""
    from record import record

    packages = ["aiohttp", "pyarrow"]
    what = f"{CONCURRENCY} at once, {SECONDS * 1000:.0f} ms each"
    record("requests", what, figures["ours_rate"], "bare aiohttp loop", figures["bare_rate"], packages, "1/s")
    record("requests", f"{what}, ideal", figures["ours_rate"], "64 / 50 ms", [CONCURRENCY / SECONDS], packages, "1/s")
    record("requests", f"peak memory, {rows:,} rows", figures["mib"], "target 300 MiB", [300.0], packages, "MiB")
    record("requests", "rate limiter", [10_000 * (1 + limiter)], "asked rate", [10_000.0], [], "tokens/s")


def main(arguments: list[str]) -> None:
    """Measures, prints, and records if asked."""
    if arguments[:1] == ["serve"]:
        run_loop(serve())
        return
    if arguments[:1] == ["step"]:
        step(*arguments[1:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the files are written; the disk under it is part of what is measured")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/results.csv")
    options = parser.parse_args(arguments)
    limiter = asyncio.run(limiter_error(600_000, 10))
    print(f"rate limiter at 600,000 tokens a minute: {limiter:+.2%}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = measure(options.rows, options.repeats, Path(folder))
    show(options.rows, figures)
    if options.record:
        keep(options.rows, figures, limiter)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main(sys.argv[1:])
