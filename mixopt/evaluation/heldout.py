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

_TOKENS_AT_ONCE = 2048
_LEAST_SEQUENCES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Held-out sequences of some domains, the same for every proxy."""

    context: int  # targets per sequence, T
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
        context=context,
        domains=tuple(chosen),
        tokens=tuple(tokens for tokens, _ in chosen.values()),
        bytes_per_token=tuple(ratio for _, ratio in chosen.values()),
    )


def sequences_at(sequences: int, context: int, longer: int) -> int:
    """Return how many sequences of another context cost what some of one context do; at least 4."""
    return max(sequences * context // longer, min(sequences, _LEAST_SEQUENCES))


def measure_held_out(
    backend: Backend, held_out: HeldOut, stage: str, names: Sequence[str] = ("bits_per_byte",)
) -> list[list[Measure]]:
    """Return measures of every domain and their means, for each of the K members.

    Bytes are tokens times the split's bytes per token, so that the numbers of two tokenizers
    compare. The standard error is over sequences. Without a domain there is nothing to return.

    Args:
        backend: runs the members, at the rotary base that their stack has now.
        held_out: the sequences.
        stage: after which it is.
        names: `bits_per_byte` over all targets, `long_bits_per_byte` over the last half of each
            sequence's.
    """
    firsts = [held_out.context // 2 if name == "long_bits_per_byte" else 0 for name in names]
    bits = [_bits(backend, tokens, firsts) for tokens in held_out.tokens]
    found: list[list[Measure]] = []
    for member in range(backend.stack.num_members):
        measures: list[Measure] = []
        for number, name in enumerate(names):
            rows = [
                part[number, member] / ratio
                for part, ratio in zip(bits, held_out.bytes_per_token, strict=True)
            ]
            measures += _member(rows, held_out.domains, name, stage)
        found.append(measures)
    return found


def _bits(backend: Backend, tokens: Tensor, firsts: Sequence[int]) -> NDArray[np.float64]:
    """Return the mean bits per token of each sequence from each of some targets on; [F, K, N]."""
    parts = []
    for rows in torch.split(tokens, max(1, _TOKENS_AT_ONCE // (tokens.shape[1] - 1))):
        losses = backend.token_losses(rows[None])
        means = [losses[..., first:].mean(dim=-1) for first in firsts]
        parts.append(torch.stack(means).double().cpu())
    return np.asarray(torch.cat(parts, dim=-1).numpy() / math.log(2))


def _member(
    rows: list[NDArray[np.float64]], domains: tuple[str, ...], name: str, stage: str
) -> list[Measure]:
    if not rows:
        return []
    values = [float(row.mean()) for row in rows]
    errors = [float(row.std(ddof=1) / math.sqrt(len(row))) if len(row) > 1 else 0.0 for row in rows]
    subjects = [*domains, MEAN]
    count = len(values)
    values.append(sum(values) / count)
    errors.append(math.hypot(*errors) / count)
    return [
        Measure(stage=stage, name=name, subject=subject, value=value, standard_error=error)
        for subject, value, error in zip(subjects, values, errors, strict=True)
    ]
