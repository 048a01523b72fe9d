"""LongBench's sets and scorers, and LongBench v2's.

Source: Y. Bai et al. (2023), LongBench (arXiv 2308.14508), eval.py and metrics.py; Y. Bai et al. (2024), LongBench v2 (arXiv 2412.15204).
Scores are computed as there, what looks like an oversight included; the prompts are this project's own words.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contextrot.errors import ConfigError
from contextrot.matching.scorers import code, token_f1
from contextrot.tasks.capability.rouge import rouge_l_f

_CHINESE_PUNCTUATION = "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】〔〕〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏."
_PUNCTUATION = str.maketrans("", "", string.punctuation + _CHINESE_PUNCTUATION)
_CHOICE = (re.compile(r"The correct answer is \(([A-D])\)"), re.compile(r"The correct answer is ([A-D])"))
Scorer = Callable[[str, str, Sequence[str]], float]
"""score(answer, one gold answer, classes)."""


@dataclass(frozen=True)
class Set:
    """One of LongBench's sets.

    Attributes:
        scorer: name in SCORERS.
        answer_tokens: limit of an answer, tokens (config/dataset2maxlen.json).
        prompt: with {context} and {input}.
        first_line: whether only the answer's first line counts.
    """

    scorer: str
    answer_tokens: int
    prompt: str
    first_line: bool = False


_STORY = "Answer the question about the {what} below as briefly as you can, in one phrase if possible, without any explanation.\n\n{{context}}\n\nQuestion: {{input}}\n\nGive the answer alone."
_PASSAGES = "Answer the question from the passages below. Give the answer alone, without any other words.\n\n{context}\n\nQuestion: {input}\n\nGive the answer alone, without any other words."
_ARTICLE = "Answer the question about the article below as briefly as you can, in one phrase or sentence if possible. Write unanswerable if the article does not say it; answer yes or no where that is asked.\n\n{context}\n\nQuestion: {input}\n\nGive the answer alone."
_SUMMARY = "Below {what}. Summarize it on one page.\n\n{{context}}\n\nWrite the summary of one page."
_CODE = "Continue the code below by its next line.\n\n{context}{input}\n\nWrite the next line of code alone."
SETS = {
    "narrativeqa": Set("f1", 128, _STORY.format(what="story")),
    "qasper": Set("f1", 128, _ARTICLE),
    "multifieldqa_en": Set("f1", 64, _PASSAGES),
    "multifieldqa_zh": Set("f1_zh", 64, "请根据下面的文字简短回答问题，只写答案。\n\n{context}\n\n问题：{input}\n\n只写答案。"),
    "hotpotqa": Set("f1", 32, _PASSAGES),
    "2wikimqa": Set("f1", 32, _PASSAGES),
    "musique": Set("f1", 32, _PASSAGES),
    "dureader": Set("rouge_zh", 128, "请根据下面的文章回答问题。\n\n{context}\n\n问题：{input}\n\n请回答。"),
    "gov_report": Set("rouge", 512, _SUMMARY.format(what="is the report of a public authority")),
    "qmsum": Set("rouge", 512, "Below is the transcript of a meeting. Answer the query about it in one or a few sentences.\n\n{context}\n\nQuery: {input}"),
    "multi_news": Set("rouge", 512, _SUMMARY.format(what="is the news of several papers")),
    "vcsum": Set("rouge_zh", 512, "下面是一份会议记录，请写一段总结。\n\n{context}\n\n请写会议的总结。"),
    "trec": Set("classification", 64, "Say of what type the last question is, as in these examples.\n\n{context}\n{input}", first_line=True),
    "triviaqa": Set("f1", 32, "Answer the last question from its passage, as in these examples. Give the answer alone.\n\n{context}\n\n{input}", first_line=True),
    "samsum": Set("rouge", 128, "Summarize the last dialogue in a few short sentences, as in these examples.\n\n{context}\n\n{input}", first_line=True),
    "lsht": Set("classification", 64, "请按照下面的例子判断最后一条新闻的类别。\n\n{context}\n{input}", first_line=True),
    "passage_count": Set("count", 32, "Some of the paragraphs below are the same. How many different ones are there?\n\n{context}\n\nHow many different paragraphs are there? Give the number alone."),
    "passage_retrieval_en": Set("retrieval", 32, 'Which of the paragraphs below does the abstract summarize?\n\n{context}\n\nThe abstract:\n\n{input}\n\nAnswer as in "Paragraph 1", with the paragraph\'s number.'),
    "passage_retrieval_zh": Set("retrieval_zh", 32, "下面的摘要是哪一个段落的？\n\n{context}\n\n摘要：\n\n{input}\n\n请按“段落1”的格式回答。"),
    "lcc": Set("code", 64, _CODE),
    "repobench-p": Set("code", 64, _CODE),
}  # fmt: skip
CHINESE = tuple(name for name, one in SETS.items() if one.scorer.endswith("_zh") or name == "lsht")
BANDS, LONGEST_BAND = ((4_000, "0-4k"), (8_000, "4-8k")), "8k+"
"""LongBench-E: words below which a text belongs to a range."""
V2_PROMPT = (
    "Read the text, then answer the question.\n\n<text>\n{context}\n</text>\n\nQuestion: {input}\n\n(A) {A}\n(B) {B}\n(C) {C}\n(D) {D}\n\n"
    'Answer with "The correct answer is (X)", with the letter in place of X.'
)
V2_ANSWER_TOKENS = 128


def score(name: str, answer: str, golds: Sequence[str], classes: Sequence[str]) -> float:
    """The best score over the gold answers, from 0 to 1.

    Args:
        name: one of SETS; LongBench-E's names end in _e.
        classes: all classes, for the classification sets.

    Raises:
        ConfigError: for a Chinese set without package jieba.
    """
    one = SETS[name.removesuffix("_e")]
    said = answer.lstrip("\n").split("\n")[0] if one.first_line else answer
    return max((SCORERS[one.scorer](said, gold, classes) for gold in golds), default=0.0)


def band_of(words: int) -> str:
    """LongBench-E's range of lengths."""
    return next((band for most, band in BANDS if words < most), LONGEST_BAND)


