"""A gold answer that is one value ("3", "8 meals", "1 hour 30 minutes", "$185", "2023/04/19") and the value that an answer claims.

An answer often names more values than the one that was asked for: parts of a sum, what was before, dates. The claimed one is looked for
in this order: what stands behind "=", what is called the total or the latest, what stands beside the thing counted, what stands in the
clause that shares most words with the question, what comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import regex

from contextrot.matching import stance
from contextrot.matching.spoken_values import Value, duration_unit, same
from contextrot.matching.words import MEASURES, MULTIPLES, Token, Words

GENERIC = frozenset(
    "thing things item items time times piece pieces people person persons one ones unit units copy copies old ago".split()
)
"""Nouns that stand for whatever was counted."""
MOST_VALUES = 60
"""Values at the start and at the end of an answer that are looked at."""
_SAYING_LITTLE = frozenset(
    "including about around roughly approximately nearly almost exactly total altogether overall all different each way per more less older younger later "
    "earlier before after ago old long only precisely circa least most of in a the it was is are".split()
)
_TOTAL = regex.compile(
    r"\b(?:total(?:s|ing|led)?|altogether|in all|all together|together|combined|overall|sum|therefore|thus|hence|that is|that's|that makes|making|makes|adds? up to|"
    r"comes? to|equals|which (?:is|means|leaves)|leaving|leaves|meaning|difference|final answer)\b|\bso\b(?! far)"
)
_COMPUTED = regex.compile(r"(?:\bplus\b|\bminus\b|\+|-)[^.;=]*\b(?:is|are|gives)\s+(?:about\s+)?[$€£]?$")
_LATEST = regex.compile(
    r"\b(?:now|currently|recently|these days|latest|(?:increased|raised|grew|updated|lowered|reduced|changed|dropped|cut|went)\s(?:\w+\s)?to|up to|answer)\b(?! far)"
)
_AFTERWARDS = regex.compile(r"^[^.;:,\d]{0,40}\b(?:in total|altogether|in all|all together|overall|combined)\b")
_CONDITION = regex.compile(r"^\W*(?:if|since|because|given|as|when|although)\b")
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
    # "how many hours of jogging" counts hours
    asked = [] if unit else list(counted(question))
    asked += [token for token in question.tokens if token.text == "old"]
    own = next((noun.text for noun in nouns if noun.text in MEASURES), None)
    in_question = next((noun.text for noun in counted(question) if noun.text in MEASURES), None)
    values = [token for token in answer.tokens if token.value]
    if len(values) > 2 * MOST_VALUES:
        values = values[:MOST_VALUES] + values[-MOST_VALUES:]
    candidates = [
        token
        for token in values
        if _comparable(wanted, token, unit, question)
        and not _set_aside(answer.text, token, question)
        and not (token.value.kind == "number" and own is None and regex.match(r"-\p{L}", answer.text[token.end :]))
        and not _other_measure(own, in_question, _measure_behind(token, answer))
    ]
    aged = regex.search(r"\bhow old\b|\bhow many years (?:old )?(?:will|was|am|were|is)\b", question.text)
    typed = [token for token in candidates if token.value.kind == wanted.kind or aged]
    chosen = _claimed(typed or candidates, [*nouns, *asked], answer, question)
    for token in chosen:
        said = _in_unit(token.value, unit)
        if wanted.kind == "money" and said.kind == "number":
            said = replace(said, kind="money", unit=wanted.unit)
        if wanted.kind == "duration" and said.kind == "number" and gold.value.count is not None:
            said = replace(said, kind="duration", amount=said.amount * gold.value.amount / gold.value.count, unit=wanted.unit)
        if wanted.kind == "number" and said.kind in ("money", "share", "duration", "ordinal") and said.count is not None:
            said = replace(said, kind="number", amount=said.count, unit="")
        if said.kind == wanted.kind == "number":
            said = replace(said, amount=said.amount * _times(own or in_question, _measure_behind(token, answer)))
        if same(wanted, said):
            return token
    return None


def _comparable(wanted: Value, token: Token, unit: tuple[int, str] | None, question: Words) -> bool:
    kind = token.value.kind
    if kind == wanted.kind:
        return True
    if kind == "number":
        short = wanted.kind == "money" and regex.search(
            r"\bhow much\b|cost|price|amount|rent|fee|pay|paid|charge|salary|budget|wie viel", question.text
        )
        return bool(short) or (wanted.kind == "duration" and (unit is not None or bool(_OPEN.search(question.text))))
    if wanted.kind == "number":
        return (
            kind == "duration" and unit is None and bool(regex.search(r"\bhow (?:long|much time)\b|\bages?\b", question.text))
        ) or (kind in ("money", "share") and not regex.search(r"\bhow many\b", question.text))
    return {kind, wanted.kind} == {"time", "duration"}


def _set_aside(text: str, token: Token, question: Words) -> bool:
    """Whether a value is denied, one of several, of the past, or where something came from."""
    start, end = token.start, token.end
    if stance.denied(text, start, end) or stance.bygone(text, start, end, question.text) or stance.asked_back(text, start, end):
        return True
    if regex.search(r"\bbetween\s+[$€£]?$", text[:start]) or regex.search(
        r"\bbetween\s+\S+(?:\s\w+)?\s+and\s+[$€£]?$", text[:start]
    ):
        return True
    return stance.came_from(text, start, end)


def _measure_behind(token: Token, answer: Words) -> str | None:
    """The unit of measure straight behind a value."""
    follows = next((other.text for other in answer.after(token.end, 1)), None)
    return follows if follows in MEASURES else None


def _other_measure(own: str | None, asked: str | None, said: str | None) -> bool:
    """Whether a value has another unit of measure than gold answer or question, or lacks the gold answer's."""
    if said is None:
        return own is not None and own != asked
    wanted = own or asked
    return wanted not in (None, said) and MULTIPLES.get(wanted, (wanted,))[0] != MULTIPLES.get(said, (said,))[0]


