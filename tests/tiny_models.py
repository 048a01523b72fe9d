"""Small random models and a word-level tokenizer, for tests that need real parts but no trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = "positive negative very good bad film a b c d A B C D the dull bright user: assistant: end is it was not".split()
TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {{ 'end ' if m['role'] == 'assistant' else '' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def tiny_llama(layers: int = 3, vocabulary: int = 64, **options: Any) -> Any:
    """A random Llama in float32, with weights large enough that its answers differ; `options` are its config's."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    sizes = {
        "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "initializer_range": 0.1, "attn_implementation": "sdpa",
    }  # fmt: skip
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, num_hidden_layers=layers, **{**sizes, **options}))
    torch.nn.init.uniform_(model.model.norm.weight, 0.2, 2)
    return model.eval()


def word_tokenizer(folder: Path, template: str = TEMPLATE) -> Any:
    """Writes a tokenizer with one token a word to `folder` and loads it as the project does."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from contextrot.samples.tokenizers import HuggingFaceTokenizer

    vocabulary = {word: number for number, word in enumerate(["<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", chat_template=template)
    fast.save_pretrained(folder)
    return HuggingFaceTokenizer(str(folder))
