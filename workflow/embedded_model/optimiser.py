"""Muon for the matrices of the layers, AdamW for embeddings and gains, as one optimiser whose state is tensors only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import torch
from torch import Tensor

from embedded_model.model import Llama


class Optimiser:
    """One learning rate schedule for both; `state_tensors` can go into a safetensors file."""

    def __init__(self, model: Llama, rate: float, embedding_rate: float) -> None:
        matrices = {n: p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n}
        others = {n: p for n, p in model.named_parameters() if n not in matrices}
        self.names = {id(p): n for n, p in (matrices | others).items()}
        self.parameters = [*matrices.values(), *others.values()]
        self.rates = (rate, rate, embedding_rate)
        # Two halves, so that two threads can do the orthogonalisation.
        self.parts = (
            *(
                torch.optim.Muon(half, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
                for half in (list(matrices.values())[0::2], list(matrices.values())[1::2])
            ),
            torch.optim.AdamW(list(others.values()), lr=embedding_rate, betas=(0.9, 0.98), weight_decay=0.0),
        )

    def step(self, scale: float, pool: Executor) -> None:
        """Apply the gradients with the learning rates multiplied by `scale`."""
        for part, rate in zip(self.parts, self.rates, strict=True):
            for group in part.param_groups:
                group["lr"] = rate * scale
        torch.nn.utils.clip_grad_norm_(list(self.parameters), 1.0)

        def apply(part: torch.optim.Optimizer) -> None:
            torch.set_num_threads(1)
            part.step()

        list(pool.map(apply, self.parts))

    def _states(self) -> Iterator[tuple[torch.optim.Optimizer, str, Tensor]]:
        for part in self.parts:
            for group in part.param_groups:
                for parameter in group["params"]:
                    yield part, self.names[id(parameter)], parameter

    def state_tensors(self) -> dict[str, Tensor]:
        """Moments and step counts by parameter name."""
        return {
            f"{name}/{key}": torch.as_tensor(value).clone()
            for part, name, parameter in self._states()
            for key, value in part.state[parameter].items()
        }

    def load_state_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `state_tensors` gave."""
        for part, name, parameter in self._states():
            prefix = f"{name}/"
            part.state[parameter] = {k[len(prefix) :]: v.clone() for k, v in tensors.items() if k.startswith(prefix)}