def _times(wanted: str | None, said: str | None) -> Fraction:
    """How many of the wanted units one of the answer's is: 1/1000 for a gram where kilograms are wanted."""
    of, to = MULTIPLES.get(said or ""), MULTIPLES.get(wanted or "")
    return of[1] / to[1] if of and to and of[0] == to[0] else Fraction(1)


def _claimed(candidates: list[Token], nouns: Sequence[Token], answer: Words, question: Words) -> list[Token]:
    if len(candidates) < 2:
        return [token for token in candidates if not stance.one_of_several(answer.text, token.start, token.end)]
    text = answer.text
    results = [token for token in candidates if regex.search(r"=\s*[$€£]?$", text[: token.start])]
    summed = [
        token for token in candidates if results and token.start > results[-1].start and _called(token, candidates, _TOTAL, text)
    ]
    if results:
        return summed[-1:] or results[-1:]
    specific = [noun for noun in nouns if noun.text not in GENERIC or noun.text == "old"]
    beside = [token for token in candidates if _beside(token, specific, answer)]
    pool = beside or candidates
    for cue in (_TOTAL, _LATEST):
        called = [token for token in pool if _called(token, pool, cue, text)]
        if called:
            return called[-1:]
        ahead = [token for token in answer.tokens if token.start < candidates[0].start and token.text not in _SAYING_LITTLE]
        if not ahead and candidates[0] in pool and not stance.one_of_several(text, candidates[0].start, candidates[0].end):
            return candidates[:1]
    asked = [token for token in question.content if not token.value]

    def shared(token: Token) -> int:
        left, right = _own_part(token, candidates, text)
        own = [other for other in answer.content if left <= other.start < right]
        whole = stance.clause_bounds(text, token.start, token.end)
        aside = 5 * bool(_CONDITION.search(text[slice(*whole)]) or regex.search(r"\b(?:since|because)$", text[:left]))
        return sum(any(one.equals(other) for other in own) for one in asked) - aside

    best = max(map(shared, pool))
    first = next(token for token in pool if shared(token) == best)
    others = [token for token in pool if token is not first and stance.one_of_several(text, first.start, first.end)]
    if others:
        # the same value in two units ("2 weeks or 14 days") is one answer
        return [first, *others] if all(same(first.value, other.value) for other in others) else []
    return [first]


def _own_part(token: Token, candidates: Sequence[Token], text: str) -> tuple[int, int]:
    """The clause of a value, cut at an "and" between it and the next value: "7 AM on weekdays and 8 AM on Saturdays"."""
    left, right = stance.clause_bounds(text, token.start, token.end)
    before = max((other.end for other in candidates if other.end <= token.start), default=left)
    behind = min((other.start for other in candidates if other.start >= token.end), default=right)
    cut = text.rfind(" and ", max(left, before), token.start)
    left = cut if before > left and cut >= 0 else left
    cut = text.find(" and ", token.end, min(right, behind))
    return left, cut if behind < right and cut >= 0 else right


def _called(token: Token, pool: Sequence[Token], cue: regex.Pattern, text: str) -> bool:
    """Whether a cue of the same clause points at a value: the next one behind it, or the one before "in total"."""
    left, right = stance.clause_bounds(text, token.start, token.end)
    before = max([left - 6, 0, *(other.end for other in pool if other.end <= token.start)])
    if cue is _TOTAL and (_AFTERWARDS.search(text[token.end : right]) or _COMPUTED.search(text[left : token.start])):
        return True
    return bool(cue.search(text[before : token.start]))


def _beside(token: Token, nouns: Sequence[Token], answer: Words) -> bool:
    """Whether one of the nouns follows the value within three words and before the next value."""
    if answer.text[token.end : token.end + 1] == "-":
        return False
    following = answer.after(token.end, 4)
    for other in following:
        if other.value or regex.search(r"[.;:,(]\s", answer.text[token.end : other.start]):
            return False
        if any(noun.equals(other) for noun in nouns):
            return True
    return False
