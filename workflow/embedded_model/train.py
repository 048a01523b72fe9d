"""Train the embedded model from scratch: `python -m embedded_model.train --output data/models/embedded`.

Every random draw comes from the seed and the step, so that a resumed run goes on as an uninterrupted one would. Two
threads each work on half of a step with one core; that is far more robust to other load than threads inside operations.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from embedded_model.conversations import ConversationWriter
from embedded_model.curriculum import rate_at, stage_at
from embedded_model.model import Llama, ModelConfig
from embedded_model.optimiser import Optimiser
from embedded_model.rows import RowWriter
from embedded_model.tokenizer import save_tokenizer, tokenizer_texts, train_tokenizer

SEED = 20_261_121
MATRIX_RATE, OTHER_RATE = 3e-3, 3e-3
WARM_UP_STEPS = 40
TOKENS_PER_WORKER = 4096
CHECKPOINT_STEPS = 100


def train(output: Path, data: Path, work: Path, workers: int = 2, seed: int = SEED) -> None:
    """Train through all stages and write the model folder; goes on from the last checkpoint in `work` if there is one.

    Args:
        output: The model folder, loadable by transformers and vLLM.
        data: The folder with essays, science and tasks/training.
        work: Where checkpoints are kept while training.
        workers: Threads, each with its own part of every step; part of the result's identity, as the seed is.
    """
    torch.set_num_threads(1)
    writer = ConversationWriter(data)
    tokenizer = make_tokenizer(work / "tokenizer", writer, seed)
    rows = RowWriter(writer, tokenizer)
    model = Llama(ModelConfig())
    model.initialise(torch.Generator().manual_seed(seed))
    optimiser = Optimiser(model, MATRIX_RATE, OTHER_RATE)
    step, tokens = restore(work, model, optimiser)
    parameters = list(model.parameters())

    def gradients(worker: int) -> tuple[float, tuple[Tensor, ...]]:
        torch.set_num_threads(1)
        rng = np.random.default_rng([seed, step, worker])
        batch, weights = rows.batch(rng, stage, length, TOKENS_PER_WORKER)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(batch, weights)
        return loss.item(), torch.autograd.grad(loss, parameters)

    losses: dict[int, float] = {}
    start, started_with = time.monotonic(), tokens
    with ThreadPoolExecutor(workers) as pool:
        while (stage := stage_at(tokens)) is not None:
            choose = np.random.default_rng([seed, step])
            share = np.array(list(stage.lengths.values()))
            length = int(choose.choice(list(stage.lengths), p=share / share.sum()))
            results = list(pool.map(gradients, range(workers)))
            for parameter, *parts in zip(parameters, *(grads for _, grads in results), strict=True):
                parameter.grad = torch.stack(parts).mean(dim=0)
            optimiser.step(rate_at(tokens) * min(1.0, (step + 1) / WARM_UP_STEPS), pool)
            step += 1
            tokens += workers * TOKENS_PER_WORKER
            loss = float(np.mean([value for value, _ in results]))
            losses[length] = loss if length not in losses else 0.9 * losses[length] + 0.1 * loss
            if step % 20 == 0:
                speed = (tokens - started_with) / (time.monotonic() - start)
                shown = " ".join(f"{size}:{losses[size]:.3f}" for size in sorted(losses))
                print(f"{stage.name} step {step} tokens {tokens} loss {shown} {speed:.0f} tokens/s", flush=True)
            if step % CHECKPOINT_STEPS == 0:
                save_checkpoint(work, model, optimiser, step, tokens)
    save_checkpoint(work, model, optimiser, step, tokens)
    export(model, tokenizer, output)


def make_tokenizer(folder: Path, writer: ConversationWriter, seed: int) -> PreTrainedTokenizerFast:
    """The tokenizer of this run: trained at its start, loaded when it goes on."""
    if not (folder / "tokenizer.json").exists():
        save_tokenizer(train_tokenizer(tokenizer_texts(writer, seed), ModelConfig.vocab_size), folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def save_checkpoint(work: Path, model: Llama, optimiser: Optimiser, step: int, tokens: int) -> None:
    """Write one safetensors file with a progress note inside, whole or not at all."""
    work.mkdir(parents=True, exist_ok=True)
    tensors = {f"model/{n}": p.detach() for n, p in model.named_parameters()}
    tensors |= {f"optimiser/{n}": t for n, t in optimiser.state_tensors().items()}
    part = work / "checkpoint.part"
    save_file({n: t.contiguous() for n, t in tensors.items()}, part, metadata={"step": str(step), "tokens": str(tokens)})
    part.replace(work / "checkpoint.safetensors")


def restore(work: Path, model: Llama, optimiser: Optimiser) -> tuple[int, int]:
    """Load the checkpoint if there is one; the step and tokens that it had reached, else zeros."""
    path = work / "checkpoint.safetensors"
    if not path.exists():
        return 0, 0
    tensors = load_file(path)
    model.load_state_dict({n.removeprefix("model/"): t for n, t in tensors.items() if n.startswith("model/")})
    optimiser.load_state_tensors({n.removeprefix("optimiser/"): t for n, t in tensors.items() if n.startswith("optimiser/")})
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return int(header["__metadata__"]["step"]), int(header["__metadata__"]["tokens"])


def export(model: Llama, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Write the folder that transformers and vLLM load: weights in bfloat16, config, generation config, tokenizer."""
    output.mkdir(parents=True, exist_ok=True)
    save_file(model.transformers_state(), output / "model.safetensors", metadata={"format": "pt"})
    ids = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
    write_json(output / "config.json", model.config.as_transformers(**ids))
    generation = {f"{name}_token_id": value for name, value in ids.items()}
    write_json(output / "generation_config.json", {**generation, "do_sample": False})
    save_tokenizer(tokenizer, output)


def write_json(path: Path, content: dict[str, object]) -> None:
    """Indented JSON with a final newline."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--work", type=Path, default=Path(".cache/embedded_training"))
    arguments = parser.parse_args()
    train(arguments.output, arguments.data, arguments.work)


if __name__ == "__main__":
    main()
