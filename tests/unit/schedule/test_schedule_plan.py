from collections import Counter, defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray
from schedule_fakes import curve, inventory, schedule, stage

from mixopt.errors import SupplyError
from mixopt.schedule.curve import Shape
from mixopt.schedule.layout import Budget, Source
from mixopt.schedule.plan import Plan, make_plan
from mixopt.schedule.repetition import Pool, sequences_of
from mixopt.schedule.schedule import Schedule

BUDGET = Budget(tokens={"lm": 160_000, "sft": 16_000}, context_tokens=100, sequences=8)
MOVING = curve("linear", {"web": 0.9, "math": 0.1}, {"code": 0.6, "math": 0.4})
EARLY = stage("early", MOVING, tokens=600_000)
LATE = stage("late", curve("constant", {"web": 0.2, "math": 0.8}), tokens=400_000)
CHAT = stage("sft", curve("constant", {"chat": 0.7, "drills": 0.3}), tokens=100_000, kind="sft")
THREE = schedule(EARLY, LATE, CHAT)
HELD = inventory()


def available(source: Source) -> int:
    return HELD.domain(source.domain).sample_tokens // source.context


def names(found: Plan) -> tuple[str, ...]:
    return tuple(source.domain for source in found.sources)


def plan(made: Schedule = THREE, seed: int = 5, budget: Budget = BUDGET) -> Plan:
    return make_plan(made, seed, HELD, budget, available)


def _all_of(pool: Pool) -> NDArray[np.int64]:
    positions = np.arange(pool.num_sequences)
    return sequences_of((pool,), np.zeros_like(positions), positions)


def everything(found: Plan) -> list[tuple[str, int]]:
    """Return (domain, sequence) of every row of a plan, in order."""
    rows = []
    for number, part in enumerate(found.stages):
        draw = found.draw(number, np.arange(part.steps))
        drawn = [names(found)[index] for index in draw.sources.ravel()]
        rows += list(zip(drawn, draw.sequences.ravel().tolist(), strict=True))
    return rows


def test_stages_share_the_budget_of_their_kind() -> None:
    assert [part.steps for part in plan().stages] == [120, 80, 20]
    assert len(everything(plan())) == 220 * 8


def test_no_sequence_comes_twice_before_its_pool_is_through() -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    for domain, sequence in everything(plan()):
        seen[domain].append(sequence)
    sizes = {pool.domain: pool.num_sequences for pool in plan().pools}
    assert max(len(seen[name]) / sizes[name] for name in seen) > 4  # several epochs are looked at
    for name, size in sizes.items():
        epochs = [seen[name][first : first + size] for first in range(0, len(seen[name]), size)]
        # Rows of a block are shuffled, so epochs may mingle inside one; counts tell all the same.
        counts = Counter(seen[name])
        assert len(counts) == min(size, len(seen[name]))
        assert set(counts.values()) <= {len(epochs) - 1, len(epochs)}


def test_ranks_of_an_epoch_are_a_permutation_of_the_pool() -> None:
    found = plan()
    for index, pool in enumerate(found.pools):
        ranks = np.arange(5 * pool.num_sequences).reshape(5, -1)
        drawn = found._sequences(np.full_like(ranks, index), ranks)
        whole = set(_all_of(pool).tolist())
        assert all(set(epoch.tolist()) == whole for epoch in drawn)
        assert (drawn[0] != drawn[1]).any()


def test_the_plan_is_a_pure_function_of_the_counter() -> None:
    found, again = plan(), plan()
    rng = np.random.default_rng(0)
    for number, part in enumerate(found.stages):
        whole = found.draw(number, np.arange(part.steps))
        order = rng.permutation(part.steps)
        mixed = again.draw(number, order)
        np.testing.assert_array_equal(mixed.sequences, whole.sequences[order])
        np.testing.assert_array_equal(mixed.sources, whole.sources[order])
        for step in order[:10]:
            alone = again.draw(number, np.array([step]))
            np.testing.assert_array_equal(alone.sequences[0], whole.sequences[step])


