"""The request store: nothing half-written is read, nothing foreign is believed, a full disk is a message."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import os
import random
import threading
import time

import pandas as pd
import pytest

from contextrot.errors import StoreError
from contextrot.records import Response, read_responses, write_responses
from contextrot.responses.store import STORE_THREADS, RequestStore, StoreWriter, request_key, weights_fingerprint
from contextrot.responses.store_keeping import show

KEY = request_key({"q": 1})


@pytest.fixture
def store(tmp_path):
    return RequestStore(tmp_path / "store")


def answer(**values):
    return Response("s1", 3, "answered", **({"text": "yes", "attempts": 2, "total_seconds": 0.5} | values))


def test_an_answer_comes_back_without_sample_and_turn_and_marked_cached(store):
    store.put(KEY, {"model": "m"}, answer(text="naïve \ud800 ✓"))
    found = store.get(KEY)
    assert (found.sample_id, found.turn, found.cached) == ("", 0, True)
    assert (found.text, found.attempts, found.total_seconds, found.cost_usd) == ("naïve \ufffd ✓", 2, 0.5, None)


def file_of(store, response, request=None):
    """An answer as earlier versions kept it."""
    path = store.path(KEY)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        name: value for name, value in vars(response).items() if value is not None and name not in ("sample_id", "turn", "cached")
    }
    record = {"format": "contextrot response 1", "key": KEY, "request": request or {}, "response": kept}
    path.write_text(json.dumps(record))
    return path


def test_answers_of_all_processes_are_in_few_files_and_the_latest_counts(store):
    other = RequestStore(store.folder)
    store.put(KEY, {"model": "m"}, answer(text="old"))
    other.put(KEY, {"model": "m"}, answer(text="new"))
    assert other.get(KEY).text == RequestStore(store.folder).get(KEY).text == "new"
    [(key, content)] = RequestStore(store.folder).segments.latest()
    assert key == KEY and json.loads(content)["request"] == {"model": "m"}
    assert len(list(store.folder.rglob("*.segment"))) == 2


def test_an_answer_that_is_taken_back_is_a_miss_everywhere(store):
    store.put(KEY, {}, answer())
    store.forget(KEY)
    other = RequestStore(store.folder)
    assert store.get(KEY) is None is other.get(KEY) and not other.has(KEY) and not store.damaged


def test_what_was_never_asked_is_a_miss(store):
    assert store.get(KEY) is None
    assert not store.damaged


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"format": "contextrot response 1", "key": "',
        b"[]",
        b"null",
        b'{"answer": "of another program"}',
        b"\xff\xfe\x00",
        json.dumps({"format": "contextrot response 1", "key": "0" * 64, "response": {"outcome": "answered"}}).encode(),
        json.dumps({"format": "contextrot response 1", "key": KEY, "response": {"outcome": "FUTURE_ERROR"}}).encode(),
        json.dumps({"format": "contextrot response 1", "key": KEY, "response": {"text": "no outcome"}}).encode(),
    ],
    ids=lambda content: str(content[:24]),
)
def test_a_truncated_or_foreign_file_is_a_miss_that_is_reported_and_replaced(store, caplog, content):
    path = store.path(KEY)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert store.get(KEY) is None
    assert str(path) in caplog.text
    assert store.damaged == {path}
    store.put(KEY, {}, answer())
    assert store.get(KEY).text == "yes"


def test_the_key_ignores_order_and_0_against_0_0():
    assert request_key({"a": 1, "b": {"t": 0}}) == request_key({"b": {"t": 0.0}, "a": 1})


@pytest.mark.parametrize(
    "other", [{"a": "1"}, {"a": True}, {"a": None}, {"a": [1]}, {"b": 1}, {"a": 1, "b": None}, {"a": 1.5}], ids=str
)
def test_the_key_keeps_types_and_names_apart(other):
    assert request_key(other) != request_key({"a": 1})


def test_a_folder_that_cannot_be_written_is_one_clear_message(store):
    store.folder.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="does not take an answer.*finished answers are kept"):
        store.put(KEY, {}, answer())


def test_writers_at_once_lose_nothing_and_leave_no_temporary_files(store):
    keys = [request_key({"q": i}) for i in range(40)]

    def write():
        for key in keys:
            store.put(key, {}, answer(text=key))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.get(key).text == key for key in keys)
    assert store.size()[0] == 40
    assert not list(store.folder.rglob("*.tmp"))


def test_a_leftover_of_a_killed_process_is_never_read(store):
    file_of(store, answer())
    (store.path(KEY).parent / f".{KEY}.host.1.0.tmp").write_text('{"half')
    assert store.size()[0] == 1 and store.get(KEY).text == "yes"


def test_size_and_how_to_clear_are_told(store):
    store.put(KEY, {}, answer())
    text = show(store.folder)
    assert "1 stored answers" in text
    assert f"rm -r {store.folder}" in text


def test_weights_of_other_content_but_the_same_size_are_told_apart(tmp_path):
    path = tmp_path / "model.safetensors"
    size = 33 << 20
    with path.open("wb") as file:
        os.truncate(file.fileno(), size)
    before = weights_fingerprint(tmp_path)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    assert path.stat().st_size == size
    assert weights_fingerprint(tmp_path) != before


def test_a_slow_disk_is_written_to_by_many_threads_at_once(store):
    active, most, lock = 0, 0, threading.Lock()

    class Slow(RequestStore):
        def put(self, key, request, response):
            nonlocal active, most
            with lock:
                active += 1
                most = max(most, active)
            time.sleep(0.02)
            super().put(key, request, response)
            with lock:
                active -= 1

    async def main():
        writer = StoreWriter(Slow(store.folder))
        await asyncio.gather(*(writer.put(request_key({"q": i}), {}, answer(text=str(i))) for i in range(100)))
        assert [store.get(request_key({"q": i})).text for i in range(100)] == [str(i) for i in range(100)]
        writer.close()

    asyncio.run(main())
    assert most == STORE_THREADS


def test_an_answer_that_the_store_does_not_take_is_an_error_for_its_own_asker_alone(store):
    keys = [request_key({"q": "refused"}), *(request_key({"q": i}) for i in range(20))]

    class Refusing(RequestStore):
        def put(self, key, request, response):
            if key == keys[0]:
                raise StoreError("this one not")
            super().put(key, request, response)

    async def main():
        writer = StoreWriter(Refusing(store.folder))
        found = await asyncio.gather(*(writer.put(key, {}, answer()) for key in keys), return_exceptions=True)
        writer.close()
        return found

    first, *others = asyncio.run(main())
    assert isinstance(first, StoreError)
    assert others == [None] * 20 and all(store.get(key) for key in keys[1:])


def test_answers_that_wait_when_a_run_is_stopped_are_kept(store):
    keys = [request_key({"q": i}) for i in range(50)]

    async def main():
        writer = StoreWriter(store)
        tasks = [asyncio.create_task(writer.put(key, {}, answer())) for key in keys]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()

    asyncio.run(main())
    assert all(store.get(key) for key in keys)


MUTATIONS = [
    None, True, False, 0, -1, 1, 1.5, 1e30, -1e30, 10**30, float("nan"), float("inf"), "", "7", "\ud83d", "x\ud83d", [], [1], {}, {"a": 1},
    "answered", "failed", "over_window", "{broken", "x" * 10_000, [[[[]]]], "\0", "\u202e", {"content": [{"type": "text"}]},
]  # fmt: skip


def mutated(rng, record):
    """A record as a file: one to three of its values, its structure or its bytes changed."""
    record = json.loads(json.dumps(record))
    way = rng.random()
    if way < 0.75:
        for _ in range(rng.randint(1, 3)):
            holder = rng.choice([record, record["response"], record["response"], record["response"]])
            if not isinstance(holder, dict):
                continue
            name = rng.choice([*holder, "surplus"])
            if rng.random() < 0.15:
                holder.pop(name, None)
            else:
                holder[name] = copy.deepcopy(rng.choice(MUTATIONS))
            if not isinstance(record.get("response"), dict):
                break
        return json.dumps(record, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    content = bytearray(json.dumps(record).encode())
    if way < 0.85:
        for _ in range(rng.randint(1, 5)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        return bytes(content)
    if way < 0.9:
        return bytes(content[: rng.randrange(len(content))])
    nested = rng.choice([b"[", b'{"a":'])
    return rng.choice(
        [nested * 100_000, b"[" * 100_000 + b"]" * 100_000, b"", b"null", b"[]", b"\xff\xfe", b"9" * 9000, bytes(content) * 2]
    )


def test_2000_mutated_records_are_each_a_miss_with_a_warning_or_read_so_that_they_can_be_written(store, tmp_path, caplog):
    rng = random.Random(11)
    whole = answer(
        text="yes", reasoning="so", finish_reason="stop", prompt_tokens=30, completion_tokens=4, cached_tokens=2, reasoning_tokens=1,
        first_token_seconds=0.2, cost_usd=0.01, engine="external", model="m", details='{"logprobs": []}',
    )  # fmt: skip
    path, read = file_of(store, whole), []
    record = json.loads(path.read_text())
    for _ in range(2000):
        path.write_bytes(mutated(rng, record))
        caplog.clear()
        store.damaged.clear()
        found = store.get(KEY)
        assert (found is None) == ("cannot be read and is asked again" in caplog.text)
        read += [found] if found else []
    assert 100 < len(read) < 1900
    write_responses(tmp_path / "r.parquet", read)
    assert read_responses(tmp_path / "r.parquet") == read
    pd.DataFrame(map(vars, read)).to_csv(tmp_path / "r.csv")
    assert all(json.loads(found.details) is not None for found in read if found.details)


@pytest.mark.parametrize("kind", ["pipe", "zero", "loop", "folder", "nowhere", "huge"])
def test_what_is_no_regular_file_or_too_large_is_a_miss_and_no_hang(store, kind, caplog):
    path = store.path(KEY)
    path.parent.mkdir(parents=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        path.touch()
        os.truncate(path, 100 << 30)
    else:
        path.symlink_to({"zero": "/dev/zero", "loop": path, "nowhere": "/nowhere/at/all"}[kind])
    assert store.get(KEY) is None
    assert store.size()[0] == 1
    if kind != "folder":
        store.put(KEY, {}, answer())
        assert store.get(KEY).text == "yes"
    if kind not in ("folder", "nowhere"):
        assert "is asked again" in caplog.text


def test_a_link_to_an_answer_is_an_answer(store, tmp_path):
    file_of(store, answer()).rename(tmp_path / "elsewhere.json")
    store.path(KEY).symlink_to(tmp_path / "elsewhere.json")
    assert store.get(KEY).text == "yes"


def test_whole_numbers_written_as_fractions_are_read(store):
    path = file_of(store, answer(prompt_tokens=30))
    path.write_text(path.read_text().replace('"prompt_tokens": 30', '"prompt_tokens": 30.0'))
    assert store.get(KEY).prompt_tokens == 30
