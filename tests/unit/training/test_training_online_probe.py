from __future__ import annotations

import numpy as np
import pytest
import torch
from pupils import plan_with
from tiny import PROXY
from torch import Tensor
from torch.nn import functional

from mixopt.corpus.store import TokenStore
from mixopt.proxy.model import Stack
from mixopt.proxy.planner import LanePlan
from mixopt.schedule.repetition import sequences_of
from mixopt.schedule.schedule import Online
from mixopt.training.sessions.probe import (
    Probe,
    affordable_sequences,
    alignments,
    find_gradients,
    find_losses,
    transfers,
    updates_between,
)
from mixopt.training.sessions.session import Bench, Pupil
from mixopt.training.sessions.views import Views
from mixopt.training.slots import Slots

pytestmark = pytest.mark.usefixtures("one_thread")
VOCABULARY = 264


def _bench(store: TokenStore, seeds: list[int]) -> tuple[Bench, list[Probe]]:
    plan = LanePlan(members=len(seeds), micro_sequences=2, bytes=0)
    slots = Slots(PROXY, vocabulary=VOCABULARY, plan=plan, device="cpu")
    probes = []
    for slot, seed in enumerate(seeds):
        slots.load(slot, slots.initial(seed))
        plans = plan_with(store, seed, online=Online(policy="odm"))
        pupil = Pupil(slot=slot, seed=seed, plan=plans, stage=0)
        probes.append(Probe(pupil=pupil, columns=(2, 0), sequences=3, store=store))
    return Bench(slots=slots, store=store, proxy=PROXY), probes


def _exact(seed: int) -> Stack:
    return Stack.initialize(PROXY, vocabulary=VOCABULARY, seeds=[seed], dtype=torch.float64)


def _loss(stack: Stack, tokens: np.ndarray) -> Tensor:
    rows = torch.from_numpy(tokens)
    logits = stack.forward(rows[None, :, :-1])[0]
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def test_losses_are_means_over_each_domains_sequences(tiny_store: TokenStore) -> None:
    bench, probes = _bench(tiny_store, [3, 4])
    found = find_losses(Views(bench), probes)
    for probe, losses in zip(probes, found, strict=True):
        rows = probe.fixed().tokens
        assert rows.shape == (6, 33)
        exact = _exact(probe.pupil.seed)
        expected = [float(_loss(exact, part).detach()) for part in (rows[:3], rows[3:])]
        np.testing.assert_allclose(losses, expected, rtol=2e-3)


def test_gradients_are_those_of_each_domain(tiny_store: TokenStore) -> None:
    bench, probes = _bench(tiny_store, [3, 4])
    before = bench.slots.stack.parameters.clone()
    found = find_gradients(Views(bench), probes, 5)
    for probe, table in zip(probes, found, strict=True):
        for rows, gradient in zip(probe.fresh(5), table, strict=True):
            exact = _exact(probe.pupil.seed)
            _loss(exact, rows.tokens).backward()  # type: ignore[no-untyped-call]
            expected = exact.gradients[0].numpy()
            error = np.linalg.norm(gradient - expected) / np.linalg.norm(expected)
            assert error < 0.02
    assert torch.equal(bench.slots.stack.parameters, before)


def test_transfers_are_the_falls_of_losses_in_a_trial_step() -> None:
    rng = np.random.default_rng(0)
    curvature, at = rng.random((3, 8)), rng.normal(size=8)
    learned, measured = rng.normal(size=(2, 3, 8))  # minima on the two sets of sequences

    def losses(point: np.ndarray) -> np.ndarray:
        return np.asarray((curvature * (point - measured) ** 2).sum(axis=1) / 2)

    gradients, others, length = curvature * (at - learned), curvature * (at - measured), 1e-6
    steps = length * gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    falls = np.stack([losses(at) - losses(at - step) for step in steps])
    np.testing.assert_allclose(transfers(gradients, others), falls / length, rtol=1e-4)
    assert not transfers(np.zeros((2, 4)), np.zeros((2, 4))).any()


def test_alignments_are_in_units_of_the_mean_norm() -> None:
    gradients = np.array([[3.0, 4.0], [0.0, 15.0]])
    expected = [[0.25, 0.6], [0.6, 2.25]]
    np.testing.assert_allclose(alignments(gradients), expected)
    np.testing.assert_allclose(alignments(1e-6 * gradients), expected)


def test_sequences_are_of_the_pupils_own_pools_and_apart(tiny_store: TokenStore) -> None:
    (probe,) = _bench(tiny_store, [3])[1]
    plan, text = probe.pupil.plan, probe.fixed().tokens
    for number, column in enumerate(probe.columns):
        pool = plan.pools[column]
        everything = np.arange(pool.num_sequences)
        ids = sequences_of([pool], np.zeros_like(everything), everything)
        domain = tiny_store.domain(pool.domain, "train")
        own = {row.tobytes() for row in domain.gather(ids, 32).tokens}
        fixed = [row.tobytes() for row in text[3 * number : 3 * number + 3]]
        fresh = [probe.fresh(at)[number].tokens[0].tobytes() for at in range(4)]
        assert len({*fixed, *fresh}) == 7
        assert own >= {*fixed, *fresh}


@pytest.mark.parametrize(("domains", "rows"), [(7, 100.0), (3, 40.0), (7, 8.0), (40, 5000.0)])
def test_a_probe_costs_a_small_share(domains: int, rows: float) -> None:
    sequences = affordable_sequences(domains, rows)
    assert 1 <= sequences <= 8
    assert sequences == 1 or sequences * domains / 3 <= 0.04 * rows
    assert 2 * domains / updates_between(domains, rows) <= 0.04 * rows
