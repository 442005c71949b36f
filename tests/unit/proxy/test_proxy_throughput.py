"""The sweep: rates that add up, batches cut to the time at hand, and an end where memory ends."""

from __future__ import annotations

import pytest
import torch
from tiny import PROXY

from mixopt.proxy import throughput
from mixopt.proxy.backends.backend import Backend
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.cost import cost_of
from mixopt.proxy.model import Stack
from mixopt.proxy.throughput import Bench


def _bench(*, seconds: float = 0.01, peak_flops: float = 1e12) -> Bench:
    return Bench(
        proxy=PROXY,
        vocabulary=40,
        device=torch.device("cpu"),
        peak_flops=peak_flops,
        seconds=seconds,
    )


def test_rate_and_utilization_follow_from_the_time_of_a_step() -> None:
    rows = list(_bench().sweep([1, 3]))
    assert [row.members for row in rows] == [1, 3]
    for row in rows:
        assert row.sequences == row.micro_sequences == PROXY.training.sequences
        tokens = row.members * PROXY.training.step_tokens
        assert row.tokens_per_second == pytest.approx(tokens / row.step_seconds)
        flops = row.tokens_per_second * cost_of(PROXY, 40).flops
        assert row.utilization == pytest.approx(flops / 1e12)


def test_a_slow_device_is_measured_on_fewer_sequences_or_not_at_all() -> None:
    row = PROXY.training.context * cost_of(PROXY, 40).flops
    slow = _bench(peak_flops=row / 0.3 / 0.015)  # a sequence should take a hundredth and a half
    assert [each.sequences for each in slow.sweep([1])] == [1]
    assert list(_bench(peak_flops=row / 0.3).sweep([1])) == []


def test_what_does_not_fit_is_computed_in_more_passes_then_ends_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = make_backend

    def cramped(stack: Stack, micro_sequences: int | None = None) -> Backend:
        if stack.num_members * (micro_sequences or 0) > 2:
            message = "full"
            raise torch.OutOfMemoryError(message)
        return original(stack)

    monkeypatch.setattr(throughput, "make_backend", cramped)
    rows = list(_bench().sweep([1, 2, 4, 8]))
    assert [(row.members, row.micro_sequences) for row in rows] == [(1, 2), (2, 1)]


def test_another_error_is_not_taken_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(stack: Stack, micro_sequences: int | None = None) -> Backend:
        message = f"{stack.num_members} {micro_sequences}"
        raise RuntimeError(message)

    monkeypatch.setattr(throughput, "make_backend", broken)
    with pytest.raises(RuntimeError, match="1 2"):
        list(_bench().sweep([1]))
