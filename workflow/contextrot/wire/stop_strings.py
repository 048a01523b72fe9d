"""Stop strings: the answer ends before the first of them, whatever an engine leaves in its text.

`transformers serve` leaves the stop string at the end, and a server that knows no `stop` goes on after it; OpenAI, vLLM and llama.cpp
cut it off. The same request must give the same answer everywhere.
"""

from __future__ import annotations

from typing import Any

from contextrot.wire.reply import Reply


def end_at_stop(reply: Reply, body: dict[str, Any]) -> None:
    """Cuts a reply's text before the first stop string of its request; what was cut has ended, not run into its limit.

    A request with `include_stop_str_in_output` (vLLM) wants it in the text.
    """
    asked = body.get("stop") or []
    stops = [stop for stop in ([asked] if isinstance(asked, str) else asked) if isinstance(stop, str) and stop]
    if not reply.text or body.get("include_stop_str_in_output"):
        return
    places = [place for stop in stops if (place := reply.text.find(stop)) >= 0]
    if places:
        reply.text = reply.text[: min(places)]
        reply.finish_reason = "stop" if reply.finish_reason == "length" else reply.finish_reason
