"""The CUDA backend on a CPU against the reference backend: all of it but the kernels and graphs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from proxy_reference import VOCABULARY, make, random_tokens
from torch import Tensor

from mixopt.proxy.backends import chunked_loss
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.cuda import CudaBackend
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.device_optimizer import DeviceAdamW
from mixopt.proxy.model import Stack
from mixopt.seeds import generator

SEEDS = [1, 2, 3]
EXAMPLES = torch.tensor([1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 0, 0])


def _batch(kind: str) -> Batch:
    """Five rows of 12 targets: plain text, or examples with answers, padding and odd weights."""
    tokens = random_tokens(SEEDS, 5, 13)
    if kind == "text":
        return Batch(tokens=tokens)
    weights = torch.linspace(-1, 1, 3 * 5 * 12, dtype=torch.float64).view(3, 5, 12)
    weights[1] = 0.0
    return Batch(tokens=tokens, weights=weights, segments=EXAMPLES.expand(3, 5, 13))


def _trained(stack: Stack, batch: Batch, live: list[int], **options: object) -> Tensor:
    backend = CudaBackend(stack, **options)  # type: ignore[arg-type]
    return backend.train(batch, live)


@pytest.mark.parametrize("kind", ["text", "examples"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("micro", "logits"), [(None, 2**28), (2, 2**28), (2, 7 * VOCABULARY)])
def test_float64_equals_the_reference(
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    tied: bool,  # noqa: FBT001 - a case
    micro: int | None,
    logits: int,
) -> None:
    monkeypatch.setattr(chunked_loss, "LOGITS_AT_ONCE", logits)
    here, there = make(SEEDS, tied=tied), make(SEEDS, tied=tied)
    sums = _trained(here, _batch(kind), [0, 1, 2], micro_sequences=micro)
    expected = ReferenceBackend(there).train(_batch(kind), [0, 1, 2])
    torch.testing.assert_close(sums, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(here.gradients, there.gradients, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["text", "examples"])
def test_token_losses_equal_the_reference(kind: str) -> None:
    stack, batch = make(SEEDS), _batch(kind)
    found = CudaBackend(stack, 2).token_losses(batch.tokens, batch.segments)
    expected = ReferenceBackend(stack).token_losses(batch.tokens, batch.segments)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    shared = None if batch.segments is None else batch.segments[:1]
    found = CudaBackend(stack).token_losses(batch.tokens[:1], shared)
    expected = ReferenceBackend(stack).token_losses(batch.tokens[:1], shared)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["text", "examples"])
def test_bfloat16_stays_within_its_rounding(kind: str) -> None:
    stacks = [make(SEEDS, dtype=torch.float32) for _ in range(2)]
    backend = CudaBackend(stacks[0], compute=torch.bfloat16)
    sums = backend.train(_batch(kind), [0, 1, 2])
    expected = ReferenceBackend(stacks[1]).train(_batch(kind), [0, 1, 2])
    torch.testing.assert_close(sums, expected, rtol=0.01, atol=0.05)
    for member in (0, 1, 2):
        exact, found = stacks[1].gradients[member], stacks[0].gradients[member]
        assert float((found - exact).norm()) <= 0.04 * float(exact.norm())
    losses = backend.token_losses(_batch(kind).tokens, _batch(kind).segments)
    assert losses.dtype == torch.float32


def _stairs(step: int, members: int) -> Tensor:
    """Rows that climb by 1 to 3 per token, with some noise: [members, 8, 13], the same for all."""
    stream = generator(step, "stairs")
    climbs = np.repeat(stream.integers(1, 4, (8, 1)), 13, axis=1)
    climbs += (stream.random((8, 13)) < 0.1) * stream.integers(0, VOCABULARY, (8, 13))
    return torch.from_numpy(climbs.cumsum(axis=1) % VOCABULARY).expand(members, 8, 13)


def _held_out(dtype: torch.dtype, seeds: list[int]) -> Tensor:
    """Return the members' mean losses [K] on fresh rows, in float32, after training in a type."""
    stack = make(seeds, dtype=torch.float32)
    backend, optimizer = CudaBackend(stack, compute=dtype), DeviceAdamW(stack)
    for step in range(50):
        backend.train(Batch(tokens=_stairs(step, len(seeds))), range(len(seeds)))
        optimizer.step(torch.full((len(seeds),), 1e-2))
    fresh = torch.cat([_stairs(step, 1) for step in range(1000, 1020)], dim=1)
    return ReferenceBackend(stack).token_losses(fresh).mean(dim=(1, 2))


def test_training_in_bfloat16_is_not_biased_beyond_the_noise_of_seeds() -> None:
    exact, narrow = (_held_out(dtype, list(range(12))) for dtype in (torch.float32, torch.bfloat16))
    assert float(exact.mean()) < 0.8 * math.log(VOCABULARY)  # it has learned
    assert float((narrow - exact).mean().abs()) < float(exact.std())
    assert not torch.equal(narrow, exact)


def test_gradients_add_to_what_is_there_in_live_slots_only() -> None:
    stack, alone = make(SEEDS), make(SEEDS)
    stack.gradients.fill_(2.0)
    sums = _trained(stack, _batch("text"), [0, 2])
    ReferenceBackend(alone).train(_batch("text"), [0, 2])
    assert sums.isnan().tolist() == [False, True, False]
    assert bool((stack.gradients[1] == 2.0).all())
    torch.testing.assert_close(stack.gradients, alone.gradients + 2.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_slot_leaks_neither_alive_nor_off(bad: float) -> None:
    healthy, alive, off = make(SEEDS), make(SEEDS), make(SEEDS)
    for stack in (alive, off):
        stack.parameters[1] = bad
    expected = _trained(healthy, _batch("text"), [0, 1, 2])
    sums = _trained(alive, _batch("text"), [0, 1, 2])
    assert not bool(sums[1].isfinite())
    assert not bool(alive.gradients[1].isfinite().any())
    _trained(off, _batch("text"), [0, 2])
    assert not bool(off.gradients[1].any())
    for stack in (alive, off):
        assert torch.equal(stack.gradients[[0, 2]], healthy.gradients[[0, 2]])
    assert torch.equal(sums[[0, 2]], expected[[0, 2]])


def test_preparing_a_step_changes_nothing() -> None:
    stack = make(SEEDS)
    stack.gradients.fill_(2.0)
    before = stack.parameters.clone()
    step = CudaBackend(stack)._step(5, 12, segmented=True)
    step.run()
    assert torch.equal(stack.parameters, before)
    assert bool((stack.gradients == 2.0).all())
    assert not bool(step.inputs.sums.any())
