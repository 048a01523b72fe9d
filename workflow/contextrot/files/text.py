"""Text files: whatever their encoding, the text that was written, or one message that names file, line and what to do."""

from __future__ import annotations

import codecs
import logging
import re
from contextlib import suppress
from pathlib import Path

from contextrot.errors import DataError
from contextrot.files.regular_files import read_regular

log = logging.getLogger(__name__)

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Longer marks before those that they begin with."""

WESTERN = {
    "English": "àáâäçèéêëïñóôöü", "French": "àâæçéèêëîïôœùûüÿ", "German": "äöüßé", "Spanish": "áéíñóúüª", "Portuguese": "áâãàçéêíóôõúü",
    "Italian": "àèéìíîòóùú", "Dutch": "áèéêëíïóöúü", "Danish and Norwegian": "æøåéóòôü", "Swedish and Finnish": "åäöéüàšž",
    "Catalan": "àçèéíïòóúü",
}  # fmt: skip
"""Letters beside a to z of languages that are written in cp1252."""
WESTERN_SIGNS = frozenset("“”‘’„‚‹›«»–—…•€£¥§©®™°±²³½¼¾×÷·¡¿´\u00a0ºª†‡µ¢¦¬¶¹ˆ˜‰")
LOANWORDS = 0.1
"""English words with other letters than a to z are at most so many of all."""
SURE_COHERENCE = 0.2
CLEAR_LEAD = 0.05
SURE_CHARACTERS = 40
_LETTERS = re.compile(r"[^\W\d_]+")
_SIGN_IN_WORD = re.compile(r"[^\W\d_][¿¡]|[^\W\d_][£¥§©®±³¼½¾¹ªºµ¢¦¬‡†ˆ˜‰•€°²][^\W\d_]")
_CAPITAL_IN_WORD = re.compile(r"[a-zß-öø-ÿ][À-ÖØ-Þ]")
DEAD = re.compile(r"mac|hp_|ptcp|kz1048|cp(?:037|273|424|437|5\d\d|7\d\d|8[0-6]\d|10\d\d|11\d\d)$|cp1252$")
"""Encodings that win by accident, as mac_greek does over Russian in cp1251; cp1252 has rules of its own."""
FORMATS = (
    (b"\x1f\x8b", "packed by gzip; unpack it"), (b"\x28\xb5\x2f\xfd", "packed by zstd; unpack it"), (b"BZh", "packed by bzip2; unpack it"),
    (b"\xfd7zXZ\x00", "packed by xz; unpack it"), (b"7z\xbc\xaf\x27\x1c", "packed by 7-Zip; unpack it"),
    (b"PK\x03\x04", "a zip archive, as .xlsx and .docx are; unpack it, or save the table as CSV and the document as text"),
    (b"\xd0\xcf\x11\xe0", "an old Office file; save the table as CSV, the document as text"), (b"%PDF-", "a PDF; save its text as .txt"),
    (b"{\\rtf", "rich text; save it as plain text"), (b"PAR1", "parquet; its name must end in .parquet"), (b"ARROW1", "an Arrow file; write it as parquet"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
)  # fmt: skip
"""How files begin that are no text, and what to do with them."""
_HEBREW_IN_CP1255 = re.compile(rb"[\x00-\x7f\xe0-\xfa]+")


def read_text(path: str | Path, what: str = "", newlines: bool = True) -> str:
    """The text of a file: UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one, else as detected, which the log says.

    Args:
        what: what the file is to the user, such as "needle file"; goes before its name in messages.
        newlines: whether every kind of line end becomes a line feed, as Python's text files do it.

    Raises:
        DataError: if the file is not there, is no regular file, is not text, or its encoding is not certain.
    """
    path = Path(path)
    text = decode(read_bytes(path, what), f"{what} {path}".strip())
    return text.replace("\r\n", "\n").replace("\r", "\n") if newlines else text


def read_bytes(path: str | Path, what: str = "") -> bytes:
    """The content of a regular file.

    Raises:
        DataError: if it is not there, is a folder or a pipe, or may not be read.
    """
    named = f"{what} {path}".strip()
    try:
        return read_regular(path)
    except IsADirectoryError as error:
        raise DataError(f"{named} is a folder; name a file in it.") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{named} does not exist; put the file there, or mend the path.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{named[:300]!r} cannot be read: {reason}; name a file that holds the data.") from error


def decode(content: bytes, where: str) -> str:
    """Bytes as text; see `read_text`.

    Raises:
        DataError: if they are no text, or their encoding is not certain.
    """
    for sign, what in FORMATS:
        if content.startswith(sign):
            raise DataError(f"{where} is not text but {what}.")
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            try:
                return _without_nul(content[len(mark) :].decode(encoding), where)
            except UnicodeDecodeError as error:
                raise DataError(_broken(where, encoding, content, len(mark) + error.start)) from error
    if b"\x1b$" in content and content.isascii():  # Japanese by escape sequences, which are UTF-8 too
        with suppress(UnicodeDecodeError):
            return content.decode("iso2022_jp")
    try:
        return _without_nul(content.decode("utf-8"), where)
    except UnicodeDecodeError as error:
        failed = error
    if 0 in content:
        raise DataError(f"{where} is not text: it holds bytes of value 0. If it is UTF-16 without a mark, save it as UTF-8.")
    encoding = None if _is_damaged_utf8(content) else detect(content)
    if encoding is None:
        raise DataError(
            _broken(where, "UTF-8", content, failed.start)
            + " Which encoding it has cannot be told for certain: save it as UTF-8."
        )
    log.warning("%s is not UTF-8; read as %s. If letters are wrong, save it as UTF-8.", where, encoding)
    return content.decode(encoding)


def detect(content: bytes) -> str | None:
    """The encoding of bytes that are not UTF-8; None if it is not certain.

    Western text is taken as cp1252 if its letters fit the alphabet of one language. For the rest `charset-normalizer` decides, if
    there is enough text and no other reading comes near; lower-case Cyrillic and Hebrew use the same bytes, which it cannot tell.
    """
    if _is_western(content):
        return "cp1252"
    from charset_normalizer import from_bytes

    matches = list(from_bytes(content))
    if not matches:
        return None
    best, text = matches[0], str(matches[0])
    rivals = [match for match in matches[1:] if str(match) != text]
    high = sum(byte > 127 for byte in content)
    if high < SURE_CHARACTERS or (_HEBREW_IN_CP1255.fullmatch(content) and not best.multi_byte_usage):
        return None
    coherence = max((rival.coherence for rival in rivals), default=0.0)
    chaos = min((rival.chaos for rival in rivals), default=1.0)
    if DEAD.match(best.encoding) and best.encoding != "cp866":
        return None
    by_words = best.coherence >= SURE_COHERENCE and best.coherence >= coherence + CLEAR_LEAD
    by_order = best.multi_byte_usage > 0 and best.chaos + CLEAR_LEAD <= chaos
    return best.encoding if by_words or by_order else None


def _is_damaged_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8 with some that are not, such as halves of surrogate pairs or a row pasted from another encoding."""
    right = sum(ord(letter) > 127 for letter in content.decode("utf-8", "ignore"))
    high = sum(byte > 127 for byte in content)
    return right * 4 >= high or _passes_surrogates(content)


