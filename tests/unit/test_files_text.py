"""Text files: encodings told or refused by name, and what is no text."""

from __future__ import annotations

import os
import unicodedata

import pytest

from contextrot.errors import DataError
from contextrot.files import read_text
from contextrot.files.text import check_text

TEXTS = {
    "cp1252": "Le café était fermé à l’époque où l’hôtel brûla. Ça, c'était déjà étrange.\n",
    "cp1251": "Сегодня утром мы нашли ключ под старым дубом у реки.\n",
    "shift_jis": "今日は公園で本を読んだ。天気がよかった。\n",
    "gb18030": "今天早上我们在河边找到了钥匙。天气很好。\n",
    "big5": "今天早上我們在河邊找到了鑰匙。天氣很好。\n",
    "euc_kr": "오늘 아침 우리는 강가에서 열쇠를 찾았다.\n",
    "cp1253": "Σήμερα το πρωί βρήκαμε το κλειδί κάτω από τη βελανιδιά.\n",
    "cp1256": "وجدنا المفتاح هذا الصباح تحت شجرة البلوط القديمة.\n",
    "cp1250": "Zażółć gęślą jaźń, powiedział stary człowiek w środę.\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read_with_its_mark_and_without(tmp_path, encoding):
    (tmp_path / "t.txt").write_bytes("Ключ\r\nпод дубом\n".encode(encoding))
    assert read_text(tmp_path / "t.txt") == "Ключ\nпод дубом\n"


@pytest.mark.parametrize("encoding", TEXTS)
def test_another_encoding_is_detected_and_said_in_the_log(tmp_path, caplog, encoding):
    (tmp_path / "t.txt").write_bytes((TEXTS[encoding] * 10).encode(encoding))
    assert read_text(tmp_path / "t.txt") == TEXTS[encoding] * 10
    assert "is not UTF-8; read as" in caplog.text


def test_one_word_in_cp1252_is_enough(tmp_path):
    (tmp_path / "t.csv").write_bytes("name,answer\nCafé,0042\n".encode("cp1252"))
    assert "Café" in read_text(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Сегодня утром\n", "cp1251"),
        ("מצאנו את המפתח הבוקר מתחת לעץ האלון הישן.\n" * 10, "cp1255"),
        ("Dzień dobry, jak się masz? Mój brat też.\n", "cp1250"),
        ("Ключ лежит в синей коробке. Кошку в библиотеке зовут Наби.\n" * 10, "cp1251"),  # which looks like mac_greek
        ("Chìa khóa ở trong hộp xanh.\n" * 3, "cp1258"),
        ("Az őrült nő hűvös időben járt az erdőben.\n" * 10, "cp1250"),
    ],
)
def test_an_uncertain_encoding_is_refused_with_the_line(tmp_path, text, encoding):
    text = unicodedata.normalize("NFD", text) if encoding == "cp1258" else text
    (tmp_path / "t.txt").write_bytes(b"plain\n" + text.encode(encoding, "ignore"))
    with pytest.raises(DataError, match=r"t\.txt, line 2: byte \d+ .* is not UTF-8\. .*save it as UTF-8"):
        read_text(tmp_path / "t.txt")


def test_japanese_by_escape_sequences_is_no_ascii(tmp_path):
    (tmp_path / "t.txt").write_bytes("鍵は青い箱".encode("iso2022_jp"))
    assert read_text(tmp_path / "t.txt") == "鍵は青い箱"


def test_a_nul_is_refused_with_its_line(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"one\ntw\0o\n")
    with pytest.raises(DataError, match=r"t\.txt, line 2: a NUL character"):
        read_text(tmp_path / "t.txt")


def test_half_a_surrogate_is_refused_in_bytes_and_in_text(tmp_path):
    (tmp_path / "t.txt").write_bytes(b"ok\n\xed\xa0\xbd\n")
    with pytest.raises(DataError, match=r"t\.txt, line 2"):
        read_text(tmp_path / "t.txt")
    with pytest.raises(DataError, match=r"here: .*\\ud83d, half of a surrogate pair"):
        check_text("a\ud83d", "here")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in [
        ("gone", "does not exist"),
        (".", "is a folder"),
        ("pipe", "no regular file"),
        ("x" * 3000, "cannot be read"),
    ]:
        with pytest.raises(DataError, match=message):
            read_text(tmp_path / name, "needle file")


def test_a_cut_utf16_file_is_named(tmp_path):
    (tmp_path / "t.txt").write_bytes("Ключ".encode("utf-16")[:-1])
    with pytest.raises(DataError, match="is not UTF-16"):
        read_text(tmp_path / "t.txt")
