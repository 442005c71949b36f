from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny import CONTEXT, PROXY, make_setup, schedule_at, study_recipe

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.model import padded_vocabulary
from mixopt.study.rung import Rung, check_rungs, num_parameters, read_rungs, shortened


def rung(phase: str = "scout", *, proxy: ProxyRecipe | None = None, trials: int = 4) -> Rung:
    found = proxy or PROXY.model_copy(update={"name": "smaller"})
    return Rung(phase=phase, proxy=found, trials=trials, seeds=1)  # type: ignore[arg-type]


def _with(**training: object) -> ProxyRecipe:
    changed = PROXY.training.model_copy(update=training)
    return PROXY.model_copy(update={"name": "other", "training": changed})


def test_a_shorter_proxy_has_a_share_of_every_kind_of_step() -> None:
    half = shortened(PROXY, 0.5)
    assert half.name == "tiny-x0.5"
    assert [half.training.budget.steps(kind) for kind in ("lm", "sft")] == [6, 2]
    assert half.training.dpo_steps == PROXY.training.dpo_steps / 2
    assert half.training.learning_rate == PROXY.training.learning_rate
    least = shortened(PROXY, 1e-6).training
    assert (least.budget.steps("lm"), least.budget.steps("sft"), least.rl_steps) == (1, 1, 1)
    assert shortened(PROXY, 1) == PROXY


def test_rungs_are_read_in_the_order_of_the_study() -> None:
    scouts = [{"proxy": "pico", "trials": 32, "tokens": 0.5}, {"proxy": "pico", "trials": 8}]
    larger = [{"proxy": "micro", "trials": 6, "seeds": 2, "context": 128}]
    found = read_rungs(study_recipe(scout=scouts, scale=larger).study)
    assert [each.name for each in found] == ["pico-x0.5", "pico", "micro"]
    assert [each.phase for each in found] == ["scout", "scout", "scale"]
    assert [(each.trials, each.seeds) for each in found] == [(32, 1), (8, 1), (6, 2)]
    training = found[2].proxy.training
    assert training.context == 128
    assert (
        training.step_tokens
        == read_rungs(study_recipe(scale=[larger[0] | {"context": 512}]).study)[
            0
        ].proxy.training.step_tokens
    )


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (PROXY, "the proxy of more than one rung"),
        (_with(context=2 * CONTEXT), f"reads {2 * CONTEXT} tokens per sequence"),
        (_with(lm_tokens=2 * CONTEXT), "cannot be trained on this corpus"),
    ],
)
def test_a_rung_that_cannot_be_trained_is_refused(
    tiny_store: TokenStore, other: ProxyRecipe, text: str
) -> None:
    with pytest.raises(StudyError, match=text) as caught:
        check_rungs([rung(proxy=other)], PROXY, tiny_store, schedule_at(tiny_store))
    assert caught.value.remedy


def test_a_study_goes_on_with_larger_runs_but_not_with_other_scouts(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    base = make_setup(tiny_store, quick_path)
    base.ledger.create(base.identity())
    larger = make_setup(tiny_store, quick_path, scale=[{"proxy": "x", "trials": 2}])
    larger = replace(larger, rungs=(rung("scale"),))
    larger.ledger.create(larger.identity())
    other = replace(
        larger,
        rungs=(
            rung(
                "scale",
                proxy=_with().model_copy(
                    update={"name": "smaller", "training": _with(sequences=4).training}
                ),
            ),
        ),
    )
    for changed in (make_setup(tiny_store, quick_path, scout=[{"proxy": "x", "trials": 2}]), other):
        with pytest.raises(StudyError, match="holds another study"):
            changed.ledger.create(changed.identity())


def test_parameters_are_counted_with_the_vocabulary(tiny_store: TokenStore) -> None:
    shape = PROXY.architecture
    blocks = 4 * shape.width**2 + 3 * shape.width * shape.feedforward
    tables = padded_vocabulary(tiny_store.tokenizer.size) * shape.width
    norms = 3 * shape.width
    assert num_parameters(PROXY, tiny_store) == blocks + tables + norms
