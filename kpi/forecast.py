"""Whether an open target will be met: its chance and an interval, from the months so far. Pure.

A share moves on the logit scale as a level with a trend (statsmodels' UnobservedComponents). How
restless they are nobody knows: paths are drawn from every ratio of the variances on a grid, each as
often as the data speak for it, and from every scale. The seed is fixed: same points, same paths.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ioc.rule import Rule, satisfies

LEAST = 8
"""With fewer points there is no forecast, in words: chưa đủ số liệu."""
DRAWS, SEED = 1000, 2025
INSIDE = 0.8
"""The share of the paths between ``low`` and ``high``."""
MODEL = "mức và xu thế cục bộ trên thang logit, 1.000 đường mô phỏng"
_LEVELS = (*np.geomspace(1e-3, 1e2, 6), np.inf)
"""Variance of the level's monthly step, by that of a month's own noise."""
_TRENDS = (0.0, 1e-4, 1e-3, 1e-2)
"""Variance of the trend's monthly step, by that of both together."""
LEAST_STEP = 0.01
"""On the logit scale: what has never moved may move so much in a month."""
_STATES = 2  # the level and its trend


@dataclass(frozen=True, slots=True)
class Point:
    """Numerator and denominator of one period, by its index: months, or quarters, since year 0."""

    index: int
    numerator: float
    denominator: float


class Outlook(NamedTuple):
    """Chance 0..1 of meeting the rule, and the 80 % interval of the closing value (× factor)."""

    chance: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """The last state for each ratio of the grid, and how much the data speak for that ratio.

    ``variances`` are those of noise, level and trend in units of ``scale``: arrays (k, 3) and (k).
    """

    weights: np.ndarray
    variances: np.ndarray
    state: np.ndarray
    covariance: np.ndarray
    scale: np.ndarray
    freedom: float


def fit(values: Sequence[float] | np.ndarray) -> Fitted:
    """The states in which a series may be after its last value.

    ``values`` are evenly spaced, NaN where nothing is known; at least four are known.
    """
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    given = np.asarray(values, dtype=float)
    model = UnobservedComponents(given, "local linear trend", use_exact_diffuse=True)
    freedom = np.isfinite(given).sum() - _STATES
    shares = [1.0 if np.isinf(ratio) else ratio / (1 + ratio) for ratio in _LEVELS]
    grid = np.array([(1 - share, share, trend) for share in shares for trend in _TRENDS])
    likely, scales, states, covariances = [], [], [], []
    for variances in grid:
        model.update(variances)
        found = model.ssm.filter()
        told = np.isfinite(given) & (np.arange(given.size) >= found.nobs_diffuse)
        spread = found.forecasts_error_cov[0, 0, told]
        squares = (found.forecasts_error[0, told] ** 2 / spread).sum()
        scale = max(squares / freedom, LEAST_STEP**2)
        likely.append(-(freedom * np.log(scale) + np.log(spread).sum()) / 2)
        scales.append(scale)
        states.append(found.predicted_state[:, -1])
        covariances.append(found.predicted_state_cov[:, :, -1])
    weights = np.exp(np.array(likely) - max(likely))
    return Fitted(
        weights / weights.sum(),
        grid,
        np.array(states),
        np.array(covariances),
        np.array(scales),
        float(freedom),
    )


def known(fitted: Fitted, noise: float, level: float) -> Fitted:
    """The same where the variances are known and the trend is steady, not guessed from the data."""
    wanted = np.array([noise, level, 0.0]) / (noise + level)
    nearest = int(np.abs(fitted.variances - wanted).sum(axis=1).argmin())
    weights = np.zeros_like(fitted.weights)
    weights[nearest] = 1
    scale = np.full_like(fitted.scale, noise + level)
    return replace(fitted, weights=weights, scale=scale, freedom=np.inf)


