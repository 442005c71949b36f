"""The work of a study against counts by hand."""

from __future__ import annotations

from tiny import PROXY, study_recipe

from mixopt.corpus.store import TokenStore
from mixopt.schedule.space import Space
from mixopt.study.work import Work, work_of

STEP = PROXY.training.step_tokens


def _work(store: TokenStore, **settings: object) -> Work:
    recipe = study_recipe(trials=8, seeds=2, confirm_seeds=3, **settings)
    return work_of(recipe, Space(recipe=recipe, inventory=store.inventory), PROXY)


def test_runs_are_trials_and_confirmed_schedules_by_seeds(tiny_store: TokenStore) -> None:
    work = _work(tiny_store)
    assert work.search_runs == 8 * 2
    assert work.confirmation_runs == (1 + 3 + 1) * 3  # optimum, baselines, the same dose
    assert _work(tiny_store, also=["late/bits_per_byte/mean"]).confirmation_runs == 6 * 3


def test_without_sharing_all_that_is_scheduled_is_trained(tiny_store: TokenStore) -> None:
    work = _work(tiny_store)
    life = (12 + 5) * STEP  # lm and sft
    assert work.scheduled_tokens == work.trained_tokens == (16 + 15) * life


def test_shared_beginnings_are_trained_once_per_group_and_seed(tiny_store: TokenStore) -> None:
    work = _work(tiny_store, share=3)
    # Five trials after the baselines are groups of three and two: three beginnings are spared.
    # The first stage is half of the lm steps at the middle of its range.
    assert work.scheduled_tokens - work.trained_tokens == 3 * 2 * 6 * STEP
