"""A gold answer that is one value ("3", "8 meals", "1 hour 30 minutes", "$185", "2023/04/19") and the value that an answer claims.

An answer often names more values than the one that was asked for: parts of a sum, what was before, dates. The claimed one is looked for
in this order: what stands behind "=", what is called the total or the latest, what stands beside the thing counted, what stands in the
clause that shares most words with the question, what comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import regex

from contextrot import answer_stance
from contextrot.answer_words import MEASURES, Token, Words
from contextrot.spoken_values import Value, duration_unit, same

GENERIC = frozenset(
    "thing things item items time times piece pieces people person persons one ones unit units copy copies old ago".split()
)
"""Nouns that stand for whatever was counted."""
_SAYING_LITTLE = frozenset(
    "about around roughly approximately nearly almost exactly total altogether overall all different each way per more less older younger later "
    "earlier before after ago old long only precisely circa least most of in a the it was is are".split()
)
_TOTAL = regex.compile(
    r"\b(?:total(?:s|ing|led)?|altogether|in all|all together|overall|sum|therefore|thus|hence|makes?|adds? up to|comes? to|equals|which (?:is|means|leaves)|"
    r"leaving|difference|increased to|raised to|went up to|grew to|now|currently|answer)\b|\bso\b(?! far)"
)
_COUNTED = regex.compile(
    r"\bhow (?:many|much)\s+(?P<noun>[^?]*?)\s*(?:\b(?:do|did|does|have|has|had|are|is|was|were|can|could|will|would|should|in|on|of|that|ago|passed|before|after|between|per)\b|\?|$)"
)
_OPEN = regex.compile(r"\bhow (?:old|much older|much younger|long|far|often)\b")


def value_gold(gold: Words, question: Words) -> tuple[Token, tuple[Token, ...]] | None:
    """The value of a gold answer that is nothing else, and the words beside it (the thing counted, which the question names too); None if it is more."""
    values = [token for token in gold.tokens if token.value]
    if len(values) != 1 or gold.language in ("zh", "ja"):
        return None
    place = gold.tokens.index(values[0])
    before = [token for token in gold.tokens[:place] if not token.small and token.text not in _SAYING_LITTLE]
    after = tuple(token for token in gold.tokens[place + 1 :] if not token.small and token.text not in _SAYING_LITTLE)
    if before or len(after) > 3 or (after and values[0].value.kind not in ("number", "duration")):
        return None
    if any(noun.text not in GENERIC | MEASURES and not any(noun.equals(token) for token in question.tokens) for noun in after):
        return None
    return values[0], after


def counted(question: Words) -> tuple[Token, ...]:
    """Words for the thing that a question asks to count."""
    found = _COUNTED.search(question.text)
    if not found:
        return ()
    start, end = found.span("noun")
    return tuple(token for token in question.tokens if start <= token.start < end and not token.small)


def _unit_of(question: Words) -> tuple[int, str] | None:
    for token in counted(question):
        unit = duration_unit(token.text)
        if unit:
            return unit
    return (12, "month") if regex.search(r"\bhow (?:old|much (?:older|younger))\b", question.text) else None


def _in_unit(value: Value, unit: tuple[int, str] | None) -> Value:
    """A bare number as the duration that the question asks for."""
    if unit and value.kind == "number":
        return replace(value, kind="duration", amount=value.amount * unit[0], unit=unit[1])
    return value


def claims_value(gold: Token, nouns: Sequence[Token], answer: Words, question: Words) -> Token | None:
    """The token of the answer that claims the gold answer's value; None if the answer claims another value or none."""
    unit = _unit_of(question)
    wanted = _in_unit(gold.value, unit)
    asked = [token for token in counted(question) if not duration_unit(token.text)]
    candidates = [
        token
        for token in answer.tokens
        if token.value
        and _comparable(wanted, token, unit, question)
        and not _set_aside(answer.text, token)
        and not _other_measure(gold, nouns, token, answer)
    ]
    typed = [token for token in candidates if token.value.kind == wanted.kind]
    chosen = _claimed(typed or candidates, [*nouns, *asked], answer, question)
    for token in chosen:
        said = _in_unit(token.value, unit)
        if wanted.kind == "money" and said.kind == "number":
            said = replace(said, kind="money", unit=wanted.unit)
        if wanted.kind == "duration" and said.kind == "number" and gold.value.count is not None:
            said = replace(said, kind="duration", amount=said.amount * gold.value.amount / gold.value.count, unit=wanted.unit)
        if wanted.kind == "number" and said.kind in ("money", "share", "duration", "ordinal") and said.count is not None:
            said = replace(said, kind="number", amount=said.count, unit="")
        if same(wanted, said):
            return token
    return None


