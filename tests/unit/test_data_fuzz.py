"""Data files of a user's own with faults as they happen: read, or refused with one message that names the file."""

from __future__ import annotations

import json
import random

import pytest

from contextrot.errors import ContextRotError
from contextrot.files import read_rows
from contextrot.files.shapes import records_of
from contextrot.samples.published import read_rows as read_chroma
from contextrot.tasks.context_switching.task_sets import TaskSetSettings, load_task_set
from contextrot.tasks.longmemeval.data import load_questions
from contextrot.tasks.niah.needles import read_needles
from contextrot.tasks.story_sequences.task import read_sequences

PIECES = [
    b"\0", b"\xff", b"\xe9", b"\xed\xa0\xbd", b"\xef\xbb\xbf", b'"', b"\n", b"\r", b",", b"{", b"}", b"[", b"]", b":", b"null", b"NaN", b"true", b"1e999",
    b"\\ud83d", b"\\u0000", b"0042", b"\xe2\x80\xa8", b"'", b"- ", b"&a ", b"*a", b"!!int ", b"9" * 5000, b"[" * 3000, b"\t", b"<<: ", b"{}", b"[]", b'""',
]  # fmt: skip


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Bytes with a few faults: something put in, taken out, doubled, or the end cut off."""
    for _ in range(rng.randint(1, 3)):
        at, length = rng.randrange(len(content) + 1), rng.choice([1, 1, 4, 30])
        kind = rng.choice(["put", "put", "replace", "take", "double", "cut"])
        piece = {"put": rng.choice(PIECES), "replace": rng.choice(PIECES), "double": content[at : at + length] * 2}.get(kind, b"")
        content = content[:at] + piece + (b"" if kind == "cut" else content[at if kind == "put" else at + length :])
    return content


def read_set(path):
    own = TaskSetSettings(file=path.name, template="{text}", answer="label", id="id", labels=["positive", "negative"])
    return load_task_set("mine", path.parent, {"mine": own})


def squad() -> bytes:
    asked = {"id": "1", "question": "Where?", "answers": [{"text": "Oslo", "answer_start": 3}]}
    return json.dumps({"data": [{"paragraphs": [{"context": "In Oslo.", "qas": [asked]}]}]}).encode()


def lm_eval() -> bytes:
    row = {
        "doc_id": 0,
        "doc": {},
        "target": "42",
        "arguments": [["Q", {}]],
        "resps": [["42"]],
        "filtered_resps": ["42"],
        "metrics": ["em"],
        "em": 1.0,
    }
    return json.dumps(row).encode()


def evalscope() -> bytes:
    row = {
        "index": 0,
        "messages": [{"role": "user", "content": "Q"}],
        "model_output": {"choices": [{"message": {"content": "A"}}], "error": None},
    }
    return json.dumps(row).encode()


def longmemeval(data) -> bytes:
    entry = json.loads((data / "longmemeval/generated.json").read_text(encoding="utf-8"))[0]
    for field in ("haystack_sessions", "haystack_dates", "haystack_session_ids"):
        entry[field] = entry[field][-3:]
    return json.dumps([entry | {"answer_session_ids": entry["haystack_session_ids"][:1]}]).encode()


@pytest.mark.parametrize(
    ("name", "read", "content"),
    [
        ("needles.yaml", read_needles, lambda data: (data / "tasks/needles.yaml").read_bytes()[:3000].rpartition(b"\n- ")[0]),
        (
            "stories.yaml",
            read_sequences,
            lambda data: (data / "tasks/story_sequences.yaml").read_bytes()[:3000].rpartition(b"\n- ")[0],
        ),
        ("set.jsonl", read_set, lambda data: b"".join((data / "tasks/sentiment.jsonl").read_bytes().splitlines(True)[:6])),
        ("set.csv", read_set, lambda data: b'id,text,label\n1,"a, b",positive\n2,"c\nd",negative\n'),
        ("questions.json", load_questions, longmemeval),
        (
            "chroma.csv",
            lambda path: read_chroma(path, ("question", "output")),
            lambda data: b'question,answer,output\nWhy?,3,"three\n"\n',
        ),
        ("squad.json", lambda path: records_of(read_rows(path)), lambda data: squad()),
        ("lm_eval.jsonl", lambda path: records_of(read_rows(path)), lambda data: lm_eval()),
        ("evalscope.jsonl", lambda path: records_of(read_rows(path)), lambda data: evalscope()),
    ],
)
def test_a_fault_is_one_message_that_names_the_file(tmp_path, data, name, read, content):
    rng, whole, path = random.Random(name), content(data), tmp_path / name
    path.write_bytes(whole)
    read(path)
    for number in range(250):
        faulty = mutated(whole, rng)
        path.write_bytes(faulty)
        try:
            read(path)
        except ContextRotError as error:
            assert name in str(error) or "set 'mine'" in str(error), error
            assert "\n" not in str(error)
        except Exception as error:
            pytest.fail(f"{name}, fault {number}: {type(error).__name__}: {str(error)[:200]} for {faulty[:2000]!r}")
