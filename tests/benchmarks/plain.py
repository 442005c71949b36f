"""A plain decoder as many write it by hand: one model, one module per layer, no proxy axis."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixopt.proxy.attention import rotary_table


class PlainDecoder(nn.Module):
    """RMSNorm, rotary attention by explicit products, SwiGLU, tied head."""

    def __init__(self, width: int, layers: int, heads: int, vocabulary: int, context: int) -> None:
        """Draw the weights; the feed-forward block is three times as wide as the stream."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.blocks = nn.ModuleList(_Block(width, heads, context) for _ in range(layers))
        self.norm = nn.RMSNorm(width, eps=1e-5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the mean loss of rows [B, T+1]."""
        stream: Tensor = self.embedding(tokens[:, :-1])
        for block in self.blocks:
            stream = block(stream)
        logits = functional.linear(self.norm(stream), self.embedding.weight)
        return functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


class _Block(nn.Module):
    cosine: Tensor
    sine: Tensor
    mask: Tensor

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.RMSNorm(width, eps=1e-5)
        self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.feedforward_norm = nn.RMSNorm(width, eps=1e-5)
        self.gate_up = nn.Linear(width, 6 * width, bias=False)
        self.down = nn.Linear(3 * width, width, bias=False)
        cosine, sine = rotary_table(context, width // heads, 10_000.0, torch.zeros(0))
        self.register_buffer("cosine", torch.cat([cosine, cosine], dim=-1))
        self.register_buffer("sine", torch.cat([sine, sine], dim=-1))
        mask = torch.full((context, context), float("-inf")).triu(1)
        self.register_buffer("mask", mask)

    def forward(self, stream: Tensor) -> Tensor:
        stream = stream + self.output(self._mix(self.query_key_value(self.attention_norm(stream))))
        gate, up = self.gate_up(self.feedforward_norm(stream)).chunk(2, dim=-1)
        result: Tensor = stream + self.down(functional.silu(gate) * up)
        return result

    def _mix(self, joined: Tensor) -> Tensor:
        batch, length, columns = joined.shape
        split = joined.view(batch, length, 3, self.heads, columns // (3 * self.heads))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        query, key = (self._rotate(part) for part in (query, key))
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + self.mask
        mixed: Tensor = scores.softmax(dim=-1) @ value
        return mixed.transpose(1, 2).flatten(2)

    def _rotate(self, part: Tensor) -> Tensor:
        first, second = part.chunk(2, dim=-1)
        return part * self.cosine + torch.cat([-second, first], dim=-1) * self.sine
