"""Bits per byte of held-out text, per domain, of all members of a stack at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixopt import seeds
from mixopt.catalog.documents import Split
from mixopt.corpus.store import TokenStore
from mixopt.evaluation.measure import MEAN, Measure
from mixopt.proxy.backends.backend import Backend

_ROWS_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Held-out sequences of some domains, the same for every proxy."""

    domains: tuple[str, ...]
    tokens: tuple[Tensor, ...]  # per domain, ids [N, T+1]
    bytes_per_token: tuple[float, ...]  # of the split that the sequences are from


def read_held_out(
    store: TokenStore, domains: Sequence[str], split: Split, *, sequences: int, context: int
) -> HeldOut:
    """Choose sequences of each domain; domains without a whole sequence in the split are left out."""
    chosen: dict[str, tuple[Tensor, float]] = {}
    for name in domains:
        held = store.domain(name, split)
        available = held.num_sequences(context)
        if available > 0:
            order = np.arange(min(sequences, available))
            ids = seeds.permute(order, available, seeds.derive(0, "held-out", name, split))
            tokens = torch.from_numpy(held.gather(ids, context).tokens)
            chosen[name] = (tokens, held.num_bytes / held.num_tokens)
    return HeldOut(
        domains=tuple(chosen),
        tokens=tuple(tokens for tokens, _ in chosen.values()),
        bytes_per_token=tuple(ratio for _, ratio in chosen.values()),
    )


def measure_held_out(backend: Backend, held_out: HeldOut, stage: str) -> list[list[Measure]]:
    """Return the bits per byte of every domain and their mean, for each of the K members.

    Bytes are tokens times the split's bytes per token, so that the numbers of two tokenizers
    compare. The standard error is over sequences. Without a domain there is nothing to return.
    """
    columns = [
        _bits(backend, tokens) / ratio
        for tokens, ratio in zip(held_out.tokens, held_out.bytes_per_token, strict=True)
    ]
    return [
        _member([column[member] for column in columns], held_out.domains, stage)
        for member in range(backend.stack.num_members)
    ]


def _bits(backend: Backend, tokens: Tensor) -> NDArray[np.float64]:
    """Return the mean bits per token of each sequence; [K, N]."""
    parts = []
    for rows in torch.split(tokens, _ROWS_AT_ONCE):
        losses = backend.token_losses(rows[None])
        parts.append(losses.mean(dim=-1).double().cpu())
    return np.asarray(torch.cat(parts, dim=1).numpy() / math.log(2))


def _member(rows: list[NDArray[np.float64]], domains: tuple[str, ...], stage: str) -> list[Measure]:
    if not rows:
        return []
    values = [float(row.mean()) for row in rows]
    errors = [float(row.std(ddof=1) / math.sqrt(len(row))) if len(row) > 1 else 0.0 for row in rows]
    subjects = [*domains, MEAN]
    count = len(values)
    values.append(sum(values) / count)
    errors.append(math.hypot(*errors) / count)
    return [
        Measure(
            stage=stage, name="bits_per_byte", subject=subject, value=value, standard_error=error
        )
        for subject, value, error in zip(subjects, values, errors, strict=True)
    ]
