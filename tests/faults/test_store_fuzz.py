"""The packed request store with 2,000 faults in its files: each record is read right, or is a miss with a warning; soon, and in little memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import zlib

import pytest

from contextrot.errors import StoreError
from contextrot.records import Response, read_responses, write_responses
from contextrot.responses.segment_writer import HEAD
from contextrot.responses.segments import Segments
from contextrot.responses.store import RequestStore, request_key
from contextrot.responses.store_keeping import export, prune, show, verify
from tests.conftest import ROOT
from tests.odd_files import KINDS, make_odd_file

RECORDS, MUTATIONS = 12, int(os.environ.get("FAULTS", 2000))
VALUES = [
    None, True, False, 0, -1, 1.5, 1e30, -1e30, 10**30, 10**400, float("nan"), float("inf"), "", "7", "\ud83d", "x\ud83d", [], [1], {}, {"a": 1},
    "answered", "failed", "{broken", "9" * 5000, "[" * 50_000, "x" * 10_000, [[[[]]]], "\0", "\u202e", "\n", {"content": [{"type": "text"}]},
]  # fmt: skip
NESTED = ("[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, "[]", "9" * 9000, "", "{}", "\0")
KEYS = [request_key({"q": number}) for number in range(RECORDS)]


def whole(number):
    return Response(
        "", 0, "answered", text=f"answer {number} ✓", reasoning="so", finish_reason="stop", prompt_tokens=30 + number, completion_tokens=4,
        first_token_seconds=0.2, total_seconds=0.5, cost_usd=0.01, engine="external", model="m", details='{"logprobs": []}', attempts=1,
    )  # fmt: skip


def line(head, content):
    """A record whose checksum is right, whatever it says."""
    rest = f"{head} ".encode() + content.encode("utf-8", "surrogatepass")
    return b"%08x %s" % (zlib.crc32(rest), rest)


def odd_record(rng, found):
    """A line with the same head and something else as its JSON, or another head; both under a right checksum."""
    head, content = found[9 : HEAD - 1].decode(), found[HEAD:].decode()
    if rng.random() < 0.2:
        place = rng.randrange(len(head))
        return line(head[:place] + rng.choice("gG Z-_\0\u00e9") + head[place + 1 :], content)
    if rng.random() < 0.15:
        return line(head, rng.choice([*NESTED, content * 2, content[: rng.randrange(len(content))]]))
    record = json.loads(content)
    for _ in range(rng.randint(1, 3)):
        holder = rng.choice([record, record["response"], record["response"]])
        if isinstance(holder, dict):
            name = rng.choice([*holder, "surplus"])
            holder[name] = rng.choice(VALUES)
            if rng.random() < 0.3:
                del holder[name]
        if not isinstance(record.get("response"), dict):
            break
    return line(head, json.dumps(record, ensure_ascii=rng.random() < 0.5).replace("\n", " "))


def mutated(rng, content):
    """A segment with a fault, and the numbers of the records that may no longer be told from it."""
    lines = content.splitlines()
    at = rng.randrange(len(lines))
    way = rng.choice(["record", "record", "record", "bits", "cut", "hole", "twice", "joined", "moved", "foreign"])
    if way == "record":
        lines[at] = odd_record(rng, lines[at])
    elif way == "bits":
        changed = bytearray(content)
        for _ in range(rng.randint(1, 5)):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    elif way == "cut":
        return content[: rng.randrange(len(content))]
    elif way == "hole":
        begin = rng.randrange(len(content))
        return content[:begin] + b"\0" * rng.randint(1, 5000) + content[begin + rng.randint(0, 5000) :]
    elif way == "twice":
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif way == "joined":
        lines[at - 1] += lines.pop(at)
    elif way == "moved":
        lines.append(lines.pop(at))
    else:
        lines.insert(
            at,
            rng.choice(
                [b"", b"x" * 91, b"\xff" * 200, b"0" * 8 + b" " + b"0" * 64 + b" " + b"0" * 16 + b" null", b"\r", b"a\n" * 5000]
            ),
        )
    return b"\n".join(lines) + b"\n"


def test_each_of_2000_faults_is_a_miss_with_a_warning_or_read_right(tmp_path, caplog):
    store = RequestStore(tmp_path / "sound")
    for number, key in enumerate(KEYS):
        store.put(key, {"model": "m"}, whole(number))
    store.close()
    Segments(tmp_path / "sound/segments")._save_index()
    [sound] = tmp_path.glob("sound/segments/*.segment")
    content, index, rng = sound.read_bytes(), (tmp_path / "sound/segments/index").read_bytes(), random.Random(27)
    right, read, missed = [store.get(key) for key in KEYS], [], 0
    folder = tmp_path / "store/segments"
    folder.mkdir(parents=True)
    for number in range(MUTATIONS):
        begin = time.process_time()
        for path in folder.iterdir():
            path.unlink()
        (folder / sound.name).write_bytes(mutated(rng, content))
        if rng.random() < 0.3:  # of what stood there before, or itself damaged
            changed = bytearray(index)
            changed[rng.randrange(len(changed))] ^= rng.choice([0, 1 << rng.randrange(8)])
            (folder / "index").write_bytes(changed)
        caplog.clear()
        damaged = RequestStore(tmp_path / "store")
        found = [damaged.get(key) for key in KEYS]
        try:
            verified = verify(tmp_path / "store")
        except StoreError as error:
            verified = ""
            assert "damaged" in str(error)
        lost = [key for key, answer in zip(KEYS, found, strict=True) if answer is None and not _gone(folder, key)]
        assert not lost or caplog.records or not verified, number  # whose key is damaged, nobody comes upon
        missed += found.count(None)
        read += [answer for answer in found if answer and answer not in right]
        show(tmp_path / "store")
        damaged.size()
        if number % 20 == 0:
            damaged.put(KEYS[0], {"model": "m"}, whole(0))
            damaged.close()
            assert RequestStore(tmp_path / "store").get(KEYS[0]) == right[0]
            export(tmp_path / "store", tmp_path / "out.jsonl")
            prune(tmp_path / "store")
            assert RequestStore(tmp_path / "store").get(KEYS[0]) == right[0]
        assert len(caplog.records) < 100
        assert time.process_time() - begin < 2, number
    assert missed > MUTATIONS / 4
    assert len(read) > MUTATIONS / 100
    write_responses(tmp_path / "r.parquet", read)
    assert read_responses(tmp_path / "r.parquet") == read


def _gone(folder, key):
    """Whether no whole line names a record: what a kill tore off, or took, is missed without a word."""
    return not any(key.encode() in path.read_bytes().rpartition(b"\n")[0] for path in folder.glob("*.segment"))


PLACES = ("segments/a.segment", "segments/index", "claims", "rate_limits/127.0.0.1_m.json", "servers", "ledger", "segments")
ASK = """
import logging, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from pathlib import Path
from tests.client_session import Session, model_at
from tests.scripted_server import Act, ScriptedServer
logging.basicConfig(level=logging.WARNING, format="%(message)s")
import pytest

from contextrot.errors import ContextRotError
with ScriptedServer() as server:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        model = model_at(server, tokens_per_minute=10**6, price={"input_usd_per_million_tokens": 1, "output_usd_per_million_tokens": 1})
        for _ in range(2):
            print([str(r) if isinstance(r, Exception) else r.outcome for r in Session(Path(sys.argv[1]), model, budget_usd=1).ask("a", "b")])
    except ContextRotError as error:
        print("refused:", error)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10, "MiB")
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", [*KINDS, "lines"])
def test_what_is_no_regular_file_anywhere_in_the_store_neither_hangs_nor_fills_the_memory(tmp_path, place, kind):
    path = tmp_path / "store" / place
    if kind == "lines":
        path.parent.mkdir(parents=True)
        path.write_bytes(b"a\n" * 5_000_000)
    else:
        make_odd_file(path, kind)
    command = [sys.executable, "-c", ASK, str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=ROOT, env=os.environ | {"PYTHONPATH": "workflow:."}
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Traceback" not in said
    *answers, mebibytes = done.stdout.splitlines()
    assert all(answer == "['answered', 'answered']" or f"{tmp_path}/store" in answer for answer in answers), said
    assert int(mebibytes.split()[0]) < 700
    assert len(said) < 4000
