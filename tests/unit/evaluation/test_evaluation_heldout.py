from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny import CONTEXT, PROXY, TEXT_DOMAINS

from mixopt.corpus.store import TokenStore
from mixopt.evaluation.heldout import HeldOut, measure_held_out, read_held_out, sequences_at
from mixopt.evaluation.measure import Measure
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.model import Stack


def _stack(*seeds: int) -> Stack:
    return Stack.initialize(PROXY, vocabulary=264, seeds=seeds)


def _by_subject(measures: list[Measure]) -> dict[str, Measure]:
    return {measure.subject: measure for measure in measures}


def _bits_by_hand(seed: int, row: torch.Tensor) -> float:
    """Return the bits of one sequence, each position by itself, in float64."""
    logits = _stack(seed).forward(row[None, None, :-1])[0, 0].detach().double()
    chances = torch.softmax(logits, dim=-1)
    bits = [-math.log2(chances[n, token]) for n, token in enumerate(row[1:].tolist())]
    return sum(bits) / len(bits)


def test_bits_per_byte_and_their_error_by_hand(tiny_store: TokenStore) -> None:
    held_out = read_held_out(tiny_store, ["prose"], "validation", sequences=20, context=CONTEXT)
    found = _by_subject(measure_held_out(make_backend(_stack(1, 2)), held_out, "late")[1])["prose"]
    prose = tiny_store.domain("prose", "validation")
    ratio = prose.num_bytes / prose.num_tokens
    bits = np.array([_bits_by_hand(2, row) for row in held_out.tokens[0]]) / ratio
    assert len(bits) == 20
    assert found.value == pytest.approx(bits.mean(), rel=1e-5)
    assert found.standard_error == pytest.approx(bits.std(ddof=1) / math.sqrt(20), rel=1e-4)
    assert (found.key, found.direction) == ("late/bits_per_byte/prose", "minimize")


def test_long_bits_are_those_of_the_last_half_of_a_sequence(tiny_store: TokenStore) -> None:
    held_out = read_held_out(tiny_store, ["prose"], "validation", sequences=3, context=CONTEXT)
    names = ("bits_per_byte", "long_bits_per_byte")
    found = measure_held_out(make_backend(_stack(1, 2)), held_out, "late", names)[1]
    prose = tiny_store.domain("prose", "validation")
    logits = _stack(2).forward(held_out.tokens[0][None, :, :-1])[0].detach().double()
    targets = held_out.tokens[0][:, 1:]
    bits = -torch.log_softmax(logits, -1).gather(-1, targets[..., None])[..., 0] / math.log(2)
    expected = [bits.mean(), bits[:, CONTEXT // 2 :].mean()]
    keys = [f"late/{name}/{subject}" for name in names for subject in ("prose", "mean")]
    assert [each.key for each in found] == keys
    values = [float(each) * prose.num_tokens / prose.num_bytes for each in expected]
    assert [each.value for each in found[::2]] == pytest.approx(values, rel=1e-5)


@pytest.mark.parametrize(("longer", "expected"), [(32, 48), (128, 12), (1024, 4), (16, 96)])
def test_other_contexts_cost_what_the_proxys_own_does(longer: int, expected: int) -> None:
    assert sequences_at(48, 32, longer) == expected
    assert sequences_at(2, 32, 1024) == 2


def test_the_mean_is_over_domains_and_so_is_its_error(tiny_store: TokenStore) -> None:
    held_out = read_held_out(tiny_store, TEXT_DOMAINS, "test", sequences=5, context=CONTEXT)
    found = _by_subject(measure_held_out(make_backend(_stack(3)), held_out, "late")[0])
    parts = [found[name] for name in TEXT_DOMAINS]
    assert found["mean"].value == pytest.approx(np.mean([part.value for part in parts]))
    squares = sum(part.standard_error**2 for part in parts)
    assert found["mean"].standard_error == pytest.approx(math.sqrt(squares) / 3)


def test_held_out_sequences_are_of_the_split_and_the_same_every_time(
    tiny_store: TokenStore,
) -> None:
    first, again = (
        read_held_out(tiny_store, ["notes"], "validation", sequences=9, context=CONTEXT)
        for _ in range(2)
    )
    assert torch.equal(first.tokens[0], again.tokens[0])
    source = tiny_store.domain("notes", "validation")
    everything = source.gather(np.arange(source.num_sequences(CONTEXT)), CONTEXT).tokens
    known = {row.tobytes() for row in everything}
    chosen = [row.numpy().tobytes() for row in first.tokens[0]]
    assert set(chosen) <= known
    assert len(chosen) == 9


def test_a_domain_without_a_whole_sequence_is_left_out(tiny_store: TokenStore) -> None:
    huge = tiny_store.domain("notes", "validation").num_tokens
    held_out = read_held_out(
        tiny_store, ["notes", "drills"], "validation", sequences=2, context=huge
    )
    assert held_out.domains == ("drills",)


def test_nothing_held_out_is_no_measure_at_all() -> None:
    nothing = HeldOut(context=CONTEXT, domains=(), tokens=(), bytes_per_token=())
    assert measure_held_out(make_backend(_stack(1, 2)), nothing, "late") == [[], []]
