"""Packed records: few files, torn tails dropped, damage found wherever it is, earlier files packed, nothing lost by pruning."""

from __future__ import annotations

import json
import logging

import pytest

from contextrot.errors import StoreError
from contextrot.records import Response
from contextrot.responses.segment_writer import take_over
from contextrot.responses.segments import Segments
from contextrot.responses.store import RequestStore, request_key
from contextrot.responses.store_keeping import export, pack, prune, show, verify


def key(number):
    return request_key({"q": number})


def fill(store, numbers, model="m"):
    for number in numbers:
        store.put(key(number), {"model": model}, Response("", 0, "answered", text=f"text {number}"))
    store.close()


def test_the_next_writer_goes_on_in_a_segment_and_drops_a_torn_tail(tmp_path, caplog):
    store = RequestStore(tmp_path)
    fill(store, range(3))
    [path] = tmp_path.rglob("*.segment")
    with path.open("ab") as file:
        file.write(b"1234abcd " + b"0" * 40)
    assert [damage.torn for damage in Segments(tmp_path / "segments").verify()[1]] == [True]
    with caplog.at_level(logging.WARNING):
        fill(RequestStore(tmp_path), range(3, 6))
    assert "torn by a kill" in caplog.text
    assert list(tmp_path.rglob("*.segment")) == [path]
    assert Segments(tmp_path / "segments").verify() == (6, [])
    assert [RequestStore(tmp_path).get(key(number)).text for number in range(6)] == [f"text {number}" for number in range(6)]


def test_one_changed_bit_anywhere_is_found_and_costs_one_answer_at_most_two(tmp_path):
    fill(RequestStore(tmp_path), range(4))
    [path] = tmp_path.rglob("*.segment")
    whole = path.read_bytes()
    for at in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(StoreError, match="damaged"):
            verify(tmp_path)
        store = RequestStore(tmp_path)
        found = [store.get(key(number)) for number in range(4)]
        assert sum(answer is None for answer in found) in (1, 2), at
        assert all(answer is None or answer.text == f"text {number}" for number, answer in enumerate(found))
    path.write_bytes(whole)
    assert "4 packed records are sound" in verify(tmp_path)


def test_an_index_is_read_and_a_damaged_one_made_anew(tmp_path, caplog):
    fill(RequestStore(tmp_path), range(5))
    Segments(tmp_path / "segments")._save_index()
    fill(RequestStore(tmp_path), range(5, 8))
    assert len(Segments(tmp_path / "segments")) == 8
    index = tmp_path / "segments" / "index"
    content = bytearray(index.read_bytes())
    content[-9] ^= 4
    index.write_bytes(content)
    assert len(Segments(tmp_path / "segments")) == 8
    assert "index is made anew" in caplog.text


def test_whoever_reads_much_writes_the_index(tmp_path, monkeypatch):
    monkeypatch.setattr("contextrot.responses.segments._INDEXED_AGAIN", 1000)
    segments = Segments(tmp_path)
    for number in range(1200):
        segments._writer.append(key(number), "{}", flush=False)
    segments.close()
    assert len(Segments(tmp_path)) == 1200
    assert (tmp_path / "index").exists()
    again = Segments(tmp_path)
    assert not again._recent and again._unindexed == 0 and again.get(key(1100)) == b"{}"


def test_what_another_process_writes_is_seen(tmp_path):
    one, two = RequestStore(tmp_path), RequestStore(tmp_path)
    assert two.get(key(1)) is None
    one.put(key(1), {}, Response("", 0, "answered", text="a"))
    assert two.get(key(1)).text == "a" and two.has(key(1))


