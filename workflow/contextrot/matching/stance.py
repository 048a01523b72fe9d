"""How an answer says something: plainly, denied, as one of several candidates, as a thing of the past, or that it does not know."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from functools import lru_cache

import regex

_SENTENCE = r"[.!?](?=\s|$)|[\n。！？।؟]"
_SENTENCE_END = regex.compile(_SENTENCE)
_CLAUSE = regex.compile(
    rf"{_SENTENCE}|[;；:：،؛]|,(?!\d)(?!\s*(?:that|dass|daß)\b)|[，—–…]|\s-\s|[()（）]"
    r"|\b(?:(?<!\b(?:anything|everything|nothing|all) )but|while|whereas|however|though|although|then|sondern|aber|because|since|so|sino|bensi|utan|lecz)\b|而是|应该是|但是?|(?<!\p{L})(?:بل|لكن|बल्कि|लेकिन)(?!\p{L})"
    r"|(?<=ではな)く|(?<=じゃな)くて|\b(?:mais|maar)\b|(?<!\p{L})(?:mà(?=\s+là)|אלא|но)(?!\p{L})|แต่|(?<=아니)(?:라|고)"
)
_NOT_BEFORE = regex.compile(
    r"\b(?:not(?!\s+(?:only|just|merely|far|sure))|no|never|neither|nor|rather than|instead of|unlike|except|other than|(?:anything|everything) but|mis(?:read|took|taken|heard)\s+(?:\w+\s+){0,2}(?:as|for)|no longer|used to|wrong"
    r"|nicht|kein\w*|nie|niemals|weder|statt|anstatt|no es|pas|не|нет)\b"
    r"|不[是在叫会應应能]|并非|並非|不认为|不觉得|而非|绝非|没有"
    r"|(?<!\p{L})(?:و?ليس(?:ت)?|و?لم|و?لن|و?لا(?!\s+شك)|بدلا|وغير)(?!\p{L})|(?<![\p{L}\p{M}])(?:नहीं|न\s+कि|मत)(?![\p{L}\p{M}])"
    r"|\b(?:niet|geen|nao|não|inte|ikke|nie|non (?:e|si|era|sono|ha|sta)|δεν|không|khong|chẳng|chưa)\b"
    r"|(?<!\p{L})(?:לא|אינו|אינה|איננו|איננה|אין)(?!\p{L})|ไม่ใช่|ไม่ได้|ไม่อยู่|มิใช่"
)
_NOT_AFTER = regex.compile(
    r"^\W*(?:\w+\s+){0,1}(?:is|was|are|were|does|did|do|has|had|would)\s+(?:\w+\s+)?(?:not|wrong|incorrect|never)\b|^\W*(?:not|nicht)\s*$|^\W*(?:is|was) (?:wrong|false)"
    r"|^\W*(?:\w+\s+){0,3}nicht\b"
    r"|^[」』”\"]?(?:では|じゃ|で)(?:あり|な|は)|^[」』”\"]?(?:だ|である)?とは(?:思|言|限)|^[」』”\"]?ではな"
    r"|^\p{Hangul}{0,3}\s*(?:아니|아닌|아닙)|^(?:\p{Hangul}{0,4}\s+){0,2}(?:없|\p{Hangul}{1,3}지\s+않)"
    r"|^\W*(?:\p{L}+\s+){0,1}(?:degil|نيست|نیست|نہیں)"
    r"|^\W*(?:[\p{L}\p{M}]+\s+){0,2}नहीं|^[》”」]?(?:并|也|都)?(?:不是|并非|不对|不正确|错误)"
)
_OR = r"(?:(?<![\p{L}\p{M}])(?:or(?:\s+(?:maybe|perhaps|possibly|even))?|oder(?:\s+vielleicht)?|ou|या|او|ام|или)(?![\p{L}\p{M}])|或者|或是|或|还是|還是|または|もしくは|あるいは)"
_OR_AFTER = regex.compile(
    rf"^[\s,，、;\"”」』*]*{_OR}(?!\s*(?:so|more|about|thereabouts|mehr)\b)(?=.*[\p{{L}}\d])"
    r"|^\s*(?:[\p{L}\p{M}]+\s+){0,2}/|^\s+(?:[\p{L}\p{M}]+\s+)?(?:or|oder|या|او)\s+[$€]?\d|^[」』]?か(?=[、\p{Han}\p{Katakana}\p{Hiragana}\d])(?!ら|も|な|と|っ|ね)"
    rf"|^[、,]\s*[^。.!?;]{{1,60}}(?:、|,|\s)\s*{_OR}|^[、,，][^。.]{{0,40}}(?:或|または|あるいは)|^[^。.]{{0,6}}还是"
)
_OR_BEFORE = regex.compile(
    rf"(?:(?<![\p{{L}}\p{{M}}])(?:either|entweder|اما|या तो)\s+(?:[^.;]{{0,60}}\s)?$)|\bbetween\s+(?:[^.;,]{{0,40}}\sand\s+)?$"
    rf"|(?<=[\p{{L}}\p{{M}}\d%.,\"”」]\s*){_OR}[\s,:\"“「]*(?:in |at |on |the |a |an |it was |it is |im |der |die |das |el |في )*$"
    r"|/\s*(?:the |a )?$|(?<=[^。、でんす])か$|(?:可能|也许|或许)是[^。]*也可能是$|(?:かもしれま?せ?ん?し?)[^。]*$"
)
_CANDIDATES = regex.compile(r"\b(?:candidates?|options|possibilities|possible|one of)\b")
_UNKNOWN = regex.compile(
    r"\b(?:do(?:es)? not|did not|have not|has not|can ?not|could not|was not|were not|is not|are not|never|am not|not|unable to|no|without|nothing|neither|nowhere)\s+"
    r"(?:\w+\s+){0,5}?(?:tell|told|says?|said|see|know|known|mention\w*|provid\w*|specif\w*|stat\w*|giv\w*|find|found|have|contain\w*|include\w*|indicat\w*|determin\w*|answer\w*|available|"
    r"information|record|idea|sure|details?|evidence|data|appear\w*|shared?|discuss\w*|enough|clear|recall|reveal\w*|list\w*|possible|certain|talk\w*|disclos\w*|recorded|described?|way|based)\b"
    r"|\bno (?:\w+ ){1,8}(?:was|were|is|are|has been|have been) (?:ever )?(?:mentioned|given|provided|found|specified|recorded|discussed|stated)\b"
    r"|\bunknown\b|\bunclear\b|\bunspecified\b|\bno (?:mention|information|record|date|answer|data|indication|reference|details?|way)\b|\binsufficient\b|\bi(?: am)? (?:unsure|uncertain)\b"
    r"|\bonly (?:told|mentioned|said|discussed|shared|gave)\b.*\bnot\b|\bmissing\b|\bn/a\b"
    r"|nicht (?:bekannt|erwähnt|gesagt|angegeben|genannt)|weiß (?:ich )?(?:es )?nicht|weiss (?:ich )?(?:es )?nicht|keine (?:angaben?|information\w*)"
    r"|不知道|没有(?:提到|提及|说|相关|信息|告诉)|未提|无法(?:确定|回答)|没(?:说|提)|わかりません|分かりません|書かれていません|情報(?:が|は)(?:あり|な)|言及されて|述べられていま"
    r"|لا اعرف|لا اعلم|لم يذكر|لم تذكر|لا توجد معلومات|لا توجد اي|غير معروف|لم تخبر|पता नहीं|नहीं पता|उल्लेख नहीं|जानकारी नहीं|नहीं बताया|मालूम नहीं"
)
_ASSERTING = regex.compile(
    r"\b(?:mention|told|said|say|tell|discuss|talk|provid|shar|sorry|based|chats?|conversation|according|know|sure|appear|information)\w*\b"
)
_PAST = regex.compile(
    r"\b(?:was|were|had|used to|previously|before|earlier|formerly|originally|initially|at first|at 1st|1st|started)\b"
)
_NOW = regex.compile(r"\b(?:now|current(?:ly)?|these days|nowadays|at present|today|recent(?:ly)?|latest|any ?more)\b")
_WAS, _IS = regex.compile(r"\b(?:was|were|used to)\b"), regex.compile(r"\b(?:is|are|rose|increased|raised|dropped)\b[^.]*\d")
_IN_GENERAL = regex.compile(
    r"\b(?:often|usually|typically|commonly|generally|in general|traditionally|for example|for instance|e\.g)\b"
)
_PLACES = (
    r"in|into|inside|within|on|onto|at|im|auf|an",
    "under|underneath|beneath|below|unter|unterhalb",
    "behind|hinter",
    "above|over|über|oberhalb",
    "beside|next to|near|by|neben",
    "in front of|vor",
)
_PLAN = r"\b(?:wants?|wanted|plan(?:s|ned|ning)?|hop(?:e|es|ed|ing)|intend(?:s|ed)?|(?:would|'d) like|consider(?:s|ed|ing)|thinking|goal|aim(?:s|ed)?)\b"
_INTENDED = regex.compile(_PLAN + r"(?: \w+){0,6} $")
_LATEST = regex.compile(r"\b(?:currently|these days|nowadays|most recently|latest)\b")
_PAST_QUESTION = regex.compile(r"\b(?:was|were|had|previous(?:ly)?|before|used to|formerly|originally|initially)\b")
_QUESTION = regex.compile(r"^\W*(?:is|was|are|were|did|does|do|could|might|can)\b[^.!]*[?？]")


@lru_cache(1_024)
def _marks(text: str, pattern: str) -> tuple[list[int], list[int]]:
    """Starts and ends of all marks between clauses or sentences."""
    found = list((_CLAUSE if pattern == "clause" else _SENTENCE_END).finditer(text))
    return [mark.start() for mark in found], [mark.end() for mark in found]


def clause_bounds(text: str, start: int, end: int) -> tuple[int, int]:
    """Start and end of the clause or clauses in which a span stands."""
    starts, ends = _marks(text, "clause")
    left, right = bisect_right(ends, start), bisect_left(starts, end)
    return ends[left - 1] if left else 0, starts[right] if right < len(starts) else len(text)


def sentence_bounds(text: str, start: int, end: int) -> tuple[int, int]:
    """Start and end of the sentence or sentences in which a span stands, with its full stop."""
    starts, ends = _marks(text, "sentence")
    left, right = bisect_right(ends, start), bisect_left(starts, end)
    return ends[left - 1] if left else 0, ends[right] if right < len(starts) else len(text)


def denied(text: str, start: int, end: int) -> bool:
    """Whether a span is said not to be so: "not X", "rather than X", "X is wrong", "X ではない", "X नहीं"."""
    left, right = clause_bounds(text, start, end)
    before = text[left:start]
    if before.strip() in ("no", "nein", "نعم", "لا", "नहीं"):
        before = ""
    negators = list(_NOT_BEFORE.finditer(before))
    if (
        negators
        and len(before[negators[-1].end() :].split()) <= 8
        and not regex.search(r"\b(?:until|till|before)\s+(?:\w+\s+)?$", before)
        and not (negators[-1][0] in ("used to", "no longer") and _NOW.search(before, negators[-1].end()))
    ):
        return True
    return bool(_NOT_AFTER.search(text[end:right])) or bool(
        regex.match(r"[」』”\"]?(?:では|じゃ)な|[」』”\"]?ではありません|[」』”\"]?とは思", text[end : end + 12])
    )


def one_of_several(text: str, start: int, end: int) -> bool:
    """Whether a span is only one of the candidates that are named: "X or Y", "either X or Y", "X / Y / Z", "between X and Y"."""
    left, right = sentence_bounds(text, start, end)
    if _CANDIDATES.search(text[left:start]) and (
        regex.match(r"\s*,|\s+and\b", text[end:right]) or regex.search(r"(?:,|\band)\s+(?:the |an? )?$", text[left:start])
    ):
        return True
    return bool(_OR_AFTER.search(text[end:right])) or bool(_OR_BEFORE.search(text[left:start]))


def in_general(text: str, start: int, end: int) -> bool:
    """Whether a span is only told of in general, of an answer that says before that it does not know."""
    left, right = clause_bounds(text, start, end)
    return bool(_IN_GENERAL.search(text[left:right])) and bool(_UNKNOWN.search(text[:left]))


def elsewhere(text: str, start: int, gold: str) -> bool:
    """Whether what stands before a span puts it at another place than the gold answer does: "under the box" for "in the box"."""
    wanted = next((place for place in _PLACES if regex.match(rf"(?:{place})\b", gold)), None)
    said = next(
        (
            place
            for place in _PLACES
            if regex.search(rf"\b(?:{place})\s+(?:(?:the|an?|my|your|der|die|das|dem|den|einem|einer)\s+)?$", text[:start])
        ),
        None,
    )
    return wanted is not None and said not in (None, wanted)


def came_from(text: str, start: int, end: int) -> bool:
    """Whether a span is where something came from: "from X to Y"."""
    return bool(
        regex.search(r"\bfrom\s+(?:(?:about|around|just|the|an?)\s+)?$", text[:start])
        and regex.match(r"[^.;]{0,30}\bto\b", text[end:])
    )


def bare_list(text: str, gold: str) -> bool:
    """Whether an answer is nothing but a list of three candidates or more, while the gold answer is one thing, or a list of fewer.

    Args:
        text: the answer as it was given.
        gold: the gold answer as it was given.
    """
    golds = [part for part in regex.split(r"[,;\n]|\s(?:and|und|et|y)\s", gold) if part.strip()]
    if regex.search(r"/|\s(?:or|oder)\s", gold):
        return False
    lines = [
        regex.sub(r"^\s*(?:[-*•]|\d{1,2}[.)])\s*", "", line).strip(" .,;*") for line in text.strip().splitlines() if line.strip()
    ]
    if len(lines) == 1:
        lines = [
            part.strip(" .")
            for part in regex.split(r"\s*[;/]\s*|,\s*(?:and\s+|or\s+|und\s+|oder\s+)?", lines[0])
            if part.strip(" .")
        ]
        alike = {line.split()[0].casefold() for line in lines} <= {"the"} or regex.search(r",\s*(?:and|or|und|oder)\s", text)
    else:
        alike = True
    names = all(len(line.split()) <= 5 and not regex.search(r"[.!?:]", line) for line in lines)
    capital = all(line[:1].isupper() or line.casefold().startswith("the ") for line in lines)
    more = [
        line
        for line in lines
        if not any(line.casefold() in part.casefold() or part.strip().casefold() in line.casefold() for part in golds)
    ]
    if len(golds) > 1:
        short = all(len(line.split()) <= 2 for line in more)
        return len(lines) > len(golds) and len(more) == len(lines) - len(golds) and names and (capital or short)
    return len(lines) > 2 and bool(alike) and names and capital


def asked_back(text: str, start: int, end: int) -> bool:
    """Whether a span stands in a question: "Is it X?"."""
    left, right = sentence_bounds(text, start, end)
    return bool(_QUESTION.search(text[left:right].strip()))


def bygone(text: str, start: int, end: int, question: str = "") -> bool:
    """Whether a span is told of the past, or of plans, while another clause says what is so now, and the question is not about the past."""
    if _PAST_QUESTION.search(question) and not _NOW.search(question):
        return False
    left, right = clause_bounds(text, start, end)
    own = text[left:right]
    if _INTENDED.search(text[left:start]) and not regex.search(_PLAN, question):
        return True
    if _NOW.search(question) and not _NOW.search(own) and _LATEST.search(text[:left] + text[right:]):
        return True
    if _NOW.search(question) and _WAS.search(text[left:start]) and _IS.search(text[right:]):
        return True
    if _PAST.search(text[left:start]) and regex.search(r"\band (?:\w+ )?(?:now|currently)\b", text[end:right]):
        return True
    if _PAST.search(text[left:start]) and regex.search(r"\b(?:switched|changed|moved) to\b", text[end:]):
        return True
    if _NOW.search(own):
        return False
    after = text[right:]
    return (bool(_NOW.search(after)) and bool(_PAST.search(own))) or bool(regex.search(r"\bswitched from\b", own[: start - left]))


def abstains(text: str, asked: Collection[str] = ()) -> bool:
    """Whether a folded answer says before anything else that it does not know or was not told.

    Something else may be told before, if what is unknown is then named by a word of the question that did not stand there: "You went
    out with friends, but nothing is said about your uncle".

    Args:
        asked: the words of the question that say something.
    """
    found = _UNKNOWN.search(text)
    if found is None:
        return False
    told = text[: found.start()]
    unknown = set(regex.findall(r"\p{L}+", text[found.start() : sentence_bounds(text, *found.span())[1]])) & set(asked)
    if unknown - set(regex.findall(r"\p{L}+", told)) and regex.search(
        r"\b(?:but|however|though|while)\W*(?:[\p{L}']+\s+){0,4}$", told
    ):
        return True
    clauses = [clause for clause in _CLAUSE.split(told)[:-1] if clause and clause.strip()]
    return all(
        _ASSERTING.search(clause)
        or (len(clause.split()) <= 1 and regex.search(r"\b(?:sorry|no|well|hmm|unfortunately|yes|ok|0|none|zero)\b", clause))
        for clause in clauses
    )
