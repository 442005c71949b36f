"""The parameters as a step reads them: narrow where products want it, and zero in slots that are off."""

from __future__ import annotations

import torch
from torch import Tensor

from mixopt.proxy.backends.chunked_loss import wide
from mixopt.proxy.layout import Leaf
from mixopt.proxy.model import Stack


class WorkingCopy:
    """Matrices and tables in the compute type, norms in float32 or wider; made anew every step.

    A slot that is off reads as zeros: all it computes is finite and its gradients are exactly
    zero when its losses count nothing, whatever its parameters hold, NaN included.
    """

    def __init__(self, stack: Stack, compute: torch.dtype) -> None:
        """Allocate the copy: one part for the matrices, one for each table and one for the norms."""
        self._stack = stack
        tables = [leaf for leaf in stack.layout.leaves if _is_table(stack, leaf)]
        norms = tables[-1].stop
        ranges = [(0, tables[0].start), *((leaf.start, leaf.stop) for leaf in tables)]
        self._parts = [_part(stack, *columns, compute) for columns in ranges]
        self._parts.append(_part(stack, norms, stack.num_parameters, wide(compute)))

    @torch.no_grad()
    def refresh(self, live: Tensor | None = None) -> None:
        """Copy the parameters; slots that are not live, [K], read as zeros, where that is given."""
        for columns, part in self._parts:
            part.copy_(self._stack.parameters[:, columns])
            if live is not None:
                part.masked_fill_(~live.unsqueeze(1), 0)

    def weights(self, *, requires_grad: bool = False) -> dict[str, Tensor]:
        """Return the copy by name, [K, ...]: leaves of a graph of their own on every call."""
        return {
            leaf.name: self._view(leaf).detach().requires_grad_(requires_grad)
            for leaf in self._stack.layout.leaves
        }

    def _view(self, leaf: Leaf) -> Tensor:
        columns, part = next(each for each in self._parts if leaf.start < each[0].stop)
        inside = part[:, leaf.start - columns.start : leaf.stop - columns.start]
        return inside.view(-1, *leaf.shape)


def _is_table(stack: Stack, leaf: Leaf) -> bool:
    return leaf.start >= stack.layout.num_hidden and len(leaf.shape) == 2


def _part(stack: Stack, start: int, stop: int, dtype: torch.dtype) -> tuple[slice, Tensor]:
    shape = (stack.num_members, stop - start)
    return slice(start, stop), torch.empty(shape, dtype=dtype, device=stack.parameters.device)
