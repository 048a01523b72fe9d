"""Canaries: the shortest and the longest prompt of a job are asked before all others, so that a server that cuts prompts is found
out after two answers. Both are needed, because what a stand-in tokenizer counts is calibrated on short prompts; and they cost nothing,
because they are samples like the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence

from contextrot.errors import RequestError
from contextrot.records import SCORED_OUTCOMES, Response, Sample
from contextrot.responses.input_cut import count_of, cut_facts, what_to_set
from contextrot.responses.length_audit import FEW_TOKENS, Count, LengthAudit, audit_counts
from contextrot.samples.sample_table import column

SHORTEST_CANARY_TOKENS = 1_024
"""Below this length no prompt is worth a canary: hardly a server has a smaller window."""
MOST_KNOWN = 64

log = logging.getLogger(__name__)


class LengthGuard:
    """Hears the first answers of a job, and says whether the others may be asked.

    Args:
        name: of the job, for messages.
        canaries: ids of the samples that are asked first.
        exact: whether the tokenizer is the model's own.
        allow: whether cut prompts are marked later instead of stopping the job.
        base_url: of the server, for what to set; None for a provider.
        known: counts of prompts that were answered whole before.
        stale: counts of stored answers to cut prompts, which are asked again.
    """

    def __init__(
        self,
        name: str,
        canaries: Iterable[str],
        *,
        exact: bool,
        allow: bool,
        base_url: str | None,
        known: Sequence[Count] = (),
        stale: Sequence[Count] = (),
    ) -> None:
        self._name, self._exact, self._allow, self._base_url = name, exact, allow, base_url
        self._waiting = set(canaries)
        self._canaries = frozenset(self._waiting)
        known = sorted(known, key=lambda count: count.built)
        self._known = known[:: max(1, -(-len(known) // MOST_KNOWN))]
        self._stale = list(stale)[:MOST_KNOWN]
        self._heard: list[Count] = []
        self._open = asyncio.Event()
        if not self._waiting:
            self._open.set()

    async def wait(self, sample_id: str) -> None:
        """Returns at once for a canary; for any other sample when all canaries are answered."""
        if sample_id not in self._canaries:
            await self._open.wait()

    def is_canary(self, sample_id: str) -> bool:
        """Whether it is asked before all others."""
        return sample_id in self._canaries

    def to_be_asked_again(self, response: Response) -> bool:
        """Whether a stored answer is one to a cut prompt: the server may have been given a larger window since."""
        count = count_of(response, None)
        if self._allow or not response.cached or count is None or count.server >= count.built - FEW_TOKENS:
            return False
        counts = [count, *self._known, *self._heard, *self._stale]
        return 0 in audit_counts(counts, self._exact).cut

    def hear(self, sample_id: str, response: Response) -> None:
        """Takes note of a canary's first answer.

        Raises:
            RequestError: if it was the last canary, and one of their prompts was cut.
        """
        if sample_id not in self._waiting:
            return
        count = count_of(response, None) if response.outcome in SCORED_OUTCOMES else None
        if count is not None:
            self._heard.append(count)
        self.done(sample_id)

    def done(self, sample_id: str) -> None:
        """A canary's conversation is over, perhaps without any answer."""
        if sample_id not in self._waiting:
            return
        self._waiting.discard(sample_id)
        if self._waiting:
            return
        self._open.set()
        audit = audit_counts([*self._heard, *self._known], self._exact)
        if any(place < len(self._heard) for place in audit.cut):
            self._stop(audit)

    def _stop(self, audit: LengthAudit) -> None:
        message = f"{cut_facts(self._name, audit)} {what_to_set(self._base_url, audit.kept_tokens)}"
        if not self._allow:
            raise RequestError(
                f"{message} The other prompts were not sent. Run the same command then: those that were cut are asked again. "
                "Or set allow_input_cut, to ask all and have the answers to cut prompts marked and left out of every mean."
            )
        log.warning("%s", message)

    def leave(self, sample_id: str) -> None:
        """A canary ended by an error: nobody waits for it."""
        if sample_id in self._waiting:
            self._waiting.discard(sample_id)
            self._open.set()


def choose_canaries(samples: Sequence[Sample], indices: Sequence[int]) -> list[int]:
    """The indices of the shortest and of the longest prompt; none if no prompt is long.

    Args:
        indices: of the samples that are to be asked, in that order.
    """
    built = column(samples, "prompt_tokens")
    counted = [index for index in indices if built[index]]
    if not counted:
        return []
    most, least = (of(built[index] for index in counted) for of in (max, min))
    if most < SHORTEST_CANARY_TOKENS:
        return []
    # of those of about that length the first: it is asked before those that share its beginning
    longest = next(index for index in counted if built[index] >= most - FEW_TOKENS)
    return list(dict.fromkeys([next(index for index in counted if built[index] <= least + FEW_TOKENS), longest]))


def stale_answers(answers: dict[str, list[Response]], exact: bool) -> tuple[set[str], list[Count], list[Count]]:
    """Ids of the samples that have a stored answer to a cut prompt; the counts of the prompts that are whole, and of those cut."""
    found = [(name, count_of(response, None)) for name, rows in answers.items() for response in rows
             if response.outcome in SCORED_OUTCOMES]  # fmt: skip
    cut = audit_counts([count for _, count in found], exact).cut
    whole = [count for place, (_, count) in enumerate(found) if count and place not in cut]
    return {found[place][0] for place in cut}, whole, [found[place][1] for place in cut]
