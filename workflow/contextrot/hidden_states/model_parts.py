"""The parts of a causal language model that its states are read from: layers, final norm, what leads from them to logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contextrot.errors import DataError

if TYPE_CHECKING:
    import torch

FINAL_NORMS = (
    "norm", "ln_f", "final_layer_norm", "final_layernorm", "norm_f", "layer_norm", "final_norm", "embedding_norm", "ln_out", "layernorm",
    "out_norm",
)  # fmt: skip


@dataclass(frozen=True)
class ModelParts:
    """What a model is made of.

    Attributes:
        layers: the decoder's layers, first to last.
        norm: the norm after the last layer; None where the model has none.
        out: the linear map from the layers' width to that of the embeddings; None where both are the same (all but OPT-350m).
        unembedding: from a state to logits.
    """

    layers: list[Any]
    norm: Any
    out: Any
    unembedding: Any

    @classmethod
    def of(cls, model: Any) -> ModelParts:
        """The parts of a model.

        Raises:
            DataError: if it has no list of layers, or no unembedding, that is known here.
        """
        owner, layers = _layers_of(model)
        unembedding = model.get_output_embeddings()
        if unembedding is None:
            raise DataError(f"{type(model).__name__} has no unembedding, so that its layers cannot be read as tokens.")
        norms = [getattr(owner, name) for name in FINAL_NORMS if getattr(owner, name, None) is not None]
        return cls(list(layers), norms[0] if norms else None, getattr(owner, "project_out", None), unembedding)

    def read(self, state: torch.Tensor, final_norm: bool) -> torch.Tensor:
        """What the unembedding is given for a layer's state, shape (..., width) to (..., width of the embeddings)."""
        state = self.norm(state) if final_norm and self.norm is not None else state
        return state if self.out is None else self.out(state)


def _layers_of(model: Any) -> tuple[Any, Any]:
    from torch.nn import ModuleList

    count = model.config.get_text_config().num_hidden_layers
    start = model.get_decoder() if hasattr(model, "get_decoder") else model
    for owner in (start if start is not None else model).modules():
        for child in owner.children():
            if isinstance(child, ModuleList) and len(child) == count:
                return owner, child
    raise DataError(
        f"{type(model).__name__} has no list of {count} decoder layers that is known here, so its layers cannot be looked at; "
        "leave out this model's cosines and likelihoods."
    )


def unreadable(model: Any) -> DataError:
    """The error for a model whose logits are not what its last layer's state, normed, leads to."""
    return DataError(
        f"{type(model).__name__} does more between its last layer and its logits than is known here, so its layers cannot be read as "
        "tokens; leave out this model's cosines and likelihoods."
    )


def widen(model: Any, parts: ModelParts) -> None:
    """Makes a model of bfloat16 or float16 weights compute in float32 from now on, without holding all its weights so.

    What stands around the layers is widened for good; each layer's weights are widened while it runs and given back after it.
    """
    within = {id(module) for layer in parts.layers for module in layer.modules()}
    for module in model.modules():
        if id(module) not in within:
            for tensor in _narrow(module, recurse=False):
                tensor.data = tensor.data.float()
    for layer in parts.layers:
        _widen_while_it_runs(layer)


def _widen_while_it_runs(layer: Any) -> None:
    kept: list[tuple[Any, Any]] = []

    def before(*_: object) -> None:
        for tensor in _narrow(layer, recurse=True):
            kept.append((tensor, tensor.data))
            tensor.data = tensor.data.float()

    def after(*_: object) -> None:
        for tensor, narrow in kept:
            tensor.data = narrow
        kept.clear()

    layer.register_forward_pre_hook(before)
    layer.register_forward_hook(after, always_call=True)


def _narrow(module: Any, recurse: bool) -> Iterator[Any]:
    import torch

    tensors = [*module.parameters(recurse=recurse), *module.buffers(recurse=recurse)]
    return (tensor for tensor in tensors if tensor.dtype in (torch.bfloat16, torch.float16))


class RotaryState:
    """What a model's rotary embeddings were before any pass: some grow with the longest text seen, so that a pass would depend on
    earlier ones."""

    ATTRIBUTES = ("max_seq_len_cached", "attention_scaling")

    def __init__(self, model: Any) -> None:
        self._saved = []
        for module in model.modules():
            buffers = {name: value.clone() for name, value in module.named_buffers(recurse=False) if name.endswith("inv_freq")}
            if buffers:
                others = {name: value for name, value in vars(module).items() if name.endswith(self.ATTRIBUTES)}
                self._saved.append((module, buffers, others))

    def restore(self) -> None:
        """As if no text had been seen."""
        for module, buffers, others in self._saved:
            for name, value in buffers.items():
                module._buffers[name] = value.clone()
            for name, value in others.items():
                setattr(module, name, value)
