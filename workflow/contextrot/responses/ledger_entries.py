"""One file of the ledger, read: what was reserved, settled and lost in it."""

from __future__ import annotations

import json
import logging
from typing import Any

from contextrot.files.regular_files import read_regular

LARGEST_LEDGER = 1 << 30
LARGEST_AMOUNT = 10**30
"""Pico-USD of one request; what is larger is no amount."""
KEY_CHARACTERS = 16

log = logging.getLogger(__name__)


class Entries:
    """The records of one ledger file, added up as they are read.

    Attributes:
        open: reserved and not yet settled, by number.
        settled, unknown: sums.
        keys: of settled requests, the beginning of each.
        ratio: the largest settled amount over the bound it was expected not to exceed, at least 1.
    """

    def __init__(self) -> None:
        self.open: dict[int, tuple[int, int, str]] = {}
        self.settled = self.unknown = 0
        self.keys: set[str] = set()
        self.ratio = 1.0
        self.read_bytes = 0

    @property
    def charged(self) -> int:
        """What all requests may have cost."""
        return self.settled + self.unknown + sum(amount for amount, _, _ in self.open.values())

    def read(self, path: str) -> None:
        """Takes in what was appended since the last call; a line that cannot be read is left out with a warning."""
        data = read_regular(path, LARGEST_LEDGER, self.read_bytes)
        end = data.rfind(b"\n") + 1
        self.read_bytes += end
        for line in data[:end].splitlines():
            try:
                record = json.loads(line)
                if "format" not in record:
                    self._add(record)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                log.warning("ledger: a line of %s cannot be read and is left out (%s)", path, type(error).__name__)

    def end(self) -> None:
        """What is open stays so for ever; another file may follow, with numbers of its own."""
        self.unknown, self.open, self.read_bytes = self.charged - self.settled, {}, 0

    def _add(self, record: dict[str, Any]) -> None:
        number, state, amount = record["id"], record["state"], record["pico_usd"]
        if state not in ("reserved", "settled", "unknown"):
            raise ValueError("no state")
        if not (isinstance(number, int) and _is_amount(amount)):
            raise ValueError("no number")
        if state == "reserved":
            bound, key = record["bound"], record["key"]
            if not (_is_amount(bound) and isinstance(key, str)):
                raise ValueError("no bound or key")
            self.open[number] = amount, bound, key
            return
        _, bound, key = self.open.pop(number, (0, 0, ""))  # what was billed counts, though its reservation cannot be read
        if state == "settled":
            self.settled += amount
            if amount and key:
                self.keys.add(key)
            if bound > 0:
                self.ratio = max(self.ratio, amount / bound)
        else:
            self.unknown += amount


def _is_amount(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_AMOUNT
