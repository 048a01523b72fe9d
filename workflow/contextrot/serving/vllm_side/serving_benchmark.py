"""The client of vLLM's own serving benchmark: each line of standard input is a request, each line `TIMES {...}` its measurement.

Runs in vLLM's interpreter; its argument is the longest time of a request, in seconds. One request at a
time, when it is asked for, so that another client can take turns with it.
"""

import asyncio
import json
import sys

import aiohttp
from vllm.benchmarks.lib.endpoint_request_func import ASYNC_REQUEST_FUNCS, RequestFuncInput


async def main() -> None:
    """Sends requests over one session, as the benchmark does, until standard input ends."""
    send = ASYNC_REQUEST_FUNCS["openai-chat"]
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=1), timeout=aiohttp.ClientTimeout(total=float(sys.argv[1]))
    ) as session:
        for line in iter(sys.stdin.readline, ""):
            found = await send(RequestFuncInput(**json.loads(line)), session)
            kept = {name: getattr(found, name) for name in ("success", "error", "ttft", "latency", "output_tokens")}
            print("TIMES", json.dumps(kept), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
