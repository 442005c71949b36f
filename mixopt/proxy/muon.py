"""Muon for a stack on a CPU: hidden matrices follow orthogonalized momentum, tables and norms AdamW."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mixopt.proxy.device_optimizer import make_device_optimizer
from mixopt.proxy.layout import Layout, Leaf
from mixopt.proxy.model import Stack
from mixopt.proxy.optimizer import AdamW
from mixopt.proxy.orthogonal import num_projections, orthogonalize, update_scale
from mixopt.proxy.route import confined, find_route


class Muon(AdamW):
    """Muon (Jordan et al., 2024) with AdamW's size of update (Liu et al., 2025, arXiv:2502.16982).

    The Nesterov momentum of every hidden matrix is orthogonalized and scaled to the root mean
    square that AdamW's updates have (their equation 4), so rates and decay mean the same for both;
    `hidden_rate` scales them over widths alike. Merged projections are orthogonalized one by one. The momentum is in `first_moments`.
    """

    def __init__(self, stack: Stack) -> None:
        """Start from zero moments for every member."""
        super().__init__(stack)
        rounding = stack.parameters.dtype == torch.float32
        precision = stack.config.training.precision if rounding else "float32"
        self._route = find_route(precision)
        self._groups = _group(stack.layout)

    def _update_hidden(self, member: int, rate: float, clip: float) -> None:
        """Update the hidden matrices of a member; those of one shape at once, which stay in cache."""
        stack, training = self.stack, self.stack.config.training
        rate *= stack.config.architecture.hidden_rate
        columns = slice(None, stack.layout.num_hidden)
        directions = stack.gradients[member, columns]
        _accelerate(directions, self.first_moments[member, columns], clip, training.momentum)
        parameters = stack.parameters[member, columns]
        parameters.mul_(1 - rate * training.weight_decay)
        with confined():
            for matrices in self._groups:
                batch = torch.stack([matrix.view(directions) for matrix in matrices])
                found = orthogonalize(batch, self._route)
                step = -rate * update_scale(*batch.shape[1:])
                for matrix, update in zip(matrices, found.unbind(), strict=True):
                    matrix.view(parameters).add_(update, alpha=step)
        directions.zero_()


def make_optimizer(stack: Stack) -> AdamW:
    """Return the optimizer that the stack's recipe asks for."""
    if stack.parameters.device.type == "cuda":
        return make_device_optimizer(stack)
    return Muon(stack) if stack.config.training.optimizer == "muon" else AdamW(stack)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Matrix:
    """Where one projection lies in a flat row: columns of a leaf, turned if it is tall."""

    leaf: Leaf
    start: int
    width: int

    @property
    def tall(self) -> bool:
        """Whether it has more rows than columns."""
        return self.leaf.shape[0] > self.width

    def view(self, row: Tensor) -> Tensor:
        """Return the matrix [D, F], D <= F, as a view of a row."""
        leaf = row[self.leaf.start : self.leaf.stop].view(self.leaf.shape)[
            :, self.start : self.start + self.width
        ]
        return leaf.t() if self.tall else leaf


def _group(layout: Layout) -> list[list[_Matrix]]:
    """Return all projections of hidden matrices, those of one shape together."""
    groups: dict[tuple[int, ...], list[_Matrix]] = {}
    for leaf in layout.leaves:
        if leaf.stop <= layout.num_hidden:
            width = leaf.shape[1] // num_projections(leaf)
            for start in range(0, leaf.shape[1], width):
                matrix = _Matrix(leaf=leaf, start=start, width=width)
                groups.setdefault(tuple(sorted((leaf.shape[0], width))), []).append(matrix)
    return list(groups.values())


def _accelerate(gradients: Tensor, momentum: Tensor, clip: float, decay: float) -> None:
    from mixopt.proxy.backends.kernels.updates import accelerate  # noqa: PLC0415 - a compiler

    accelerate(gradients.numpy(), momentum.numpy(), clip, decay)
