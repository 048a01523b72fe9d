"""Tokenizers of every kind count a chat as transformers counts it for its own server, however they were saved."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from contextrot.errors import DataError
from contextrot.samples.tokenizers import FolderTokenizer, HuggingFaceTokenizer, load_tokenizer

TEXT = ["the key is in the blue can . Where is it ? 1,024 naïve words, über", "你好 世界 नमस्ते 🙂"]
TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
SPECIAL = ["<unk>", "<s>", "</s>", "<pad>", "<|user|>", "<|assistant|>", "<|system|>"]


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer


def metaspace():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=200, special_tokens=SPECIAL, show_progress=False))
    return tokenizer


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = (
        normalizers.NFKC(),
        pre_tokenizers.Metaspace(),
        decoders.Metaspace(),
    )
    tokenizer.train_from_iterator(
        TEXT, trainers.UnigramTrainer(vocab_size=120, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    )
    return tokenizer


def wordpiece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = (
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
        decoders.WordPiece(),
    )
    tokenizer.train_from_iterator(TEXT, trainers.WordPieceTrainer(vocab_size=120, special_tokens=SPECIAL, show_progress=False))
    return tokenizer


KINDS = {"byte-level": byte_level, "metaspace": metaspace, "unigram": unigram, "wordpiece": wordpiece}
SAVED = ("plain", "adds both ends", "truncated", "padded")


@pytest.fixture(scope="module", params=[(kind, saved) for kind in KINDS for saved in SAVED], ids=" ".join)
def saved(request, tmp_path_factory):
    """(kind, transformers' own tokenizer, ours by both ways) of one kind, saved in one way."""
    kind, how = request.param
    tokenizer, folder = KINDS[kind](), tmp_path_factory.mktemp("tokenizer")
    plain = Tokenizer.from_str(tokenizer.to_str())
    if how == "adds both ends":
        ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    if how == "truncated":
        tokenizer.enable_truncation(8)
    if how == "padded":
        tokenizer.enable_padding(length=64, pad_token="<pad>", pad_id=3)
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=TEMPLATE, model_max_length=16, **names).save_pretrained(
        folder
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 16, **names})
    )
    light = load_tokenizer(str(folder))
    assert isinstance(light, FolderTokenizer)
    return kind, AutoTokenizer.from_pretrained(folder), plain, [light, HuggingFaceTokenizer(str(folder))]


WORDS = st.text(st.sampled_from("the key 你好.,?!\n\tüé🙂1 "), max_size=60)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_a_chat_has_the_tokens_that_the_server_gives_it(saved, texts):
    _, server, plain, ours = saved
    chat = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    text = server.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    ids = plain.encode(text, add_special_tokens=False).ids
    for tokenizer in ours:
        assert tokenizer.render_chat(chat) == text
        assert tokenizer.encode(text) == ids
        assert tokenizer.count_chat(chat) == len(ids)
        assert tokenizer.encode_batch(texts) == [plain.encode(one, add_special_tokens=False).ids for one in texts]


def test_it_says_whether_text_survives(saved):
    kind, _, _, ours = saved
    for tokenizer in ours:
        assert tokenizer.lossless == (kind == "byte-level")


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"model": 3}', "\udcff"])
def test_a_broken_file_is_named(tmp_path, file, content):
    names = {"unk_token": "<unk>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=byte_level(), chat_template=TEMPLATE, **names).save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **names}))
    (tmp_path / file).write_text(content, encoding="utf-8", errors="surrogateescape")
    if (file, content) in {("tokenizer_config.json", '{"model": 3}'), ("tokenizer_config.json", "[]")}:
        pytest.skip("that is a config")
    with pytest.raises(DataError, match="tokenizer"):
        load_tokenizer(str(tmp_path))


def templated(folder, template):
    """The byte-level tokenizer with a template."""
    byte_level().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>"}))
    (folder / "chat_template.jinja").write_text(template)
    return load_tokenizer(str(folder))


USER, ANSWER = {"role": "user", "content": "Where is it ?"}, {"role": "assistant", "content": "in the can"}
PARTS = "{% for m in messages %}<|{{ m.role }}|>{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}{% endfor %}"


def test_a_template_that_names_the_day_is_rendered_as_transformers_does(tmp_path):
    tokenizer = templated(
        tmp_path, "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}1{% endif %}" + TEMPLATE
    )
    theirs = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template([USER], tokenize=False, add_generation_prompt=True)
    assert tokenizer.render_chat([USER]) == theirs and not theirs.startswith("1<")


@pytest.mark.parametrize(
    "template",
    [
        PARTS,
        PARTS.replace(
            "{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}", "{{ m.content[0]['text'] }}"
        ),
    ],
)
def test_a_template_that_takes_parts_is_given_parts(tmp_path, template):
    tokenizer = templated(tmp_path, template)
    system = {"role": "system", "content": "Be brief ."}
    assert tokenizer.render_chat([system, USER]) == "<|system|>Be brief .<|user|>Where is it ?"
    assert tokenizer.as_sent([system, USER]) == [system, USER]
    assert tokenizer.render_chat([USER, ANSWER, USER]).count("Where is it ?") == 2


@pytest.mark.parametrize("template", ["", "Hello", "{% for m in messages if m.role == 'assistant' %}{{ m.content }}{% endfor %}"])
def test_a_template_that_leaves_out_the_text_is_refused(tmp_path, template):
    with pytest.raises(DataError, match="leaves out what the user says"):
        templated(tmp_path, template).count_chat([USER])


def test_a_template_that_shows_the_last_turn_alone_is_refused_for_conversations(tmp_path):
    tokenizer = templated(tmp_path, "<|user|>{{ messages[-1].content }}<|assistant|>")
    assert tokenizer.count_chat([USER]) > 3
    with pytest.raises(DataError, match="leaves out earlier turns"):
        tokenizer.count_chat([USER, ANSWER, USER])
