"""Muon for a stack: hidden matrices follow orthogonalized momentum, tables and norms AdamW."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mixopt.proxy import route
from mixopt.proxy.layout import Leaf
from mixopt.proxy.model import Stack
from mixopt.proxy.optimizer import AdamW

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_TINY = 1e-7
_ROOT_MEAN_SQUARE = 0.2


class Muon(AdamW):
    """Muon (Jordan et al., 2024) with AdamW's size of update (Liu et al., 2025, arXiv:2502.16982).

    The Nesterov momentum of every hidden matrix is orthogonalized and scaled to the root mean
    square that AdamW's updates have (their equation 4), so rates and decay mean the same for both.
    Merged projections are orthogonalized one by one. The momentum is in `first_moments`.
    """

    def _update_hidden(self, members: Sequence[int], rates: Sequence[float]) -> None:
        stack, training = self.stack, self.stack.config.training
        columns = slice(None, stack.layout.num_hidden)
        rows = torch.tensor(members, device=stack.parameters.device)
        gradients = stack.gradients[rows, columns]
        momentum = self.first_moments[rows, columns].mul_(training.momentum).add_(gradients)
        self.first_moments[rows, columns] = momentum
        direction = gradients.add_(momentum, alpha=training.momentum)
        steps = stack.parameters.new_tensor([rates[member] for member in members])[:, None]
        new = stack.parameters[rows, columns].mul_(1 - steps * training.weight_decay)
        new.sub_(steps * self._orthogonal(direction))
        stack.parameters[rows, columns] = new

    def _orthogonal(self, directions: Tensor) -> Tensor:
        """Return the update of all hidden matrices from their momentum, both [K, columns]."""
        parts = []
        for leaf in self.stack.layout.leaves:
            if leaf.stop <= self.stack.layout.num_hidden:
                found = directions[:, leaf.start : leaf.stop].reshape(-1, *leaf.shape)
                width = leaf.shape[1] // _num_projections(leaf)
                done = [_scaled(part) for part in torch.split(found, width, dim=2)]
                parts.append(torch.cat(done, dim=2).flatten(1))
        return torch.cat(parts, dim=1)


def make_optimizer(stack: Stack) -> AdamW:
    """Return the optimizer that the stack's recipe asks for."""
    return Muon(stack) if stack.config.training.optimizer == "muon" else AdamW(stack)


def orthogonalize(matrices: Tensor) -> Tensor:
    """Return roughly U V^T of the singular value decomposition of every matrix.

    Five Newton-Schulz iterations of a quintic that takes singular values to about 1
    (Jordan et al., 2024); they end between 0.7 and 1.2.

    Args:
        matrices: [K, D, F].
    """
    first, third, fifth = _COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    found = (matrices.transpose(1, 2) if tall else matrices).contiguous()
    found = torch.div(found, torch.linalg.matrix_norm(found)[:, None, None] + _TINY)
    for _ in range(_ITERATIONS):
        gram = route.bmm(found, found.transpose(1, 2))
        factor = torch.add(third * gram, route.bmm(gram, gram), alpha=fifth)
        found = torch.add(first * found, route.bmm(factor, found))
    return found.transpose(1, 2) if tall else found


def _scaled(matrices: Tensor) -> Tensor:
    longest = max(matrices.shape[1:])
    return orthogonalize(matrices).mul(_ROOT_MEAN_SQUARE * math.sqrt(longest))


def _num_projections(leaf: Leaf) -> int:
    """Return how many projections a leaf merges side by side."""
    return {"query_key_value": 3, "gate_up": 2}.get(leaf.name.rpartition(".")[2], 1)
