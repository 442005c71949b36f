"""How fast a device trains stacks of one proxy: whole steps on random tokens, for one K after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

import torch

from mixopt.proxy.backends.backend import Backend, Batch
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.cost import cost_of, utilization
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import make_optimizer
from mixopt.proxy.optimizer import AdamW
from mixopt.proxy.planner import LanePlan, settle

_FEWEST_STEPS = 2
_LIKELY_UTILIZATION = 0.3  # to guess how long a step takes before one was made
_LONGEST_STEP = 20.0  # times the seconds that a measurement may take


@dataclass(frozen=True, kw_only=True, slots=True)
class Throughput:
    """What one stack reaches in steady state."""

    members: int
    sequences: int
    """Per step and member: the recipe's, or fewer where one step of these takes long enough."""
    micro_sequences: int
    """Per member that are computed at once; the gradients of a step are summed over them."""
    step_seconds: float
    tokens_per_second: float
    """Of all members together."""
    utilization: float
    """Share of the measured peak (MFU), by model operations."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What is measured, and where."""

    proxy: ProxyRecipe
    vocabulary: int
    device: torch.device
    peak_flops: float
    """Of the device, as `measure_peak` finds it."""
    seconds: float
    """Each measurement goes on for at least this long."""

    def sweep(self, widths: Sequence[int]) -> Iterator[Throughput]:
        """Yield the throughput of stacks of so many members, up to the first that does not fit."""
        for members in widths:
            sequences = self._sequences(members)
            if not sequences:
                return
            found = self._fitting(members, sequences)
            if found is None:
                return
            yield found

    def _sequences(self, members: int) -> int:
        """Return how many sequences to measure with; 0 where even one would take too long."""
        training = self.proxy.training
        row = members * training.context * cost_of(self.proxy, self.vocabulary).flops
        row_seconds = row / (_LIKELY_UTILIZATION * self.peak_flops)
        if row_seconds > _LONGEST_STEP * self.seconds:
            return 0
        return max(1, min(training.sequences, int(self.seconds / row_seconds)))

    def _fitting(self, members: int, sequences: int) -> Throughput | None:
        """Measure in as few passes as memory allows; None where it does not hold so many members."""
        found: list[Throughput] = []

        def attempt(plan: LanePlan) -> None:
            if plan.members == members:
                found.append(self._measure(members, sequences, plan.micro_sequences))

        settle(LanePlan(members=members, micro_sequences=sequences, bytes=0), attempt)
        return found[0] if found else None

    def _measure(self, members: int, sequences: int, micro: int) -> Throughput:
        training = self.proxy.training
        stack = _alike(self.proxy, self.vocabulary, members, self.device)
        backend, optimizer = make_backend(stack, micro), make_optimizer(stack)
        shape = (members, sequences, training.context + 1)
        tokens = torch.randint(self.vocabulary, shape, generator=torch.Generator().manual_seed(0))
        batch = Batch(tokens=tokens)
        # Twice: what is compiled, captured or allocated at first use is no steady state.
        for _ in range(2):
            _step(backend, optimizer, batch)
        step_seconds = self._step_seconds(backend, optimizer, batch)
        rate = members * sequences * training.context / step_seconds
        return Throughput(
            members=members,
            sequences=sequences,
            micro_sequences=micro,
            step_seconds=step_seconds,
            tokens_per_second=rate,
            utilization=utilization(rate, cost_of(self.proxy, self.vocabulary), self.peak_flops),
        )

    def _step_seconds(self, backend: Backend, optimizer: AdamW, batch: Batch) -> float:
        """Return the seconds of one step; of a processor, those that this process was given."""
        clock = process_time if self.device.type == "cpu" else perf_counter
        self._synchronize()
        started, steps = clock(), 0
        while steps < _FEWEST_STEPS or clock() - started < self.seconds:
            _step(backend, optimizer, batch)
            steps += 1
        self._synchronize()
        return (clock() - started) / steps

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _alike(proxy: ProxyRecipe, vocabulary: int, members: int, device: torch.device) -> Stack:
    """Return a stack of equal members: drawing each one's own weights may take minutes."""
    one = Stack.initialize(proxy, vocabulary=vocabulary, seeds=[0], device=device)
    parameters = one.parameters.repeat(members, 1)
    return Stack(proxy, vocabulary=vocabulary, parameters=parameters)


def _step(backend: Backend, optimizer: AdamW, batch: Batch) -> None:
    members = backend.stack.num_members
    backend.train(batch, range(members))
    rate = backend.stack.config.training.learning_rate
    optimizer.step(torch.full((members,), rate / 100, dtype=torch.float64))
