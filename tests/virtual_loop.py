"""An event loop in virtual time: whoever sleeps is woken at once, and the clock says that the time has passed."""

from __future__ import annotations

import asyncio
import selectors


class _NoWait(selectors.SelectSelector):
    """Tells the loop how long it would have waited instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0.0

    def select(self, timeout: float | None = None) -> list:
        if timeout:
            self.waited += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers in their order without waiting for them; for code without real input and output."""

    def __init__(self) -> None:
        self._virtual = _NoWait()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.waited
