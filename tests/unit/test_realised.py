"""Any text, tokenizer and length: the prompt is as long as asked, the needle whole and at its depth."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextrot.errors import DataError
from contextrot.samples.corpus import read_documents, topic_documents
from contextrot.samples.haystack import Insertion, SentencePool
from contextrot.samples.realised import length_class, verify
from contextrot.samples.sentences import split_text
from contextrot.samples.tokenizers import load_tokenizer

NEEDLE = "The spare key is in the blue can."
TEXTS = {
    "no punctuation": "the river went on past the mill and nobody knew why it rose so early that year " * 800,
    "one word": "abcdefghij" * 4_000,
    "chinese": "春天来了，村里的人都去河边看船。没有人知道船从哪里来！" * 800,
    "thai": "แม่น้ำไหลผ่านหมู่บ้านและไม่มีใครรู้ว่าเรือมาจากไหน " * 800,
    "arabic": "جرى النهر قرب القرية، ولم يعرف أحد من أين جاءت السفن؟ ثم عاد الناس. " * 800,
    "mixed": "A boat came. 船来了。" * 2_000,
}


class Bytes:
    """One token a byte."""

    exact = True

    def encode(self, text):
        return list(text.encode())

    def encode_batch(self, texts):
        return [self.encode(text) for text in texts]

    def decode(self, ids):
        return bytes(ids).decode(errors="replace")

    def count_chat(self, messages):
        return 1 + sum(4 + len(self.encode(message["content"])) for message in messages)


class Trained:
    """A tokenizer of the tokenizers library trained on the texts themselves, with or without a token at the chat's start."""

    exact = True

    def __init__(self, kind, bos):
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        self._bos = bos
        self._tokenizer = Tokenizer(models.BPE() if kind == "bpe" else models.Unigram())
        if kind == "bpe":
            self._tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            alphabet = pre_tokenizers.ByteLevel.alphabet()
            trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
        else:
            self._tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
            self._tokenizer.decoder = decoders.Metaspace()
            trainer = trainers.UnigramTrainer(vocab_size=300, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
        self._tokenizer.train_from_iterator([text[:4_000] for text in TEXTS.values()], trainer)

    def encode(self, text):
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_batch(self, texts):
        return [encoding.ids for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def decode(self, ids):
        return self._tokenizer.decode(ids)

    def count_chat(self, messages):
        return self._bos + len(self.encode("".join(f"<{m['role']}>{m['content']}\n" for m in messages)))


KINDS = {
    "bytes": Bytes,
    "bpe": lambda: Trained("bpe", 0),
    "bpe with bos": lambda: Trained("bpe", 1),
    "unigram": lambda: Trained("unigram", 0),
}


@pytest.fixture(scope="module")
def pools(o200k):
    tokenizers = {"o200k": o200k} | {kind: make() for kind, make in KINDS.items()}
    return {
        (name, kind): (SentencePool([split_text(text)], tokenizer), tokenizer)
        for name, text in TEXTS.items()
        for kind, tokenizer in tokenizers.items()
    }


def messages(text):
    return [{"role": "user", "content": f"Read:\n{text}\n\nQuestion: where?"}]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(TEXTS)), st.sampled_from(["o200k", *KINDS]), st.integers(250, 20_000), st.integers(0, 10))
def test_any_text_gives_the_asked_length_and_depth(pools, name, kind, target, tenth):
    pool, tokenizer = pools[name, kind]
    insertions = [Insertion(NEEDLE, tenth / 10)]
    order = pool.original_order(np.random.default_rng(1))
    haystack = pool.compose(order, insertions, target, lambda text: tokenizer.count_chat(messages(text)))
    assert verify(haystack, insertions, target, messages(haystack.text), tokenizer) == []
    assert tokenizer.count_chat(messages(haystack.text)) == haystack.prompt_tokens


def test_what_is_not_as_asked_is_named(pools):
    pool, tokenizer = pools["chinese", "o200k"]
    insertions = [Insertion(NEEDLE, 0.5)]
    haystack = pool.compose(
        pool.original_order(np.random.default_rng(1)), insertions, 600, lambda text: tokenizer.count_chat(messages(text))
    )
    assert "700 tokens asked" in verify(haystack, insertions, 700, messages(haystack.text), tokenizer)[0]
    assert "stands 0 times" in verify(haystack, [Insertion("Other.", 0.5)], 600, messages(haystack.text), tokenizer)[0]


def test_generated_text_repeats_hardly_a_sentence():
    for topic in ("generated", "generated_zh", "generated_ar"):
        sentences = [sentence for document in topic_documents(topic, Path()) for sentence in document]
        assert len(sentences) >= 60_000
        assert len(sentences) - len(set(sentences)) < 0.001 * len(sentences)


def test_a_folder_without_text_says_what_is_read(tmp_path):
    with pytest.raises(DataError, match="holds no text"):
        read_documents(tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match="empty"):
        read_documents(tmp_path)


def test_a_folder_with_nothing_but_readmes_is_text(tmp_path):
    for folder in (tmp_path, tmp_path / "more"):
        folder.mkdir(exist_ok=True)
        (folder / "README.md").write_text("A boat came home.")
    assert len(read_documents(tmp_path)) == 2
    (tmp_path / "a.txt").write_text("Nobody saw it.")
    assert read_documents(tmp_path) == [["Nobody saw it."]]


@pytest.mark.parametrize(
    ("content", "kept"), [("m.content | trim", True), ("m.content | lower", False), ("m.content[:900]", False)]
)
def test_a_chat_template_that_changes_the_text_is_named(data, tmp_path, content, kept):
    template = tmp_path / "template.jinja"
    template.write_text("{% for m in messages %}[{{ m.role }}]{{ " + content + " }}{% endfor %}[assistant]")
    tokenizer = load_tokenizer(str(data / "models/embedded"), chat_template=str(template))
    pool, insertions = SentencePool(read_documents(data / "essays"), tokenizer), [Insertion(NEEDLE, 0.5)]
    order = pool.original_order(np.random.default_rng(1))
    haystack = pool.compose(order, insertions, 900, lambda text: tokenizer.count_chat(messages(text)))
    faults = verify(haystack, insertions, 900, messages(haystack.text), tokenizer)
    assert any("template changes the haystack" in fault for fault in faults) is not kept
    assert kept is not bool(faults)


@pytest.mark.parametrize(("tokens", "length"), [(0, 1), (1, 1), (2, 2), (3, 4), (1024, 1024), (1025, 2048), (2**40 + 1, 2**41)])
def test_a_prompt_s_length_goes_up_to_a_power_of_two(tokens, length):
    assert length_class(tokens) == length
