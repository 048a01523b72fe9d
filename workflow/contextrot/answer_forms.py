"""What a gold answer accepts: several forms, a refusal to answer, a list in any order, one of the choices that the question names."""

from __future__ import annotations

import regex

from contextrot.answer_stance import abstains

_ALSO = regex.compile(
    r"\s*(?:,|;)?\s*(?:is|are|would be)?\s*(?:also|both|either is|either are)\s*(?:acceptable|accepted|fine|correct|right|ok)\b\.?",
    regex.I,
)
_OR_IN_BRACKETS = regex.compile(r"\(\s*(?:or|also|oder|或|または|أو|या)\s+([^()]+)\)", regex.I)
_REMARK = regex.compile(r"\s*\((?:including|counting|excluding|inclusive|not counting)[^()]*\)", regex.I)
_ABSTAINING_GOLD = regex.compile(
    r"information provided is not enough|not enough information|did not (?:tell|mention|say)|never (?:told|mentioned|said)|cannot be answered|no information|"
    r"is not mentioned|don't know|do not know|unanswerable",
    regex.I,
)


def alternatives(gold: str) -> list[str]:
    """The forms that a gold answer accepts: "5 days. 6 days (including the last day) is also acceptable." accepts two."""
    gold = gold.strip()
    found = _OR_IN_BRACKETS.findall(gold)
    gold = _OR_IN_BRACKETS.sub("", gold)
    parts = [_ALSO.sub("", part) for part in regex.split(r"(?<=\p{L})[.;]\s+|\n", gold)] if _ALSO.search(gold) else [gold]
    forms = [_REMARK.sub("", part).strip(" .;,") if len(parts) > 1 or found else part for part in [*parts, *found]]
    return [form for form in forms if form] or [gold]


def is_abstention(gold: str, marked: bool = False) -> bool:
    """Whether a gold answer is that the question cannot be answered.

    Args:
        marked: whether the data set says so; a short gold answer is compared all the same.
    """
    return (marked and len(gold.split()) > 5) or (
        bool(_ABSTAINING_GOLD.search(gold)) and abstains(gold.casefold().replace("n't", " not"))
    )


def choices(question: str) -> tuple[str, str] | None:
    """The two things that a question lets choose from: "Which did I do first: A or B?"; None if it names none."""
    found = regex.search(r"(?:[,:]|\bfirst\b|\bearlier\b)\s*([^,:?]{2,80}?),?\s+or\s+([^,:?]{2,80}?)\?\s*$", question, regex.I)
    return (found[1], found[2]) if found and regex.search(r"\b(?:which|who|what|did|whether)\b", question, regex.I) else None


def steps(gold: str) -> list[str]:
    """The steps of a gold answer that tells an order; one if it tells none."""
    parts = regex.split(r"\bthen\b|\bfinally\b|\bafter that\b|\blastly\b|\bfollowed by\b|;|(?:^|\s)\d[.)]\s|->|→", gold)
    return [part.strip(" ,.") for part in parts if len(part.strip(" ,.and")) > 3]


def listed(gold: str) -> list[str]:
    """The parts of a gold answer that names several things: "A, B and C"; one if it names one."""
    if regex.search(r"\d", gold) or len(gold) > 160:
        return [gold]
    parts = [part.strip(" .") for part in regex.split(r",\s*(?:and\s+)?|\s+(?:and|und|et|y)\s+|、|和|以及|と", gold)]
    return parts if len(parts) > 1 and all(parts) else [gold]