def _comparable(wanted: Value, token: Token, unit: tuple[int, str] | None, question: Words) -> bool:
    kind = token.value.kind
    if kind == wanted.kind:
        return True
    if kind == "number":
        short = wanted.kind == "money" and regex.search(r"\bhow much\b|cost|price|amount|wie viel", question.text)
        return bool(short) or (wanted.kind == "duration" and (unit is not None or bool(_OPEN.search(question.text))))
    if wanted.kind == "number":
        return (kind == "duration" and unit is None and bool(regex.search(r"\bhow (?:long|much time)\b", question.text))) or (
            kind in ("money", "share") and not regex.search(r"\bhow many\b", question.text)
        )
    return {kind, wanted.kind} == {"time", "duration"}


def _set_aside(text: str, token: Token) -> bool:
    """Whether a value is denied, one of several, of the past, or where something came from."""
    start, end = token.start, token.end
    if (
        answer_stance.denied(text, start, end)
        or answer_stance.bygone(text, start, end)
        or answer_stance.asked_back(text, start, end)
    ):
        return True
    if regex.search(r"\bbetween\s+[$€£]?$", text[:start]) or regex.search(
        r"\bbetween\s+\S+(?:\s\w+)?\s+and\s+[$€£]?$", text[:start]
    ):
        return True
    return bool(
        regex.search(r"\bfrom\s+(?:about\s+|around\s+|just\s+)?$", text[:start]) and regex.match(r"[^.;]{0,30}\bto\b", text[end:])
    )


def _other_measure(gold: Token, nouns: Sequence[Token], token: Token, answer: Words) -> bool:
    """Whether the value has a unit of measure that the gold answer's value has not, or lacks the one that it has."""
    measure = next((noun.text for noun in nouns if noun.text in MEASURES), None)
    follows = next((other.text for other in answer.tokens if other.start >= token.end), None)
    said = follows if follows in MEASURES else None
    if measure:
        return said != measure
    return said is not None and gold.value.kind == "number" and not nouns


def _claimed(candidates: list[Token], nouns: Sequence[Token], answer: Words, question: Words) -> list[Token]:
    if len(candidates) < 2:
        return [token for token in candidates if not answer_stance.one_of_several(answer.text, token.start, token.end)]
    text = answer.text
    results = [token for token in candidates if regex.search(r"=\s*[$€£]?$", text[: token.start])]
    if results:
        return results[-1:]
    specific = [noun for noun in nouns if noun.text not in GENERIC]
    beside = [token for token in candidates if _beside(token, specific, answer)]
    pool = beside or candidates
    totals = [
        token
        for token in pool
        if _TOTAL.search(text[answer_stance.clause_bounds(text, token.start, token.end)[0] - 6 : token.start])
    ]
    if totals:
        return totals[:1] if "total" in text[: totals[0].start] else totals[-1:]
    asked = [token for token in question.content if not token.value]

    def shared(token: Token) -> int:
        left, right = answer_stance.clause_bounds(text, token.start, token.end)
        own = [other for other in answer.content if left <= other.start < right]
        return sum(any(one.equals(other) for other in own) for one in asked)

    best = max(map(shared, pool))
    first = next(token for token in pool if shared(token) == best)
    others = [token for token in pool if token is not first and answer_stance.one_of_several(text, first.start, first.end)]
    if others:
        # the same value in two units ("2 weeks or 14 days") is one answer
        return [first, *others] if all(same(first.value, other.value) for other in others) else []
    return [first]


def _beside(token: Token, nouns: Sequence[Token], answer: Words) -> bool:
    """Whether one of the nouns follows the value within three words and before the next value."""
    following = [other for other in answer.tokens if other.start >= token.end][:4]
    for other in following:
        if other.value or regex.search(r"[.;:,(]\s", answer.text[token.end : other.start]):
            return False
        if any(noun.equals(other) for noun in nouns):
            return True
    return False
