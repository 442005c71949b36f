"""Everything of a decoder block but its products: embedding, norms and gates, both directions.

Shapes: N tokens, D width, F width of the feed-forward block, V vocabulary.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixopt.proxy.backends.kernels.compiled import Floats, Number, kernel
from mixopt.proxy.backends.kernels.vectors import exponential

_Tokens = NDArray[np.int64]


@kernel
def embed(table: Floats, tokens: _Tokens, stream: Floats) -> None:
    """Set `stream` [N, D] to the rows of a table [V, D] that the tokens [N] name."""
    for token in range(stream.shape[0]):
        row = tokens[token]
        for place in range(stream.shape[1]):
            stream[token, place] = table[row, place]


@kernel
def embed_backward(to_stream: Floats, tokens: _Tokens, to_table: Floats) -> None:
    """Add the gradients [N, D] of embedded tokens to the rows of the table's gradient [V, D]."""
    for token in range(to_stream.shape[0]):
        row = tokens[token]
        for place in range(to_stream.shape[1]):
            to_table[row, place] += to_stream[token, place]


@kernel
def norm(stream: Floats, gain: Floats, epsilon: float, normed: Floats, scales: Floats) -> None:
    """Scale the residual stream to unit mean square, then by a gain [D], into `normed` [N, D].

    Zhang and Sennrich (2019), "Root Mean Square Layer Normalization", equation 4. `scales` [N]
    keeps what backward needs.
    """
    for token in range(stream.shape[0]):
        total = stream.dtype.type(0)
        for place in range(stream.shape[1]):
            total += stream[token, place] * stream[token, place]
        scales[token] = _scale(total, stream, epsilon)
        for place in range(stream.shape[1]):
            normed[token, place] = stream[token, place] * scales[token] * gain[place]


@kernel
def add_and_norm(
    streams: tuple[Floats, Floats, Floats],
    gain: Floats,
    epsilon: float,
    normed: Floats,
    scales: Floats,
) -> None:
    """Set the third stream to the sum of the first two, all [N, D], and norm it at once."""
    stream, added, after = streams
    for token in range(stream.shape[0]):
        total = stream.dtype.type(0)
        for place in range(stream.shape[1]):
            value = stream[token, place] + added[token, place]
            after[token, place] = value
            total += value * value
        scales[token] = _scale(total, stream, epsilon)
        for place in range(stream.shape[1]):
            normed[token, place] = after[token, place] * scales[token] * gain[place]


@kernel
def _scale(total: Number, stream: Floats, epsilon: float) -> Number:
    mean = total / stream.dtype.type(stream.shape[1]) + stream.dtype.type(epsilon)
    return stream.dtype.type(1) / np.sqrt(mean)


@kernel
def norm_backward(
    to_normed: Floats,
    forward: tuple[Floats, Floats, Floats],
    to_stream: Floats,
    to_gain: Floats,
) -> None:
    """Add a norm's gradients to those of the stream [N, D] and of the gain [D].

    Args:
        to_normed: gradient of the normed stream [N, D].
        forward: the stream [N, D], the gain [D] and the scales [N].
        to_stream: is increased.
        to_gain: is increased.
    """
    stream, gain, scales = forward
    num_tokens, width = stream.shape
    for token in range(num_tokens):
        scale, total = scales[token], stream.dtype.type(0)
        for place in range(width):
            total += to_normed[token, place] * gain[place] * stream[token, place]
        back = total * scale * scale * scale / stream.dtype.type(width)
        for place in range(width):
            scaled = to_normed[token, place] * scale
            to_gain[place] += scaled * stream[token, place]
            to_stream[token, place] += scaled * gain[place] - stream[token, place] * back


@kernel
def gate(gate_up: Floats, inner: Floats) -> None:
    """Set `inner` [N, F] to silu(gate) * up of the two halves of [N, 2F].

    Shazeer (2020), "GLU Variants Improve Transformer", equation 6.
    """
    num_tokens, width = inner.shape
    one = inner.dtype.type(1)
    for token in range(num_tokens):
        for place in range(width):
            opening = gate_up[token, place]
            inner[token, place] = (
                opening / (one + exponential(-opening)) * gate_up[token, width + place]
            )


@kernel
def gate_backward(gate_up: Floats, to_inner: Floats) -> None:
    """Replace gate and up [N, 2F] by their gradients, and the gradient of `inner` by `inner`."""
    num_tokens, width = to_inner.shape
    one = to_inner.dtype.type(1)
    for token in range(num_tokens):
        for place in range(width):
            opening, up = gate_up[token, place], gate_up[token, width + place]
            gradient = to_inner[token, place]
            share = one / (one + exponential(-opening))
            silu = opening * share
            to_inner[token, place] = silu * up
            gate_up[token, place] = gradient * up * (share + silu * (one - share))
            gate_up[token, width + place] = gradient * silu
