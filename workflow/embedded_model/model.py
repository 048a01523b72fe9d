"""The Llama architecture in plain PyTorch, made for fast training on few CPU cores.

The parameters have the names and shapes of transformers' `LlamaForCausalLM`, so a state dict fits both; a test holds the
two to the same logits. Attention is written out in blocks of queries: on a CPU in bfloat16 that trains at twice the speed
of the fused kernel.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

QUERY_BLOCK = 256


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the model; `as_transformers` is what config.json says."""

    vocab_size: int = 4096
    hidden_size: int = 256
    intermediate_size: int = 512
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    head_dim: int = 64
    rope_theta: float = 50_000.0
    rms_norm_eps: float = 1e-5
    max_position_embeddings: int = 4096

    def as_transformers(self, bos: int, eos: int, pad: int) -> dict[str, object]:
        """Contents of config.json."""
        shape = asdict(self)
        theta = shape.pop("rope_theta")
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            **shape,
            "rope_theta": theta,
            "rope_parameters": {"rope_type": "default", "rope_theta": theta},
            "num_key_value_heads": self.num_attention_heads,
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": True,
            "dtype": "bfloat16",
            "torch_dtype": "bfloat16",
            "bos_token_id": bos,
            "eos_token_id": eos,
            "pad_token_id": pad,
        }


class RMSNorm(nn.Module):
    """Root mean square layer norm with a learnt gain."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of queries or keys (B, H, T, D); halves of D are paired."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of (B, H, T, D) in blocks of queries, each over no more keys than it may see."""
    length = q.shape[2]
    q = q * q.shape[-1] ** -0.5
    outputs = []
    for start in range(0, length, QUERY_BLOCK):
        end = min(start + QUERY_BLOCK, length)
        mask = torch.full((end - start, end), float("-inf"), dtype=q.dtype, device=q.device).triu(start + 1)
        weights = torch.softmax(q[:, :, start:end] @ k[:, :, :end].transpose(-1, -2) + mask, dim=-1)
        outputs.append(weights @ v[:, :, :end])
    return torch.cat(outputs, dim=2)


class Attention(nn.Module):
    """Multi-head causal self-attention with rotary positions."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.head_dim = config.num_attention_heads, config.head_dim
        inner = self.heads * self.head_dim
        self.q_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.o_proj = nn.Linear(inner, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = (
            projection(x).view(batch, length, self.heads, self.head_dim).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        cos, sin = cos.to(q.dtype), sin.to(q.dtype)
        mixed = causal_attention(rotate(q, cos, sin), rotate(k, cos, sin), v)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    """Gated feed-forward layer (SwiGLU)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    """One decoder layer."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = FeedForward(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Decoder with tied embeddings; state dict keys begin with `model.` in transformers."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        inverse = config.rope_theta ** (-torch.arange(0, config.head_dim, 2).float() / config.head_dim)
        angles = torch.outer(torch.arange(config.max_position_embeddings).float(), inverse)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw every matrix from a normal distribution; outputs of residual branches are scaled down by depth."""
        depth = (2 * self.config.num_hidden_layers) ** -0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                fan_in = parameter.shape[1]
                std = 0.05 if "embed" in name else fan_in**-0.5 * 0.8
                scale = depth if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
                nn.init.normal_(parameter, std=std * scale, generator=generator)
        self._look_back(generator)

    @torch.no_grad()
    def _look_back(self, generator: torch.Generator, sharpness: float = 7.0) -> None:
        """Start the first layer's heads as ones that attend to the token one, two, ... places before.

        Copying needs such heads, and waiting for them to form is most of a small model's training. A vector common to
        all embeddings gives queries and keys a constant part, whose rotation peaks at the wanted distance; like
        everything else it is then trained.
        """
        config, width = self.config, self.config.head_dim // 2
        common = torch.sign(torch.randn(config.hidden_size, generator=generator))
        self.embed_tokens.weight += 0.05 * common
        attention = self.layers[0].self_attn
        angles = torch.atan2(self.sin[1], self.cos[1])
        reads = common / common.norm() ** 2 * sharpness
        for head in range(config.num_attention_heads - 1):
            turned = -(head + 1) * angles
            rows = slice(head * config.head_dim, (head + 1) * config.head_dim)
            attention.q_proj.weight[rows] *= 0.1
            attention.k_proj.weight[rows] *= 0.1
            attention.q_proj.weight[rows] += torch.outer(torch.cat((turned.cos(), turned.sin())), reads)
            attention.k_proj.weight[rows] += torch.outer(torch.cat((torch.ones(width), torch.zeros(width))), reads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Final hidden states (B, T, C) of token ids (B, T)."""
        length = tokens.shape[1]
        x = self.embed_tokens(tokens)
        if torch.is_autocast_enabled("cpu"):
            x = x.bfloat16()
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length])
        return self.norm(x)

    def loss(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """Weighted mean cross-entropy of the next tokens; logits are computed only where a weight is not 0.

        Args:
            tokens: Token ids (B, T + 1).
            weights: Weight (B, T) of predicting `tokens[:, 1:]`.
        """
        hidden = self(tokens[:, :-1])
        chosen = weights > 0
        logits = (hidden[chosen] @ self.embed_tokens.weight.T.to(hidden.dtype)).float()
        losses = functional.cross_entropy(logits, tokens[:, 1:][chosen], reduction="none")
        return (losses * weights[chosen]).sum() / weights.sum()

    def transformers_state(self) -> dict[str, Tensor]:
        """Parameters in bfloat16 under the names that transformers and vLLM load."""
        return {f"model.{name}": p.detach().bfloat16().contiguous() for name, p in self.named_parameters()}
