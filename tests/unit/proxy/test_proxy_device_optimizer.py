"""The on-device optimizers against those that update row by row."""

from __future__ import annotations

import pytest
import torch
from proxy_reference import make
from torch import Tensor

from mixopt.proxy.device_optimizer import (
    DeviceAdamW,
    DeviceMuon,
    make_device_optimizer,
)
from mixopt.proxy.muon import Muon
from mixopt.proxy.optimizer import AdamW
from mixopt.proxy.orthogonal import orthogonalize
from mixopt.seeds import generator

KINDS = [(DeviceAdamW, AdamW), (DeviceMuon, Muon)]
RATES = torch.tensor([1e-2, 1e-3, 0.0], dtype=torch.float64)


def _gradients(step: int, size: int, scale: float) -> Tensor:
    return scale * torch.from_numpy(generator(step, "gradient").standard_normal((3, size)))


def _steps(optimizer: AdamW, scale: float, *, bad_step: int | None = None) -> list[Tensor]:
    """Take six steps; in the bad one the middle member's gradient is not finite."""
    stack, norms = optimizer.stack, []
    for step in range(6):
        stack.gradients.copy_(_gradients(step, stack.num_parameters, scale))
        if step == bad_step:
            stack.gradients[1, 3] = float("inf")
        norms.append(optimizer.step(RATES * (step + 1)))
        assert not stack.gradients.any()
    return norms


@pytest.mark.parametrize(("kind", "expected_kind"), KINDS)
@pytest.mark.parametrize("scale", [1e-4, 1.0])
@pytest.mark.parametrize("bad_step", [None, 0, 3])
def test_float64_equals_the_optimizer_by_rows(
    kind: type[DeviceAdamW], expected_kind: type[AdamW], scale: float, bad_step: int | None
) -> None:
    here, there = kind(make([1, 2, 3])), expected_kind(make([1, 2, 3]))
    norms = _steps(here, scale, bad_step=bad_step)
    expected = _steps(there, scale, bad_step=bad_step)
    torch.testing.assert_close(norms, expected, rtol=1e-12, atol=0)
    for name in ("first_moments", "second_moments", "steps"):
        torch.testing.assert_close(getattr(here, name), getattr(there, name), rtol=0, atol=1e-10)
    torch.testing.assert_close(here.stack.parameters, there.stack.parameters, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("kind", "expected_kind"), KINDS)
def test_float32_stays_within_rounding(kind: type[DeviceAdamW], expected_kind: type[AdamW]) -> None:
    here, there = (make([1, 2, 3], dtype=torch.float32) for _ in range(2))
    _steps(kind(here), 1.0)
    _steps(expected_kind(there), 1.0)
    torch.testing.assert_close(here.parameters, there.parameters, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (64, 176)])
def test_bfloat16_iterations_stay_within_their_rounding(shape: tuple[int, int]) -> None:
    matrices = torch.from_numpy(generator(0, "matrices").standard_normal((4, *shape)))
    exact, narrow = orthogonalize(matrices), orthogonalize(matrices.bfloat16())
    assert narrow.dtype == torch.bfloat16
    assert float((narrow.double() - exact).norm()) < 0.03 * float(exact.norm())


@pytest.mark.parametrize("kind", [DeviceAdamW, DeviceMuon])
def test_preparing_a_step_moves_nothing(kind: type[DeviceAdamW]) -> None:
    stack = make([1, 2, 3])
    optimizer, before = kind(stack), stack.parameters.clone()
    stack.gradients.fill_(0.5)
    optimizer._update()
    assert torch.equal(stack.parameters, before)
    assert bool((stack.gradients == 0.5).all())
    assert not optimizer.first_moments.any()
    assert not optimizer.steps.any()


def test_the_recipe_names_the_optimizer() -> None:
    stack = make([1])
    assert type(make_device_optimizer(stack)) is DeviceAdamW
    training = stack.config.training.model_copy(update={"optimizer": "muon"})
    stack.config = stack.config.model_copy(update={"training": training})
    assert type(make_device_optimizer(stack)) is DeviceMuon
