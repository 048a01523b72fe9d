"""Target 2: one vLLM server on the CPU, the same prompts, output limit and concurrency, asked by us, lm-eval and inspect-ai in turn.

Ours is the whole inference rule: samples from their file, store (flushed to the disk), responses to theirs. The peers' side is the
least of what they do: their client alone, without building tasks, scoring or logs. Beside it, how busy the server is kept: tokens a
second by its own counters, against a plain loop that sends every request at once. The prefix cache is emptied before each side.

    python -m venv .venv-peers && .venv-peers/bin/pip install "lm-eval[api]" inspect-ai openai
    python benchmarks/inference.py [--runs 4] [--concurrency 32]
    python benchmarks/inference.py --dry --before ../older --sides ours before     # another checkout, on the same prompts
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
BEFORE = "before"
SIDES = {
    "ours": sys.executable,
    "lm-eval": str(PEERS),
    "inspect-ai": str(PEERS),
    "all at once": sys.executable,
    "all at once, streamed": sys.executable,
    BEFORE: sys.executable,
}
DEFAULT_SIDES = ["ours", "lm-eval", "inspect-ai", "all at once"]
NEVER = "</never>"  # lm-eval insists on a stop sequence; the model never writes this one


def side_ours(job: dict[str, Any]) -> tuple[float, list[str | None]]:
    """The inference rule, on the server that runs."""
    import aiohttp  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import served

    from contextrot.engines import Endpoint, vllm
    from contextrot.records import read_responses
    from contextrot.task import Parameters, Task

    model = served.model_settings(job["config_name"], job["concurrency"])
    extra = vllm.extra_body(vllm.Options(**model.engine_options))
    endpoint = Endpoint("vllm", job["model"], "hosted_vllm", job["url"], extra_body=extra)
    with tempfile.TemporaryDirectory() as folder, served.on(endpoint):
        begin = time.perf_counter()
        output = served.ask(Path(folder), Path(job["samples"]), Task(Parameters()), model)
        seconds = time.perf_counter() - begin
        return seconds, [response.text for response in read_responses(output)]


def side_lm_eval(job: dict[str, Any]) -> tuple[float, list[str | None]]:
    """lm-eval's client `local-chat-completions`."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.api_models import JsonChatStr
    from lm_eval.models.openai_completions import LocalChatCompletion

    client = LocalChatCompletion(
        base_url=f"{job['url']}/chat/completions", model=job["model"], num_concurrent=job["concurrency"], tokenized_requests=False,
        max_length=8192, timeout=600,
    )  # fmt: skip
    options = {"until": [NEVER], "max_gen_toks": job["limit"], "temperature": 0.0}
    requests = [
        Instance("generate_until", {}, (JsonChatStr(json.dumps(messages)), options), index)
        for index, messages in enumerate(job["messages"])
    ]
    begin = time.perf_counter()
    texts = client.generate_until(requests, disable_tqdm=True)
    return time.perf_counter() - begin, texts


def side_inspect(job: dict[str, Any]) -> tuple[float, list[str | None]]:
    """inspect-ai's provider `openai-api`."""
    from inspect_ai.model import ChatMessageUser, GenerateConfig, get_model

    config = GenerateConfig(max_tokens=job["limit"], temperature=0.0, max_connections=job["concurrency"], max_retries=0)
    model = get_model(f"openai-api/local/{job['model']}", base_url=job["url"], api_key="none", config=config)

    async def ask() -> list[str]:
        chats = [[ChatMessageUser(content=message["content"]) for message in messages] for messages in job["messages"]]
        return [output.completion for output in await asyncio.gather(*(model.generate(chat) for chat in chats))]

    begin = time.perf_counter()
    texts = asyncio.run(ask())
    return time.perf_counter() - begin, texts


def side_all_at_once(job: dict[str, Any], streamed: bool = False) -> tuple[float, list[str | None]]:
    """Saturates the server: every request is sent at once, whole answers are waited for.

    Args:
        streamed: ask for a stream, as the inference rule does for the time to the first token, and keep only its size: what
            streaming alone costs the server.
    """
    import aiohttp

    async def ask() -> list[str]:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        ) as session:

            async def one(messages: list[dict[str, str]]) -> str:
                body = {"model": job["model"], "messages": messages, "max_tokens": job["limit"], "temperature": 0}
                async with session.post(f"{job['url']}/chat/completions", json={**body, "stream": streamed}) as answer:
                    if streamed:
                        return f"{len(await answer.read())} bytes"
                    return (await answer.json())["choices"][0]["message"]["content"]

            return await asyncio.gather(*map(one, job["messages"]))

    begin = time.perf_counter()
    texts = asyncio.run(ask())
    return time.perf_counter() - begin, texts


RUN = {
    "ours": side_ours,
    "lm-eval": side_lm_eval,
    "inspect-ai": side_inspect,
    "all at once": side_all_at_once,
    "all at once, streamed": partial(side_all_at_once, streamed=True),
}


