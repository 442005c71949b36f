"""The reference backend: plain autograd in any float type; the oracle of the others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.losses import token_losses
from mixopt.proxy.model import Stack


class ReferenceBackend:
    """Batched matrix products and autograd, in the type of the stack's parameters."""

    def __init__(self, stack: Stack) -> None:
        """Run a stack on the device it lies on."""
        self.stack = stack

    @property
    def fingerprint(self) -> str:
        """See `Backend.fingerprint`."""
        parameters = self.stack.parameters
        return f"reference {parameters.device.type} {str(parameters.dtype).removeprefix('torch.')}"

    def train(self, batch: Batch, live: Sequence[int]) -> Tensor:
        """See `Backend.train`; slots that are not live are computed and left out of the sum."""
        losses = self._losses(batch.tokens, batch.segments)
        weights = torch.full_like(losses, 1 / losses[0].numel())
        if batch.weights is not None:
            weights = batch.weights.to(losses)
        sums = (losses * weights).sum(dim=(1, 2))
        chosen = torch.tensor(list(live), dtype=torch.int64, device=sums.device)
        sums[chosen].sum().backward()  # type: ignore[no-untyped-call]
        found = torch.full_like(sums, torch.nan).index_copy_(0, chosen, sums.detach()[chosen])
        return found.cpu()

    @torch.no_grad()
    def token_losses(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """See `Backend.token_losses`."""
        return self._losses(tokens, segments)

    def _losses(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        stack = self.stack
        device = stack.parameters.device
        rows = tokens.to(device, torch.int64).expand(stack.num_members, -1, -1)
        inner = None
        if segments is not None:
            inner = segments.to(device)[..., :-1].expand_as(rows[..., :-1])
        return token_losses(stack.forward(rows[..., :-1], inner), rows[..., 1:])