def chosen(answer: str) -> str | None:
    """LongBench v2's reading of an answer: the letter behind "The correct answer is", asterisks taken out; None if there is none."""
    plain = answer.replace("*", "")
    return next((found[1] for pattern in _CHOICE if (found := pattern.search(plain))), None)


def _f1(answer: str, gold: str, classes: Sequence[str]) -> float:
    said = token_f1(answer, [gold])
    return 0.0 if said and not _has_words(gold) else said


def _has_words(text: str) -> bool:
    """Two texts without a word are not alike here, as they are for SQuAD."""
    return token_f1(text, [""]) == 0


def needs_jieba(names: Iterable[str]) -> list[str]:
    """The sets among these whose scorers part Chinese words."""
    return [name for name in names if SETS[name.removesuffix("_e")].scorer in ("f1_zh", "rouge_zh")]


def words_of(text: str) -> list[str]:
    """Words of a Chinese text by jieba.

    Raises:
        ConfigError: if that is not installed.
    """
    try:
        import jieba
    except ImportError as error:
        raise ConfigError(
            "longbench_sets: multifieldqa_zh, dureader and vcsum are scored by package jieba, which is not installed: pip install jieba "
            "'setuptools<81', or leave them out."
        ) from error
    jieba.setLogLevel("ERROR")
    return list(jieba.cut(text, cut_all=False))


def _f1_zh(answer: str, gold: str, classes: Sequence[str]) -> float:
    sides = [[plain for word in words_of(text) if (plain := normalised_zh(word))] for text in (answer, gold)]
    return f1_of(*sides)


def normalised_zh(text: str) -> str:
    """Lower case, without punctuation of either script and without white space."""
    return "".join(text.lower().translate(_PUNCTUATION).split())


def f1_of(said: Sequence[str], gold: Sequence[str]) -> float:
    """F1 of two lists of tokens; 0 if they have none in common."""
    common = sum((Counter(said) & Counter(gold)).values())
    return 2 * common / (len(said) + len(gold)) if common else 0.0


def _rouge(answer: str, gold: str, classes: Sequence[str]) -> float:
    return rouge_l_f(answer, gold)


def _rouge_zh(answer: str, gold: str, classes: Sequence[str]) -> float:
    return rouge_l_f(" ".join(words_of(answer)), " ".join(words_of(gold)))


def _classification(answer: str, gold: str, classes: Sequence[str]) -> float:
    """1 over the number of classes that the answer names, if the gold one is among them; parts of the gold class's name do not count.

    The published code takes such parts out of the list that it goes through, and so passes over what follows one; so does this.
    """
    named = [name for name in classes if name in answer]
    for name in named:
        if name in gold and name != gold:
            named.remove(name)
    return 1 / len(named) if gold in named else 0.0


def _share_of_numbers(answer: str, number: str) -> float:
    found = re.findall(r"\d+", answer)
    return sum(one == number for one in found) / len(found) if found else 0.0


def _count(answer: str, gold: str, classes: Sequence[str]) -> float:
    return _share_of_numbers(answer, gold)


def _retrieval(pattern: str) -> Scorer:
    def scored(answer: str, gold: str, classes: Sequence[str]) -> float:
        found = re.search(pattern, gold)
        return _share_of_numbers(answer, found[1]) if found else 0.0

    return scored


def _code(answer: str, gold: str, classes: Sequence[str]) -> float:
    return code(answer, [gold])


SCORERS: dict[str, Scorer] = {
    "f1": _f1,
    "f1_zh": _f1_zh,
    "rouge": _rouge,
    "rouge_zh": _rouge_zh,
    "classification": _classification,
    "count": _count,
    "retrieval": _retrieval(r"Paragraph (\d+)"),
    "retrieval_zh": _retrieval(r"段落(\d+)"),
    "code": _code,
}


def templates_of(content: Any, where: str) -> dict[str, str]:
    """The prompts of a user's file: LongBench's config/dataset2prompt.json, a name of a set -> prompt with {context} and {input}.

    Raises:
        ConfigError: if it is no such file.
    """
    if not isinstance(content, dict) or not all(isinstance(text, str) and "{context}" in text for text in content.values()):
        raise ConfigError(f"{where} must map names of sets to prompts with {{context}}, as LongBench's dataset2prompt.json does.")
    return {str(name): str(text) for name, text in content.items()}
