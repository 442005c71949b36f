"""The update of one member's flat row by AdamW, in two passes over it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mixopt.proxy.backends.kernels.compiled import Floats, Number, kernel


class Update(NamedTuple):
    """The numbers of one update."""

    rate: float
    """Learning rate of these columns, over 1 - beta1^steps."""
    shrink: float
    """Factor on the parameters: 1 - rate * weight decay."""
    clip: float
    """Factor on the gradient."""
    beta1: float
    beta2: float
    epsilon: float
    correction: float
    """Square root of 1 - beta2^steps."""


@kernel
def squared_norm(row: Floats) -> Number:
    """Return the sum of squares of a row [P]."""
    total = row.dtype.type(0)
    for place in range(row.shape[0]):
        total += row[place] * row[place]
    return total


@kernel
def adamw(
    parameters: Floats, gradients: Floats, moments: tuple[Floats, Floats], update: Update
) -> None:
    """Take one step (Loshchilov and Hutter, 2019, algorithm 2); clear the gradients.

    Args:
        parameters: [n] columns of a row.
        gradients: of these columns.
        moments: running means of the gradients and of their squares.
        update: the numbers.
    """
    first, second = moments
    kind = parameters.dtype.type
    rate, shrink, clip = kind(update.rate), kind(update.shrink), kind(update.clip)
    beta1, beta2, epsilon = kind(update.beta1), kind(update.beta2), kind(update.epsilon)
    rest1, rest2 = kind(1 - update.beta1), kind(1 - update.beta2)
    correction = kind(1 / update.correction)
    for place in range(parameters.shape[0]):
        gradient = gradients[place] * clip
        mean = beta1 * first[place] + rest1 * gradient
        square = beta2 * second[place] + rest2 * gradient * gradient
        first[place], second[place], gradients[place] = mean, square, 0
        denominator = np.sqrt(square) * correction + epsilon
        parameters[place] = parameters[place] * shrink - rate * mean / denominator


@kernel
def accelerate(gradients: Floats, momentum: Floats, clip: float, decay: float) -> None:
    """Add clipped gradients [n] to a decaying momentum; turn them into Nesterov's direction."""
    factor, kept = gradients.dtype.type(clip), gradients.dtype.type(decay)
    for place in range(gradients.shape[0]):
        gradient = gradients[place] * factor
        momentum[place] = momentum[place] * kept + gradient
        gradients[place] = gradient + momentum[place] * kept
