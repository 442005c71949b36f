"""The ladder: its rungs are proxies that exist, grow, and get at least one step."""

from __future__ import annotations

from typing import Any

import pytest

from mixopt.errors import RecipeError
from mixopt.proxy.ladder import LADDER, LadderRecipe, proxy_names, read_ladder
from mixopt.recipes.decode import validate


def _faults(*rungs: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(RecipeError) as caught:
        validate({"name": "own", "rung": list(rungs)}, LadderRecipe, file="own.toml")
    return {fault.key: str(fault) for fault in caught.value.faults}


def test_the_shipped_ladder_climbs_over_shipped_proxies() -> None:
    ladder = read_ladder()
    sizes = [rung.recipe().architecture.width for rung in ladder.rung]
    assert sizes == sorted(sizes)
    assert {rung.proxy for rung in ladder.rung} <= set(proxy_names())
    assert LADDER not in proxy_names()


def test_a_rung_replaces_the_tokens_of_its_proxy_alone() -> None:
    rungs = [{"proxy": "pico", "lm_tokens": 4096}, {"proxy": "nano", "lm_tokens": "2M"}]
    ladder = validate({"name": "own", "rung": rungs}, LadderRecipe, file="own.toml")
    found = ladder.rung[1].recipe()
    assert found.training.lm_tokens == 2_000_000
    assert found.training.sft_tokens == 184_320
    assert found.architecture.width == 64


def test_every_flaw_of_a_ladder_is_reported_at_once() -> None:
    found = _faults(
        {"proxy": "nano", "lm_tokens": 1_000},
        {"proxy": "pico", "lm_tokens": "1M"},
        {"proxy": "mikro", "lm_tokens": "1M"},
    )
    assert "at least one step of 'nano', 1024 tokens" in found["rung.0.lm_tokens"]
    assert "a larger proxy than the rung before" in found["rung.1.proxy"]
    assert "did you mean 'micro'?" in found["rung.2.proxy"]


def test_one_rung_is_no_ladder() -> None:
    assert "rung" in _faults({"proxy": "nano", "lm_tokens": "1M"})
