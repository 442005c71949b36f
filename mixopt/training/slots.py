"""The slots of a lane: K rows of a stack and its optimizer, into which states are loaded and taken out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from mixopt.corpus.store import Batch as Rows
from mixopt.proxy.backends.backend import Backend, Batch
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.layout import initial_row, lay_out
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import make_optimizer
from mixopt.proxy.planner import LanePlan
from mixopt.schedule.schedule import StageKind
from mixopt.training.feed import stack_rows
from mixopt.training.stages.table import BATCHES
from mixopt.training.states import State

_LARGEST_LOSS = 3.0  # multiples of the loss of guessing
_FIRST_STEPS = 10  # of a leg, in which a loss may be larger


class Slots:
    """K slots of one shape; what is in one never depends on the others."""

    def __init__(
        self, proxy: ProxyRecipe, *, vocabulary: int, plan: LanePlan, device: torch.device | str
    ) -> None:
        """Make as many empty slots as the plan has members."""
        columns = lay_out(proxy.architecture, vocabulary).num_parameters
        parameters = torch.zeros(plan.members, columns, device=device)
        self.stack = Stack(proxy, vocabulary=vocabulary, parameters=parameters)
        self.backend = make_backend(self.stack, plan.micro_sequences)
        self._micro_sequences = plan.micro_sequences
        self.optimizer = make_optimizer(self.stack)

    @property
    def width(self) -> int:
        """K."""
        return self.stack.num_members

    def initial(self, seed: int) -> State:
        """Return the state of a fresh member of a seed."""
        row = torch.from_numpy(initial_row(self.stack.layout, seed))
        return State(parameters=row.to(self.stack.parameters.dtype))

    def load(self, slot: int, state: State) -> None:
        """Put a state into a slot, bit for bit."""
        self.clear(slot)
        self.stack.parameters[slot].copy_(state.parameters)
        if state.first_moments is not None and state.second_moments is not None:
            self.optimizer.first_moments[slot].copy_(state.first_moments)
            self.optimizer.second_moments[slot].copy_(state.second_moments)
            self.optimizer.steps[slot] = state.steps

    def take(self, slot: int) -> State:
        """Return a copy of what a slot holds."""
        return State(
            parameters=self.stack.parameters[slot].to("cpu", copy=True),
            first_moments=self.optimizer.first_moments[slot].to("cpu", copy=True),
            second_moments=self.optimizer.second_moments[slot].to("cpu", copy=True),
            steps=float(self.optimizer.steps[slot]),
        )

    def clear(self, slot: int) -> None:
        """Empty a slot; whatever a diverged member left would slow the arithmetic down."""
        self.stack.parameters[slot].zero_()
        self.stack.gradients[slot].zero_()
        self.optimizer.reset(slot)

    def gradients(self, kind: StageKind, rows: Sequence[Rows | None]) -> list[float]:
        """Find the gradients of the slots that have rows.

        Returns:
            Losses in nats per token, [K]; NaN in idle slots.
        """
        live = [slot for slot, each in enumerate(rows) if each is not None]
        return self.train(BATCHES[kind](stack_rows(rows)), live)

    def train(self, batch: Batch, live: Sequence[int]) -> list[float]:
        """Find the gradients of some slots on a batch of all K.

        Returns:
            Weighted sums of token losses in nats, [K]; NaN in idle slots.
        """
        self.stack.clear_gradients()
        losses: list[float] = self.backend.train(batch, live).tolist()
        return losses

    def copy_backend(self) -> Backend:
        """Return a backend of a copy of all members as they are now."""
        stack = Stack(
            self.stack.config,
            vocabulary=self.stack.vocabulary,
            parameters=self.stack.parameters.clone(),
        )
        stack.rope_scale = self.stack.rope_scale
        return make_backend(stack, self._micro_sequences)

    def update(self, rates: Mapping[int, float]) -> list[float]:
        """Take one step in the slots that have a learning rate, and return all gradient norms."""
        each = [rates.get(slot, 0.0) for slot in range(self.width)]
        resting = [slot for slot in range(self.width) if slot not in rates]
        steps = self.optimizer.steps[resting]  # a step that is not taken corrects no bias
        norms: list[float] = self.optimizer.step(torch.tensor(each, dtype=torch.float64)).tolist()
        if resting:
            self.optimizer.steps[resting] = steps
        return norms

    def has_diverged(self, loss: float, norm: float, leg_step: int) -> bool:
        """Return whether a member is lost: nothing finite, or far worse than guessing.

        Guessing costs ln V. A loss beyond three times that, once the first steps of a leg are done,
        comes from logits so large that training is lost.
        """
        if not math.isfinite(loss) or not math.isfinite(norm):
            return True
        bound = _LARGEST_LOSS * math.log(self.stack.vocabulary)
        return leg_step >= _FIRST_STEPS and loss > bound
