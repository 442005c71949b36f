"""The CUDA backend on a CUDA device: right, repeatable, untouched by neighbours, within its plan."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mixopt.errors import DeviceError
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.cuda import CudaBackend
from mixopt.proxy.backends.reference import ReferenceBackend
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.proxy.device_optimizer import DeviceAdamW, DeviceMuon
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import Muon, make_optimizer
from mixopt.proxy.optimizer import AdamW
from mixopt.proxy.planner import plan_lane
from mixopt.seeds import generator

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SEEDS = [1, 2, 3, 4]
VOCABULARY = 264
LENGTH = 64


def _recipe(precision: str) -> ProxyRecipe:
    nano = read_proxy("nano")
    training = nano.training.model_copy(update={"precision": precision})
    return nano.model_copy(update={"training": training})


def _stack(
    device: str, dtype: torch.dtype = torch.float32, *, precision: str = "bfloat16"
) -> Stack:
    """Return a stack whose zero-initialized projections are filled, so that they matter."""
    stack = Stack.initialize(
        _recipe(precision), vocabulary=VOCABULARY, seeds=SEEDS, dtype=torch.float64
    )
    for row, seed in zip(stack.parameters, SEEDS, strict=True):
        noise = generator(seed, "noise").standard_normal(stack.num_parameters)
        row.add_(torch.from_numpy(noise), alpha=0.02)
    parameters = stack.parameters.to(device=device, dtype=dtype)
    return Stack(stack.config, vocabulary=VOCABULARY, parameters=parameters)


def _batch(kind: str, step: int = 0) -> Batch:
    draw = generator(step, "batch").integers(0, VOCABULARY, (len(SEEDS), 6, LENGTH + 1))
    tokens = torch.from_numpy(draw)
    if kind == "text":
        return Batch(tokens=tokens)
    segments = (torch.arange(LENGTH + 1) // 20 + 1).masked_fill_(torch.arange(LENGTH + 1) > 55, 0)
    weights = torch.linspace(-1, 1, len(SEEDS) * 6 * LENGTH).view(len(SEEDS), 6, LENGTH)
    return Batch(tokens=tokens, weights=weights / 99, segments=segments.expand_as(tokens))


def _trained(stack: Stack, *, steps: int, live: list[int] | None = None) -> list[Tensor]:
    """Train on text, then on examples; the backend keeps all it has on by default."""
    backend, optimizer, history = CudaBackend(stack), make_optimizer(stack), []
    rates = torch.full((len(SEEDS),), 1e-3)
    for step in range(steps):
        kind = "text" if step < steps // 2 else "examples"
        history.append(backend.train(_batch(kind, step), live or range(len(SEEDS))))
        optimizer.step(rates)
    assert not backend.acceleration.reasons
    return history


@pytest.mark.parametrize("kind", ["text", "examples"])
@pytest.mark.parametrize("micro", [None, 4])
def test_float64_equals_the_reference(kind: str, micro: int | None) -> None:
    here, there = _stack("cuda", torch.float64), _stack("cpu", torch.float64)
    backend, batch = CudaBackend(here, micro), _batch(kind)
    expected = ReferenceBackend(there).train(batch, range(4))
    torch.testing.assert_close(backend.train(batch, range(4)), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(here.gradients.cpu(), there.gradients, rtol=0, atol=1e-10)
    found = backend.token_losses(batch.tokens, batch.segments)
    losses = ReferenceBackend(there).token_losses(batch.tokens, batch.segments)
    torch.testing.assert_close(found, losses, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["text", "examples"])
@pytest.mark.parametrize(("precision", "error"), [("float32", 1e-4), ("bfloat16", 4e-2)])
def test_narrow_types_stay_within_their_rounding(kind: str, precision: str, error: float) -> None:
    here, there = _stack("cuda", precision=precision), _stack("cpu", torch.float64)
    sums = CudaBackend(here).train(_batch(kind), range(4))
    expected = ReferenceBackend(there).train(_batch(kind), range(4))
    torch.testing.assert_close(sums.double(), expected, rtol=error, atol=error)
    for found, exact in zip(here.gradients.cpu().double(), there.gradients, strict=True):
        assert float((found - exact).norm()) <= error * float(exact.norm())


@pytest.mark.parametrize("kind", ["text", "examples"])
def test_a_replayed_graph_computes_what_its_kernels_compute_one_by_one(kind: str) -> None:
    graphed, plain = _stack("cuda"), _stack("cuda")
    backends = CudaBackend(graphed), CudaBackend(plain, graphs=False)
    for step in range(3):  # the second and third replay what the first captured
        sums = [backend.train(_batch(kind, step), [0, 2, 3]) for backend in backends]
        torch.testing.assert_close(*sums, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(graphed.gradients, plain.gradients)
    assert not any(backend.acceleration.reasons for backend in backends)


def test_training_repeats_bit_for_bit() -> None:
    first, second = _stack("cuda"), _stack("cuda")
    histories = [torch.stack(_trained(stack, steps=8)) for stack in (first, second)]
    assert torch.equal(*histories)
    assert torch.equal(first.parameters, second.parameters)


def test_neighbours_do_not_matter_diverged_and_off_included() -> None:
    healthy, sick = _stack("cuda"), _stack("cuda")
    sick.parameters[1] = float("nan")
    sick.parameters[3] *= 2
    _trained(healthy, steps=6)
    _trained(sick, steps=6, live=[0, 1, 2])
    assert torch.equal(sick.parameters[[0, 2]], healthy.parameters[[0, 2]])
    assert bool(sick.parameters[1].isnan().all())


def test_a_member_alone_agrees_to_rounding() -> None:
    together = _stack("cuda", precision="float32")
    alone = Stack(
        together.config, vocabulary=VOCABULARY, parameters=together.parameters[2:3].clone()
    )
    batch = _batch("text")
    sums = CudaBackend(together).train(batch, range(4))
    own = CudaBackend(alone).train(Batch(tokens=batch.tokens[2:3]), [0])
    torch.testing.assert_close(sums[2:3], own, rtol=0, atol=1e-4)
    torch.testing.assert_close(together.gradients[2:3], alone.gradients, rtol=0, atol=1e-4)


def test_a_forked_member_learns_as_its_source() -> None:
    stack = _stack("cuda")
    backend, optimizer = CudaBackend(stack), make_optimizer(stack)
    rates, batch = torch.full((len(SEEDS),), 1e-3), _batch("text")
    same = Batch(tokens=batch.tokens[:1].expand(4, -1, -1).contiguous())
    backend.train(batch, range(4))
    optimizer.step(rates)
    moments = optimizer.first_moments, optimizer.second_moments, optimizer.steps
    for state in (stack.parameters, *moments):
        state[3] = state[0]
    for _ in range(3):
        backend.train(same, range(4))
        optimizer.step(rates)
    assert torch.equal(stack.parameters[0], stack.parameters[3])


@pytest.mark.parametrize(
    ("kind", "expected_kind", "error"), [(DeviceAdamW, AdamW, 1e-11), (DeviceMuon, Muon, 1.5e-3)]
)
def test_updates_equal_those_on_the_cpu(
    kind: type[DeviceAdamW], expected_kind: type[AdamW], error: float
) -> None:
    here, there = _stack("cuda", torch.float64), _stack("cpu", torch.float64)
    optimizers = kind(here), expected_kind(there)
    for step in range(4):
        noise = generator(step, "gradient").standard_normal(here.gradients.shape)
        norms = []
        for optimizer in optimizers:
            optimizer.stack.gradients.copy_(torch.from_numpy(noise))
            optimizer.stack.gradients[1, 5] = float("nan") if step == 2 else 1.0
            norms.append(optimizer.step(torch.full((len(SEEDS),), 1e-2)).cpu().double())
        torch.testing.assert_close(*norms, rtol=1e-12, atol=0, equal_nan=True)
    assert optimizers[0].steps.tolist() == optimizers[1].steps.tolist() == [4, 3, 4, 4]
    torch.testing.assert_close(here.parameters.cpu(), there.parameters, rtol=0, atol=error)


def test_a_planned_lane_stays_within_its_bytes() -> None:
    proxy = _recipe("bfloat16")
    plan = plan_lane(proxy, vocabulary=VOCABULARY, device="cuda", waiting=64)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    parameters = torch.full((plan.members, _stack("cpu").num_parameters), 0.01, device="cuda")
    stack = Stack(proxy, vocabulary=VOCABULARY, parameters=parameters)
    backend, optimizer = CudaBackend(stack, plan.micro_sequences), make_optimizer(stack)
    training = proxy.training
    tokens = torch.ones(plan.members, training.sequences, training.context + 1, dtype=torch.int64)
    for _ in range(2):
        backend.train(Batch(tokens=tokens), range(plan.members))
        optimizer.step(torch.zeros(plan.members))
    backend.token_losses(tokens)
    assert torch.cuda.max_memory_allocated() - before <= plan.bytes


def test_a_device_that_is_too_small_is_an_error() -> None:
    with pytest.raises(DeviceError, match="does not fit"):
        plan_lane(_recipe("bfloat16"), vocabulary=264, device="cuda", waiting=4, memory_bytes=2**20)
