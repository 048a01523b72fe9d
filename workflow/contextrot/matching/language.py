"""What the judge `match` knows of each language: how words are folded and stemmed, and which small words say nothing by themselves.

Only what comparing short answers needs. A language without an entry is compared by its words as they are written.
"""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache

import regex

SPACELESS = r"\p{Han}\p{Hiragana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts that put no spaces between words, as a character class; katakana runs are words."""

_ALONE = str.maketrans({"ø": "o", "đ": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d", "ё": "е"})
_ARABIC = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي", "ـ": None})
_OPTIONAL_MARKS = regex.compile(
    r"[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u0591-\u05bd\u05bf-\u05c7\u093c\u200b-\u200f\u2060\ufeff]"
)
_EXPONENT = regex.compile(r"(?<=\d)(?=[⁰¹²³⁴-⁹])")
_DIGIT_UNKNOWN = regex.compile(r"(?![0-9])\d")
"""A digit of a script that `regex` knows and Python's own table does not yet."""
_NASAL = regex.compile(r"[ङञणनम]्(?=[क-घच-झट-ढत-धप-भ])")
_ACCENT = regex.compile(r"(?<=[\p{Latin}\p{Greek}])\p{Mn}+")
_VIETNAMESE = regex.compile("[ơư\u1ea0-\u1ef9]")
_MARKED = regex.compile(r"[đơư]|\p{Latin}\p{Mn}")
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue"}

STOP_WORDS = {
    "en": "the a an of and to in is was it for on with at by from that this you your i my he she they his her their its we our are "
    "were be been as or us me him them there these those into inside onto under over so has have had did do does just also very about "
    "which who what where when how am will would should can could one's",
    "de": "der die das den dem des ein eine einen einem einer eines und ist war im in zu zum zur von vom mit auf an am bei es sie er "
    "ich man wir ihr sein seine nach aus für um dass laut sich hat haben wurde wird wie wo wer was welche welchen viele viel gibt",
    "fr": "le la les un une des du de et est à au aux en dans il elle que qui pour sur par avec ce cette était combien où quel quelle comment quand",
    "es": "el la los las un una de del y es en a al que por para con se su era lo está cuántos cuántas cómo dónde quién cuál hay",
    "it": "il lo la i gli le un una di del della e è in a al che per con si su era nel quanti quante dove chi quale",
    "pt": "o a os as um uma de do da e é em no na que por para com se era ao quantos quantas onde quem qual",
    "nl": "de het een en is was in van op te dat die voor met zijn aan er hoeveel waar wie",
    "ru": "и в во на не с со к по из у о об это он она оно они был была было были за от до",
    "ar": "في من علي الي عن هو هي ان انه انها هذا هذه ذلك التي الذي عام سنه كان كانت لها داخل قد",
    "hi": "में के का की को से है हैं था थे थी पर ने वाला वाले वाली वह यह उसे इसे इसमें और कि हो ही तो भी सन",
    "zh": "的 了 在 是 有 个 里 那 这 着 吗 呢 于 位 由 也 就 和",
    "ja": "の に は が を で も",
    "ko": "그 이 저 것 수 있습니다 있어요 있다 있는",
    "he": "של את הוא היא זה זו אני על עם יש",
    "vi": "là ở của và có một cái con nó tôi bạn anh chị ông bà ấy đó này thì lúc vào tên",
    "th": "",
}
_STEMMED = {"en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "pt": "portuguese", "nl": "dutch", "ru": "russian"}  # fmt: skip
_IRREGULAR = {
    form: verb
    for verb, forms in {
        "write": "wrote written", "lead": "led", "go": "went gone", "buy": "bought", "keep": "kept", "tell": "told", "say": "said",
        "give": "gave given", "take": "took taken", "meet": "met", "make": "made", "find": "found", "leave": "left", "sell": "sold",
        "build": "built", "teach": "taught", "think": "thought", "draw": "drew drawn", "sing": "sang sung", "drink": "drank drunk",
        "eat": "ate eaten", "drive": "drove driven", "ride": "rode ridden", "begin": "began begun", "break": "broke broken",
        "bring": "brought", "catch": "caught", "choose": "chose chosen", "come": "came", "fall": "fell fallen", "feel": "felt",
        "fly": "flew flown", "forget": "forgot forgotten", "get": "got gotten", "grow": "grew grown", "hear": "heard", "hide": "hid hidden",
        "hold": "held", "know": "knew known", "lose": "lost", "pay": "paid", "run": "ran", "see": "saw seen", "send": "sent",
        "shake": "shook shaken", "sit": "sat", "sleep": "slept", "speak": "spoke spoken", "spend": "spent", "stand": "stood",
        "steal": "stole stolen", "swim": "swam swum", "throw": "threw thrown", "wake": "woke woken", "wear": "wore worn", "win": "won",
        "burn": "burnt", "learn": "learnt", "dream": "dreamt", "child": "children", "man": "men", "woman": "women", "foot": "feet",
        "tooth": "teeth", "mouse": "mice", "knife": "knives", "leaf": "leaves", "gray": "grey",
    }.items()
    for form in forms.split()
}  # fmt: skip
_ARABIC_PREFIX = regex.compile(r"^(?:[وف]?[بك]?ال|[وف]?لل|[وفبلك](?=\p{L}{4}))(?=\p{L}{3})")
_HEBREW_PREFIX = regex.compile(r"^[והבלמשכ]{1,2}?(?=\p{L}{3})")
_KOREAN_ENDING = regex.compile(
    r"(?<=\p{Hangul})(?:씨|님)?(?:에서는|에서도|에서|에게서|에게|에는|에도|에|께서|으로는|으로|로|부터|까지|이라고|라고|이라는|라는|처럼|보다|하고|이며|이고|"
    r"이었습니다|였습니다|이었어요|였어요|이었다|였다|입니다|이에요|예요|이예요|이다|인가요|입니까|이지요|이죠|이야|은|는|이|가|을|를|"
    r"(?<=\p{Hangul}{2})(?:의|와|과|도|만|요))$"
)
"""Particles and endings; those that are the last syllable of many a word only behind two others."""
_ZU = regex.compile(r"^(ab|an|auf|aus|bei|ein|los|mit|nach|vor|weg|zu|zurueck|zuruck)zu(?=\p{L}{3})")


def fold(text: str, language: str = "") -> str:
    """A text in the form in which it is compared: NFKC, case folded, digits 0 to 9, optional marks gone.

    Combining marks stay where they make another letter (Devanagari, Thai, Vietnamese); accents of Latin and Greek, Arabic and Hebrew
    vowel signs, the nukta and tatweel go, and letters that Arabic writes in several ways become one. Umlauts stay, since they may also
    be written "ae" (see `forms`).

    Args:
        language: of the text, if it is known.
    """
    text = _EXPONENT.sub("^", text)
    text = unicodedata.normalize("NFKC", text.replace("½", " 1/2").replace("¼", " 1/4").replace("¾", " 3/4")).casefold()
    if text.isascii():
        return text
    text = (
        (text if language == "vi" else text.translate(_ALONE))
        .replace("’", "'")
        .replace("‘", "'")
        .replace("٫", ".")
        .replace("٬", ",")
        .replace("٪", "%")
    )
    text = "".join(str(unicodedata.decimal(c)) if not c.isascii() and c.isdecimal() else c for c in text)
    text = _DIGIT_UNKNOWN.sub("\ufffd", text)
    if language == "vi":
        return text
    kept = {umlaut: chr(0xE000 + i) for i, umlaut in enumerate(_UMLAUTS)}
    for umlaut, private in kept.items():
        text = text.replace(umlaut, private)
    text = _ACCENT.sub("", _OPTIONAL_MARKS.sub("", unicodedata.normalize("NFD", text)))
    text = _NASAL.sub("ं", unicodedata.normalize("NFC", text).translate(_ARABIC).replace("ँ", "ं"))
    for umlaut, private in kept.items():
        text = text.replace(private, umlaut)
    return text


_STOPS = {language: frozenset(fold(words, language).split()) for language, words in STOP_WORDS.items()}


def language_of(text: str) -> str:
    """The language of a text, by its script and, for Latin script, by its commonest small words; English if nothing says otherwise."""
    if _is_vietnamese(text):
        return "vi"
    text = fold(text)
    for pattern, language in (
        (r"[\p{Hiragana}\p{Katakana}]", "ja"),
        (r"\p{Han}", "zh"),
        (r"\p{Arabic}", "ar"),
        (r"\p{Devanagari}", "hi"),
        (r"\p{Hangul}", "ko"),
        (r"\p{Hebrew}", "he"),
        (r"\p{Thai}", "th"),
    ):
        if regex.search(pattern, text):
            return language
    if regex.search(r"\p{Cyrillic}", text):
        return "ru"
    words = regex.findall(r"\p{L}{2,}", text)
    # the small words that several languages share say nothing, nor do single letters
    counts = {language: sum(word in _distinctive(language) for word in words) for language in _STEMMED if language != "ru"}
    if any(umlaut in text for umlaut in _UMLAUTS):
        counts["de"] += 1
    best = max(counts, key=lambda language: (counts[language], language == "en"))
    return best if counts[best] else "en"


def _is_vietnamese(text: str) -> bool:
    """Whether a text has letters that only Vietnamese has, and marks on more words than one in three."""
    text = unicodedata.normalize("NFC", text.casefold())
    if text.isascii() or not _VIETNAMESE.search(text):
        return False
    words = regex.findall(r"\p{Latin}[\p{Latin}\p{M}]*", text)
    return 3 * sum(bool(_MARKED.search(unicodedata.normalize("NFD", word))) for word in words) > len(words)


@cache
def _distinctive(language: str) -> frozenset[str]:
    return frozenset(word for word in _STOPS[language] if sum(word in words for words in _STOPS.values()) == 1)


def is_small(word: str, language: str) -> bool:
    """Whether a word says nothing by itself."""
    return word in _STOPS.get(language, ())


@lru_cache(65_536)
def forms(word: str, language: str) -> frozenset[str]:
    """All forms of a word by which it may equal another: as written, without umlauts, without prefixes, its stem."""
    if language == "ar":
        return frozenset({word, _ARABIC_PREFIX.sub("", word)})
    if language == "hi":
        singular = regex.sub(r"(?<=..)(?:ियां|ियों)$", "ी", word)
        singular = regex.sub(r"(?<=..)(?:ों|ें)$", "", singular)
        return frozenset({word, regex.sub(r"(?<=..)[ाेो]$", "ा", singular)})
    if language in ("he", "ko"):
        return frozenset({word, (_HEBREW_PREFIX if language == "he" else _KOREAN_ENDING).sub("", word)})
    if language == "vi":
        return frozenset({word})
    plain = word
    for umlaut, two in _UMLAUTS.items():
        plain = plain.replace(umlaut, umlaut and {"ä": "a", "ö": "o", "ü": "u"}[umlaut])
        word = word.replace(umlaut, two)
    found = {word, plain}
    if language == "en":
        found = {_IRREGULAR.get(word, word)}
        found = {regex.sub(r"(?<=\p{L}{3})our$", "or", one) for one in found}
    if language == "de":
        found |= {_ZU.sub(r"\1", one) for one in found}
    if language in _STEMMED:
        found |= {_stemmer(language).stemWord(one) for one in found}
    return frozenset(found)


@cache
def _stemmer(language: str):
    import snowballstemmer  # late: every parse of the workflow imports this module, and none stems

    return snowballstemmer.stemmer(_STEMMED[language])
