"""Muon: orthogonal updates, against a plain reference of one member, and independent members."""

from __future__ import annotations

import pytest
import torch
from proxy_reference import make
from torch import Tensor

from mixopt.proxy.muon import Muon
from mixopt.proxy.orthogonal import orthogonalize
from mixopt.seeds import generator


def _noise(name: str, *shape: int) -> Tensor:
    return torch.from_numpy(generator(0, name).standard_normal(shape))


@pytest.mark.parametrize("shape", [(16, 16), (16, 40), (40, 16)])
def test_singular_values_come_close_to_one(shape: tuple[int, int]) -> None:
    matrices = _noise("matrices", 3, *shape)
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    found = orthogonalize(matrices)
    values = torch.linalg.svdvals(found)
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
    aligned = torch.einsum("kij,kij->k", found, left @ right) / min(shape)
    assert float(aligned.min()) > 0.8


def test_an_update_of_one_projection_is_that_of_its_own_momentum() -> None:
    stack = make([1, 2])
    optimizer, before = Muon(stack), stack.weights()["layers.0.query_key_value"].clone()
    stack.gradients.copy_(_noise("gradient", *stack.gradients.shape) * 1e-4)
    width = stack.config.architecture.width
    gradient = stack.named_gradients()["layers.0.query_key_value"][1, :, width : 2 * width].clone()
    optimizer.step(torch.tensor([0.0, 1e-2], dtype=torch.float64))
    training, rate = stack.config.training, 1e-2 * stack.config.architecture.hidden_rate
    assert rate != 1e-2
    direction = orthogonalize((gradient * (1 + training.momentum))[None])[0]
    expected = before[1, :, width : 2 * width] * (1 - rate * training.weight_decay)
    expected = expected - rate * 0.2 * width**0.5 * direction
    after = stack.weights()["layers.0.query_key_value"]
    torch.testing.assert_close(after[1, :, width : 2 * width], expected, rtol=1e-9, atol=1e-12)
    assert torch.equal(after[0], before[0])


def test_a_member_learns_alike_in_any_stack_and_beside_a_failed_one() -> None:
    alone, together = make([2]), make([1, 2, 3])
    gradient = _noise("own", alone.num_parameters)
    for stack, slot in ((alone, 0), (together, 1)):
        optimizer = Muon(stack)
        for _ in range(3):
            stack.gradients.fill_(1.0)
            stack.gradients[slot] = gradient
            if stack is together:
                stack.gradients[2] = float("nan")
            optimizer.step(torch.full((stack.num_members,), 1e-2))
    assert torch.equal(alone.parameters[0], together.parameters[1])
    assert torch.equal(together.parameters[2], make([3]).parameters[0])
