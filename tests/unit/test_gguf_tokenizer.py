"""A GGUF file's tokenizer counts as the tokenizer it was made from, and as llama.cpp does."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest

from contextrot.errors import DataError
from contextrot.samples.gguf_tokenizer import SPLITTINGS, GGUFTokenizer
from contextrot.samples.tokenizers import load_tokenizer
from tests.gguf_files import byte_level_metadata, sentencepiece_metadata, write_gguf

CHAT = [{"role": "user", "content": "Where is <|end|> the key?\n\nÜber 1,024 naïve words"}]
ECHO = "{% for m in messages %}{{ m.content }}{% endfor %}"


def special(folder: Path, text: str) -> int:
    tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    return next(token["id"] for token in tokens if token["content"] == text)


@pytest.fixture
def embedded(data):
    return data / "models/embedded"


@pytest.fixture
def metadata(embedded):
    return byte_level_metadata(
        embedded / "tokenizer.json",
        **{
            "tokenizer.ggml.bos_token_id": special(embedded, "<|begin|>"),
            "tokenizer.ggml.eos_token_id": special(embedded, "<|end|>"),
            "tokenizer.chat_template": (embedded / "chat_template.jinja").read_text(encoding="utf-8"),
        },
    )


def test_a_byte_level_tokenizer_gives_the_tokens_of_the_one_it_was_made_from(
    metadata, embedded, embedded_tokenizer, data, tmp_path
):
    from tokenizers import Regex, Tokenizer, pre_tokenizers

    found = load_tokenizer(str(write_gguf(tmp_path / "m.gguf", metadata)))
    assert isinstance(found, GGUFTokenizer)
    origin = Tokenizer.from_file(str(embedded / "tokenizer.json"))
    parts = [pre_tokenizers.Split(Regex(p), "isolated") for p in SPLITTINGS["gpt-2"].patterns]
    origin.pre_tokenizer = pre_tokenizers.Sequence([*parts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    for text in [(data / "essays/glass.txt").read_text(), "  a <|end|> 你好 🙂\n\n", "", " "]:
        assert found.encode(text) == origin.encode(text, add_special_tokens=False).ids
        assert found.decode(found.encode(text)) == text
    assert found.encode_batch(["a", "b c"]) == [found.encode("a"), found.encode("b c")]
    assert found.render_chat(CHAT) == embedded_tokenizer.render_chat(CHAT)
    assert found.lossless and found.takes_system


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("added", [True, False])
def test_the_beginning_stands_once_if_the_file_says_so_whatever_the_template_writes(metadata, tmp_path, written, added):
    template = ("{{ bos_token }}" if written else "") + ECHO
    values = {"tokenizer.chat_template": template, "tokenizer.ggml.add_bos_token": added}
    tokenizer = GGUFTokenizer(str(write_gguf(tmp_path / "m.gguf", metadata | values)))
    plain = len(tokenizer.encode(CHAT[0]["content"]))
    assert tokenizer.count_chat(CHAT) == plain + (written or added)


def test_a_sentencepiece_vocabulary_merges_by_its_scores_and_falls_back_to_bytes(tmp_path):
    tokenizer = GGUFTokenizer(str(write_gguf(tmp_path / "m.gguf", sentencepiece_metadata())))
    texts = lambda ids: [tokenizer._tokens[i] for i in ids]  # noqa: E731
    assert texts(tokenizer.encode("hello")) == ["▁hello"]
    assert texts(tokenizer.encode("hello hello")) == ["▁hello", "▁hello"]
    assert texts(tokenizer.encode("heü")) == ["▁", "he", "<0xC3>", "<0xBC>"]
    assert texts(tokenizer.encode("lo</s>lo")) == ["▁", "lo", "</s>", "▁", "lo"]
    assert tokenizer.decode(tokenizer.encode("hello ü hell")) == "hello ü hell"
    assert tokenizer.adds_bos and tokenizer.count_chat([{"role": "user", "content": "hello"}]) == 2


def test_ids_that_the_file_does_not_name_are_the_usual_ones(tmp_path):
    values = {key: value for key, value in sentencepiece_metadata().items() if not key.endswith("_token_id")}
    tokenizer = GGUFTokenizer(str(write_gguf(tmp_path / "m.gguf", values)))
    assert tokenizer.render_chat([{"role": "user", "content": "hello"}]) == "<s>hello"


def test_without_a_space_before_it_a_text_begins_as_it_stands(tmp_path):
    values = sentencepiece_metadata(**{"tokenizer.ggml.add_space_prefix": False})
    tokenizer = GGUFTokenizer(str(write_gguf(tmp_path / "m.gguf", values)))
    assert [tokenizer._tokens[i] for i in tokenizer.encode("hello hello")] == ["hello", "▁hello"]
    assert tokenizer.decode(tokenizer.encode("hello")) == "hello"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer.ggml.pre": "of-next-year"}, "tokenizer.ggml.pre = 'of-next-year'.*`tokenizer: server`"),
        ({"tokenizer.ggml.model": "bert"}, "kind 'bert'.*Hugging Face id"),
        ({"tokenizer.chat_template": ""}, "has no chat template"),
        ({"tokenizer.chat_template": 3}, "has no chat template"),
        ({"tokenizer.ggml.tokens": [1, 2]}, "cannot be built from its metadata"),
        ({"tokenizer.ggml.tokens": "abc"}, "cannot be built from its metadata"),
        ({"tokenizer.ggml.merges": 7}, "cannot be built from its metadata"),
        ({"tokenizer.ggml.token_type": 7}, "cannot be built from its metadata"),
        ({"tokenizer.ggml.pre": ["a"]}, "cannot be built from its metadata"),
    ],
)
def test_what_is_not_known_is_refused_by_name(metadata, tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        GGUFTokenizer(str(write_gguf(tmp_path / "m.gguf", metadata | changes)))


@pytest.mark.parametrize("end", [0, 3, 4, 11, 30, 60, 200, 5000])
def test_a_file_that_was_cut_off_is_no_traceback(metadata, tmp_path, end):
    path = write_gguf(tmp_path / "m.gguf", metadata)
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataError, match="is not a GGUF file that can be read"):
        load_tokenizer(str(path))


def test_absurd_sizes_are_not_believed(tmp_path):
    path = tmp_path / "m.gguf"
    for body in (struct.pack("<IQQ", 3, 0, 2**60), struct.pack("<IQQQ", 3, 0, 1, 2**62), struct.pack("<IQQ", 9, 0, 0)):
        path.write_bytes(b"GGUF" + body)
        with pytest.raises(DataError, match="is not a GGUF file"):
            load_tokenizer(str(path))
    with pytest.raises(DataError, match="does not exist"):
        load_tokenizer(str(tmp_path / "none.gguf"))


VOCABULARIES = os.environ.get("CONTEXT_RESEARCH_GGUF_VOCABULARIES")


@pytest.mark.skipif(
    not VOCABULARIES, reason="needs CONTEXT_RESEARCH_GGUF_VOCABULARIES: the folder `models` of llama.cpp's sources"
)
def test_llama_cpp_s_own_vocabularies_give_its_own_tokens(tmp_path):
    template = tmp_path / "echo.jinja"
    template.write_text(ECHO)
    agreed = []
    for path in sorted(Path(VOCABULARIES).glob("ggml-vocab-*.gguf")):
        if not Path(f"{path}.inp").exists():
            continue
        try:
            tokenizer = GGUFTokenizer(str(path), chat_template=str(template))
        except DataError:
            continue
        texts = Path(f"{path}.inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
        lines = Path(f"{path}.out").read_text(encoding="utf-8").split("\n")
        for text, line in zip(texts, lines, strict=False):
            assert tokenizer.encode(text) == [int(number) for number in line.split()], (path.name, text)
        agreed.append(path.name)
    assert len(agreed) >= 10
