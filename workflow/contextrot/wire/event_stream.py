"""Server-sent events, read from bytes that may be cut anywhere; the one reader of client, serving measurement and proxy.

Of the standard (WHATWG HTML, 9.2.6 "Interpreting an event stream"): lines end with LF, CRLF or CR; one space after the colon is dropped; several `data`
lines are one event; comments and unknown fields are skipped, as is a byte order mark. Beyond it, because servers do so: an event
is taken as soon as its data is a whole JSON object or `[DONE]`, so that a missing blank line costs no event and no time. What comes behind
`[DONE]` is no part of the stream, however the bytes are cut.
(`httpx-sse` has a decoder, but keeps it private, waits for the blank line, and drops a last event without one.)
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from contextrot.wire import faults

LARGEST_EVENT_BYTES = 64 * 2**20
LARGEST_STREAM_BYTES = 2**30
MOST_EVENT_LINES = 2_000
LARGEST_SPLIT_EVENT_BYTES = 2**20
BLANK = b"\xef\xbb\xbf \t\r\n"
_LINE_END = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """One event: its name (mostly none), and its JSON object; None stands for `[DONE]`."""

    name: str
    chunk: dict[str, Any] | None


class EventReader:
    """Takes bytes as they come, gives the events that are complete."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # an unfinished line, in pieces: joined once, however many there are
        self._rest_bytes = self._bytes = 0
        self._name, self._data, self._lines = "", b"", 0
        self._started = self._after_return = self._done = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete.

        Raises:
            Malformed: if an event holds no JSON object, or is larger than LARGEST_EVENT_BYTES, or the stream than LARGEST_STREAM_BYTES.
        """
        self._bytes += len(data)
        if self._bytes > LARGEST_STREAM_BYTES:
            raise faults.Malformed(f"the stream is longer than {LARGEST_STREAM_BYTES} bytes", 200)
        if self._after_return and data:  # the LF of a CRLF that was cut in two
            self._after_return = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_return = data.endswith(b"\r")
            *lines, rest = _LINE_END.split(data)
        else:
            *lines, rest = data.split(b"\n")
        if lines and self._rest:
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest, self._rest_bytes = [], 0
        if rest:
            self._rest.append(rest)
            self._rest_bytes += len(rest)
            if self._rest_bytes > LARGEST_EVENT_BYTES:
                raise faults.Malformed(f"an event of the stream is longer than {LARGEST_EVENT_BYTES} bytes", 200)
        events: list[Event] = []
        for line in lines:
            self._line(line, events)
        return events

    def end(self) -> list[Event]:
        """What is left when the stream has ended.

        Raises:
            CutStream: if the last event is cut.
        """
        events: list[Event] = []
        try:
            if self._rest:
                line, self._rest = b"".join(self._rest), []
                self._line(line, events)
            self._line(b"", events)
        except faults.Malformed as failure:
            raise faults.CutStream(f"the stream ended in the middle of an event ({failure.message})", 200) from failure
        return events

    def _line(self, line: bytes, events: list[Event]) -> None:
        if self._done:
            return
        if not self._started:
            self._started = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.startswith(b"data:"):
            line = line[5:].strip()
            if not self._data:
                self._data, self._lines = line, 1
            else:
                self._data, self._lines = self._data + b"\n" + line, self._lines + 1
                if self._lines > MOST_EVENT_LINES or len(self._data) > LARGEST_SPLIT_EVENT_BYTES:
                    raise faults.Malformed(f"an event of the stream has {self._lines} lines and {len(self._data)} bytes", 200)
            if len(self._data) <= 8 and self._data.strip(b'"').upper() == b"[DONE]":
                events.append(Event(self._name, None))
                self._name, self._data, self._done = "", b"", True
            elif line.endswith(b"}") and (chunk := _object(self._data)) is not None:
                events.append(Event(self._name, chunk))
                self._name, self._data = "", b""
        elif line.startswith(b"event:"):
            self._name = line[6:].strip().decode("utf-8", "replace")
        elif not line:
            data, name = self._data, self._name
            self._name, self._data = "", b""
            if data and data != b"null":
                events.append(Event(name, whole_object(data) if name != "error" else _error(data)))


class JsonLineReader:
    """The same for one JSON object a line (NDJSON), as Ollama's own API streams."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._rest_bytes = self._bytes = 0

    def feed(self, data: bytes) -> list[Event]:
        """The objects that these bytes complete. Raises as `EventReader.feed`."""
        self._bytes += len(data)
        *lines, rest = data.split(b"\n")
        if lines and self._rest:
            lines[0], self._rest, self._rest_bytes = b"".join([*self._rest, lines[0]]), [], 0
        if rest:
            self._rest.append(rest)
            self._rest_bytes += len(rest)
        if self._bytes > LARGEST_STREAM_BYTES or self._rest_bytes > LARGEST_EVENT_BYTES:
            raise faults.Malformed(
                f"the stream is longer than {LARGEST_STREAM_BYTES} bytes, or a line than {LARGEST_EVENT_BYTES}", 200
            )
        return [Event("", whole_object(line)) for line in lines if line.strip()]

    def end(self) -> list[Event]:
        """A last line without an end. Raises CutStream if it is cut."""
        line, self._rest = b"".join(self._rest), []
        try:
            return [Event("", whole_object(line))] if line.strip() else []
        except faults.Malformed as failure:
            raise faults.CutStream(f"the stream ended in the middle of a line ({failure.message})", 200) from failure


def events_of(content: bytes) -> list[Event]:
    """The events of a body that is all there: a stream, one object, or one a line; what its headers call it does not matter.

    Raises:
        Malformed, CutStream: if it is none of these.
    """
    reader: EventReader | JsonLineReader = EventReader()
    if not content.lstrip(BLANK).startswith((b"data:", b"event:", b"id:", b"retry:", b":")):
        try:
            return [Event("", whole_object(content))]
        except faults.Malformed:
            if not re.match(rb"\s*\{[^\n]*\}\s*\n\s*\{", content.removeprefix(b"\xef\xbb\xbf")):
                raise
            reader = JsonLineReader()
    return [*reader.feed(content), *reader.end()]


def whole_object(content: bytes) -> dict[str, Any]:
    """The JSON object that a body holds.

    Raises:
        Malformed: if it holds none, or one nested too deeply to be read.
    """
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except RecursionError:
        raise faults.Malformed(f"the body is nested too deeply: {content[:100]!r}...", 200) from None
    except ValueError as error:
        raise faults.Malformed(f"the body is not JSON: {content[:200]!r}", 200) from error
    if not isinstance(value, dict):
        raise faults.Malformed(f"the body is not a JSON object: {content[:200]!r}", 200)
    return value


def _object(data: bytes) -> dict[str, Any] | None:
    """The JSON object, or None as long as it is not whole."""
    try:
        value = json.loads(data.decode())  # bytes would be searched for their encoding each time
    except ValueError:
        return None
    except RecursionError:
        raise faults.Malformed(f"an event is nested too deeply: {data[:100]!r}...", 200) from None
    return value if isinstance(value, dict) else None


def _error(data: bytes) -> dict[str, Any]:
    """An `event: error` whose data is plain text, or any JSON."""
    value = _object(data)
    return value if value is not None else {"error": data[:4000].decode("utf-8", "replace")}
