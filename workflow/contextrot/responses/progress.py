"""Rows done, their rate and the time left: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from contextrot.responses.usage import Ledger

SECONDS_BETWEEN_LINES = 15.0

log = logging.getLogger(__name__)


class Progress:
    """Shows a ledger's rows while they are done; a context manager.

    Args:
        name: what is going on, such as `llama niah 1/1`.
        usage: its rows_done and rows_failed are advanced.
    """

    def __init__(self, name: str, usage: Ledger) -> None:
        self._name, self._usage = name, usage
        self._begin = self._last_line = time.monotonic()
        self._first = 0
        self._bar: Any = None

    def __enter__(self) -> Progress:
        self._first = self._usage.rows_done
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("rows {task.fields[rate]}"),
            ]
            self._bar = Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=self._usage.rows, completed=self._first, rate="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        log.info("%s", self.line())

    def advance(self, rows: int, failed: int = 0) -> None:
        """So many rows more are done, of which some failed."""
        self._usage.rows_done += rows
        self._usage.rows_failed += failed
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._usage.rows_done, rate=f"{self._rate():.1f}/s")
        elif now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            log.info("%s", self.line())

    def line(self) -> str:
        """The progress as one line."""
        done, rows, rate = self._usage.rows_done, self._usage.rows or 0, self._rate()
        left = f", {(rows - done) / rate / 60:.1f} min left" if rate and done < rows else ""
        return f"{self._name}: {done}/{rows} rows, {self._usage.rows_failed} failed, {rate:.2f} rows/s{left}"

    def _rate(self) -> float:
        elapsed = time.monotonic() - self._begin
        return (self._usage.rows_done - self._first) / elapsed if elapsed > 0 else 0.0
