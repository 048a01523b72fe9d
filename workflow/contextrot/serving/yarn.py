"""A longer window by YaRN: rotary positions rescaled beyond the model's native window.

Source: B. Peng et al. (2023), YaRN: Efficient Context Window Extension of Large Language Models, arXiv 2309.00071.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextrot.errors import ConfigError, DataError

if TYPE_CHECKING:
    from contextrot.settings import ModelSettings


def stretched(model: ModelSettings, factor: float) -> ModelSettings:
    """The model's settings with a window `factor` times as long, served by vLLM with YaRN.

    Raises:
        ConfigError: for a model whose config has no plain rotary parameters, or scales them already.
    """
    rope = rope_parameters(model)
    kind = rope.get("rope_type", "default")
    if "rope_theta" not in rope or kind not in ("default", "yarn"):
        raise ConfigError(
            f"yarn_factor: {model.name!r} has rotary parameters of type {kind!r}; YaRN is for models with one plain set of them."
        )
    window = int(model.window * factor)
    yarn = {
        "rope_type": "yarn",
        "rope_theta": rope["rope_theta"],
        "factor": factor,
        "original_max_position_embeddings": model.window,
    }
    overrides = {**model.engine_options.get("hf_overrides", {}), "rope_parameters": yarn, "max_position_embeddings": window}
    options = {**model.engine_options, "hf_overrides": overrides, "max_model_len": window}
    return model.model_copy(update={"engine_options": options, "window": window})


def rope_parameters(model: ModelSettings) -> dict:
    """Rotary parameters in the model's config.

    Raises:
        DataError: if the config cannot be read.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(model.name, revision=model.revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise DataError(f"the config of {model.name!r} could not be read: {str(error).splitlines()[0]}") from error
    return dict(getattr(config, "rope_parameters", None) or {})
