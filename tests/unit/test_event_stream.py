import json
import random

import pytest

from contextrot.wire import event_stream, faults
from contextrot.wire.event_stream import EventReader, JsonLineReader, whole_object


def read(*pieces):
    reader = EventReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return [event.chunk for event in events + reader.end()]


@pytest.mark.parametrize(
    "stream",
    [
        b'data: {"a": 1}\n\ndata: {"b": 2}\n\ndata: [DONE]\n\n',
        b'data:{"a": 1}\r\n\r\ndata:{"b": 2}\r\n\r\ndata:[DONE]\r\n\r\n',
        b'data: {"a": 1}\r\rdata: {"b": 2}\r\rdata: [DONE]\r\r',
        b'\xef\xbb\xbfdata: {"a": 1}\n\n: a comment\n\nid: 7\nretry: 10\ndata: {"b": 2}\n\ndata: [DONE]',
        b'data: {\ndata:  "a": 1\ndata: }\n\nevent: x\ndata: {"b":\ndata: 2}\n\ndata: [DONE]\n\n',
        b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n',
    ],
    ids=["LF", "CRLF without a space", "CR", "mark, comments, unknown fields", "data over several lines", "no blank lines"],
)
def test_events_are_the_same_however_the_bytes_are_cut(stream):
    expected = [{"a": 1}, {"b": 2}, None]
    assert read(stream) == expected
    assert read(*[stream[i : i + 1] for i in range(len(stream))]) == expected
    rng = random.Random(1)
    for _ in range(100):
        cuts = sorted(rng.sample(range(len(stream)), 3))
        assert read(stream[: cuts[0]], stream[cuts[0] : cuts[1]], stream[cuts[1] : cuts[2]], stream[cuts[2] :]) == expected


def test_an_event_is_there_as_soon_as_its_object_is_whole():
    reader = EventReader()
    assert [event.chunk for event in reader.feed(b'data: {"a": 1}\n')] == [{"a": 1}]


def test_characters_cut_in_two_are_put_together():
    stream = 'data: {"a": "日本語 🎉"}\n\n'.encode()
    assert read(*[stream[i : i + 1] for i in range(len(stream))]) == [{"a": "日本語 🎉"}]


def test_the_name_of_an_event_is_known_and_a_plain_text_error_is_one():
    reader = EventReader()
    [event] = reader.feed(b"event: error\ndata: model crashed\n\n")
    assert event == ("error", {"error": "model crashed"})


@pytest.mark.parametrize(
    "rest", [b"data: rubbish\n\n", b'data: {"a": 2}\n\n', b"event: error\ndata: gone\n\n", b"data: {", b"\0\xff"]
)
def test_what_comes_behind_done_is_no_part_of_the_stream_however_the_bytes_are_cut(rest):
    stream = b'data: {"a": 1}\n\ndata: [DONE]\n\n' + rest
    assert read(stream) == read(*[stream[i : i + 1] for i in range(len(stream))]) == [{"a": 1}, None]


@pytest.mark.parametrize("data", [b"data: {not json}\n\n", b"data: [1]\n\n", b"data: 7\n\n"])
def test_data_that_is_no_object_is_malformed(data):
    with pytest.raises(faults.Malformed):
        read(data)


def test_a_last_event_that_is_cut_is_a_cut_stream():
    with pytest.raises(faults.CutStream):
        read(b'data: {"a": 1}\n\ndata: {"b"')


def test_what_has_no_end_is_bounded(monkeypatch):
    monkeypatch.setattr(event_stream, "LARGEST_EVENT_BYTES", 1000)
    monkeypatch.setattr(event_stream, "LARGEST_STREAM_BYTES", 3000)
    with pytest.raises(faults.Malformed, match="event"):
        read(b"data: " + b"a" * 600, b"a" * 600)
    with pytest.raises(faults.Malformed, match="stream is longer"):
        read(*[b": comment\n"] * 1000)
    monkeypatch.undo()
    with pytest.raises(faults.Malformed, match="lines"):
        read(b"data: {\n", *[b"data: }\n"] * 3000)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' + b"[" * 100_000, b"\xff\xfe", b"", b"[]", b"9" * 10_000]
)
def test_a_body_that_is_no_object_is_malformed(content):
    with pytest.raises(faults.Malformed):
        whole_object(content)


def test_nesting_that_python_cannot_read_is_malformed():
    with pytest.raises(faults.Malformed, match="deeply"):
        read(b'data: {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n")


def test_a_long_event_in_many_pieces_is_read_in_linear_time():
    text = json.dumps({"a": "x" * 4_000_000}).encode()
    pieces = [text[i : i + 1000] for i in range(0, len(text), 1000)]
    assert len(read(b"data: ", *pieces, b"\n\n")[0]["a"]) == 4_000_000


def test_json_lines_are_the_same_however_they_are_cut():
    stream = '{"a": "日"}\n\n{"b": 2}\r\n{"c": 3}'.encode()
    reader = JsonLineReader()
    events = [event for i in range(len(stream)) for event in reader.feed(stream[i : i + 1])] + reader.end()
    assert [event.chunk for event in events] == [{"a": "日"}, {"b": 2}, {"c": 3}]
    reader = JsonLineReader()
    reader.feed(b'{"a": 1}\n{"b"')
    with pytest.raises(faults.CutStream):
        reader.end()
    with pytest.raises(faults.Malformed):
        reader.feed(b"no\n")
