"""Statistics of scores, over scipy and statsmodels. An empty group has no mean and no interval."""

from __future__ import annotations

import numpy as np


def wilson_interval(successes: float, n: int, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Wilson score interval of a proportion; (None, None) for n = 0.

    Source: E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference.
    """
    if n == 0:
        return None, None
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(successes, n, alpha=1 - confidence, method="wilson")
    return float(low), float(high)


def mean_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float | None, float | None, float | None]:
    """Mean and its interval: Wilson's for values that are all 0 or 1, else Student's t; (None, None, None) if empty.

    One value that is not 0 or 1 has a mean but no interval.
    """
    n = len(values)
    if n == 0:
        return None, None, None
    mean = float(np.mean(values))
    if np.isin(values, (0.0, 1.0)).all():
        return mean, *wilson_interval(float(np.sum(values)), n, confidence)
    if n == 1:
        return mean, None, None
    from scipy.stats import t

    half = float(t.ppf(0.5 + confidence / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half
