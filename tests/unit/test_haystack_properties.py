"""Any text, any tokenizer, any length: what was asked is what is built."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from contextrot.randomness import generator_for
from contextrot.samples.haystack import Insertion, SentencePool
from contextrot.samples.sentences import cut_long, split_text

ENGLISH = "The harbour was quiet that morning. Nobody had seen the ferry, though the lamp burned; it was late! Who had lit it? "
CHINESE = "港口在清晨很安静。没有人看见渡船，虽然灯还亮着；天已经晚了！是谁点的灯？老人说，他只记得雨声。"
CORPORA = {
    "English": [ENGLISH * 40, "A second text has other words. It is short. " * 30],
    "no punctuation": ["the harbour was quiet that morning nobody had seen the ferry though the lamp burned " * 60],
    "Chinese": [CHINESE * 60],
    "Thai": ["ท่าเรือเงียบสงบในเช้าวันนั้น ไม่มีใครเห็นเรือข้ามฟาก แม้ว่าตะเกียงยังคงสว่างอยู่ " * 50],
    "Arabic": ["كان الميناء هادئا في ذلك الصباح. لم ير أحد العبارة؟ كان المصباح مضاء، رغم تأخر الوقت. " * 50],
    "Hindi": ["उस सुबह बंदरगाह शांत था। किसी ने नाव नहीं देखी। दीपक जल रहा था, हालाँकि देर हो चुकी थी। " * 50],
    "code": [
        "def total(values):\n    result = 0\n    for value in values:\n        result += value\n    return result\n\n\n" * 60
    ],
    "one line without spaces": ["abcdefghij" * 2_000],
    "one sentence": ["Nobody had seen the ferry."],
    "mixed": [ENGLISH * 10, CHINESE * 20, "x" * 300],
}
NEEDLES = ("The spare key is in the blue can.", "备用钥匙在蓝色的罐子里。", "المفتاح الاحتياطي في العلبة الزرقاء.")


class Counting:
    """A `tokenizers` tokenizer as the sample builder sees it; chats are framed by marks, with a BOS where there is one."""

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


def trained(kind: str) -> Counting:
    texts = [text[:4_000] for documents in CORPORA.values() for text in documents]
    if kind == "byte":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=256, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    elif kind == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if kind == "unigram" else "never")
        trainer = trainers.UnigramTrainer(vocab_size=1_200, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    if kind == "unigram":
        tokenizer.post_processor = processors.TemplateProcessing("<unk> $A", special_tokens=[("<unk>", 0)])
    return Counting(tokenizer, bos=kind == "unigram")


TOKENIZERS = {kind: trained(kind) for kind in ("bpe", "byte", "unigram", "unigram without prefix")}
POOLS: dict[tuple[str, str], SentencePool] = {}


def pool_of(corpus: str, kind: str) -> SentencePool:
    if (corpus, kind) not in POOLS:
        POOLS[corpus, kind] = SentencePool([split_text(text) for text in CORPORA[corpus]], TOKENIZERS[kind])
    return POOLS[corpus, kind]


def check(corpus: str, kind: str, length: int, depth: float, needle: str, order: str, distractors: int = 0) -> None:
    pool, tokenizer = pool_of(corpus, kind), TOKENIZERS[kind]

    def count(text: str) -> int:
        return tokenizer.count_chat([{"role": "user", "content": f"Read:\n{text}\n\nWhere is it?"}])

    rng = generator_for(1, corpus, length)
    indices = pool.original_order(rng) if order == "original" else pool.shuffled_order(rng)
    insertions = [Insertion(needle, depth)]
    insertions += [Insertion(f"Distractor {i} is here.", float(rng.random())) for i in range(distractors)]
    haystack = pool.compose(indices, insertions, length, count)
    if haystack is None:
        assert count(" ".join(i.text for i in insertions)) > length - 10
        return
    assert count(haystack.text) == haystack.prompt_tokens
    own = length - count(" ".join(i.text for i in insertions))
    assert length - 8 <= haystack.prompt_tokens <= length
    assert haystack.text.count(needle) == 1
    assert haystack.repetitions >= 1
    if own >= 100:
        off = max(abs(found - insertion.depth) for insertion, found in zip(insertions, haystack.depths, strict=True))
        # what is left over 1 % is told and refused by the task: a character of three bytes is three tokens of a byte tokenizer, and one
        # trained on these few sentences has tokens that span them
        assert off <= 0.01 or (kind != "bpe" and off <= 0.05), off
        # an independent look at the text: the tokens before the needle among those of the haystack
        before, after = (len(tokenizer.encode(part)) for part in haystack.text.split(needle))
        assert distractors or abs(before / max(before + after, 1) - haystack.depths[0]) <= 0.005 + 3 / own


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    st.sampled_from(sorted(CORPORA)), st.sampled_from(sorted(TOKENIZERS)), st.integers(200, 6_000), st.integers(0, 100),
    st.sampled_from(NEEDLES), st.sampled_from(["original", "shuffled"]), st.integers(0, 4),
)  # fmt: skip
def test_length_depth_and_needle_are_as_asked(corpus, kind, length, percent, needle, order, distractors):
    check(corpus, kind, length, percent / 100, needle, order, distractors)


@pytest.mark.parametrize("corpus", sorted(CORPORA))
def test_long_prompts_are_as_asked_too(corpus):
    # a tokenizer's own time grows with the square of a word's length, and one trained on that line has tokens of hundreds of letters
    check(corpus, "bpe", 500 if corpus == "one line without spaces" else 100_000, 0.37, NEEDLES[0], "original")


def test_no_prompt_of_twenty_thousand_tokens_is_over_by_the_joins(data, o200k):
    """A sentence at the beginning loses its space, one at the end may merge with the template's newline."""
    from contextrot.samples.corpus import read_documents

    pool = SentencePool(read_documents(data / "essays"), o200k)

    def count(text: str) -> int:
        return o200k.count_chat([{"role": "user", "content": f"<document>\n{text}\n</document>\n\nQuestion?"}])

    for seed in range(100):
        haystack = pool.compose(pool.original_order(generator_for(seed)), [Insertion(NEEDLES[0], seed / 99)], 20_000, count)
        assert 20_000 - 2 <= haystack.prompt_tokens <= 20_000
        assert count(haystack.text) == haystack.prompt_tokens
        assert abs(haystack.depths[0] - seed / 99) <= 0.01


