"""Order inside a stage: sequences by a score, more or less strictly, and ramps between mixtures."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from mixopt.schedule.curve import Knot, MixtureCurve
from mixopt.schedule.mixture import Mixture, mixture_of

_COSINE_KNOTS = 17  # at most 0.24% of the way between its two mixtures off


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
