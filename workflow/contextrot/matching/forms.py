"""What a gold answer accepts: several forms, a refusal to answer, a list in any order, one of the choices that the question names."""

from __future__ import annotations

import regex

from contextrot.matching.stance import abstains

_ALSO = regex.compile(
    r"\s*(?:,|;)?\s*(?:(?:is|are|would|could|may|can)\s*(?:be\s*)?)?(?:also|both|either is|either are)\s*(?:be\s*)?(?:acceptable|accepted|fine|correct|right|ok)\b\.?",
    regex.I,
)
_OR_IN_BRACKETS = regex.compile(r"\(\s*(?:or|also|oder|或|または|أو|या)\s+([^(),]+)(?:,[^()]*)?\)", regex.I)
_TITLE = regex.compile(r"^\s*(['\"“‘«].+['\"”’»])\s+by\s+\p{Lu}")
_SENTENCE_GOLD = regex.compile(
    r"^(?:I|You|They|He|She|We)\s+(?!never|do|did|don|am|are|was|were|have|had|will|would)\p{L}+\s+(?=(?:the|an?|my|your)\s+\p{L}+\.?$)"
)
_DAY = r"((?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?)"
_REORDERED = [
    (regex.compile(rf"(.+) on {_DAY}\.?", regex.I), r"\2 at \1"),
    (regex.compile(rf"{_DAY},? at (.+?)\.?", regex.I), r"\2 on \1"),
    (regex.compile(r"between (\S*\d\S*) and (\S*\d.*)", regex.I), r"\1 to \2"),
]
"""The same in another order or wording: a time and its day, a range."""
_REMARK = regex.compile(r"\s*\((?:including|counting|excluding|inclusive|not counting)[^()]*\)", regex.I)
_ABSTAINING_GOLD = regex.compile(
    r"information provided is not enough|not enough information|did not (?:tell|mention|say)|never (?:told|mentioned|said)|cannot be answered|no information|"
    r"(?:is )?not mentioned|don't know|do not know|unanswerable|^\W*(?:unknown|not (?:stated|specified|given|known))\W*$",
    regex.I,
)


_EXACT = regex.compile(
    r"\S+://\S+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:[\w-]+\.)+\p{L}{2,}/\S*|[\w.-]+(?:/[\w.-]+)+\.\p{L}\w*|(?:[\w-]+\.)+\p{Ll}{2,5}|~?/[\w.-]+(?:/[\w.-]*)*|\p{L}:\\\S+|\w+(?:(?:::|_|\\)\w+)+|\p{L}+#|[@#]\w+"
)
_VERSION = regex.compile(r"v?\d+(?:\.\d+)+(?:[-.]?\p{L}+\d*)?", regex.I)


def is_exact(gold: str, question: str) -> bool:
    """Whether a gold answer is an address, a path or a name in which every sign counts: C#, example.org/a; or a version, if one is asked for."""
    gold = gold.strip(" .\"'`")
    return bool(_EXACT.fullmatch(gold) or (_VERSION.fullmatch(gold) and regex.search(r"version|release", question, regex.I)))


def exact_places(gold: str, answer: str) -> list[tuple[int, int]]:
    """Where such a name stands in an answer and is not only the part of a longer one; both folded."""
    name = regex.escape(gold.strip(" .\"'`").rstrip("/"))
    before = r"(?<![\w@#])(?<!\d\.)v?" if gold[:1].isdigit() else r"(?<![\w@#])"
    return [found.span() for found in regex.finditer(rf"{before}{name}/?(?![\w#@/]|[-.:?&=+]\w)", answer)]


def alternatives(gold: str, question: str = "") -> list[str]:
    """The forms that a gold answer accepts: "5 days. 6 days (including the last day) is also acceptable." accepts two.

    Args:
        question: one that asks for a place is answered by the city alone where the gold answer names its country too.
    """
    gold = gold.strip()
    found = _OR_IN_BRACKETS.findall(gold)
    gold = _OR_IN_BRACKETS.sub("", gold)
    parts = [_ALSO.sub("", part) for part in regex.split(r"(?<=[\p{L}\d])[.;]\s+|\n", gold)] if _ALSO.search(gold) else [gold]
    found = [*found, *(short for one in found for short in _shorter(one))]
    parts += _shorter(gold)
    place = regex.fullmatch(r"(\p{Lu}[\p{L} .'-]+), \p{Lu}[\p{L} .'-]+", gold)
    if place and regex.search(r"\b(?:where|city|town)\b", question, regex.I):
        parts.append(place[1])
    parts += [name[1]] if (name := _TITLED.fullmatch(gold)) else []
    parts += _without_rate(gold) + _proper(gold, question) + (["0"] if gold.casefold() in ("none", "nobody") else [])
    forms = [_REMARK.sub("", part).strip(" .;,") if len(parts) > 1 or found else part for part in [*parts, *found]]
    return [form for form in forms if form] or [gold]


_TITLED = regex.compile(
    r"(?:(?:Dr|Mr|Mrs|Ms|Prof|St|Sr|Sra|Mme|Sir|Dame|Lord|Lady|Professor|Doctor|Captain|Herr|Frau|Signora?|Señora?|Madame|Monsieur)\.?\s+)+(\p{Lu}[\p{L}'’-]*(?:\s+\p{Lu}[\p{L}.'’-]*)+)"
)
"""A name of two words or more behind a title, which it is known by without."""
_RATE = regex.compile(
    r"\s*(?:\b(?:per|an?|each|every)\s+|/\s*)(hour|day|night|week|month|year)\b|\b(hour|dai|week|month|year)ly\b", regex.I
)