def paths(fitted: Fitted, horizon: int, draws: int = DRAWS) -> np.ndarray:
    """Simulated values of the next ``horizon`` steps: an array (horizon, draws)."""
    rng = np.random.default_rng(SEED)
    which = rng.choice(fitted.weights.size, size=draws, p=fitted.weights)
    scale = fitted.scale[which]
    if np.isfinite(fitted.freedom):
        scale = scale * fitted.freedom / rng.chisquare(fitted.freedom, draws)
    roots = np.array([_root(one) for one in fitted.covariance])[which]
    shocks = np.einsum("nij,nj->ni", roots, rng.standard_normal((draws, _STATES)))
    level, trend = (fitted.state[which] + np.sqrt(scale)[:, None] * shocks).T
    sizes = np.sqrt(scale[:, None] * fitted.variances[which]).T
    found = np.empty((horizon, draws))
    for ahead in range(horizon):
        noise, step, turn = sizes * rng.standard_normal((3, draws))
        found[ahead] = level + noise
        level, trend = level + trend + step, trend + turn
    return found


def _root(covariance: np.ndarray) -> np.ndarray:
    """A matrix whose square is a covariance, also a singular one."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None))


def stock(points: Sequence[Point], closing: int, rule: Rule, factor: float = 100) -> Outlook | None:
    """The outlook of a stock on the period ``closing``; None with fewer than ``LEAST`` points.

    Its denominator stays what it was last. A period that has come already is not forecast.
    """
    if len(points) < LEAST or closing <= points[-1].index:
        return None
    total = points[-1].denominator
    above = _counts(points, _simulate(points, closing)[-1], total)
    return _outlook(above, np.full_like(above, total), rule, factor)


def flow(
    points: Sequence[Point],
    first: int,
    closing: int,
    rule: Rule,
    *,
    per_year: int = 12,
    factor: float = 100,
) -> Outlook | None:
    """The outlook of a flow over the periods from ``first`` to ``closing``.

    What is known of them, and for each period to come a simulated share of the denominator of the
    same one a year before (of the last, where there is none). None with fewer than ``LEAST``.
    """
    if len(points) < LEAST or closing <= points[-1].index:
        return None
    shares = _simulate(points, closing)
    so_far = [point for point in points if point.index >= first]
    above = np.full(shares.shape[1], sum(point.numerator for point in so_far), dtype=float)
    below = np.full_like(above, sum(point.denominator for point in so_far))
    totals = {point.index: point.denominator for point in points}
    for index, share in enumerate(shares, points[-1].index + 1):
        if index >= first:
            before = range(index - per_year, points[0].index - 1, -per_year)
            usual = (totals[one] for one in before if one in totals)
            total = next(usual, points[-1].denominator)
            above += _counts(points, share, total)
            below += total
    return _outlook(above, below, rule, factor)


def _simulate(points: Sequence[Point], closing: int) -> np.ndarray:
    """Simulated logits from the period after the last point; a missing one stays missing."""
    begin, end = points[0].index, points[-1].index
    values = np.full(end - begin + 1, np.nan)
    for point in points:
        over = min(max(point.numerator, 0.0), point.denominator) + 0.5
        values[point.index - begin] = np.log(over / (point.denominator + 1 - over))
    return paths(fit(values), closing - end)


def _counts(points: Sequence[Point], logits: np.ndarray, total: float) -> np.ndarray:
    """The numerators that simulated logits mean, whole where all that we know are whole."""
    above = np.clip((total + 1) / (1 + np.exp(-logits)) - 0.5, 0, total)
    return np.rint(above) if all(float(p.numerator).is_integer() for p in points) else above


def _outlook(above: np.ndarray, below: np.ndarray, rule: Rule, factor: float) -> Outlook | None:
    if not (below > 0).all():
        return None
    low, high = np.quantile(factor * above / below, [(1 - INSIDE) / 2, (1 + INSIDE) / 2])
    pairs: Any = zip(above.tolist(), below.tolist(), strict=True)
    met = [satisfies(rule.operator, over, under, factor, *rule[1:]) for over, under in pairs]
    return Outlook(sum(map(bool, met)) / len(met), float(low), float(high))
