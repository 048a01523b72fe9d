"""Numbers that are written in words become digits: "one hundred and forty" 140, "fünfundzwanzig" 25, "三十五" 35, "an hour and a half" 1.5 hours."""

from __future__ import annotations

from functools import cache

import regex

from contextrot.matching.language import fold

_ENGLISH = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
    )
} | {word: 10 * ten for ten, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_ENGLISH["fourty"] = 40
_POWERS = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 10**9}
_ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
        "seventeenth eighteenth nineteenth twentieth".split(),
        1,
    )
} | {"thirtieth": 30}
_HAN = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_POWERS = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "萬": 10_000, "亿": 10**8, "億": 10**8}
_ARABIC = {
    "واحد": 1, "واحده": 1, "اثنان": 2, "اثنين": 2, "ثلاثه": 3, "ثلاث": 3, "اربعه": 4, "اربع": 4, "خمسه": 5, "خمس": 5, "سته": 6, "ست": 6,
    "سبعه": 7, "سبع": 7, "ثمانيه": 8, "ثماني": 8, "تسعه": 9, "تسع": 9, "عشره": 10, "عشرون": 20, "عشرين": 20, "ثلاثون": 30, "ثلاثين": 30,
    "اربعون": 40, "اربعين": 40, "خمسون": 50, "خمسين": 50, "ستون": 60, "ستين": 60, "سبعون": 70, "سبعين": 70, "ثمانون": 80, "ثمانين": 80,
    "تسعون": 90, "تسعين": 90, "ميه": 100, "الف": 1_000,
}  # fmt: skip
_HINDI = {
    fold(word): number
    for number, word in enumerate(
        "शून्य एक दो तीन चार पांच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस इक्कीस बाईस तेईस चौबीस पच्चीस "
        "छब्बीस सत्ताईस अट्ठाईस उनतीस तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस चालीस इकतालीस बयालीस तैंतालीस "
        "चौवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास पचास इक्यावन बावन तिरेपन चौवन पचपन छप्पन सत्तावन अट्ठावन उनसठ साठ इकसठ बासठ "
        "तिरेसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उनासी अस्सी "
        "इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी नब्बे इक्यानवे बानवे तिरानवे चौरानवे पंचानवे छियानवे सत्तानवे "
        "अट्ठानवे निन्यानवे सौ".split()
    )
} | {"छः": 6, "छ": 6}

_OTHERS = {
    language: {word: number for number, words in enumerate(names.split(), first) for word in fold(words, language).split("|")}
    for language, first, names in (
        ("es", 2, "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve veinte"),
        ("fr", 2, "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"),
        ("it", 2, "due tre quattro cinque . sette otto nove dieci undici dodici tredici quattordici quindici sedici"),
        ("pt", 2, "dois|duas três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete dezoito dezenove vinte"),
        ("nl", 2, "twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien achttien negentien twintig"),
        ("ru", 2, "два|две|двух три|трёх четыре|четырёх пять|пяти шесть|шести семь|семи восемь|восьми девять|девяти десять|десяти"),
        ("he", 2, "שניים|שתיים|שני|שתי שלושה|שלוש ארבעה|ארבע חמישה|חמש שישה|שש שבעה|שבע שמונה תשעה|תשע עשרה|עשר"),
        ("vi", 2, "hai ba bốn . sáu bảy tám chín mười"),
        ("ko", 1, "하나|한 둘|두 셋|세 넷|네 다섯 여섯 일곱 여덟 아홉 열"),
        ("th", 1, "หนึ่ง สอง สาม สี่ ห้า หก เจ็ด แปด เก้า สิบ"),
    )
}  # fmt: skip
"""Words for small numbers that mean nothing else; in Korean and Thai only before what is counted."""
_COUNTERS = {
    "ko": r"(?=\ ?(?:마리|명|개|권|시|살|번|잔|대|병|장|사람|달|가지|분|송이|채|켤레|그릇|주|해))",
    "th": r"(?=\ ?(?:ตัว|คน|วัน|ปี|เดือน|สัปดาห์|ชั่วโมง|นาที|บาท|เล่ม|ใบ|ครั้ง|โมง|อัน|ชิ้น|คัน|หลัง|แก้ว))",
}