def _without_rate(gold: str) -> list[str]:
    """ "£85 a month" is said by "£85"; see `other_rate`."""
    short = _RATE.sub("", gold).strip(" .")
    return [short] if short != gold.strip(" .") and regex.fullmatch(r"[$€£¥₹]?\s?\d[\d.,]*(?:\s?\p{L}+)?", short) else []


def other_rate(gold: str, answer: str) -> bool:
    """Whether an answer gives an amount by another time than the gold answer does, and none by the same: a week for a month."""
    wanted, said = ({(a or b).lower()[:3] for a, b in _RATE.findall(text)} for text in (gold, answer))
    return bool(_without_rate(gold) and said and not wanted & said)


def _proper(gold: str, question: str) -> list[str]:
    """A name without the noun that the question has: "Hotel Drei Raben" is the hotel "Drei Raben"."""
    words, asked = gold.strip(" .").split(), regex.findall(r"\p{L}+", question.casefold())
    if not 1 < len(words) < 5 or not all(word[:1].isupper() for word in words):
        return []
    return [" ".join(rest) for noun, rest in ((words[0], words[1:]), (words[-1], words[:-1])) if noun.casefold() in asked]


def _shorter(gold: str) -> list[str]:
    """Forms that say what matters: a title without its author, the object of a short sentence, the name at the start of a description."""
    spaceless = regex.sub(r"^(?:大约|大概|约|約|近|およそ)(?=[\d一二三四五六七八九十百千])", "", gold)
    spaceless = regex.sub(r"(?<=\p{Han}{2})[市省县縣](?=\p{Han}{2}|$)", "", spaceless)
    if spaceless != gold:
        return [spaceless]
    called = regex.search(r"\b(?:called|named|titled)\s+([\p{Lu}#'\"“].{2,60}?)\.?$", gold)
    if called:
        return [called[1]]
    title = _TITLE.match(gold)
    if title:
        return [title[1]]
    if _SENTENCE_GOLD.match(gold):
        return [_SENTENCE_GOLD.sub("", gold)]
    for pattern, other in _REORDERED:
        if found := pattern.fullmatch(gold):
            return [found.expand(other)]
    qualified = regex.match(r"(\$?\d[\d.,]*\s\p{L}+)\s+(?:for|if|when|from|including|since)\s", gold)
    if qualified:
        return [qualified[1]]
    names = regex.match(r"(?:[Tt]he |[Aa]n? )?((?:[\p{Lu}\d][\p{L}\d&'’+-]*\s){2,})(?:\p{Ll}+\s?){1,2}\.?$", gold)
    return [names[1]] if names and not regex.search(r"\b(?:and|or|of|in|on|at|to|with|not)\b", gold) else []


def is_abstention(gold: str, marked: bool = False) -> bool:
    """Whether a gold answer is that the question cannot be answered.

    Args:
        marked: whether the data set says so; a short gold answer is compared all the same.
    """
    return (marked and len(gold.split()) > 5) or (
        bool(_ABSTAINING_GOLD.search(gold)) and abstains(gold.casefold().replace("n't", " not"))
    )


def choices(question: str, gold: str) -> tuple[str, str] | None:
    """The two things between which a question lets choose, if the gold answer is one of them: "Which did I do first: A or B?"."""
    found = regex.search(
        r"(?:[,:.?!]|^)([^,:?!]{2,120}?),?\s+or\s+(?:in |at |on |to |for |with )?([^,:?!]{2,80}?)\?\s*$", question, regex.I
    )
    if (
        not found
        or regex.search(r"\bhow (?:many|much|long|often)\b", question, regex.I)
        or not regex.search(r"\b(?:which|who|what|did|whether|do|does|is|was|where|more|less)\b", question, regex.I)
    ):
        return None
    first, second = found[1].split(), found[2].split()
    if regex.search(r"\b(?:first|earlier)$", question[: found.start() + 1].strip(" ,:"), regex.I) and found[0][0] in ",:":
        return found[1], found[2]
    verbs = first[-1].lower(), second[0].lower()
    if (
        min(map(len, verbs)) > 3
        and (verbs[0][:5] in gold.lower()) != (verbs[1][:5] in gold.lower())
        and len(first) > 1 < len(second)
    ):
        return first[-1], second[0]
    opposite = {"less": "more", "more": "less", "fewer": "more"}.get(found[2].lower())
    if opposite:
        return opposite, found[2]
    size = max(len(second), len(gold.split()))
    return " ".join(first[-size:]), found[2]


def steps(gold: str, question: str) -> list[str]:
    """The steps of a gold answer that tells an order; one if it tells none."""
    if regex.search(r"\border\b", question) and gold.count(",") > 1 and not regex.search(r"\bthen\b", gold):
        return [part.strip(" .") for part in regex.split(r",\s*(?:and\s+)?", gold) if part.strip()]
    parts = regex.split(r"\bthen\b|\bfinally\b|\bafter that\b|\blastly\b|\bfollowed by\b|;|(?:^|\s)\d[.)]\s|->|→", gold)
    return [part.strip(" ,.") for part in parts if len(part.strip(" ,.and")) > 3]


def is_preference(gold: str) -> bool:
    """Whether a gold answer describes what a reply would take into account."""
    return bool(regex.match(r"\s*the user (?:would|may|might|prefers)\b", gold, regex.I))


def listed(gold: str) -> list[str]:
    """The parts of a gold answer that names several things: "A, B and C"; one if it names one."""
    if regex.search(r"\d", gold) or len(gold) > 160:
        return [gold]
    parts = [part.strip(" .") for part in regex.split(r",\s*(?:and\s+)?|\s+(?:and|und|et|y)\s+|、|和|以及|と", gold)]
    return parts if len(parts) > 1 and all(parts) else [gold]
