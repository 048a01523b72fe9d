"""What scores at some lengths say of a curve: the posterior of a four-parameter logistic curve in log2 length, on a grid.

The curve falls from a ceiling to a floor; its midpoint and slope are in octaves (log2 of the length). Everything is a sum over a grid
of parameters, for many data sets at once, so that nothing is started, converges or fails. A second grid, laid where the first found
the posterior, is fine enough for its width.

Sources: L. L. Kontsevich, C. W. Tyler (1999), Bayesian adaptive estimation of psychometric slope and threshold; A. B. Watson (2017),
QUEST+: A general multidimensional Bayesian adaptive psychometric method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CEILINGS = (0.02, 0.1, 0.3, 0.5, 0.65, 0.78, 0.86, 0.92, 0.96, 0.99)
FLOORS = (0.002, 0.1, 0.25, 0.45)
"""As shares of the ceiling."""
SLOPES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Log-odds by which the curve falls for each octave."""
MIDPOINTS = 36
BEYOND_OCTAVES = 2.0
"""How far beyond the lengths a midpoint may lie."""
_REFINED = {"midpoint": 25, "slope": 7, "ceiling": 7, "floor": 4}
_TAIL = 1e-3
_SMALLEST = 1e-4


@dataclass(frozen=True)
class Grid:
    """Parameters on a grid.

    Attributes:
        axes: values of midpoint (octaves), slope, ceiling, floor (a share of the ceiling).
        log_prior: shape (G,).
    """

    axes: tuple[np.ndarray, ...]
    log_prior: np.ndarray

    @classmethod
    def wide(cls, shortest: float, longest: float) -> Grid:
        """For lengths between two ends, octaves: every midpoint is as likely."""
        midpoints = np.linspace(shortest - BEYOND_OCTAVES, longest + BEYOND_OCTAVES, MIDPOINTS)
        return cls._of((midpoints, np.array(SLOPES), np.array(CEILINGS), np.array(FLOORS)))

    @classmethod
    def _of(cls, axes: tuple[np.ndarray, ...]) -> Grid:
        """With the prior: log slope is normal round 1.5 log-odds an octave, the rest is flat."""
        slopes = -0.5 * np.square((np.log(axes[1]) - np.log(1.5)) / 1.2)
        shape = tuple(map(len, axes))
        return cls(axes, np.broadcast_to(slopes[None, :, None, None], shape).ravel())

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.axes))

    def probabilities(self, octaves: np.ndarray) -> np.ndarray:
        """Score of every curve at each place, shape (G, Z)."""
        midpoint, slope, ceiling, floor = (a[..., None] for a in np.meshgrid(*self.axes, indexing="ij", sparse=True))
        falling = 1 / (1 + np.exp(np.clip(slope * (octaves - midpoint), -60, 60)))
        share = ceiling * (floor + (1 - floor) * falling)
        return np.broadcast_to(share, (*self.shape, len(octaves))).reshape(-1, len(octaves)).clip(_SMALLEST, 1 - _SMALLEST)

    def posterior(self, octaves: np.ndarray, totals: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Weights of the grid's curves for each of several data sets, shape (D, G).

        Args:
            octaves: shape (J,); totals, sizes: sum and number of the scores, shape (D, J).
        """
        p = self.probabilities(octaves)
        log = totals @ np.log(p).T + (sizes - totals) @ np.log1p(-p).T + self.log_prior
        weights = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def refined(self, weights: np.ndarray) -> Grid:
        """A finer grid over all that any of the posteriors (D, G) holds for possible."""
        axes, names = [], tuple(_REFINED)
        table = weights.mean(axis=0).reshape(self.shape)
        for i, (name, axis) in enumerate(zip(names, self.axes, strict=True)):
            marginal = np.cumsum(table.sum(axis=tuple(j for j in range(4) if j != i)))
            first = max(int(np.searchsorted(marginal, _TAIL)) - 1, 0)
            last = min(int(np.searchsorted(marginal, 1 - _TAIL)) + 1, len(axis) - 1)
            ends, count = (axis[first], axis[last]), _REFINED[name]
            axes.append(np.geomspace(*ends, count) if name == "slope" else np.linspace(*ends, count))
        return Grid._of(tuple(axes))


def fitted(octaves: np.ndarray, totals: np.ndarray, sizes: np.ndarray, ends: tuple[float, float]) -> tuple[Grid, np.ndarray]:
    """The refined grid and the posterior of each data set on it, shape (D, G).

    Args:
        ends: shortest and longest length that the curve may be asked for, octaves.
    """
    grid = Grid.wide(*ends)
    for _ in range(2):
        grid = grid.refined(grid.posterior(octaves, totals, sizes))
    return grid, grid.posterior(octaves, totals, sizes)
