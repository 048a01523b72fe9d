"""The embedded model's tokenizer: byte-level BPE with 4,096 entries, trained on the corpora and the training text.

The chat template puts one space before each message, so that a word has the same token at the start of an answer as in the
middle of a text. Rendering is prefix-stable: a longer conversation begins with the tokens of a shorter one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from embedded_model.conversations import ConversationWriter

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ("system", "user", "assistant")
SPECIAL_TOKENS = (PAD, BEGIN, END, *(f"<|{role}|>" for role in ROLES))

CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|> ' }}"
    "{% if message['content'] is string %}{{ message['content'] | trim }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] | trim }}{% endfor %}{% endif %}"
    "{{ '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with the chat template; single digits, so that any number is spelt alike."""
    tokenizer = Tokenizer(models.BPE())
    words = Regex(r"'(?:s|t|re|ve|m|ll|d)(?!\p{L})| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT_TEMPLATE,
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")


REPEATABLE_WORDS = (
    "apple apples orange oranges banana bananas golden Golden run running San Francisco Bridge Gate Park lemon lemons "
    "pear pears cherry cherries river rivers stone stones cat cats dog dogs house houses word words repeat text exactly "
    "nothing else positive negative review film document answer question sentence using only option letter post user "
    "assistant session sessions earlier current date Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
).split()
"""Words that should be one token each, so that counting words is counting tokens."""


def tokenizer_texts(writer: ConversationWriter, seed: int) -> Iterator[str]:
    """The corpora, a sample of training conversations, and common words."""
    rng = np.random.default_rng([seed, 4096])
    for _ in range(3):
        yield from (" ".join(article) for article in writer.sentences)
    for task in ("needles", "chat", "sentiment", "posts_and_questions", "multiple_choice"):
        for _ in range(150):
            yield from (f" {question} {answer}" for question, answer in getattr(writer, task)(rng, 400))
    for words in (REPEATABLE_WORDS, *writer.facts.words.values(), *writer.reviews.fragments.values()):
        yield (" " + " ".join(words)) * (40 if words is REPEATABLE_WORDS else 6)
