"""Loading a local model's weights: never from pickles, never with code of the checkpoint's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from contextrot.errors import ConfigError, DataError
from contextrot.samples import hub

DTYPES = ("auto", "float32", "bfloat16", "float16")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
"""Files that run what they hold when they are opened."""
NOT_WEIGHTS = ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth")
SHARE_OF_MEMORY = 0.5
"""Weights are held in float32 where they take no more than this share of the free memory."""


def load_model(name: str, revision: str | None = None, dtype: str = "auto", device: str = "auto") -> Any:
    """A causal language model, ready to be probed.

    Args:
        name: folder or Hugging Face id; its weights must be safetensors.
        dtype: one of DTYPES; `auto` is float32 where that fits in memory, else the checkpoint's own.
        device: `auto` is a CUDA GPU where there is one, else the CPU.

    Raises:
        ConfigError: for a dtype or device that is not there.
        DataError: if the model cannot be loaded, or its weights are pickled.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    if dtype not in DTYPES:
        raise ConfigError(f"hidden_states.dtype = {dtype!r} is not accepted. Known: {', '.join(DTYPES)}.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"hidden_states.device = {device!r}, but PyTorch sees no CUDA GPU here; use auto or cpu.")
    refuse_pickled(name)
    logging.disable_progress_bar()
    arguments = {"revision": revision, "dtype": dtype, "trust_remote_code": False, "use_safetensors": True}
    try:
        try:
            model = AutoModelForCausalLM.from_pretrained(name, attn_implementation="sdpa", **arguments)
        except ValueError as error:
            if "scaled_dot_product_attention" not in str(error):
                raise
            model = AutoModelForCausalLM.from_pretrained(name, attn_implementation="eager", **arguments)
    except (OSError, ValueError, ImportError) as error:
        text = str(error)
        if "safetensors" in text and "no file named" in text:
            raise pickled(name) from error
        if "trust_remote_code" in text:
            raise DataError(
                f"model {name!r} needs Python code of its own, which is never run; name a model that needs none."
            ) from error
        raise hub.explain("model", name, error) from error
    model = model.to(device).eval()
    return model.float() if dtype == "auto" and not is_quantized(model) and _fits_in_float32(model) else model


def is_quantized(model: Any) -> bool:
    """Whether weights are kept in a packed form, which another dtype would break."""
    return bool(getattr(model, "is_quantized", False)) or getattr(model, "hf_quantizer", None) is not None


def refuse_pickled(name: str) -> None:
    """Raises DataError if a folder's only weights are pickles (`.bin`, `.pt`), which is seen by their names alone."""
    folder = Path(name)
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return
    files = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern) if path.name not in NOT_WEIGHTS)
    if files:
        raise pickled(name, files[0])


def pickled(name: str, file: str = ".bin files") -> DataError:
    """The error for weights that are pickled."""
    return DataError(
        f"the weights of {name!r} are pickled ({file}), which may run any code when it is opened, so it was not. Name a model or "
        "revision with safetensors, or convert those you trust: "
        "AutoModelForCausalLM.from_pretrained(NAME).save_pretrained(FOLDER, safe_serialization=True)."
    )


def _fits_in_float32(model: Any) -> bool:
    import psutil
    import torch

    needed = sum(4 * p.numel() for p in model.parameters() if p.dtype != torch.float32)
    cuda = model.device.type == "cuda"
    free = torch.cuda.mem_get_info(model.device)[0] if cuda else psutil.virtual_memory().available
    return needed <= SHARE_OF_MEMORY * free