def test_files_of_earlier_versions_are_packed_shown_and_exported(tmp_path):
    store = RequestStore(tmp_path / "store")
    fill(store, range(2), model="new")
    for number in range(2, 5):
        record = {"format": "contextrot response 1", "key": key(number), "request": {"model": "old"}}
        record["response"] = {"outcome": "answered", "text": f"text {number}"}
        store.path(key(number)).parent.mkdir(parents=True, exist_ok=True)
        store.path(key(number)).write_text(json.dumps(record))
    broken = store.path(key(9))
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text("{")
    assert "`snakemake pack_request_store` packs them" in show(tmp_path / "store")
    assert "3 answers packed, 1 damaged files left" in pack(tmp_path / "store")
    assert list((tmp_path / "store").glob("??/*.json")) == [broken]
    shown = show(tmp_path / "store")
    assert "3  " in shown and "old" in shown and "new" in shown
    assert "5 answers" in export(tmp_path / "store", tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {line["response"]["text"] for line in lines} == {f"text {number}" for number in range(5)}


def test_pruning_loses_nothing_but_what_it_is_told(tmp_path):
    store = RequestStore(tmp_path)
    fill(store, range(5), model="a")
    fill(store, range(5), model="a")
    fill(store, range(5, 8), model="b")
    store.forget(key(0))
    store.close()
    open_all_the_time = RequestStore(tmp_path)
    assert open_all_the_time.segments.names()
    [path] = tmp_path.rglob("*.segment")
    before = path.stat().st_size
    assert "4 answers kept, 4 dropped" in prune(tmp_path, ["b"])
    after = RequestStore(tmp_path)
    assert [after.get(key(number)) is not None for number in range(8)] == [False, *[True] * 4, *[False] * 3]
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.segment")) < before / 2
    assert open_all_the_time.get(key(1)).text == "text 1"
    writing = RequestStore(tmp_path)
    writing.put(key(20), {"model": "b"}, Response("", 0, "answered", text="text 20"))
    prune(tmp_path, ["b"])
    assert RequestStore(tmp_path).get(key(20)).text == "text 20"  # its segment is being written to


def test_an_answer_that_is_written_while_a_pruning_begins_is_kept(tmp_path, monkeypatch):
    fill(RequestStore(tmp_path), range(2))

    def late(path):
        if late.numbers:
            fill(RequestStore(tmp_path), late.numbers.pop())
        return take_over(path)

    late.numbers = [range(2, 4)]
    monkeypatch.setattr("contextrot.responses.store_keeping.take_over", late)
    assert "4 answers kept" in prune(tmp_path)
    assert [RequestStore(tmp_path).get(key(number)).text for number in range(4)] == [f"text {number}" for number in range(4)]


def test_what_was_taken_back_is_not_counted(tmp_path):
    store = RequestStore(tmp_path)
    assert store.size() == (0, 0)
    fill(store, range(3))
    store.forget(key(0))
    assert store.size()[0] == RequestStore(tmp_path).size()[0] == 2
    assert "2 stored answers" in show(tmp_path)
    store.put(key(0), {}, Response("", 0, "answered", text="again"))
    assert store.size()[0] == 3


def test_a_pruned_models_answers_in_files_of_an_earlier_version_go_too(tmp_path):
    store = RequestStore(tmp_path)
    for number, model in enumerate("ab"):
        record = {"format": "contextrot response 1", "key": key(number), "request": {"model": model}}
        record["response"] = {"outcome": "answered", "text": "yes"}
        store.path(key(number)).parent.mkdir(parents=True, exist_ok=True)
        store.path(key(number)).write_text(json.dumps(record))
    assert "1 dropped" in prune(tmp_path, ["b"])
    assert [RequestStore(tmp_path).has(key(number)) for number in range(2)] == [True, False]


@pytest.fixture
def held(tmp_path):
    """A store one segment of which is being written to: it has the older answers 0 and 1 of model b; 2 stands in the other."""
    writing = RequestStore(tmp_path)
    for number in range(2):
        writing.put(key(number), {"model": "b"}, Response("", 0, "answered", text=f"older {number}"))
    fill(RequestStore(tmp_path), range(2, 3), model="a")
    return writing


def test_what_is_taken_back_stays_so_while_a_segment_with_an_older_answer_is_written_to(tmp_path, held):
    other = RequestStore(tmp_path)
    other.forget(key(0))
    other.close()
    for _ in range(2):
        prune(tmp_path)
        assert [RequestStore(tmp_path).get(key(number)) is None for number in range(3)] == [True, False, False]
    held.close()
    prune(tmp_path)
    assert [RequestStore(tmp_path).get(key(number)) is None for number in range(3)] == [True, False, False]
    assert b" null\n" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.segment"))


def test_an_older_answer_of_a_pruned_model_does_not_come_back(tmp_path, held):
    fill(RequestStore(tmp_path), range(1), model="b")
    prune(tmp_path, ["b"])
    assert [RequestStore(tmp_path).get(key(number)) is None for number in range(3)] == [True, False, False]


def test_a_file_of_an_earlier_version_that_was_taken_back_does_not_come_back(tmp_path):
    store = RequestStore(tmp_path)
    fill(store, range(1))
    [(_, content)] = store.segments.latest()
    store.forget(key(0))
    store.close()
    store.path(key(0)).parent.mkdir()
    store.path(key(0)).write_bytes(content)  # as a kill leaves it
    prune(tmp_path)
    assert RequestStore(tmp_path).get(key(0)) is None


def test_an_older_sound_answer_takes_the_place_of_a_damaged_one_in_exports_and_prunings_too(tmp_path):
    store = RequestStore(tmp_path / "store")
    fill(store, range(3))
    store.put(key(1), {"model": "m"}, Response("", 0, "answered", text="newer"))
    store.close()
    [path] = (tmp_path / "store").rglob("*.segment")
    path.write_bytes(path.read_bytes().replace(b"newer", b"never"))
    assert RequestStore(tmp_path / "store").get(key(1)).text == "text 1"
    assert "3 answers" in export(tmp_path / "store", tmp_path / "out.jsonl")
    assert "3 answers kept" in prune(tmp_path / "store")
    assert RequestStore(tmp_path / "store").get(key(1)).text == "text 1"


def test_the_latest_counts_though_the_clock_was_set_back(tmp_path, monkeypatch):
    store = RequestStore(tmp_path)
    fill(store, [1, 2])
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    store.put(key(1), {"model": "m"}, Response("", 0, "answered", text="later"))
    store.forget(key(2))
    assert store.get(key(1)).text == RequestStore(tmp_path).get(key(1)).text == "later"
    assert store.get(key(2)) is RequestStore(tmp_path).get(key(2)) is None
