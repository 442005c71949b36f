"""Order inside a stage: sequences by a score, more or less strictly, and ramps between mixtures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from mixopt import seeds
from mixopt.schedule.curve import Knot, MixtureCurve
from mixopt.schedule.mixture import Mixture, mixture_of

_COSINE_KNOTS = 17  # at most 0.24% of the way between its two mixtures off


def order(scores: ArrayLike, strength: float, key: int) -> NDArray[np.int64]:
    """Return which of N sequences stands at each rank of an epoch, each exactly once.

    Strength 0 is the keyed permutation that unordered stages use; 1 sorts by score, least first, -1
    greatest first, and sequences of equal score stay as the permutation has them; see `rearrange`.

    Args:
        scores: [N] of the sequences by position, in any unit; only their ranks matter.
        strength: in [-1, 1].
        key: names the permutation.

    Returns:
        [N] positions.
    """
    values = np.asarray(scores, float)
    shuffled = seeds.permute(np.arange(len(values)), len(values), key)
    return shuffled[rearrange(values[shuffled], strength)]


def rearrange(scores: ArrayLike, strength: float) -> NDArray[np.int64]:
    """Return the order in which to take N sequences that stand shuffled, by their scores.

    With q the quantile of a score and u the place of its sequence in the shuffled row, both in (0, 1),
    sequences are sorted by |s| q + (1 - |s|) u, or with 1 - q for q where s < 0. What the row holds
    is not touched: given those that one stage draws from one epoch, order changes and dose does not.

    Args:
        scores: [N] in the shuffled order, finite.
        strength: s, in [-1, 1].

    Returns:
        [N] indices into the shuffled row.

    Raises:
        ValueError: the strength is out of range or a score is not finite.
    """
    values = np.asarray(scores, float)
    if not -1 <= strength <= 1 or not np.isfinite(values).all():
        message = f"needs finite scores and a strength in [-1, 1], got strength {strength}"
        raise ValueError(message)
    if strength == 0 or len(values) == 0:
        return np.arange(len(values))
    quantiles = (rankdata(values) - 0.5) / len(values)
    places = (np.arange(len(values)) + 0.5) / len(values)
    aim = quantiles if strength > 0 else 1 - quantiles
    wanted = abs(strength) * aim + (1 - abs(strength)) * places
    return np.asarray(np.argsort(wanted, kind="stable"))


def rank_correlation(strength: float) -> float:
    """Return Spearman's correlation of place and score that a strength gives, without ties.

    For q and u uniform and independent, Z = s q + (1 - s) u with distribution function F, it is
    12 E[F(Z) q] - 3. For 0 <= s <= 1 this integrates to

        r - 3 r^2 / 10             with r = s / (1 - s) <= 1,
        1 - r^2 / 2 + r^3 / 5      with r = (1 - s) / s <= 1,

    which rises strictly from 0 through 0.7 at s = 1/2 to 1; for -s it is the negative.
    """
    size = abs(strength)
    if size <= 0.5:
        ratio = size / (1 - size)
        return float(np.sign(strength) * (ratio - 0.3 * ratio**2))
    ratio = (1 - size) / size
    return float(np.sign(strength) * (1 - ratio**2 / 2 + ratio**3 / 5))


def ramp(before: Mixture, after: MixtureCurve, width: float) -> MixtureCurve:
    """Return a stage's curve with a straight way in from the mixture that the stage before ended on.

    Width 0 is a step: the curve as it is. From the end of the ramp on the mixtures are the curve's
    own; a cosine is followed by short straight pieces.

    Args:
        before: the mixture at the end of the stage before.
        after: the curve of the stage.
        width: share of the stage's tokens that the ramp takes, in [0, 1].

    Raises:
        ValueError: the width is out of range.
    """
    if not 0 <= width <= 1:
        message = f"a ramp takes a share of the stage from 0 to 1, got {width}"
        raise ValueError(message)
    if width == 0:
        return after
    domains = tuple(dict.fromkeys((*before.domains, *after.domains)))
    corners = [knot.at for knot in after.knots]
    if after.shape == "cosine":
        corners = np.linspace(0, 1, _COSINE_KNOTS).tolist()
    at = sorted({width, 1.0, *(corner for corner in corners if corner > width)})
    table = after.weights_at(at, domains)
    knots = [Knot(at=0.0, mixture=before)]
    for where, row in zip(at, table, strict=True):
        shares = dict(zip(domains, row.tolist(), strict=True))
        knots.append(Knot(at=where, mixture=mixture_of(shares)))
    return MixtureCurve(shape="piecewise", knots=tuple(knots))