def _passes_surrogates(content: bytes) -> bool:
    try:
        content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _is_western(content: bytes) -> bool:
    """Whether bytes read as cp1252 are words of a Western language."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if _SIGN_IN_WORD.search(text) or _CAPITAL_IN_WORD.search(text):
        return False
    foreign = {letter.lower() for letter in text if ord(letter) > 127} - WESTERN_SIGNS
    all_words = _LETTERS.findall(text)
    words = [word for word in all_words if not word.isascii()]
    fitting = {language for language, alphabet in WESTERN.items() if foreign <= set(alphabet)}
    if len(words) > LOANWORDS * len(all_words):
        fitting.discard("English")
    if not fitting:
        return False
    return all(len(word) == 1 or sum(map(str.isascii, word)) * 2 >= len(word) for word in words)


def check_text(text: str, where: str) -> str:
    """The text, unless it holds what no request and no file can carry.

    Raises:
        DataError: for half of a surrogate pair or a NUL.
    """
    if "\0" in text:
        raise DataError(f"{where}: the text holds a NUL character (\\u0000); take it out.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            found = f"\\u{ord(text[error.start]):04x}"
            raise DataError(f"{where}: the text holds {found}, half of a surrogate pair; write the whole character.") from error
    return text


def _without_nul(text: str, where: str) -> str:
    at = text.find("\0")
    if at >= 0:
        line = text.count("\n", 0, at) + 1
        raise DataError(
            f"{where}, line {line}: a NUL character; the file is not text, or UTF-16 without a byte order mark. Save it as UTF-8."
        )
    return text


def _broken(where: str, encoding: str, content: bytes, at: int) -> str:
    line = content.count(b"\n", 0, at) + 1 if encoding.lower() == "utf-8" else None
    place = f", line {line}" if line else ""
    return f"{where}{place}: byte {at} (0x{content[at] if at < len(content) else 0:02x}) is not {encoding.upper()}."
