"""The CPU backend equals the reference backend, and a member equals itself in every stack."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from proxy_reference import make, random_tokens, recipe
from torch import Tensor

from mixopt.proxy import route
from mixopt.proxy.backends import cpu, cpu_member
from mixopt.proxy.backends.backend import Backend, Batch
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.backends.cpu import CpuBackend
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import make_optimizer
from mixopt.seeds import generator

_SEGMENTS = [1, 1, 1, 1, 2, 2, 2, 3, 0, 0, 0, 0, 0, 0]


def _weights(*shape: int) -> Tensor:
    """Draw weights of which some are negative and some are zero."""
    weights = torch.from_numpy(generator(0, "weights").standard_normal(shape))
    return weights * (weights > -1)


def _stack(
    seeds: list[int],
    dtype: torch.dtype = torch.float32,
    vocabulary: int = 264,
    **changes: object,
) -> Stack:
    """Return a stack of another shape or training, with filled projections."""
    given = recipe().model_dump()
    for part in (given["architecture"], given["training"]):
        part |= {name: value for name, value in changes.items() if name in part}
    config = ProxyRecipe.model_validate(given)
    stack = Stack.initialize(config, vocabulary=vocabulary, seeds=seeds, dtype=dtype)
    for row, seed in zip(stack.parameters, seeds, strict=True):
        noise = generator(seed, "noise").standard_normal(stack.num_parameters)
        row.add_(torch.from_numpy(noise).to(dtype), alpha=0.1)
    return stack


def _check(found: Stack, expected: Stack, batch: Batch, error: float) -> None:
    """Hold losses and gradients of the CPU backend to the reference's."""
    backend, oracle = CpuBackend(found), ReferenceBackend(expected)
    live = list(range(found.num_members))
    sums = oracle.train(batch, live)
    torch.testing.assert_close(backend.train(batch, live), sums, rtol=error, atol=error)
    scale = float(expected.gradients.abs().max())
    assert float((found.gradients - expected.gradients).abs().max()) <= error * scale
    tokens = batch.tokens[:1]
    segments = None if batch.segments is None else batch.segments[:1]
    losses = oracle.token_losses(tokens, segments)
    assert float((backend.token_losses(tokens, segments) - losses).abs().max()) <= 10 * error


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_float64_equals_the_reference(tied: bool, packed: bool, weighted: bool) -> None:  # noqa: FBT001 - cases
    tokens = random_tokens([1, 2], 3, 14)
    segments = torch.tensor(_SEGMENTS).expand(2, 3, 14) if packed else None
    weights = _weights(2, 3, 13) if weighted else None
    batch = Batch(tokens=tokens, weights=weights, segments=segments)
    _check(make([1, 2], tied=tied), make([1, 2], tied=tied), batch, 1e-12)


@pytest.mark.parametrize(
    ("heads", "width", "length"), [(1, 16, 1), (2, 24, 17), (4, 16, 33), (1, 40, 64), (4, 128, 70)]
)
def test_any_shape_equals_the_reference(heads: int, width: int, length: int) -> None:
    shape: dict[str, Any] = {"heads": heads, "width": width, "feedforward": width + 4, "layers": 1}
    tokens = random_tokens([1, 2], 2, length + 1)
    pair = [_stack([1, 2], torch.float64, **shape) for _ in range(2)]
    _check(pair[0], pair[1], Batch(tokens=tokens), 1e-11)


@pytest.mark.parametrize("tied", [True, False])
def test_logits_that_come_in_several_tiles_equal_the_reference(
    monkeypatch: pytest.MonkeyPatch,
    tied: bool,  # noqa: FBT001 - cases
) -> None:
    monkeypatch.setattr(cpu_member, "_LOGITS", 7 * 24)  # 39 tokens of 24 ids: five tiles and a part
    batch = Batch(tokens=random_tokens([1, 2], 3, 14), weights=_weights(2, 3, 13))
    _check(make([1, 2], tied=tied), make([1, 2], tied=tied), batch, 1e-12)


def test_a_large_vocabulary_equals_the_reference() -> None:
    pair = [_stack([1, 2], torch.float64, vocabulary=4096) for _ in range(2)]
    tokens = torch.from_numpy(generator(0, "large").integers(0, 4096, (2, 3, 50)))
    _check(pair[0], pair[1], Batch(tokens=tokens), 1e-11)


