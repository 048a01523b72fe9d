"""Small tokenizers, trained on a test's own texts, as the sample builder sees tokenizers."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

KINDS = ("bpe", "byte", "unigram", "unigram without prefix")
VOCABULARY = {"bpe": 900, "byte": 256, "unigram": 1_200, "unigram without prefix": 1_200}


class Counting:
    """A tokenizer of the `tokenizers` library; chats are framed by marks, with a token at their start where there is one."""

    exact = True

    def __init__(self, tokenizer: Tokenizer, bos: bool = False) -> None:
        self._tokenizer, self._bos = tokenizer, bos

    def encode(self, text):
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts):
        return [encoding.ids for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids):
        return self._tokenizer.decode(ids)

    def count_chat(self, messages):
        return len(self.encode("".join(f"<{m['role']}>{m['content']}\n" for m in messages) + "<assistant>")) + self._bos


def trained(kind: str, texts: Iterable[str], bos: bool = False) -> Counting:
    """A tokenizer of one of KINDS, trained on the first 4,000 characters of each text."""
    if kind in ("bpe", "byte"):
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=VOCABULARY[kind], initial_alphabet=alphabet, show_progress=False)
    else:
        scheme = "always" if kind == "unigram" else "never"
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
        tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
        trainer = trainers.UnigramTrainer(
            vocab_size=VOCABULARY[kind], unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
        )
    tokenizer.train_from_iterator([text[:4_000] for text in texts], trainer)
    return Counting(tokenizer, bos)