@cache
def _before_counters(language: str) -> regex.Pattern:
    start = r"(?<!\p{L})" if language == "ko" else ""
    return regex.compile(rf"{start}(?:{'|'.join(_OTHERS[language])}){_COUNTERS[language]}")


@cache
def _german() -> dict[str, int]:
    ones = ["null", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
    teens = ["dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn"]
    tens = ["zwanzig", "dreissig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
    small = {word: number for number, word in enumerate(ones + teens)}
    for ten, word in enumerate(tens, 2):
        small[word] = 10 * ten
        small |= {f"{ones[one]}und{word}": 10 * ten + one for one in range(1, 10)}
    numbers = dict(small)
    for count in range(1, 20):
        name = next(word for word, number in small.items() if number == count)
        for prefix in {name, ""} if count == 1 else {name}:
            numbers[f"{prefix}hundert"] = 100 * count
            numbers |= {f"{prefix}hundert{word}": 100 * count + number for word, number in small.items() if number}
        if count < 13:
            numbers[f"{name}tausend"] = 1_000 * count
    # "ein" alone is the article
    del numbers["ein"]
    return numbers | {"eins": 1, "hundert": 100, "tausend": 1_000, "zweimal": 2, "dreimal": 3, "viermal": 4, "dutzend": 12}


_WORD = "|".join(sorted([*_ENGLISH, *_POWERS], key=len, reverse=True))
_SPOKEN = regex.compile(
    rf"\b(?:(?:(?<![\d.,])\d{{1,12}}(?:,\d{{3}})*(?:\.\d{{1,9}})?|a)\ )?(?:{_WORD})(?:(?:(?<=hundred|thousand|million|billion)\ and\ |[\ -])(?:{_WORD}))*(?:-(?:{'|'.join(_ORDINALS)})|(?<=ty)\ (?:first|third|fourth|fifth|sixth|seventh|eighth|ninth))?\b"
)
_ORDINAL = regex.compile(rf"\b({'|'.join(_ORDINALS)})\b(?!s)")
_UNIT = r"(years?|months?|weeks?|days?|hours?|minutes?)"
_AMOUNT = r"(kilos?|kilograms?|kilomet(?:re|er)s?|lit(?:re|er)s?|miles?|met(?:re|er)s?|pounds?|gallons?|tonnes?|tons?)"
_REWRITTEN = [
    (regex.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\b(?:no|number|nr)\.?\ (?=\d)", ""),
        (r"(?<=\d)\ 1/2\b", ".5"),
        (r"(?<![\d/])(\d+(?:\.\d+)?)\ ?(?:/|out\ of)\ ?(5|10|20|100)(?![\d/%]|\.\d)", r"\1 of \2"),
        (r"(?<=\d)\ ?h\ ?(\d{1,2})(?:\ ?m(?:ins?)?)?\b", r" hours \1 minutes"),
        (r"(?<=\d)\ ?h\b", " hours"),
        (r"\b(\d+)\ and\ (?:a|1)\ quarter\b", r"\1.25"),
        (r"\b(\d+)\ and\ 3\ quarters\b", r"\1.75"),
        (r"\b(?:once|1\ time)\ (?:an?|each|every|per)\ fortnight\b", "every 2 weeks"),
        (r"\b(?:a|1)\ fortnight\b", "2 weeks"),
        (r"(?<![\d/])1/2\b(?!/)", "0.5"),
        (r"\b(?:a|an|1)\ (?:and\ )?(?:a\ )half\ " + _UNIT, r"1.5 \1"),
        (r"\b(\d+)\ and\ a\ half\b", r"\1.5"),
        (r"\b(?:a|an|1)\ " + _UNIT + r"\ and\ a\ half\b", r"1.5 \1"),
        (r"\b(?:a\ )?half\ (?:of\ )?(?:an?\ )?" + _UNIT, r"0.5 \1"),
        (r"\b(?:3|0\.75)[\ -]quarters?\ of\ an?\ " + _UNIT, r"0.75 \1"),
        (r"\b(?:a\ |1\ )?quarter\ (?:of\ )?an?\ " + _UNIT, r"0.25 \1"),
        (r"\b(?:a\ |1\ )?half\ (?:of\ )?an?\ " + _AMOUNT, r"0.5 \1"),
        (r"\b(?:3|0\.75)[\ -]quarters?\ of\ an?\ " + _AMOUNT, r"0.75 \1"),
        (r"\b(?:a\ |1\ )?quarter\ (?:of\ )?an?\ " + _AMOUNT, r"0.25 \1"),
        (r"\b(\d+)\ (euros?|dollars?|pounds?)\ and\ (\d\d)\ (?:cents?|pence)\b", r"\1.\3 \2"),
        (r"\b(?:3|0\.75)[\ -]quarters?\b(?!\ (?:past|to)\b)(?=\ of\ (?:it|them|the|all|my|your)\b|\s*[.,!]|\s*$)", "75%"),
        (r"(?<![\d/.])1/3(?![\d/])", "a 3rd"),
        (r"(?<![\d/.])1/4(?![\d/])", "a quarter"),
        (r"\b(\d+)\ (met(?:re|er)s?|euros?|dollars?|pounds?)\ ([1-9]\d)(?=\s*(?:[.,;!?)]|$))", r"\1.\3 \2"),
        (r"\b(\d+)\ ?x\ (?=an?\b|per\b|every\b|each\b|daily\b|weekly\b|monthly\b|yearly\b)", r"\1 times "),
        (r"\btwice\b", "2 times"),
        (r"\bthrice\b", "3 times"),
        (r"(?<=\btimes\ )daily\b", "a day"),
        (r"(?<=\btimes\ )(week|month|year)ly\b", r"a \1"),
        (r"\b(?:every|each)\ (?:other|2nd)\ (day|week|month|year)\b", r"every 2 \1s"),
        (r"\b(?:biweekly|fortnightly|every\ fortnight)\b", "every 2 weeks"),
        (r"\b(?:once|1\ time)\ (?:every\ |an?\ |each\ |per\ )(day|week|month|year)\b", r"every\1"),
        (r"\b(?:every|each)\ (?:single\ )?(day|week|month|year)\b", r"every\1"),
        (r"\b(week|month|year)ly\b", r"every\1"),
        (r"\bdaily\b(?=[.!]|$)", "everyday"),
        (r"\b(?:a\ )?half\ (?:a\ )?dozen\b", "6"),
        (r"(?<![\d.,])(\d{1,6})\ dozen\b", lambda m: str(12 * int(m[1]))),
        (r"\ba\ dozen\b|\bdozen\b", "12"),
        (r"(?<!\btimes\ )\b(?:a|an)\ (?=(?:year|month|week|day|hour|minute)\b)", "1 "),
        (r"(?<=\btimes\ )(?:per|every|each)\ ", "a "),
    ]
]
_GERMAN_REWRITTEN = [
    (regex.compile(pattern), replacement)
    for pattern, replacement in [
        (r"\b(?:anderthalb|eineinhalb|ein(?:e|en)?\ einhalb)\ ", "1.5 "),
        (r"\b(\d+)einhalb\b", r"\1.5"),
        (r"\b(?:eine\ )?halbe\ (?=stunde)", "0.5 "),
        (r"\b(?:ein\ )?halbes\ (?=jahr)", "0.5 "),
        (r"\b(\d+)\ mal\b", r"\1"),
    ]
]


def with_digits(text: str, language: str) -> str:
    """A folded text with its number words as digits."""
    if language in ("zh", "ja"):
        text = regex.sub(r"[ヶケカか箇個个]月", "か月" if language == "ja" else "个月", text.replace("百分之", "%之"))
        text = regex.sub(
            r"[〇零一二三四五六七八九十百千万萬亿億两兩]+|(?<![\d.,])\d{1,12}(?:,\d{3})*(?:\.\d{1,9})?[百千万萬亿億]{1,3}",
            lambda m: _han(m[0]),
            text,
        )
        return regex.sub(r"(?<=\d)つ", "個", text)
    if language in ("ar", "hi"):
        return _by_words(text, _ARABIC if language == "ar" else _HINDI)
    if language == "de":
        names = _german()
        text = regex.sub(r"\p{L}+", lambda m: str(names.get(regex.sub("(ae|oe|ue)", _umlaut, m[0]), names.get(m[0], m[0]))), text)
        for pattern, replacement in _GERMAN_REWRITTEN:
            text = pattern.sub(replacement, text)
        return text
    if language in _COUNTERS:
        return _before_counters(language).sub(lambda m: str(_OTHERS[language][m[0]]), text)
    if language in _OTHERS:
        return _by_words(text, _OTHERS[language])
    text = _SPOKEN.sub(_english, text)
    text = _ORDINAL.sub(lambda m: m[0] if m[0] == "second" and _is_unit(text, m) else _suffixed(_ORDINALS[m[0]]), text)
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    return text


def _umlaut(found: regex.Match) -> str:
    return {"ae": "ä", "oe": "ö", "ue": "ü"}[found[0]]


def _is_unit(text: str, found: regex.Match) -> bool:
    return text[: found.start()].endswith(tuple(f"{digit} " for digit in range(10)))


def _suffixed(number: int) -> str:
    return f"{number}{'th' if 10 <= number % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _english(found: regex.Match) -> str:
    """Worth of a run of English number words; runs such as "nineteen eighty" that are no one number stay apart."""
    words = regex.split(r"[\ -]+", found[0])
    done: list[str] = []
    total, current, last = 0.0, 0.0, None
    ordinal = False
    for word in words:
        if word == "and":
            continue
        if word == "a":
            value, current = None, 1.0
            last = "a"
            continue
        if word in _POWERS:
            power = _POWERS[word]
            if power == 100:
                current = (current or 1) * 100
            else:
                total, current = total + (current or 1) * power, 0.0
            last = word
            continue
        ordinal = word in _ORDINALS
        value = float(word.replace(",", "")) if word[0].isdigit() else float(_ORDINALS.get(word, _ENGLISH.get(word, 0)))
        joins = last is None or last in _POWERS or (last in _ENGLISH and _ENGLISH[last] >= 20 and 0 < value < 10)
        if not joins:
            done.append(f"{total + current:g}" if total + current < 1e6 else str(int(total + current)))
            total, current = 0.0, 0.0
        current += value
        last = word
    whole = total + current
    done.append(str(int(whole)) if whole == int(whole) else str(round(whole, 6)))
    if ordinal:
        done[-1] = _suffixed(int(whole))
    if len(done) == 2 and 17 <= float(done[0]) <= 20 and regex.fullmatch("[1-9][0-9]", done[1]):
        return "".join(done)  # a year: "nineteen eighty-seven"
    separator = "-" if len(done) > 1 and "-" in found[0] else " "
    return separator.join(done)


def _han(run: str) -> str:
    """Worth of a run of Chinese numerals: digit by digit, or with powers of ten."""
    leading = regex.match(r"\d[\d,.]*", run)
    if leading:
        number = float(leading[0].replace(",", "").rstrip("."))
        for power in run[leading.end() :]:
            number *= _HAN_POWERS[power]
        return f"{number:.10g}" if number != int(number) else str(int(number))
    if not any(c in _HAN_POWERS for c in run):
        return "".join(str(_HAN[c]) for c in run)
    total = section = digit = 0
    for c in run:
        if c in _HAN:
            digit = _HAN[c]
        elif _HAN_POWERS[c] >= 10_000:
            total, section, digit = total + (section + digit or 1) * _HAN_POWERS[c], 0, 0
        else:
            section, digit = section + (digit or 1) * _HAN_POWERS[c], 0
    return str(total + section + digit)


def _by_words(text: str, names: dict[str, int]) -> str:
    text = regex.sub(r"(\p{L}+)\ عشر(?:ه)?(?!\p{L})", lambda m: str(names[m[1]] + 10) if names.get(m[1], 99) < 10 else m[0], text)
    if names is _ARABIC:
        text = regex.sub(
            r"(\p{L}+)\ و(\p{L}+)",
            lambda m: str(names[m[1]] + names[m[2]]) if names.get(m[1], 99) < 10 and 20 <= names.get(m[2], 0) < 100 else m[0],
            text,
        )
    return regex.sub(r"[\p{L}\p{M}]+", lambda m: str(names.get(m[0], m[0])), text)
