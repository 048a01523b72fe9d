"""Layer cosines and label likelihoods at h = 0..8: shared prefixes against recomputing each history.

Both sides run in turn in one process, on the same model and token ids, and must agree. The peer is the plain way: one prompt at a
time, no cache, a hook on every decoder layer, one more full pass for each label. Run: .venv/bin/python benchmarks/cosines.py
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow"), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from record import record  # noqa: E402

from contextrot.hidden_states.likelihood import answer_ids, prompt_ids  # noqa: E402
from contextrot.hidden_states.prefix_tree import PrefixTree  # noqa: E402
from contextrot.hidden_states.probe import LayerProbe, Measurement, Probe, load_model  # noqa: E402
from contextrot.randomness import generator_for  # noqa: E402
from contextrot.samples.tokenizers import load_tokenizer  # noqa: E402
from contextrot.task import SampleContext  # noqa: E402
from contextrot.tasks.context_switching.task import ContextSwitching  # noqa: E402
from tests.plain_hidden_states import plain_measure  # noqa: E402

HISTORIES = list(range(9))


def probes_of(tokenizer, items: int) -> list[Probe]:
    """Prompts of every pair of the embedded sets at h = 0..8, with the labels of each."""
    parameters = ContextSwitching.Parameters(targets=["sentiment", "multiple_choice"], history_turns=HISTORIES, items=items)
    task = ContextSwitching(parameters)
    samples = task.samples(SampleContext(tokenizer, 4096, 512, ROOT / "data", partial(generator_for, 1)))
    return [Probe(prompt_ids(tokenizer, s.messages), answer_ids(tokenizer, s.messages, s.condition["labels"])) for s in samples]


def check(ours: list[Measurement], plain: list[dict]) -> tuple[float, int]:
    """Largest difference of a cosine, and how many prompts choose another label."""
    difference = max(
        float(np.abs(a.logit_cosines.numpy() - np.array(b["cosines"])).max()) for a, b in zip(ours, plain, strict=True)
    )
    other = sum(
        np.argmax(a.log_likelihoods) != np.argmax(b["log_likelihoods"])
        for a, b in zip(ours, plain, strict=True)
        if a.log_likelihoods
    )
    return difference, int(other)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default=str(ROOT / "data/models/embedded"))
    parser.add_argument("--items", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-tokens", type=int, default=1024)
    arguments = parser.parse_args()
    tokenizer = load_tokenizer(arguments.model)
    model = load_model(arguments.model, dtype="float32", device=arguments.device)
    with_labels = probes_of(tokenizer, arguments.items)
    where = f"{Path(arguments.model).name}, {model.device.type}"
    for what, probes in (("cosines and labels", with_labels), ("cosines alone", [Probe(p.prompt) for p in with_labels])):
        probe = LayerProbe(model, batch_tokens=arguments.batch_tokens)
        sides = {
            "ours": lambda probe=probe, probes=probes: probe.measure(probes),
            "plain": lambda probes=probes: [plain_measure(model, p.prompt, p.answers) for p in probes],
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        found = {name: side() for name, side in sides.items()}  # also warms both up
        for _ in range(arguments.runs):
            for name, side in sides.items():
                begin = time.perf_counter()
                side()
                if model.device.type == "cuda":
                    torch.cuda.synchronize()
                seconds[name].append(time.perf_counter() - begin)
        difference, other = check(found["ours"], found["plain"])
        if difference > 1e-4 or other:
            raise SystemExit(f"the two sides differ: cosines by {difference}, labels of {other} prompts")
        plain_tokens = sum(len(p.prompt) + sum(len(p.prompt) + len(a) for a in p.answers) for p in probes)
        ours_tokens = PrefixTree([p.prompt + a[:-1] for p in probes for a in p.answers or [[]]]).tokens
        print(f"{what}: {len(probes)} prompts, tokens {ours_tokens} against {plain_tokens}, cosines differ by {difference:.1e}")
        record(
            "cosines",
            f"{what}, h = 0..8 ({where})",
            seconds["ours"],
            "each history recomputed",
            seconds["plain"],
            ["torch", "transformers"],
        )


if __name__ == "__main__":
    main()
