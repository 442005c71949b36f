"""AdamW for a stack on a CPU: own learning rate, clipping and step count for every member."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mixopt.proxy.config import Training
from mixopt.proxy.model import Stack


class AdamW:
    """AdamW (Loshchilov and Hutter, 2019, algorithm 2) over the flat rows of a stack.

    Each member's gradient is clipped by its own global norm. Hidden matrices decay and learn at
    `hidden_rate` times the member's rate; tables and norms do not decay. A member whose gradient
    is not finite skips the step: its row is left as it was, and the others never notice.

    `first_moments` and `second_moments` are [K, P], `steps` [K] counts the steps taken.
    """

    def __init__(self, stack: Stack) -> None:
        """Start from zero moments for every member."""
        self.stack = stack
        self.first_moments = torch.zeros_like(stack.parameters)
        self.second_moments = torch.zeros_like(stack.parameters)
        self.steps = torch.zeros(stack.num_members, dtype=torch.float32)

    @torch.no_grad()
    def step(self, learning_rates: Tensor) -> Tensor:
        """Update every member with its own learning rate [K], then clear the gradients.

        Returns:
            Norms of the gradients before clipping [K]; not finite where a member was skipped.
        """
        # Row by row: a norm over all rows at once may round differently for another K.
        norms = torch.stack([_norm(row) for row in self.stack.gradients])
        rates, clip_norm = learning_rates.tolist(), self.stack.config.training.clip_norm
        for member, norm in enumerate(norms.tolist()):
            if math.isfinite(norm):
                self.steps[member] += 1.0
                clip = min(1.0, clip_norm / norm) if norm > 0 else 1.0
                self._update_tables(member, rates[member], clip)
                self._update_hidden(member, rates[member], clip)
            else:
                self.stack.gradients[member].zero_()
        return norms

    def reset(self, member: int | None = None) -> None:
        """Forget the moments and step count of one member, or of all."""
        rows = slice(None) if member is None else slice(member, member + 1)
        for state in (self.first_moments, self.second_moments, self.steps):
            state[rows].zero_()

    def _update_tables(self, member: int, rate: float, clip: float) -> None:
        """Update tables and norms, and clear their gradients; `clip` is a factor on them."""
        self._update_columns(member, slice(self.stack.layout.num_hidden, None), rate, (0.0, clip))

    def _update_hidden(self, member: int, rate: float, clip: float) -> None:
        """Update hidden matrices, and clear their gradients; `clip` is a factor on them."""
        config = self.stack.config
        columns = slice(None, self.stack.layout.num_hidden)
        rate = rate * config.architecture.hidden_rate
        self._update_columns(member, columns, rate, (config.training.weight_decay, clip))

    def _update_columns(
        self, member: int, columns: slice, rate: float, factors: tuple[float, float]
    ) -> None:
        """Update columns and clear their gradients in one pass, given decay and clipping."""
        stack, training, (decay, clip) = self.stack, self.stack.config.training, factors
        buffers = stack.parameters, stack.gradients, self.first_moments, self.second_moments
        parts = [buffer[member, columns] for buffer in buffers]
        _run_loop(parts, self.steps[member].item(), training, (rate, decay, clip))


def _norm(row: Tensor) -> Tensor:
    from mixopt.proxy.backends.kernels.updates import squared_norm  # noqa: PLC0415 - a compiler

    return row.new_tensor(squared_norm(row.numpy())).sqrt_()


def _run_loop(
    parts: Sequence[Tensor], steps: float, training: Training, factors: tuple[float, float, float]
) -> None:
    """Run the compiled loop on parameters, gradients and moments: faster than torch's fused kernel."""
    from mixopt.proxy.backends.kernels.updates import Update, adamw  # noqa: PLC0415 - a compiler

    rate, decay, clip = factors
    update = Update(
        rate=rate / (1 - training.beta1**steps),
        shrink=1 - rate * decay,
        clip=clip,
        beta1=training.beta1,
        beta2=training.beta2,
        epsilon=training.epsilon,
        correction=math.sqrt(1 - training.beta2**steps),
    )
    parameters, gradients, first, second = (part.numpy() for part in parts)
    adamw(parameters, gradients, (first, second), update)
