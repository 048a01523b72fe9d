"""Writes the metadata of small GGUF files, without tensors."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any


def _text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    if value and isinstance(value[0], float):
        return struct.pack(f"<IIQ{len(value)}f", 9, 6, len(value), *value)
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def write_gguf(path: Path, metadata: dict[str, Any], version: int = 3) -> Path:
    """A GGUF file of these keys and no tensor."""
    keys = b"".join(_text(key) + _value(value) for key, value in metadata.items())
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", version, 0, len(metadata)) + keys)
    return path


def byte_level_metadata(tokenizer_json: Path, **others: Any) -> dict[str, Any]:
    """The keys of a byte-level tokenizer.json, as llama.cpp's converter writes them."""
    content = json.loads(tokenizer_json.read_text(encoding="utf-8"))
    tokens = sorted(content["model"]["vocab"], key=content["model"]["vocab"].get)
    special = {added["content"] for added in content["added_tokens"]}
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    return {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in special else 1 for token in tokens],
        "tokenizer.ggml.merges": merges,
        **others,
    }


def sentencepiece_metadata(**others: Any) -> dict[str, Any]:
    """A small vocabulary with scores and all bytes."""
    pieces = {
        "▁": -9.0,
        "h": -10.0,
        "e": -10.0,
        "l": -10.0,
        "o": -10.0,
        "he": -3.0,
        "ll": -2.0,
        "hell": -1.5,
        "▁hello": -1.0,
        "lo": -4.0,
        "hello": -1.2,
    }
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * 259 + list(pieces.values()),
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, *[1] * len(pieces)],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.chat_template": "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}",
        **others,
    }  # fmt: skip
