"""What a backend must do: token losses of all members, and the gradients of weighted sums of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from mixopt.proxy.model import Stack


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One training step of all members; may lie on any device."""

    tokens: Tensor
    """Ids [K, B, T+1]: inputs are the first T of a row, targets the last T."""
    weights: Tensor | None = None
    """[K, B, T]: what the loss of each target counts; None is 1 / (B T) for all of them.

    Every objective of a stage is a choice of weights: the mean over text, the mean over answers,
    or, found from token losses beforehand, those whose gradient is that of a preference loss.
    """
    segments: Tensor | None = None
    """[K, B, T+1] examples within a row, 0 for padding; None where rows are whole text."""


class Backend(Protocol):
    """Runs one stack; a member's numbers never depend on the other members."""

    @property
    def stack(self) -> Stack:
        """The members."""

    @property
    def fingerprint(self) -> str:
        """Names all that decides rounding: the backend, its precision and its kernels."""

    def train(self, batch: Batch, live: Sequence[int]) -> Tensor:
        """Add the gradients of each live member's weighted token losses to `stack.gradients`.

        Args:
            batch: one step.
            live: slots to train; the gradients of the others are left as they are.

        Returns:
            Weighted sums of token losses in nats, [K], on the CPU; NaN in slots that are not live.
        """

    def token_losses(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """Return the cross-entropy of every target in nats, [K, B, T], without gradients.

        Args:
            tokens: ids [K, B, T+1], or [1, B, T+1] for the same rows for all members.
            segments: [K or 1, B, T+1] examples within a row, 0 for padding.
        """
