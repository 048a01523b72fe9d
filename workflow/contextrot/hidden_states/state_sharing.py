"""Whether a model gives the same when tokens that prompts share are computed once: tried on the model, not taken from its name.

Sharing puts several continuations of one beginning into one pass, with a mask and positions of their own, behind a cache. Models
go other ways in what they do with these: windows, recurrent states, biases by distance (ALiBi), rotary scaling that depends on
how long the text is (longrope, dynamic NTK). Plain passes over a run's own longest prompt say what is right.
"""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextrot.hidden_states.probe import LayerProbe, Measurement

TOLERANCE = {"float32": 2e-5, "bfloat16": 5e-2, "float16": 1e-2}
"""Largest difference of a layer's state, as a share of its norm, that counts as rounding."""
TAIL = 48
"""Most tokens of a branch that is packed with others into one pass."""
EARLY = 8
"""Tokens before the first branch."""
WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")

log = logging.getLogger(__name__)


def may_share(model: Any, longest: int) -> bool:
    """Whether there is any sense in trying: positions are an argument, no state is carried on, no window ends within `longest` tokens.

    A window that ends just before a long prompt does would differ too little to be seen.
    """
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windows = [value for name in WINDOWS if isinstance(value := getattr(config, name, None), int) and value > 0]
    windows = windows if getattr(config, "use_sliding_window", True) else []
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    attends = kinds <= {"full_attention", "sliding_attention", "chunked_attention"}
    return attends and takes_positions and not getattr(model, "_is_stateful", False) and all(w >= longest for w in windows)


def depends_on_length(probe: LayerProbe, longest: list[int], shortest: int) -> tuple[bool, Measurement]:
    """Whether the state of token `shortest` of a text is another one when the text ends there than when it goes on.

    Returns:
        That, and what a plain pass found at the end of `longest`.
    """
    if not 0 < shortest < len(longest):
        return False, probe.measure_within([longest], longest)[0]
    beginning = longest[:shortest]
    within, end = probe.measure_within([beginning, longest], longest)
    (alone,) = probe.measure_within([beginning], beginning)
    return not _same(probe, within, alone, "a text that goes on"), end


def sharing_agrees(probe: LayerProbe, longest: list[int], end: Measurement) -> bool:
    """Whether branches of a prompt have the states that plain passes give them, by every way that a pass can go.

    The branches: the prompt itself, one that leaves it after a few tokens (which then are a pass of their own), one in the middle
    (the cache is cut back) and one near its end (packed behind a cache, each seeing its own only).

    Args:
        end: what a plain pass found at the end of `longest`.
    """
    from contextrot.hidden_states.probe import Probe

    size = len(longest)
    if size < 4:
        return False
    tail = max(1, min(size // 4, TAIL, probe.batch_tokens // 4))
    budget = max(1, min(probe.batch_tokens, max(size // 4, 4 * tail)))
    early, middle, late = max(1, min(EARLY, size // 4)), size // 2, size - tail
    others = [
        _branch(longest, early, early + 2),
        _branch(longest, middle, middle + min(budget + 1, size - middle)),
        _branch(longest, late, size),
    ]
    plain = [end, *(probe.measure_within([branch], branch)[0] for branch in others)]
    budgets = [budget] if probe.batch_tokens <= 2 * size else [budget, probe.batch_tokens]
    for tokens in budgets:
        try:
            shared = probe.measure_together([Probe(longest), *map(Probe, others)], tokens)
        except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" in str(error):
                raise
            log.info("prompts are not shared: %s: %s", type(error).__name__, error)
            return False
        if not all(_same(probe, one, other, "a shared prompt") for one, other in zip(shared, plain, strict=True)):
            return False
    return True


def _branch(sequence: list[int], leaves: int, end: int) -> list[int]:
    """The beginning of a sequence, then another token at `leaves`, then the sequence's own up to `end`."""
    other = next((token for token in sequence if token != sequence[leaves]), abs(sequence[leaves] - 1))
    return [*sequence[:leaves], other, *sequence[leaves + 1 : end]]


def _same(probe: LayerProbe, one: Measurement, other: Measurement, what: str) -> bool:
    difference = ((one.states - other.states).norm(dim=-1) / other.states.norm(dim=-1).clamp_min(1e-12)).max().item()
    same = difference <= TOLERANCE[str(probe.dtype).removeprefix("torch.")]
    if not same:
        log.info("%s has other states, by %.1e of their norm: each prompt gets passes of its own", what, difference)
    return same
