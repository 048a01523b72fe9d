"""Target 3: how much of the prefill that samples share is saved by the inference rule, by vLLM's own counters, in 1 and in 4 shards.

The optimum is what a tree of all prompts' tokens saves on one server: every shared token is computed once. Each shard gets an empty
prefix cache, as its own job would have. vLLM shares whole blocks only and computes at least one token of each prompt; what that alone
leaves of the optimum is printed beside it.

    python benchmarks/prefix_reuse.py [--runs 2] [--kv-tokens 8192] [--off]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import served
from record import record

from contextrot import engines
from contextrot.engines import Endpoint
from contextrot.hidden_states.likelihood import prompt_ids
from contextrot.hidden_states.prefix_tree import PrefixTree
from contextrot.records import Sample, read_responses
from contextrot.serving.counters import difference, read_counters
from contextrot.settings import ModelSettings
from contextrot.task import Task
from contextrot.tasks.context_switching.task import ContextSwitching
from contextrot.tasks.niah.task import NeedleInAHaystack


def workloads(small: bool) -> dict[str, Task]:
    """Tasks whose samples share prefixes; few tokens are written, so that the prefill is what counts."""
    lengths, items = ([256], 1) if small else ([1024, 2048, 4000], 6)
    needles = NeedleInAHaystack.Parameters(lengths=lengths, needles=["restaurant_high"], answer_tokens=8)
    histories = ContextSwitching.Parameters(
        targets=["sentiment", "multiple_choice"],
        distractors=["sentiment", "short_posts_qa"],
        items=items,
        history_turns=list(range(9)),
    )
    return {"haystacks at 11 depths": NeedleInAHaystack(needles), "histories of 0 to 8 turns": ContextSwitching(histories)}


def saved_by_tree(prompts: list[list[int]]) -> int:
    """Tokens that need not be computed if every shared one is computed once."""
    return sum(map(len, prompts)) - PrefixTree(prompts).tokens


def saved_by_blocks(prompts: list[list[int]], block: int) -> int:
    """The same, if only whole blocks are shared and the last token of a prompt is always computed."""
    seen: set[tuple[int, ...]] = set()
    saved = 0
    for prompt in prompts:
        shared = 0
        while shared + block < len(prompt) and tuple(prompt[: shared + block]) in seen:
            shared += block
        saved += shared
        seen.update(tuple(prompt[:end]) for end in range(block, len(prompt) + 1, block))
    return saved


def hits(endpoint: Endpoint, folder: Path, samples: list[Sample], task: Task, model: ModelSettings, shards: int) -> int:
    """Prompt tokens that the server took from its prefix cache, all shards together."""
    found = 0
    path = served.write(folder, samples)
    for shard in range(1, shards + 1):
        endpoint.reset()
        before = read_counters(endpoint)
        output = served.ask(folder, path, task, model, shard, shards)
        grown = difference(before, read_counters(endpoint))["server"]
        said = sum(response.cached_tokens or 0 for response in read_responses(output))
        if said != grown.get("prefix_cache_hits", 0):
            print(f"  the answers say {said} cached tokens, the counters {grown.get('prefix_cache_hits', 0):.0f}")
        found += int(grown.get("prefix_cache_hits", 0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--model", default="embedded-vllm", help="a model of config/models.yaml with engine vllm")
    parser.add_argument("--kv-tokens", type=int, help="size of the KV cache, tokens; the engine's own without it")
    parser.add_argument("--off", action="store_true", help="switch prefix caching off in config: nothing may be saved then")
    parser.add_argument("--small", action="store_true", help="few samples, for a trial")
    parser.add_argument("--dry", action="store_true", help="measure and print, record nothing")
    arguments = parser.parse_args()
    options = {"enable_prefix_caching": False} if arguments.off else {}
    model = served.model_settings(arguments.model, arguments.concurrency, **options)
    block = model.engine_options.get("block_size") or 16
    if arguments.kv_tokens:
        extra = ["--num-gpu-blocks-override", str(arguments.kv_tokens // block)]
        model = served.model_settings(arguments.model, arguments.concurrency, extra_args=extra, **options)
    tokenizer = served.tokenizer_of(model)
    with (
        tempfile.TemporaryDirectory() as folder,
        engines.serve(model, Path(folder) / "server.log") as endpoint,
        served.on(endpoint),
    ):
        versions = endpoint.details["versions"]
        for name, task in workloads(arguments.small).items():
            samples = served.build(task, model)
            prompts = [prompt_ids(tokenizer, sample.messages) for sample in samples]
            total, optimum, blocks = sum(map(len, prompts)), saved_by_tree(prompts), saved_by_blocks(prompts, block)
            print(
                f"{name}: {len(samples)} prompts, {total} tokens, of which {optimum} ({optimum / total:.1%}) are shared; in whole"
            )
            print(f"  blocks of {block}: {blocks} ({blocks / optimum:.1%} of the optimum)", flush=True)
            for shards in arguments.shards:
                saved = []
                for run in range(arguments.runs):
                    with tempfile.TemporaryDirectory() as place:
                        saved.append(hits(endpoint, Path(place), samples, task, model, shards))
                    print(
                        f"  {shards} shards, run {run + 1}: {saved[-1]} saved, {saved[-1] / optimum:.1%} of the optimum",
                        flush=True,
                    )
                size = f", KV cache of {arguments.kv_tokens} tokens" if arguments.kv_tokens else ""
                if not arguments.dry and not arguments.off:
                    peer = f"optimum (prefix tree; {blocks / optimum:.0%} of it in blocks of {block})"
                    what = f"{name}, {len(samples)} prompts, {shards} shard{'s' * (shards > 1)}{size}"
                    record("prefix_reuse", what, saved, peer, [optimum] * len(saved), [], "tokens saved", versions)
        print(f"vLLM's interpreter: {versions}")


if __name__ == "__main__":
    main()
