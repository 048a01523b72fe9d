"""When requests of an open loop are due: constant, Poisson or gamma arrivals at a rate.

Source: the request rate and burstiness of vLLM's serving benchmark: gaps are gamma distributed with shape `burstiness` and mean
1 / rate; burstiness 1 is a Poisson process, below 1 burstier, above 1 more even, and without end constant.
"""

from __future__ import annotations

import numpy as np


def due_seconds(rate: float, count: int, burstiness: float, rng: np.random.Generator) -> np.ndarray:
    """The times at which requests are due, seconds from the beginning, ascending; the first at 0. Shape (count,).

    Args:
        rate: requests a second.
        burstiness: shape of the gamma distributed gaps; infinity for a constant gap.

    Raises:
        ValueError: for a rate or burstiness that is not above 0.
    """
    if not rate > 0 or not burstiness > 0:
        raise ValueError(f"rate and burstiness must be above 0, not {rate} and {burstiness}")
    if np.isinf(burstiness):
        return np.arange(count) / rate
    gaps = rng.gamma(burstiness, 1 / (rate * burstiness), size=max(count - 1, 0))
    return np.concatenate([[0.0], np.cumsum(gaps)])[:count]
