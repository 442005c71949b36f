"""The stack equals a plain decoder, and a member equals itself alone, whatever its neighbours do."""

from __future__ import annotations

import pytest
import torch
from proxy_reference import (
    VOCABULARY,
    loss,
    make,
    random_tokens,
    recipe,
    reference_logits,
    train,
)

from mixopt.proxy.model import Stack, padded_vocabulary


@pytest.mark.parametrize("tied", [True, False])
def test_logits_equal_a_plain_decoder(tied: bool) -> None:  # noqa: FBT001 - a case
    stack = make([1, 2], tied=tied)
    tokens = random_tokens([1, 2], 3, 12)
    logits = stack.forward(tokens)
    assert logits.shape == (2, 3, 12, VOCABULARY)
    for member in range(2):
        weights = {name: part[member].detach() for name, part in stack.weights().items()}
        for row in range(3):
            expected = reference_logits(stack.config, weights, tokens[member, row])
            torch.testing.assert_close(logits[member, row], expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_equal_a_plain_decoder(tied: bool) -> None:  # noqa: FBT001 - a case
    stack = make([4, 5], tied=tied)
    tokens = random_tokens([4, 5], 2, 9)
    torch.autograd.backward(loss(stack, tokens).sum())
    weights = {name: part[1].detach().requires_grad_() for name, part in stack.weights().items()}
    logits = torch.stack([reference_logits(stack.config, weights, row[:-1]) for row in tokens[1]])
    torch.autograd.backward(
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[1, :, 1:].flatten())
    )
    for name, gradient in stack.named_gradients().items():
        expected = weights[name].grad
        torch.testing.assert_close(gradient[1], expected, rtol=0, atol=1e-12, msg=name)


def test_gradients_accumulate_in_the_one_buffer_and_clear() -> None:
    stack, tokens = make([1]), random_tokens([1], 2, 9)
    torch.autograd.backward(loss(stack, tokens).sum())
    once = stack.gradients.clone()
    assert once.abs().sum() > 0
    torch.autograd.backward(loss(stack, tokens).sum())
    torch.testing.assert_close(stack.gradients, 2 * once)
    stack.clear_gradients()
    assert not stack.gradients.any()


def test_a_member_trains_as_it_does_alone() -> None:
    seeds, rates = [3, 7, 11], torch.tensor([1e-2, 3e-3, 1e-3])
    tokens = random_tokens(seeds, 6, 13)
    together = make(seeds)
    history = train(together, tokens, rates, steps=5)
    for slot, seed in enumerate(seeds):
        alone = make([seed])
        expected = train(alone, tokens[slot : slot + 1], rates[slot : slot + 1], steps=5)
        torch.testing.assert_close(history[:, slot : slot + 1], expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(
            together.parameters[slot], alone.parameters[0], rtol=0, atol=1e-10
        )


@pytest.mark.parametrize("seeds", [[7], [7, 1], [2, 3, 7], [4, 7, 5, 6, 8]])
def test_a_member_is_bitwise_the_same_in_every_stack(seeds: list[int]) -> None:
    def after_training(members: list[int]) -> torch.Tensor:
        stack = make(members, dtype=torch.float32)
        rates = torch.tensor([1e-3 if seed == 7 else 1e-1 for seed in members])
        train(stack, random_tokens(members, 6, 13), rates, steps=3)
        return stack.parameters[members.index(7)]

    assert torch.equal(after_training(seeds), after_training([9, 10, 7, 12]))


def test_a_diverged_neighbour_is_skipped_and_does_not_leak() -> None:
    seeds, rates = [1, 2, 3], torch.full((3,), 1e-2)
    tokens = random_tokens(seeds, 6, 13)
    healthy, sick = make(seeds, dtype=torch.float32), make(seeds, dtype=torch.float32)
    sick.parameters[1, 5] = float("nan")
    before = sick.parameters[1].clone()
    train(healthy, tokens, rates, steps=3)
    history = train(sick, tokens, rates, steps=3)
    assert history[:, 1].isnan().all()
    assert torch.equal(sick.parameters[[0, 2]], healthy.parameters[[0, 2]])
    torch.testing.assert_close(sick.parameters[1], before, rtol=0, atol=0, equal_nan=True)


def test_segments_block_attention_and_padding_stays_finite() -> None:
    stack, tokens = make([1, 2]), random_tokens([1, 2], 1, 11)
    segments = torch.tensor([1, 1, 1, 1, 2, 2, 2, 2, 2, 0, 0]).expand(2, 1, 11)
    joined = stack.forward(tokens, segments)
    assert joined.isfinite().all()
    torch.testing.assert_close(joined[:, :, :4], stack.forward(tokens[:, :, :4]))
    torch.testing.assert_close(joined[:, :, 4:9], stack.forward(tokens[:, :, 4:9]))
    loss = joined.sum()
    torch.autograd.backward(loss)
    assert stack.gradients.isfinite().all()


def test_initial_parameters_depend_on_the_seed_alone() -> None:
    def initial(seeds: list[int]) -> torch.Tensor:
        return Stack.initialize(recipe(), vocabulary=24, seeds=seeds).parameters

    assert torch.equal(initial([5, 6, 7])[1], initial([6])[0])
    assert not torch.equal(initial([5])[0], initial([6])[0])


@pytest.mark.parametrize(("size", "padded"), [(1, 8), (256, 256), (257, 264)])
def test_vocabularies_are_padded_to_whole_eights(size: int, padded: int) -> None:
    assert padded_vocabulary(size) == padded


def test_a_buffer_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        Stack(recipe(), vocabulary=24, parameters=torch.zeros(2, 10))
