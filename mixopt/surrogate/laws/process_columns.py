"""The columns on which a Gaussian process measures how far schedules lie apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mixopt.surrogate.features import Features

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Kind = Literal["dose", "stage", "rate", "settings"]

_VARIES: Final = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Blocks of columns of a process: what they are, their means and scales.

    The first block holds the cube roots of the token-weighted doses: between the square root,
    whose distance is Hellinger's, and the logarithm, which tells apart what is almost absent.
    Where there are several stages, each whose mixture or size varies has a block of its own
    mixture's cube roots and its share of the tokens, and one block holds the cube roots of doses
    weighted by the learning rate where these differ from the doses. The last block holds settings
    and, where they vary, logarithms of parameters and tokens.

    One scale for all weights of a block keeps a domain that hardly varies from weighing as much
    as one that does.

    Attributes:
        kinds: of every block.
        sources: of every block, the stage it is about, or -1.
        widths: columns per block.
        means: [C] of the training rows.
        scales: [C] root mean variance of the block's weights; other columns have their own.
    """

    kinds: tuple[Kind, ...]
    sources: tuple[int, ...]
    widths: tuple[int, ...]
    means: Vector
    scales: Vector

    def columns(self, features: Features) -> Matrix:
        """Return [N, C] centred and scaled columns."""
        parts = zip(self.kinds, self.sources, strict=True)
        raw = [_block(features, kind, source) for kind, source in parts]
        return (np.hstack(raw) - self.means) / self.scales


def frame_of(features: Features) -> Frame:
    """Return the frame that N training schedules span."""
    blocks: list[tuple[Kind, int]] = [("dose", -1)]
    if len(features.stages) > 1:
        blocks += [("stage", number) for number in range(len(features.stages))]
        blocks += [("rate", -1)] if _differs(features.rate_doses, features.doses) else []
    blocks.append(("settings", -1))
    raw = [_block(features, kind, source) for kind, source in blocks]
    kept = [n for n, found in enumerate(raw) if n == 0 or (np.ptp(found, axis=0) > _VARIES).any()]
    return Frame(
        kinds=tuple(blocks[n][0] for n in kept),
        sources=tuple(blocks[n][1] for n in kept),
        widths=tuple(raw[n].shape[1] for n in kept),
        means=np.hstack([raw[n] for n in kept]).mean(axis=0),
        scales=np.concatenate([_scales(raw[n], blocks[n][0], features) for n in kept]),
    )


def _block(features: Features, kind: Kind, source: int) -> Matrix:
    """Return the unscaled columns of one block."""
    if kind == "dose":
        return np.cbrt(features.doses)
    if kind == "stage":
        size = features.tokens[:, source : source + 1]
        return np.hstack([np.cbrt(features.weights[:, source]), size])
    if kind == "rate":
        return np.cbrt(features.rate_doses)
    sizes = np.column_stack([features.parameters, features.total_tokens])
    return np.hstack([features.numbers, np.log(np.maximum(sizes, 1.0))])


def _scales(block: Matrix, kind: Kind, features: Features) -> Vector:
    """Return one scale for the weights of a block, and its own for every other column."""
    variances = block.var(axis=0)
    if kind != "settings":
        weights = slice(0, len(features.domains))
        variances[weights] = variances[weights].mean()
    scales = np.sqrt(variances)
    return np.asarray(np.where(scales > _VARIES, scales, 1.0))


def _differs(left: Matrix, right: Matrix) -> bool:
    return bool(np.abs(left - right).max() > _VARIES)