def run_side(side: str, job: Path, folder: Path, before: Path | None = None) -> dict[str, Any]:
    """One side in a process of its own: seconds of its requests and of the whole process, and its answers."""
    script = before / "benchmarks" / "inference.py" if side == BEFORE and before else Path(__file__)
    result = folder / "result.json"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OPENAI_API_KEY": "none"}
    begin = time.perf_counter()
    done = subprocess.run(
        [SIDES[side], str(script), "--side", "ours" if side == BEFORE else side, str(job), str(result)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=600,
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return {**json.loads(result.read_text()), "process_seconds": seconds}


def peer_version(name: str) -> str:
    code = f"from importlib.metadata import version; print(version({name!r}))"
    return subprocess.run([str(PEERS), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def measure(
    arguments: argparse.Namespace, folder: Path
) -> tuple[dict[str, dict[str, list[float]]], dict[str, list[str | None]], dict[str, str]]:
    """Seconds, process seconds and tokens a second of each side, its last answers, and the versions of the server."""
    import served

    from contextrot import engines
    from contextrot.serving.counters import difference, gauge, read_counters, read_metrics
    from contextrot.tasks.niah.task import NeedleInAHaystack

    model = served.model_settings(arguments.model, arguments.concurrency)
    needles = ["writing_advice_high", "restaurant_high", "spare_key_high", "night_train_high"][: arguments.needles]
    parameters = NeedleInAHaystack.Parameters(lengths=arguments.lengths, needles=needles, answer_tokens=arguments.limit)
    samples = served.build(NeedleInAHaystack(parameters), model)
    print(f"{len(samples)} prompts of {arguments.lengths} tokens, at most {arguments.limit} tokens each; the server starts")
    figures: dict[str, dict[str, list[float]]] = {side: {"seconds": [], "process": [], "rate": []} for side in arguments.sides}
    texts: dict[str, list[str | None]] = {}
    with engines.serve(model, folder / "server.log") as endpoint:

        def server_cpu() -> float:
            return gauge(read_metrics(endpoint.details["instances"]["server"]["url"]), "process_cpu_seconds_total") or 0.0

        job = folder / "job.json"
        content = {
            "url": endpoint.base_url, "model": endpoint.model, "limit": arguments.limit, "concurrency": arguments.concurrency,
            "config_name": arguments.model, "samples": str(served.write(folder, samples)), "messages": [s.messages for s in samples],
        }  # fmt: skip
        job.write_text(json.dumps(content))
        run_side("all at once", job, folder)  # warms the server up
        for number in range(arguments.runs):
            at = number % len(arguments.sides)
            for side in arguments.sides[at:] + arguments.sides[:at]:
                endpoint.reset()
                before, cpu = read_counters(endpoint), server_cpu()
                result = run_side(side, job, folder, arguments.before)
                cpu = server_cpu() - cpu
                grown = difference(before, read_counters(endpoint))["server"]
                tokens = grown["prompt_tokens"] + grown["generation_tokens"]
                figures[side]["seconds"].append(result["seconds"])
                figures[side]["process"].append(result["process_seconds"])
                figures[side]["rate"].append(tokens / result["seconds"])
                texts[side] = result["texts"]
                print(
                    f"run {number + 1}, {side}: requests {result['seconds']:.2f} s, process {result['process_seconds']:.2f} s; CPU: server "
                    f"{cpu:.2f} s, client with imports {result['cpu']:.2f} s; the server "
                    f"read {grown['prompt_tokens']:.0f} tokens ({grown.get('prefix_cache_hits', 0):.0f} cached), wrote {grown['generation_tokens']:.0f}",
                    flush=True,
                )
        return figures, texts, endpoint.details["versions"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--concurrency", type=int, default=32, help="of all sides alike")
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--needles", type=int, default=4, help="1 to 4; each is asked for at 11 depths of each length")
    parser.add_argument("--limit", type=int, default=48, help="tokens of an answer")
    parser.add_argument("--model", default="embedded-vllm", help="a model of config/models.yaml with engine vllm")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), default=DEFAULT_SIDES)
    parser.add_argument(
        "--before", type=lambda text: Path(text).resolve(), help="another checkout, whose inference rule is the side `before`"
    )
    parser.add_argument("--dry", action="store_true", help="measure and print, record nothing")
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        side, job, result = arguments.side
        before = time.process_time()
        seconds, texts = RUN[side](json.loads(Path(job).read_text()))
        Path(result).write_text(json.dumps({"seconds": seconds, "cpu": time.process_time() - before, "texts": texts}))
        return
    if (BEFORE in arguments.sides) != (arguments.before is not None):
        raise SystemExit(f"the side {BEFORE!r} and --before CHECKOUT go together.")
    peers = [side for side in arguments.sides if side in ("lm-eval", "inspect-ai")]
    if peers and not PEERS.exists():
        raise SystemExit(
            f"{PEERS} is not there; make it as the head of {Path(__file__).name} says, or leave out {' and '.join(peers)}."
        )
    with tempfile.TemporaryDirectory() as folder:
        figures, texts, versions = measure(arguments, Path(folder))
    print(f"vLLM's interpreter: {versions}")
    ours = figures["ours"]
    count = len(texts["ours"])
    for side in arguments.sides[1:]:
        same = sum((a or "").strip() == (b or "").strip() for a, b in zip(texts["ours"], texts[side], strict=True))
        print(f"{side}: {same} of {count} answers are the same as ours")
    if arguments.dry:
        return
    from record import record

    what = f"{count} prompts, concurrency {arguments.concurrency}"
    for side in peers:
        name = f"{side} {peer_version(side.replace('-', '_'))}"
        for part, title in (("seconds", "requests"), ("process", "whole process")):
            sides = ours[part], name, figures[side][part]
            record("inference", f"{what}: {title}, against {side}", *sides, ["aiohttp"], "s", versions)
    if "all at once" in figures:
        rates = ours["rate"], "every request at once", figures["all at once"]["rate"]
        record("inference", f"{what}: how busy the server is kept", *rates, ["aiohttp"], "tokens/s", versions)


if __name__ == "__main__":
    main()
