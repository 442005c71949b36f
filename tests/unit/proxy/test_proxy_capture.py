"""Compilation and graphs: what they are handed can be traced whole, and giving one up loses no step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from proxy_reference import make, random_tokens

from mixopt.proxy import capture, device_optimizer
from mixopt.proxy.backends import chunked_loss, cuda
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.cuda import CudaBackend
from mixopt.proxy.capture import Acceleration
from mixopt.proxy.device_optimizer import DeviceAdamW, DeviceMuon


def _traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without generating code: a function that cannot be one graph fails."""
    return torch.compile(function, fullgraph=True, dynamic=False, backend="aot_eager")


def test_a_whole_step_can_be_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "compiled", _traced)
    monkeypatch.setattr(chunked_loss, "LOGITS_AT_ONCE", 24 * 20)
    plain, traced = make([1, 2]), make([1, 2])
    batch = Batch(tokens=random_tokens([1, 2], 2, 13))
    backend = CudaBackend(traced, 1, compile=True)
    sums = backend.train(batch, [0, 1])
    assert not backend.acceleration.reasons
    torch.testing.assert_close(sums, CudaBackend(plain).train(batch, [0, 1]))
    torch.testing.assert_close(traced.gradients, plain.gradients)


@pytest.mark.parametrize("kind", [DeviceAdamW, DeviceMuon])
def test_an_update_can_be_traced(monkeypatch: pytest.MonkeyPatch, kind: type[DeviceAdamW]) -> None:
    monkeypatch.setattr(device_optimizer, "compiled", _traced)
    stacks = [make([1, 2]), make([1, 2])]
    for stack, compiles in zip(stacks, (True, False), strict=True):
        optimizer = kind(stack, compile=compiles)
        stack.gradients.copy_(stack.parameters)
        optimizer.step(torch.tensor([1e-2, 1e-3]))
        assert not optimizer._acceleration.reasons
    torch.testing.assert_close(stacks[0].parameters, stacks[1].parameters)


def test_what_cannot_be_compiled_runs_as_it_is_written() -> None:
    acceleration, seen = Acceleration(compiled=True, graphs=False), []

    def step() -> None:
        if acceleration.compiled:
            message = "no compiler here"
            raise RuntimeError(message)
        seen.append(1)

    with pytest.warns(RuntimeWarning, match="compilation given up: RuntimeError: no compiler here"):
        run = acceleration.prepare(step)
    run()
    assert seen == [1]
    assert len(acceleration.reasons) == 1


@pytest.mark.parametrize("compiles", [True, False])
def test_lack_of_memory_is_no_reason_to_give_anything_up(
    monkeypatch: pytest.MonkeyPatch,
    compiles: bool,  # noqa: FBT001 - a case
) -> None:
    def step() -> None:
        raise torch.OutOfMemoryError

    acceleration = Acceleration(compiled=compiles, graphs=True)
    monkeypatch.setattr(acceleration, "_capture", lambda step: step())
    with pytest.raises(torch.OutOfMemoryError):
        acceleration.prepare(step)
    assert not acceleration.reasons
    assert acceleration.graphs


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_graphs_are_given_up_where_there_is_no_device() -> None:
    acceleration = Acceleration(compiled=False, graphs=True)
    with pytest.warns(RuntimeWarning, match="CUDA graphs given up"):
        run = acceleration.prepare(lambda: None)
    run()
    assert not acceleration.graphs


def test_settings_of_determinism_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = capture._sums()
    with capture.deterministic(torch.device("cuda")):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
        assert capture._sums() != before
    assert capture._sums() == before
