"""Views: what pupils are measured on in the middle of a session, no wider than it has to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from mixopt.proxy.backends.backend import Backend
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.model import Stack
from mixopt.training.sessions.session import Bench, Pupil


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """Some pupils, as rows of a stack."""

    backend: Backend
    pupils: tuple[Pupil, ...]
    rows: tuple[int, ...]  # of each pupil in the stack


class Views:
    """Shows pupils on a stack of one row on a CPU, and where they are on an accelerator.

    A backend evaluates all members of its stack. On a CPU each costs time, and a member's numbers
    do not depend on how many there are, so a pupil is copied into a stack of its own; an
    accelerator takes about as long for one as for all. The stack's gradients may be overwritten.
    """

    def __init__(self, bench: Bench) -> None:
        """Prepare for the slots of a bench."""
        self._bench = bench
        stack = bench.slots.stack
        self._alone: Backend | None = None
        if stack.parameters.device.type == "cpu":
            row = torch.zeros_like(stack.parameters[:1])
            copied = Stack(stack.config, vocabulary=stack.vocabulary, parameters=row)
            copied.rope_scale = stack.rope_scale
            self._alone = make_backend(copied)

    def __call__(self, pupils: Sequence[Pupil]) -> Iterator[View]:
        """Yield views that have each of some pupils once, at its present parameters."""
        if self._alone is None:
            if pupils:
                slots = tuple(pupil.slot for pupil in pupils)
                yield View(backend=self._bench.backend, pupils=tuple(pupils), rows=slots)
            return
        for pupil in pupils:
            parameters = self._bench.slots.stack.parameters[pupil.slot]
            self._alone.stack.parameters[0].copy_(parameters)
            yield View(backend=self._alone, pupils=(pupil,), rows=(0,))
