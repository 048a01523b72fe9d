"""How a test's server takes requests out of the bytes of a connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Asked:
    """One request: its path, its headers (names in lower case), its body."""

    path: str
    headers: dict[str, str]
    body: bytes


def take_request(received: bytes) -> tuple[Asked | None, bytes]:
    """The first whole request among what was received, None if it is not all there yet; and the bytes after it."""
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return None, received
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", 0))
    if len(rest) < length:
        return None, received
    return Asked(first.split()[1], headers, rest[:length]), rest[length:]
