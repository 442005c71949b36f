"""The probe: losses and gradients of single domains, on a few training sequences of a pupil's own pools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mixopt import seeds
from mixopt.corpus.store import Batch as Rows
from mixopt.corpus.store import TokenStore
from mixopt.schedule.repetition import sequences_of
from mixopt.training.feed import stack_rows
from mixopt.training.sessions.session import Pupil
from mixopt.training.sessions.views import View, Views
from mixopt.training.stages.table import BATCHES

Vector = NDArray[np.float64]

_SHARE = 0.04
"""Of the training between two updates, for losses and for gradients each."""
_ALONE = 2.5
"""Cost of a sequence that is trained on alone, of that of one among others."""
_MOST_SEQUENCES = 8
_FORWARD = 1 / 3
"""Cost of a loss, of that of a gradient: the backward pass costs two forward passes."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Probe:
    """Sequences of the M domains that a policy weighs, out of the pools that the pupil trains on."""

    pupil: Pupil
    columns: tuple[int, ...]  # [M] sources of the plan
    sequences: int  # per domain whose losses are compared over time
    store: TokenStore

    def rows(self, column: int, positions: NDArray[np.int64]) -> Rows:
        """Return sequences of a source by their position in a shuffled pool, which goes round."""
        plan, part = self.pupil.plan, self.pupil.part
        pool, source = plan.pools[column], plan.sources[column]
        key = seeds.derive(plan.seed, "probe", part.stage.name, source.domain)
        inside = seeds.permute(positions % pool.num_sequences, pool.num_sequences, key)
        ids = sequences_of([pool], np.zeros_like(inside), inside)
        return self.store.domain(source.domain, "train").gather(ids, source.context, source.packing)

    def fixed(self) -> Rows:
        """Return the same sequences every time, domain by domain; [M x sequences, T+1]."""
        positions = np.arange(self.sequences)
        return _joined([self.rows(column, positions) for column in self.columns])

    def fresh(self, number: int) -> list[Rows]:
        """Return one sequence of every domain, others for every number; M of [1, T+1]."""
        position = np.array([self.sequences + number])
        return [self.rows(column, position) for column in self.columns]


def affordable_sequences(num_domains: int, block_rows: float) -> int:
    """Return how many sequences per domain to find losses of after every `block_rows` trained on."""
    found = int(_SHARE * block_rows / (num_domains * _FORWARD))
    return min(max(found, 1), _MOST_SEQUENCES)


def updates_between(num_gradients: int, block_rows: float) -> int:
    """Return after how many blocks of rows to find so many gradients of a sequence anew."""
    return max(1, math.ceil(num_gradients * _ALONE / (_SHARE * block_rows)))


def find_losses(views: Views, probes: Sequence[Probe]) -> list[Vector]:
    """Return the losses per domain on the fixed sequences, in nats per token; [M] of every probe."""
    found: dict[int, Vector] = {}
    for shape in dict.fromkeys(_shape(probe) for probe in probes):
        alike = {probe.pupil.slot: probe for probe in probes if _shape(probe) == shape}
        for view in views([probe.pupil for probe in alike.values()]):
            rows = [alike[pupil.slot].fixed() for pupil in view.pupils]
            means = _mean_losses(view, rows).reshape(len(rows), shape[0], -1).mean(axis=2)
            found |= {pupil.slot: row for pupil, row in zip(view.pupils, means, strict=True)}
    return [found[probe.pupil.slot] for probe in probes]


def find_gradients(views: Views, probes: Sequence[Probe], number: int) -> list[Vector]:
    """Return the gradient of the loss of one sequence of every domain; [M, P] of every probe.

    Args:
        views: of the pupils' slots; their gradients are overwritten.
        probes: of pupils.
        number: names the sequences.
    """
    found: dict[int, Vector] = {}
    for count in dict.fromkeys(len(probe.columns) for probe in probes):
        alike = {probe.pupil.slot: probe for probe in probes if len(probe.columns) == count}
        for view in views([probe.pupil for probe in alike.values()]):
            rows = [alike[pupil.slot].fresh(number) for pupil in view.pupils]
            parts = [_gradient(view, [each[domain] for each in rows]) for domain in range(count)]
            table = torch.stack(parts, dim=1).double().cpu().numpy()  # [pupils, M, P]
            found |= {pupil.slot: part for pupil, part in zip(view.pupils, table, strict=True)}
    return [found[probe.pupil.slot] for probe in probes]


def alignments(gradients: Vector) -> Vector:
    """Return the inner products of gradients [M, P] in units of their mean norm; [M, M].

    As in DoGE's release (Fan et al. 2023, arXiv:2310.15393).
    """
    mean = np.linalg.norm(gradients, axis=1).mean()
    scaled = gradients / max(mean, np.finfo(float).tiny)
    return np.asarray(scaled @ scaled.T)


def transfers(gradients: Vector, others: Vector) -> Vector:
    """Return how far a short step on domain i (row) lowers the loss of domain j; [M, M].

    The limit of a trial step of plain gradient descent: L_j(w) - L_j(w - s g_i / |g_i|) is
    s <g_i, g_j> / |g_i| for short lengths s. All steps have one length, as an optimizer's have. The
    two gradients are of other sequences, so that no domain gains from the very text it learned.

    Args:
        gradients: [M, P] to step along.
        others: [M, P] of the same domains on other sequences.
    """
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    return np.asarray(gradients @ others.T / np.maximum(norms, np.finfo(float).tiny))


def _shape(probe: Probe) -> tuple[int, int]:
    return len(probe.columns), probe.sequences


def _mean_losses(view: View, rows: Sequence[Rows]) -> Vector:
    """Return the mean loss of the targets of each row [B, T+1] of each pupil; [pupils, B]."""
    placed = _placed(view, rows)
    segments = None if placed.segments is None else torch.from_numpy(placed.segments)
    losses = view.backend.token_losses(torch.from_numpy(placed.tokens), segments)
    table = losses[list(view.rows)].double().cpu().numpy()
    if placed.answers is None:
        return np.asarray(table.mean(axis=2))
    targets = placed.answers[list(view.rows), :, 1:]
    return np.asarray((table * targets).sum(axis=2) / np.maximum(targets.sum(axis=2), 1))


def _gradient(view: View, rows: Sequence[Rows]) -> Tensor:
    """Return the gradients of pupils on rows of their own; [pupils, P]."""
    stack = view.backend.stack
    stack.clear_gradients()
    kind = view.pupils[0].part.stage.kind
    view.backend.train(BATCHES[kind](_placed(view, rows)), view.rows)
    return stack.gradients[list(view.rows)].clone()


def _placed(view: View, rows: Sequence[Rows]) -> Rows:
    """Return the rows of pupils where the view has them; [K, B, T+1]."""
    by_row: Mapping[int, Rows] = dict(zip(view.rows, rows, strict=True))
    return stack_rows([by_row.get(row) for row in range(view.backend.stack.num_members)])


def _joined(rows: Sequence[Rows]) -> Rows:
    parts = {
        name: np.concatenate([getattr(each, name) for each in rows])
        for name in ("tokens", "answers", "segments")
        if getattr(rows[0], name) is not None
    }
    return Rows(**parts)
