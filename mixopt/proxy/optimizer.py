"""AdamW for a stack: own learning rate, clipping and step count for every member."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mixopt.proxy.config import ProxyRecipe
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
        gradients = self.stack.gradients
        # Row by row: a norm over all rows at once may round differently for another K.
        norms = torch.stack([torch.linalg.vector_norm(row) for row in gradients])
        clip_norm = self.stack.config.training.clip_norm
        rates = learning_rates.tolist()
        live = [member for member, norm in enumerate(norms.tolist()) if math.isfinite(norm)]
        for member in live:
            if norms[member] > clip_norm:
                gradients[member].mul_(clip_norm / norms[member].item())
            self.steps[member] += 1.0
            self._update_tables(member, rates[member])
        self._update_hidden(live, rates)
        self.stack.clear_gradients()
        return norms

    def reset(self, member: int | None = None) -> None:
        """Forget the moments and step count of one member, or of all."""
        rows = slice(None) if member is None else slice(member, member + 1)
        for state in (self.first_moments, self.second_moments, self.steps):
            state[rows].zero_()

    def copy_row(self, source: int, target: int) -> None:
        """Give slot `target` the moments and step count of slot `source`."""
        for state in (self.first_moments, self.second_moments, self.steps):
            state[target].copy_(state[source])

    def _update_tables(self, member: int, rate: float) -> None:
        self._update_columns(member, slice(self.stack.layout.num_hidden, None), rate, 0.0)

    def _update_hidden(self, members: Sequence[int], rates: Sequence[float]) -> None:
        config: ProxyRecipe = self.stack.config
        columns = slice(None, self.stack.layout.num_hidden)
        for member in members:
            rate = rates[member] * config.architecture.hidden_rate
            self._update_columns(member, columns, rate, config.training.weight_decay)

    def _update_columns(self, member: int, columns: slice, rate: float, decay: float) -> None:
        """Run the fused kernel: several times faster than element-wise operations on [K, P]."""
        part = (member, columns)
        training = self.stack.config.training
        torch._fused_adamw_(
            [self.stack.parameters[part]],
            [self.stack.gradients[part]],
            [self.first_moments[part]],
            [self.second_moments[part]],
            [],
            [self.steps[member].to(self.stack.parameters.device)],
            lr=rate,
            beta1=training.beta1,
            beta2=training.beta2,
            weight_decay=decay,
            eps=training.epsilon,
            amsgrad=False,
            maximize=False,
        )
