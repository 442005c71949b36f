import pytest
from export_fakes import BATCH, CONTEXT, SUPPLY, catalog, plan, schedule, stage

from mixopt.errors import NotFoundError
from mixopt.export.plan import make_export_plan
from mixopt.schedule.rate import RateShape

MIX = {"a": 0.75, "b": 0.25}


def test_steps_are_tokens_over_the_tokens_of_a_step() -> None:
    (found,) = plan(stage("one", MIX)).stages
    assert (found.steps, found.batch_sequences) == (SUPPLY // BATCH, BATCH // CONTEXT)
    assert found.tokens == SUPPLY
    assert found.sequences == found.steps * found.batch_sequences


def test_the_domains_of_a_piece_share_out_its_tokens_exactly() -> None:
    (found,) = plan(stage("one", {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})).stages
    assert sum(part.tokens for part in found.parts) == found.tokens
    assert max(part.tokens for part in found.parts) - min(p.tokens for p in found.parts) <= 1


def test_rounding_and_batches_are_told() -> None:
    made = schedule(stage("one", MIX, tokens=1_234_567), batch_tokens=12_345)
    inventory, shards = catalog(made, {}, {})
    notes = " ".join(make_export_plan(made, inventory, shards).approximations)
    assert "12 sequences of 1000" in notes
    assert "1,236,000" in notes


def test_epochs_add_up_over_the_stages() -> None:
    made = plan(stage("one", MIX), stage("two", MIX), supply={"a": 100_000})
    first, second = (found.parts[0] for found in made.stages)
    assert first.epochs == pytest.approx(7.5)
    assert first.epochs_before == 0.0
    assert second.epochs_before == pytest.approx(7.5)
    assert made.epochs() == pytest.approx({"a": 15.0, "b": 0.5})


def test_a_zero_weight_is_no_part_of_the_plan() -> None:
    (found,) = plan(stage("one", {"a": 1.0, "b": 0.0})).stages
    assert [part.domain for part in found.parts] == ["a"]


def test_rates_are_absolute_and_per_kind() -> None:
    shape = RateShape(peak=2.0, warmup=0.1, decay=0.2, floor=0.1, shape="sqrt")
    rate = plan(stage("one", MIX, rate=shape)).stages[0].rate
    assert (rate.start, rate.peak, rate.end) == pytest.approx((0.0, 2e-3, 2e-4))
    assert (rate.warmup_steps, rate.decay_steps) == (10, 20)
    sft = plan(stage("lm", MIX), stage("sft", {"chat": 1.0}, kind="sft", rate=shape)).stages[1]
    assert sft.rate.peak == pytest.approx(2e-5)


def test_an_overlap_of_warmup_and_decay_is_told() -> None:
    made = plan(stage("one", MIX, rate=RateShape(warmup=0.6, decay=0.6)))
    assert made.stages[0].rate.decay_steps == 40
    assert "overlap" in " ".join(made.approximations)


def test_mean_length_comes_from_the_shards() -> None:
    made = plan(stage("one", MIX), lengths={"a": 400})
    assert made.sources["a"].document_tokens == 400.0
    assert made.sources["a"].rows == SUPPLY // 400


def test_another_tokenizer_of_the_target_is_told() -> None:
    made = schedule(stage("one", MIX), tokenizer="llama")
    inventory, shards = catalog(made, {}, {})
    assert "llama" in make_export_plan(made, inventory, shards).approximations[0]


def test_an_unknown_domain_is_named() -> None:
    made = schedule(stage("one", MIX))
    inventory, shards = catalog(schedule(stage("one", {"a": 1.0})), {}, {})
    with pytest.raises(NotFoundError, match="'b'"):
        make_export_plan(made, inventory, shards)
