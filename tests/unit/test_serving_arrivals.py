import numpy as np
import pytest
from scipy.stats import expon, gamma, kstest

from contextrot.serving.arrivals import due_seconds


def gaps(burstiness: float, rate: float = 20.0) -> np.ndarray:
    return np.diff(due_seconds(rate, 4001, burstiness, np.random.default_rng(0)))


def test_burstiness_one_is_a_poisson_process():
    assert kstest(gaps(1.0), expon(scale=1 / 20).cdf).pvalue > 0.01


def test_gaps_are_gamma_distributed_with_the_mean_of_the_rate():
    assert kstest(gaps(0.25), gamma(0.25, scale=1 / 5).cdf).pvalue > 0.01
    assert gaps(0.25).mean() == pytest.approx(1 / 20, rel=0.1)


def test_a_burstiness_without_end_is_a_constant_gap():
    assert due_seconds(4, 3, np.inf, np.random.default_rng(0)).tolist() == [0, 0.25, 0.5]


def test_the_first_request_is_due_at_once():
    assert due_seconds(1, 1, 1, np.random.default_rng(0)).tolist() == [0]


def test_no_request_has_no_time():
    assert due_seconds(1, 0, 1, np.random.default_rng(0)).tolist() == []


@pytest.mark.parametrize(("rate", "burstiness"), [(0, 1), (-1, 1), (1, 0), (float("nan"), 1)])
def test_a_rate_that_is_none_is_refused(rate, burstiness):
    with pytest.raises(ValueError, match="above 0"):
        due_seconds(rate, 2, burstiness, np.random.default_rng(0))
