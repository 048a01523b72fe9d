"""Small random models of many families, two layers of width 32, in float32."""

from __future__ import annotations

from typing import Any

SIZES = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.2,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GPT2 = {"vocab_size": 64, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256, "initializer_range": 0.2}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 24}
LONGROPE = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [3.0, 9.0, 20.0, 40.0], "rope_theta": 10000.0}
SSM = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "conv_kernel": 3, "initializer_range": 0.2}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "llama-yarn": ("Llama", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 1e4}}),
    "llama-dynamic": ("Llama", {"max_position_embeddings": 32, "rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4}}),
    "mistral": ("Mistral", {"sliding_window": None}),
    "mistral-windowed": ("Mistral", {"sliding_window": 8}),
    "mixtral": ("Mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "qwen2": ("Qwen2", {}),
    "qwen2-moe": ("Qwen2Moe", {**EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 24}),
    "qwen3": ("Qwen3", {"head_dim": 8}),
    "qwen3-moe": ("Qwen3Moe", {**EXPERTS, "num_experts": 4, "head_dim": 8}),
    "gemma": ("Gemma", {"head_dim": 8}),
    "gemma2": ("Gemma2", {"head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8}),
    "gemma3": ("Gemma3", {"head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8}),
    "phi": ("Phi", {}),
    "phi3": ("Phi3", {}),
    "phi3-longrope": ("Phi3", {"original_max_position_embeddings": 32, "rope_parameters": {**LONGROPE, "original_max_position_embeddings": 32}}),
    "gpt2": ("GPT2", GPT2),
    "gpt-neo": ("GPTNeo", {"vocab_size": 64, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 8, "max_position_embeddings": 256, "initializer_range": 0.2}),
    "gpt-neox": ("GPTNeoX", {}),
    "gptj": ("GPTJ", {**GPT2, "rotary_dim": 4}),
    "gpt-bigcode": ("GPTBigCode", GPT2),
    "gpt-oss": ("GptOss", {"head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 8}),
    "opt": ("OPT", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "opt-350m": ("OPT", {"ffn_dim": 48, "word_embed_proj_dim": 16, "do_layer_norm_before": False}),
    "falcon": ("Falcon", {"alibi": False}),
    "falcon-alibi": ("Falcon", {"alibi": True, "new_decoder_architecture": False, "multi_query": False}),
    "bloom": ("Bloom", {"vocab_size": 64, "hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.2}),
    "mpt": ("Mpt", {"vocab_size": 64, "d_model": 32, "n_layers": 2, "n_heads": 4, "expansion_ratio": 2, "initializer_range": 0.2}),
    "stablelm": ("StableLm", {}),
    "starcoder2": ("Starcoder2", {"sliding_window": None}),
    "olmo": ("Olmo", {}),
    "olmo2": ("Olmo2", {}),
    "olmo3": ("Olmo3", {"sliding_window": 8}),
    "cohere": ("Cohere", {}),
    "cohere2": ("Cohere2", {"sliding_window": 8}),
    "granite": ("Granite", {"logits_scaling": 2.0, "residual_multiplier": 0.5}),
    "smollm3": ("SmolLM3", {"no_rope_layers": [1, 0]}),
    "glm": ("Glm", {"head_dim": 8}),
    "glm4": ("Glm4", {"head_dim": 8}),
    "nemotron": ("Nemotron", {}),
    "persimmon": ("Persimmon", {}),
    "codegen": ("CodeGen", {**GPT2, "rotary_dim": 4}),
    "xglm": ("XGLM", {"vocab_size": 64, "d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 48, "max_position_embeddings": 256, "init_std": 0.2}),
    "biogpt": ("BioGpt", {}),
    "deepseek-v2": ("DeepseekV2", {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 4, **EXPERTS, "n_group": 1, "topk_group": 1, "num_key_value_heads": 4}),
    "mamba": ("Mamba", SSM),
    "mamba2": ("Mamba2", {**SSM, "num_heads": 8, "head_dim": 8, "n_groups": 1}),
    "falcon-mamba": ("FalconMamba", SSM),
    "rwkv": ("Rwkv", {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32, "context_length": 256}),
    "lfm2": ("Lfm2", {"layer_types": ["conv", "full_attention"]}),
    "qwen3-next": ("Qwen3Next", {**EXPERTS, "num_experts": 4, "head_dim": 8, "shared_expert_intermediate_size": 24, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8, "layer_types": ["linear_attention", "full_attention"]}),
    "recurrent-gemma": ("RecurrentGemma", {"lru_width": 32, "attention_window_size": 8, "block_types": ["recurrent", "attention"]}),
    "helium": ("Helium", {"head_dim": 8}),
    "arcee": ("Arcee", {}),
    "ernie4-5": ("Ernie4_5", {}),
    "exaone4": ("Exaone4", {"sliding_window": 8, "sliding_window_pattern": 2}),
    "seed-oss": ("SeedOss", {"head_dim": 8}),
    "nanochat": ("NanoChat", {}),
    "ctrl": ("CTRL", {"vocab_size": 64, "n_embd": 32, "dff": 48, "n_layer": 2, "n_head": 4, "n_positions": 256}),
    "openai-gpt": ("OpenAIGPT", GPT2),
    "jamba": ("Jamba", {"mamba_d_state": 4, "mamba_dt_rank": 4, "num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False}),
    "granite-hybrid": ("GraniteMoeHybrid", {"layer_types": ["mamba", "attention"], "mamba_n_heads": 4, "mamba_d_head": 16, "num_local_experts": 2, "shared_intermediate_size": 24, "mamba_d_state": 4}),
    "falcon-h1": ("FalconH1", {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 4, "mamba_n_groups": 1}),
    "deepseek-v3": ("DeepseekV3", {"kv_lora_rank": 8, "q_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 4, **EXPERTS, "n_group": 1, "topk_group": 1, "num_key_value_heads": 4}),
    "phimoe": ("Phimoe", {"num_local_experts": 4}),
    "xlnet": ("XLNet", {"vocab_size": 64, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48}),
    "gemma3n": ("Gemma3n", {"head_dim": 8, "vocab_size_per_layer_input": 64, "hidden_size_per_layer_input": 8, "laurel_rank": 4, "num_kv_shared_layers": 0, "activation_sparsity_pattern": [0.0, 0.0], "layer_types": ["full_attention"] * 2}),
    "bert": ("Bert", {"is_decoder": True}),
    "modernbert-decoder": ("ModernBertDecoder", {"global_attn_every_n_layers": 2, "local_attention": 8}),
}  # fmt: skip
GENERIC = (
    "GPT2",
    "GPTNeo",
    "GPTJ",
    "GPTBigCode",
    "Bloom",
    "Mpt",
    "CodeGen",
    "XGLM",
    "Mamba",
    "Mamba2",
    "FalconMamba",
    "Rwkv",
    "CTRL",
    "OpenAIGPT",
    "XLNet",
)
"""Families whose configs name their sizes otherwise than most."""


LAYERS = {
    "gpt2": "transformer.h", "gpt-neo": "transformer.h", "gptj": "transformer.h", "gpt-bigcode": "transformer.h",
    "codegen": "transformer.h", "ctrl": "transformer.h", "openai-gpt": "transformer.h", "falcon": "transformer.h", "falcon-alibi": "transformer.h", "bloom": "transformer.h",
    "gpt-neox": "gpt_neox.layers", "opt": "model.decoder.layers", "opt-350m": "model.decoder.layers",
    "mpt": "transformer.blocks", "mamba": "backbone.layers", "mamba2": "backbone.layers", "falcon-mamba": "backbone.layers",
    "rwkv": "rwkv.blocks", "biogpt": "biogpt.layers",
}  # fmt: skip
"""Where a family's layers are, if not in `model.layers`."""


def tiny_family(name: str) -> Any:
    """A random model of one family, its norms not all ones, so that a norm left out is seen."""
    import torch
    import transformers

    prefix, options = FAMILIES[name]
    sizes = {} if prefix in GENERIC else SIZES
    config = getattr(transformers, f"{prefix}TextConfig", None) or getattr(transformers, f"{prefix}Config")
    for_lm = getattr(transformers, f"{prefix}ForCausalLM", None) or getattr(transformers, f"{prefix}LMHeadModel")
    torch.manual_seed(5)
    model = for_lm(config(**{**sizes, **options})).eval()
    for parameter_name, parameter in model.named_parameters():
        if parameter.dim() == 1 and "norm" in parameter_name and parameter_name.endswith("weight"):
            torch.nn.init.uniform_(parameter, 0.3, 1.5)
    return model