def test_packed_examples_are_computed_as_they_are_alone() -> None:
    backend, tokens = CpuBackend(make([1, 2])), random_tokens([1, 2], 1, 12)
    packed = backend.token_losses(tokens, torch.tensor([[[1] * 5 + [2] * 7]]))
    alone = backend.token_losses(tokens[..., 5:])
    torch.testing.assert_close(packed[..., 5:], alone, rtol=0, atol=1e-11)


def test_scattered_segments_equal_the_reference() -> None:
    segments = torch.from_numpy(generator(0, "segments").integers(0, 4, (2, 3, 41)))
    batch = Batch(tokens=random_tokens([1, 2], 3, 41), segments=segments)
    _check(make([1, 2]), make([1, 2]), batch, 1e-12)


@pytest.mark.parametrize("tokens", [1, 24, 40])
def test_pieces_of_a_batch_add_up(monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    monkeypatch.setattr(cpu, "_PASS_TOKENS", tokens)
    batch = Batch(tokens=random_tokens([1, 2], 5, 13), weights=_weights(2, 5, 12))
    _check(make([1, 2]), make([1, 2]), batch, 1e-12)


def test_float32_stays_close_to_float64() -> None:
    tokens = random_tokens([1, 2], 3, 40)
    found, expected = make([1, 2], dtype=torch.float32), make([1, 2])
    losses = CpuBackend(found).train(Batch(tokens=tokens), [0, 1])
    exact = ReferenceBackend(expected).train(Batch(tokens=tokens), [0, 1])
    torch.testing.assert_close(losses.double(), exact, rtol=1e-6, atol=0)
    error = (found.gradients - expected.gradients).norm() / expected.gradients.norm()
    assert float(error) < 1e-5


def test_gradients_are_added_to_those_of_live_members_only() -> None:
    stack, tokens = make([1, 2, 3]), random_tokens([1, 2, 3], 2, 9)
    stack.gradients.fill_(1.0)
    sums = CpuBackend(stack).train(Batch(tokens=tokens), [2, 0])
    assert sums.isfinite().tolist() == [True, False, True]
    assert (stack.gradients[1] == 1).all()
    fresh = make([1, 2, 3])
    CpuBackend(fresh).train(Batch(tokens=tokens), [0, 2])
    torch.testing.assert_close(stack.gradients[0], fresh.gradients[0] + 1, rtol=0, atol=1e-12)


def test_gradients_are_the_slopes_of_the_loss() -> None:
    stack, tokens, weights = make([1]), random_tokens([1], 2, 9), _weights(1, 2, 8)
    backend, batch = CpuBackend(stack), Batch(tokens=tokens, weights=weights)
    backend.train(batch, [0])
    gradients, row = stack.gradients[0].clone(), stack.parameters[0]
    for place in generator(0, "places").integers(0, stack.num_parameters, 40).tolist():
        losses = []
        for step in (1e-5, -2e-5):
            row[place] += step
            losses.append(float(backend.train(batch, [0])[0]))
        row[place] += 1e-5
        assert abs((losses[0] - losses[1]) / 2e-5 - float(gradients[place])) < 1e-7


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("width", [16, 66])
@pytest.mark.parametrize("sick", [float("nan"), float("inf")])
def test_a_member_is_bitwise_the_same_in_every_stack(
    precision: str, width: int, sick: float
) -> None:
    def after_training(seeds: list[int]) -> Tensor:
        shape: dict[str, Any] = {"width": width, "heads": 1, "feedforward": 2 * width + 1}
        stack = _stack(seeds, precision=precision, optimizer="muon", **shape)
        stack.parameters[[seed == 9 for seed in seeds], 5] = sick
        backend, optimizer = make_backend(stack), make_optimizer(stack)
        for _ in range(2):
            backend.train(Batch(tokens=random_tokens(seeds, 6, 52)), range(len(seeds)))
            optimizer.step(torch.full((len(seeds),), 1e-2))
        return stack.parameters[seeds.index(7)]

    alone = after_training([7])
    for seeds in ([7, 9], [9, 7], [1, 9, 7], [3, 4, 9, 5, 7, 6]):
        assert torch.equal(after_training(seeds), alone)


def test_rounded_factors_stay_close_to_the_reference() -> None:
    shape: dict[str, Any] = {"width": 64, "heads": 2, "feedforward": 192, "layers": 1}
    stacks = [_stack([1, 2], precision="bfloat16", **shape) for _ in range(2)]
    batch = Batch(tokens=random_tokens([1, 2], 8, 97))
    expected = ReferenceBackend(stacks[1]).train(batch, [0, 1])
    torch.testing.assert_close(
        CpuBackend(stacks[0]).train(batch, [0, 1]), expected, rtol=2e-3, atol=0
    )
    difference = (stacks[0].gradients - stacks[1].gradients).norm() / stacks[1].gradients.norm()
    assert float(difference) < 0.02


def _climbing(step: int) -> Tensor:
    """Return rows [1, 8, 33] of 40 ids that climb by 1 to 3 per token, with some noise."""
    stream = generator(step, "climbing")
    climbs = stream.integers(1, 4, (8, 1)).repeat(33, axis=1)
    climbs += (stream.random((8, 33)) < 0.1) * stream.integers(0, 40, (8, 33))
    return torch.from_numpy(climbs.cumsum(axis=1) % 40)[None]


def _held_out(precision: str, seeds: list[int]) -> Tensor:
    """Return the members' mean losses [K] on fresh rows, trained and measured in a precision."""
    shape: dict[str, Any] = {"width": 32, "feedforward": 64, "base_width": 32}
    stack = _stack(seeds, precision=precision, optimizer="muon", **shape)
    backend, optimizer = CpuBackend(stack), make_optimizer(stack)
    for step in range(40):
        tokens = _climbing(step).expand(len(seeds), -1, -1)
        backend.train(Batch(tokens=tokens), range(len(seeds)))
        optimizer.step(torch.full((len(seeds),), 1e-2))
    fresh = torch.cat([_climbing(step) for step in range(1000, 1008)], dim=1)
    return backend.token_losses(fresh).double().mean(dim=(1, 2))


def test_training_in_bfloat16_is_not_biased_beyond_the_noise_of_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if route.find_route("bfloat16") == route.find_route("float32"):
        pytest.skip("this processor gains nothing from rounded factors")
    monkeypatch.setattr(route, "_SMALLEST_ROUNDED", 0)  # all products, those of Muon too
    seeds = list(range(6))
    exact, rounded = (_held_out(precision, seeds) for precision in ("float32", "bfloat16"))
    assert float(exact.mean()) < 0.5 * math.log(40)  # it has learned
    assert not torch.equal(rounded, exact)
    noise = float(exact.std()) / math.sqrt(len(seeds))
    assert abs(float((rounded - exact).mean())) < noise


@pytest.mark.parametrize("name", ["embedding", "final_norm", "layers.1.down", "layers.0.gate_up"])
@pytest.mark.parametrize("sick", [float("nan"), float("inf"), -float("inf")])
def test_a_diverged_member_shows_it(name: str, sick: float) -> None:
    stack, tokens = make([1, 2], dtype=torch.float32), random_tokens([1, 2], 2, 20)
    stack.weights()[name].detach()[1].view(-1)[3] = sick
    tokens[1] = 0  # the row of the embedding that is sick
    sums = CpuBackend(stack).train(Batch(tokens=tokens), [0, 1])
    assert sums[0].isfinite()
    assert stack.gradients[0].isfinite().all()
    assert not (sums[1].isfinite() and stack.gradients[1].isfinite().all())


def test_padding_has_finite_losses_and_what_weighs_nothing_has_no_gradient() -> None:
    stack, tokens = make([1], dtype=torch.float32), random_tokens([1], 1, 14)
    segments = torch.tensor(_SEGMENTS).expand(1, 1, 14)
    backend = CpuBackend(stack)
    assert backend.token_losses(tokens, segments).isfinite().all()
    batch = Batch(tokens=tokens, weights=torch.zeros(1, 1, 13), segments=segments)
    assert backend.train(batch, [0]) == 0
    assert not stack.gradients.any()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_fifty_steps_follow_the_reference(optimizer: str) -> None:
    stacks = [_stack([1, 2], torch.float64, optimizer=optimizer) for _ in range(2)]
    backends: list[Backend] = [CpuBackend(stacks[0]), ReferenceBackend(stacks[1])]
    for backend in backends:
        update = make_optimizer(backend.stack)
        for step in range(50):
            backend.train(Batch(tokens=random_tokens([step, step + 100], 3, 13)), [0, 1])
            update.step(torch.tensor([1e-2, 3e-3]))
    torch.testing.assert_close(stacks[0].parameters, stacks[1].parameters, rtol=0, atol=1e-9)


def test_the_backend_of_main_memory_names_what_decides_rounding() -> None:
    stack = make([1], dtype=torch.float32)
    backend = make_backend(stack)
    assert isinstance(backend, CpuBackend)
    assert backend.fingerprint.startswith("cpu float32 ")
    assert CpuBackend(make([1])).fingerprint != backend.fingerprint