@pytest.mark.parametrize("shape", ["constant", "linear", "cosine", "piecewise"])
def test_every_block_has_the_mixture_of_the_curve(shape: Shape) -> None:
    knots = [{"web": 1.0}, {"code": 0.5, "math": 0.5}, {"web": 0.2, "code": 0.8}]
    count = {"constant": 1, "piecewise": 3}.get(shape, 2)
    moving = curve(shape, *knots[:count])
    found = plan(schedule(stage("only", moving)))
    part, done = found.stages[0], 0
    middles = (part.bounds[:-1] + part.bounds[1:]) / 2 / part.bounds[-1]
    wanted = np.zeros(len(found.sources))
    drawn = np.zeros(len(found.sources))
    for first, last, middle in zip(part.bounds, part.bounds[1:], middles, strict=False):
        steps = np.arange(first // 8, last // 8)
        rows = found.draw(0, steps).sources.ravel()
        drawn += np.bincount(rows, minlength=len(found.sources))
        wanted += moving.weights_at(middle, names(found))[0] * (last - first)
        assert np.abs(drawn - wanted).max() < 1.5
        done += len(rows)
    assert done == part.steps * 8
    dose = moving.mean().on(names(found)) * done
    assert np.abs(drawn - dose).max() < 1.5


def test_quotas_of_a_constant_stage_are_exact() -> None:
    found = plan()
    draw = found.draw(2, np.arange(20))
    counts = np.bincount(draw.sources.ravel(), minlength=5)
    assert counts[names(found).index("chat")] == 112
    assert counts[names(found).index("drills")] == 48


def test_the_proxy_repeats_as_the_target_will() -> None:
    supply = {name: HELD.domain(name).supply_tokens for name in THREE.dose()}
    for name, epochs in THREE.epochs(supply).items():
        assert plan().epochs()[name] == pytest.approx(epochs, rel=0.03)


def test_seeds_give_other_pools_and_orders() -> None:
    one, two = everything(plan(seed=1)), everything(plan(seed=2))
    assert [pool.key for pool in plan(seed=1).pools] != [pool.key for pool in plan(seed=2).pools]
    assert sum(a == b for a, b in zip(one, two, strict=True)) < 0.05 * len(one)
    assert Counter(name for name, _ in one) == Counter(name for name, _ in two)


def test_steps_are_mixed_and_not_blocks_of_one_domain() -> None:
    draw = plan().draw(1, np.arange(80))
    per_step = (draw.sources == names(plan()).index("math")).sum(axis=1)
    assert per_step.mean() == pytest.approx(6.4, abs=0.05)
    assert per_step.var() == pytest.approx(8 * 0.8 * 0.2, rel=0.5)  # as of a shuffle


def test_later_stages_do_not_change_earlier_ones() -> None:
    other = stage("late", curve("constant", {"code": 1.0}), tokens=400_000)
    ours, theirs = plan(), plan(schedule(EARLY, other, CHAT))
    steps = np.arange(120)
    np.testing.assert_array_equal(ours.draw(0, steps).sequences, theirs.draw(0, steps).sequences)


def test_domains_without_weight_need_no_sample() -> None:
    made = schedule(stage("only", curve("constant", {"web": 1.0, "math": 0.0})))
    found = make_plan(made, 0, HELD, BUDGET, lambda source: {"web": 6000}[source.domain])
    assert names(found) == ("web",)


def test_rates_end_at_the_end_of_the_stage() -> None:
    rates = plan().rates(0, np.array([0, 119]))
    np.testing.assert_allclose(rates, THREE.stages[0].learning_rate.at([1 / 120, 1.0]))


def test_a_stage_without_a_step_is_an_error_with_the_numbers() -> None:
    short = schedule(stage("long", MOVING, tokens=999_999), stage("short", MOVING, tokens=1))
    with pytest.raises(SupplyError, match=r"no step for stage 'short'(.|\n)*A step is 800 tokens"):
        plan(short)


def test_a_sample_too_small_is_an_error_with_the_numbers() -> None:
    held = inventory(sample=0.1)
    with pytest.raises(SupplyError, match=r"'web'(.|\n)*needs 960 sequences(.|\n)*holds 600"):
        make_plan(THREE, 0, held, BUDGET, lambda s: held.domain(s.domain).sample_tokens // 100)
