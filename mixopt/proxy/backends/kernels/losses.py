"""Cross-entropy of rows of logits, and its gradient in their place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixopt.proxy.backends.kernels.compiled import Floats, Number, kernel
from mixopt.proxy.backends.kernels.registers import LANES
from mixopt.proxy.backends.kernels.vectors import at, exponential, exponentiate, largest

_Tokens = NDArray[np.int64]


@kernel
def cross_entropy(logits: Floats, targets: _Tokens, losses: Floats) -> None:
    """Set `losses` [N] to the cross-entropy of targets [N] in nats; logits [N, V] are overwritten.

    What they are left as, the unnormalized shares, is half the way to a gradient.
    """
    for token in range(logits.shape[0]):
        losses[token] = _exponentiate_row(logits, token, targets[token])[0]


@kernel
def cross_entropy_backward(
    logits: Floats, targets: _Tokens, weights: Floats, losses: Floats
) -> None:
    """Set `losses` as `cross_entropy` does, and logits [N, V] to the gradient of weights * losses.

    The gradient of one row: weight * (shares - 1 at the target).
    """
    for token in range(logits.shape[0]):
        loss, total = _exponentiate_row(logits, token, targets[token])
        losses[token] = loss
        factor = weights[token] / total
        for place in range(logits.shape[1]):
            logits[token, place] *= factor
        logits[token, targets[token]] -= weights[token]


@kernel
def _exponentiate_row(logits: Floats, token: int, target: int) -> tuple[Number, Number]:
    """Replace a row by its shares times their sum; return the target's loss and the sum."""
    size = logits.shape[1]
    whole = size // LANES * LANES
    row = at(logits, token * size)
    top, aim = largest(row, whole), row[target]
    for place in range(whole, size):
        top = max(top, row[place])
    total = exponentiate(row, whole, top)
    for place in range(whole, size):
        row[place] = exponential(row[place] - top)
        total += row[place]
    return np.log(total) + top - aim, total
