"""A curve of scores over log2 length without a formula, and how surely it is known for other needles of the kind.

The log-odds of the score are a line over log2 length with a random walk round it (a smoothing spline of order one): between two tested
lengths the curve is straight, and as uncertain as a walk between two known points. How rough it is, is averaged over by the evidence of each
roughness. The posterior's covariance, which holds both what sampling and what smoothing leave unknown, has its sampling part replaced by
the robust one between clusters, since answers about one needle are alike.

Sources: G. Wahba (1983), Bayesian "confidence intervals" for the cross-validated smoothing spline; D. Nychka (1988), Bayesian confidence
intervals for smoothing splines (they cover because they count the bias); K.-Y. Liang, S. L. Zeger (1986), Longitudinal data analysis using
generalized linear models (variance between clusters); F. E. Satterthwaite (1946), its degrees of freedom in a sum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUGHNESS = (0.1, 0.3, 1.0, 3.0, 9.0)
"""Standard deviation of the walk for an octave, log-odds; each as likely as the other."""
FIRST_MEAN, FIRST_SPREAD = 1.0, 3.0
"""Log-odds at the shortest length, before any answer."""
SLOPE_MEAN, SLOPE_SPREAD = -1.0, 1.5
"""Log-odds by which the line that it walks round changes for each octave, before any answer."""
STEPS = 30
LARGEST_STEP = 2.0
LIMIT = 9.0


@dataclass(frozen=True)
class SmoothCurve:
    """Fits of several roughnesses, shape (S,) first.

    Attributes:
        octaves: log2 of the tested lengths, shape (J,).
        log_odds: shape (S, J); covariance: of the posterior, shape (S, J, J).
        influence: what each cluster moves the fit by, shape (S, K, J).
        sampling: covariance if all answers were independent, shape (S, J, J).
        weights: of each roughness, shape (S,).
    """

    octaves: np.ndarray
    log_odds: np.ndarray
    covariance: np.ndarray
    influence: np.ndarray
    sampling: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, octaves: np.ndarray, totals: np.ndarray, sizes: np.ndarray) -> SmoothCurve:
        """The fits to sums and numbers of scores by cluster and length, shape (K, J)."""
        right, asked = totals.sum(axis=0), sizes.sum(axis=0)
        expected = FIRST_MEAN + SLOPE_MEAN * (octaves - octaves[0])
        precision, log_determinant = _walk(octaves)  # (S, J, J), (S,)
        fit = np.tile(np.log((right + 1) / (asked - right + 1)), (len(ROUGHNESS), 1))
        for _ in range(STEPS):
            share = 1 / (1 + np.exp(-fit))
            pull = right - asked * share - np.einsum("sij,sj->si", precision, fit - expected)
            curvature = precision + np.einsum("sj,ij->sij", asked * share * (1 - share), np.eye(len(octaves)))
            step = np.linalg.solve(curvature, pull[..., None])[..., 0]
            fit = (fit + step.clip(-LARGEST_STEP, LARGEST_STEP)).clip(-LIMIT, LIMIT)
            if np.abs(step).max() < 1e-4:
                break
        share = 1 / (1 + np.exp(-fit))
        information = asked * share * (1 - share)
        curvature = precision + np.einsum("sj,ij->sij", information, np.eye(len(octaves)))
        covariance = np.linalg.inv(curvature)
        aside = fit - expected
        evidence = (right * np.log(share) + (asked - right) * np.log1p(-share)).sum(axis=1)
        evidence += 0.5 * (log_determinant - np.linalg.slogdet(curvature)[1] - np.einsum("si,sij,sj->s", aside, precision, aside))
        weights = np.exp(evidence - evidence.max())
        residual = totals - sizes * share[:, None]  # (S, K, J)
        residual -= residual.mean(axis=1, keepdims=True)
        sampling = covariance @ (information[:, :, None] * covariance)
        return cls(octaves, fit, covariance, residual @ covariance, sampling, weights / weights.sum())

    def at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights of the tested lengths at each place, shape (Z, J), and the variance of a walk of one unit between them, (Z,)."""
        after = np.clip(np.searchsorted(self.octaves, places, side="right"), 1, len(self.octaves) - 1)
        start, end = self.octaves[after - 1], self.octaves[after]
        part = np.clip((places - start) / (end - start), 0, 1)
        weights, rows = np.zeros((len(places), len(self.octaves))), np.arange(len(places))
        weights[rows, after - 1], weights[rows, after] = 1 - part, part
        beyond = np.maximum(self.octaves[0] - places, 0) + np.maximum(places - self.octaves[-1], 0)
        return weights, part * (1 - part) * (end - start) + beyond

    def distance(self, places: np.ndarray, level: float, relative: bool) -> Distance:
        """Log-odds of the curve above a threshold: a score, or a share of that at the shortest length."""
        nodes, gap = self.at(places)
        first = 1 / (1 + np.exp(-self.log_odds[:, 0]))  # (S,)
        threshold = level * first if relative else np.full_like(first, level)
        distance = self.log_odds @ nodes.T - np.log(threshold / (1 - threshold))[:, None]  # (S, Z)
        gradient = np.tile(nodes, (len(first), 1, 1))  # (S, Z, J)
        if relative:
            gradient[:, :, 0] -= ((1 - first) / (1 - threshold))[:, None]
        rough = np.square(np.array(ROUGHNESS))[:, None] * gap
        whole, sampling = (np.einsum("szi,sij,szj->sz", gradient, c, gradient) for c in (self.covariance, self.sampling))
        count = self.influence.shape[1]
        moved = gradient @ self.influence.transpose(0, 2, 1)  # (S, Z, K)
        between = np.square(moved).sum(axis=2) * count / max(count - 1, 1)
        mean = self.weights @ distance
        smoothing = self.weights @ (whole - sampling + rough + np.square(distance - mean))
        return Distance(
            mean,
            self.weights @ between,
            self.weights @ sampling,
            smoothing,
            self.weights @ (1 / (1 + np.exp(-self.log_odds @ nodes.T))),
        )


@dataclass(frozen=True)
class Distance:
    """Log-odds above a threshold at each of some places, and its variances, shape (Z,) each.

    Attributes:
        mean: of the fits.
        between: variance between clusters, above 0; sampling: what it would be, were all answers independent.
        smoothing: variance by what was not measured.
        share: the fitted score.
    """

    mean: np.ndarray
    between: np.ndarray
    sampling: np.ndarray
    smoothing: np.ndarray
    share: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        """Of other clusters and of what was not measured together."""
        return np.asarray(self.between + self.smoothing)

    def degrees(self, clusters: float) -> np.ndarray:
        """Degrees of freedom of `variance`, whose part between clusters has `clusters`."""
        return np.asarray(clusters * np.square(self.variance / self.between))


def _walk(octaves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision of line and walk at the tested lengths for each roughness, shape (S, J, J), and its log-determinant."""
    along = octaves - octaves[0]
    line = FIRST_SPREAD**2 + SLOPE_SPREAD**2 * np.outer(along, along)
    covariance = line + np.square(np.array(ROUGHNESS))[:, None, None] * np.minimum.outer(along, along)
    covariance += 1e-4 * np.eye(len(octaves))
    return np.linalg.inv(covariance), -np.linalg.slogdet(covariance)[1]
