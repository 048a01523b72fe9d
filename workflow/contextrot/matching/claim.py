"""What of an answer claims something: not the thought before it, what it quotes or asks, nor what it takes back."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import regex

_ANSWER_KEYS = ("final_answer", "finalanswer", "answer", "final", "result", "response", "output", "value")
_FENCE = regex.compile(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", regex.S)
_END_OF_THOUGHT = regex.compile(r"</(?:think|thinking|thought|reasoning)>|\[/THINK\]", regex.I)
_QUOTED_LINE = regex.compile(r"(?m)^\s*>.*$")
_SENTENCE = regex.compile(r"[^.!?。！？।؟\n]*(?:\.(?!\s|$)[^.!?。！？।؟\n]*)*[.!?。！？।؟\n]*\s*")
_AGREES = regex.compile(
    r"\W*(?:yes|yep|yeah|correct|right|indeed|that(?:'s| is| was)|this is|it (?:is|was)\b(?!\s+\p{L})|(?:is|was) (?:correct|right)|confirmed|ja|oui|sí|да|是的|对|没错|はい|نعم|हाँ)(?![\p{L}\p{M}])",
    regex.I,
)
_PROPOSES = regex.compile(
    r"\W*(?:how about|what about|why not|have you (?:considered|tried|thought)|wie wäre|warum nicht|qué tal|por qué no|pourquoi pas|et si|要不要|不如|はどう)",
    regex.I,
)
_TAKES_BACK = regex.compile(
    r"(?:(?<=^|[.!?…。！？\n,，—–;(-]\s*)(?:(?:oh|oops|ah|hm+|no|actually|sorry)[,.!]?\s+)*(?:hold on|wait)(?=\s*[,.:;!—–-])(?:\W*no\b)?"
    r"|\b(?:scratch|strike) that\b|\b(?:self-)?correction\s*[:,—–-]|\b(?:let me|i (?:should|must|have to)) correct (?:myself|that|this)\b"
    r"|\bi (?:mis-?(?:read|spoke|counted|stated|typed|remembered)(?!\W+(?:\w+\W+){0,2}(?:as|for)\b)|mean|meant|stand corrected|was (?:wrong|mistaken)|made (?:a|an) (?:mistake|error))\b"
    r"|\blet me (?:re-?(?:read|check|consider)|look again)\b|(?<=[\p{L}\d]),\s*(?:sorry|no|rather|nein|non|pardon|perdón|digo|não|нет)\s*,(?=\s*\S+(?:\s+\S+){0,4}\s*$)"
    r"|\bi take (?:that|it) back\b|\bmy (?:mistake|bad|apologies|error)\b|\bsorry,?\s+(?=(?:no|not|it(?:'s| is| was)|that(?:'s| is| was))\b)|\bor rather\b"
    r"|\bon (?:re-?reading|second thoughts?|(?:further )?reflection|closer (?:look|reading|inspection|examination))\b"
    r"|\b(?:nein|ach|halt|oder),?\s+(?:moment|warte|halt|besser gesagt|doch nicht)\b|\bmoment mal\b|\bkorrektur\s*:|\b(?:ich habe mich (?:geirrt|vertan|verlesen)|besser gesagt)\b"
    r"|\b(?:perdón|perdona|corrijo|mejor dicho|espera)\s*[,:]|\b(?:ou plutôt|pardon,|je me trompe|je me corrige|attends?,|non, attendez)|\b(?:anzi|mi correggo|scusa,|aspetta,)"
    r"|\b(?:ou melhor|desculpe?,|corrigindo\s*:|perdão,)|\b(?:стоп|нет, подожди\p{L}*|вернее|точнее|извините|поправка)\s*[,:]"
    r"|(?:不对|不對|[哦噢啊]不|等等|等一下|更正|纠正一下|我(?:看|记|说|弄)错了)(?=[，,。:：!！])|(?:すみません、|失礼、|いや、|訂正(?:します)?[:：。、]|間違えました|待って、)"
    r"|(?<!\p{L})(?:عفوا|تصحيح|لا، انتظر)\s*[،,:]|(?:माफ़ कीजिए|रुकिए|सुधार)\s*[,:]|(?:아니,|정정(?:합니다)?[:.,]|잠깐,))",
    regex.I,
)
_BOX = regex.compile(r"\\(?:boxed|fbox)\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_FRACTION = regex.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}\s*\{([^{}]*)\}|(\d)\s*(\d))")
_WORDS_OF_LATEX = regex.compile(r"\\(?:text|mathrm|mathbf|textbf|mathit|operatorname|mbox)\s*\{([^{}]*)\}")
_SIGNS_OF_LATEX = regex.compile(r"\\[()\[\],;:! ]|\\(?:left|right|displaystyle)\b|(?<!\\)\$(?!\d)|\\(?=[%$&#_])")
_STRUCK = regex.compile(r"~~[^~\n]+~~|<(?:s|del|strike)>[^<]*</(?:s|del|strike)>", regex.I)
_INLINE = regex.compile(r"\$(?=[^\s$\d])([^$\n]{0,80}?[^\s$])\$(?!\d)")
_POWER = regex.compile(r"(?<![\d.])10\s*(?:\^|\*\*)\s*\{?(\d{1,2})\}?(?!\d)")


@lru_cache(4_096)
def claim_of(answer: str) -> str:
    """The part of an answer that says what is claimed; the answer itself if there is none that stands apart."""
    text = _behind_thought(answer)
    text = _of_object(text)
    text = of_formula(text)
    text = _STRUCK.sub("", text) if _says(_STRUCK.sub("", text)) else text
    text = _QUOTED_LINE.sub("", text) if _says(_QUOTED_LINE.sub("", text)) else text
    return _without_questions(_kept(text))


def _says(text: str) -> bool:
    return bool(regex.search(r"\p{N}|\p{L}{3}|[^\W\p{Latin}]", text) or regex.search(r"^\W*\p{L}+\W*$", text))


def _behind_thought(text: str) -> str:
    """What follows the last mark that ends a thought, of an answer that was recorded with it."""
    ends = list(_END_OF_THOUGHT.finditer(text))
    return text[ends[-1].end() :] if ends and _says(text[ends[-1].end() :]) else text


def _of_object(text: str) -> str:
    """The answer within a JSON object; one that is null is said not to be known."""
    fenced = _FENCE.fullmatch(text)
    body = (fenced[1] if fenced else text).strip()
    if not body.startswith("{"):
        return text
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return text
    while isinstance(value, dict) and value:
        named = {str(key).casefold().replace(" ", "_"): one for key, one in value.items()}
        found = next((key for key in _ANSWER_KEYS if key in named), None)
        if found is None and len(named) > 1:
            return text
        value = named[found] if found else next(iter(named.values()))
    return _as_text(value)


def _as_text(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_as_text(one) for one in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def of_formula(text: str) -> str:
    r"""What stands in `\boxed{}`, and formulas as plain text."""
    boxes = _BOX.findall(text)
    text = _INLINE.sub(r"\1", ", ".join(boxes) if boxes and _says("".join(boxes)) else text)
    if "\\" in text:
        text = _FRACTION.sub(lambda found: f"{found[1] or found[3]}/{found[2] or found[4]}", text)
        text = _SIGNS_OF_LATEX.sub("", _WORDS_OF_LATEX.sub(r"\1", text))
    return _POWER.sub(lambda found: str(10 ** int(found[1])), text)


def _kept(text: str) -> str:
    """What is left where an answer takes back what it said before: "Monday. No wait, Tuesday"."""
    for found in reversed(list(_TAKES_BACK.finditer(text))):
        rest = text[found.end() :].lstrip(" ,.:;!，。：；！—–-")
        if _says(text[: found.start()]) and _says(rest) and not _AGREES.match(rest) and not _only_asks(rest):
            return rest
    return text


def _only_asks(text: str) -> bool:
    return text.rstrip().endswith(("?", "？", "؟"))


def _without_questions(text: str) -> str:
    """An answer without the questions that it asks itself, unless the next sentence agrees: "8 pm? The text says 7 pm."."""
    if not regex.search("[?？؟]", text):
        return text
    sentences = _SENTENCE.findall(text)
    kept = [
        one.replace("?", ".") if _AGREES.match(behind) else one
        for one, behind in zip(sentences, [*sentences[1:], ""], strict=True)
        if not _only_asks(one) or _AGREES.match(behind) or _PROPOSES.match(one) or not _says(one)
    ]
    return "".join(kept) if _says("".join(kept)) else text