@pytest.mark.parametrize("text", ["word " * 200_000, "词" * 300_000], ids=["words", "characters"])
def test_a_line_of_a_megabyte_gives_prompts_as_asked(o200k, text):
    pool = SentencePool([split_text(text)], o200k)

    def count(haystack: str) -> int:
        return o200k.count_chat([{"role": "user", "content": f"Read:\n{haystack}\n\nWhere is it?"}])

    for length, depth in ((200, 0.5), (3_500, 0.31), (50_000, 0.9)):
        haystack = pool.compose(pool.original_order(generator_for(1)), [Insertion(NEEDLES[0], depth)], length, count)
        assert length - 8 <= haystack.prompt_tokens <= length and haystack.text.count(NEEDLES[0]) == 1
        assert count(haystack.text) == haystack.prompt_tokens and abs(haystack.depths[0] - depth) <= 0.01


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400), st.integers(1, 50))
def test_pieces_joined_are_the_text(text, most):
    joined = "".join(split_text(text))
    assert "".join(joined.split()) == "".join(text.split())
    assert "".join(cut_long(text, most)) == text


def test_a_line_of_a_megabyte_is_cut_between_words_in_no_time():
    pieces = split_text("word " * 200_000)
    assert max(map(len, pieces)) <= 600 and all(piece.strip("word ") == "" for piece in pieces)


def test_sentences_of_other_scripts_end_where_they_end():
    assert split_text("今天很好。我们去公园！你来吗？“好。”他说。") == [
        "今天很好。",
        "我们去公园！",
        "你来吗？",
        "“好。”",
        "他说。",
    ]
    assert [p.strip() for p in split_text("वह आया। मैं गया। مرحبا؟ نعم.")] == ["वह आया।", "मैं गया।", "مرحبا؟", "نعم."]
    assert [p.strip() for p in split_text("Он пришёл. Я ушёл. Ok.")] == ["Он пришёл.", "Я ушёл.", "Ok."]


def test_a_corpus_of_nothing_has_no_haystack_to_give():
    pool = SentencePool([[]], TOKENIZERS["bpe"])
    haystack = pool.compose(np.array([], dtype=np.int64), [Insertion("Needle.", 0.5)], 500, lambda text: 10 + len(text) // 4)
    assert haystack is None or haystack.prompt_tokens < 492
