"""How late requests of a replayed trace are sent: an hour's trace, compressed as asked, against a server in a process of its own.

The trace has Poisson arrivals. The server answers each request with a stream of eight chunks, 10 ms apart. Needs two idle cores.

    python benchmarks/trace_replay.py [--rate 50] [--speed 60] [--runs 3] [--dry]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import served
from record import record

from contextrot.records import read_samples
from contextrot.samples.build import build_samples
from contextrot.serving.measure import measure_mode
from contextrot.settings import ModelSettings
from contextrot.tasks.serving.task import Serving, ServingParameters

HOUR = 3600.0
CHUNKS, CHUNK_SECONDS = 8, 0.01
LIMIT_SECONDS = 0.005


async def serve() -> None:
    """The server; prints its port."""
    from aiohttp import web

    chunks = [json.dumps({"choices": [{"index": 0, "delta": {"content": f"t{i} "}}]}) for i in range(CHUNKS)]
    end = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for chunk in chunks:
            await asyncio.sleep(CHUNK_SECONDS)
            await stream.write(f"data: {chunk}\n\n".encode())
        await stream.write(f"data: {end}\n\ndata: [DONE]\n\n".encode())
        return stream

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def write_trace(path: Path, count: int, seed: int) -> None:
    """An hour of requests, the first at its beginning and the last at its end."""
    import numpy as np

    times = np.cumsum(np.random.default_rng(seed).exponential(size=count))
    times = (times - times[0]) * HOUR / (times[-1] - times[0])
    path.write_text("time,input tokens,output tokens\n" + "".join(f"{at:.6f},120,{CHUNKS}\n" for at in times))


def replay(folder: Path, url: str, rate: float, speed: float, seed: int) -> tuple[list[float], float, int]:
    """Seconds that each request was late, ascending; seconds from the first to the last; how many failed."""
    import pandas as pd

    write_trace(folder / "trace.csv", round(rate * HOUR / speed), seed)
    embedded = served.model_settings("embedded", 1)
    model = ModelSettings(
        engine="external",
        name="m",
        base_url=url,
        window=4096,
        max_output_tokens=64,
        tokenizer=embedded.tokenizer or embedded.name,
    )
    task = Serving(ServingParameters(trace=str(folder / "trace.csv"), trace_speeds=[speed], repeats=1))
    build_samples(task, model, served.ROOT / "data", seed, folder / "samples.parquet")
    about = {"tier": "test", "seed": seed, "models": {}, "runs": [{"model": "m", "experiment": "e"}]}
    paths = (folder / "samples.parquet", None, folder / "out")
    measure_mode(task, model, "aggregated", about, paths, folder / "log")
    table = pd.read_parquet(folder / "out" / "requests.parquet")
    due = [s.condition["due_seconds"] for s in read_samples(folder / "samples.parquet") if s.condition["phase"] == "measured"]
    assert len(table) == len(due) and abs(table["start_seconds"] - due).max() < 1e-6
    return sorted(table["late_seconds"].dropna()), float(table["start_seconds"].max()), int((table["outcome"] == "failed").sum())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dry", action="store_true")
    asked = parser.parse_args()
    found: dict[str, list[float]] = {"median": [], "p99": [], "largest": []}
    spans = []
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        try:
            for seed in range(asked.runs):
                with tempfile.TemporaryDirectory() as folder:
                    late, span, failed = replay(Path(folder), url, asked.rate, asked.speed, seed)
                assert not failed
                for name, place in (("median", 0.5), ("p99", 0.99), ("largest", 1.0)):
                    found[name].append(late[min(int(place * len(late)), len(late) - 1)])
                spans.append(span)
                print(
                    f"{len(late)} requests in {span:.2f} s:",
                    {name: f"{1000 * v[-1]:.2f} ms" for name, v in found.items()},
                    f"over {1000 * LIMIT_SECONDS:g} ms: {sum(one > LIMIT_SECONDS for one in late)}",
                    flush=True,
                )
        finally:
            server.kill()
    if asked.dry:
        return
    for name, values in found.items():
        what = f"requests sent after they were due, {asked.rate:g} a second: {name}"
        record("trace_replay", what, [1000 * v for v in values], "target 5 ms", [1000 * LIMIT_SECONDS], ["aiohttp"], "ms")
    record(
        "trace_replay", f"an hour's trace at {asked.speed:g} times its speed", spans, "asked", [HOUR / asked.speed], ["aiohttp"]
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve())
    else:
        main()
