"""Costs of proxies against counts by hand, and the probe of a device."""

from __future__ import annotations

import pytest
import torch

from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.proxy.cost import cost_of, measure_peak, utilization
from mixopt.proxy.ladder import read_ladder
from mixopt.proxy.layout import lay_out

WIDTH, LAYERS, FEEDFORWARD, VOCABULARY, CONTEXT = 8, 2, 12, 40, 6


def _proxy(*, tied: bool = True) -> ProxyRecipe:
    shape = {"width": WIDTH, "layers": LAYERS, "heads": 2, "feedforward": FEEDFORWARD}
    training = {"context": CONTEXT, "sequences": 1, "lm_tokens": 60, "sft_tokens": 60}
    rates = {"learning_rate": 1e-3, "sft_learning_rate": 1e-3}
    table = {
        "name": "x",
        "architecture": shape | {"tied_head": tied},
        "training": training | rates,
    }
    return ProxyRecipe.model_validate(table)


def test_parameters_are_those_of_the_layout() -> None:
    cost = cost_of(_proxy(tied=False), VOCABULARY)
    norms = (2 * LAYERS + 1) * WIDTH
    block = 4 * WIDTH * WIDTH + 3 * WIDTH * FEEDFORWARD
    assert cost.hidden_parameters == LAYERS * block + norms
    assert cost.table_parameters == 2 * VOCABULARY * WIDTH
    layout = lay_out(_proxy(tied=False).architecture, VOCABULARY)
    assert cost.parameters == layout.num_parameters


def test_operations_are_those_counted_by_hand() -> None:
    cost = cost_of(_proxy(), VOCABULARY)
    one_way = 2 * LAYERS * (4 * WIDTH * WIDTH + 3 * WIDTH * FEEDFORWARD)
    pairs = sum(range(1, CONTEXT + 1)) / CONTEXT  # keys that a query sees, on average
    assert cost.matrix_flops == 3 * one_way
    assert cost.attention_flops == 3 * LAYERS * 2 * 2 * WIDTH * pairs
    assert cost.head_flops == 3 * 2 * VOCABULARY * WIDTH
    assert cost.flops == cost.matrix_flops + cost.attention_flops + cost.head_flops


def test_a_tied_head_costs_operations_but_no_parameters() -> None:
    tied, own = (cost_of(_proxy(tied=tied), VOCABULARY) for tied in (True, False))
    assert tied.flops == own.flops
    assert own.parameters - tied.parameters == VOCABULARY * WIDTH


def test_a_longer_context_costs_attention_alone() -> None:
    short, long = (cost_of(_proxy(), VOCABULARY, context=length) for length in (9, 19))
    assert long.attention_flops == 2 * short.attention_flops
    assert long.matrix_flops == short.matrix_flops


@pytest.mark.parametrize(
    ("name", "millions"), [("micro", 1), ("mini", 4), ("small", 15), ("base", 60)]
)
def test_shipped_proxies_have_the_size_they_are_named_for(name: str, millions: float) -> None:
    proxy = read_proxy(name)
    hidden = cost_of(proxy, 256).hidden_parameters
    assert hidden == pytest.approx(millions * 1e6, rel=0.07)
    assert proxy.training.lm_tokens == pytest.approx(20 * hidden, rel=0.03)


def test_one_base_rate_serves_the_whole_ladder() -> None:
    trainings = [rung.recipe().training for rung in read_ladder().rung]
    rates = {(each.learning_rate, each.sft_learning_rate, each.optimizer) for each in trainings}
    widths = {rung.recipe().architecture.base_width for rung in read_ladder().rung}
    assert len(rates) == len(widths) == 1


def test_utilization_is_a_share_of_the_peak() -> None:
    cost = cost_of(_proxy(), VOCABULARY)
    assert utilization(1e3, cost, 2e3 * cost.flops) == pytest.approx(0.5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_probe_finds_a_rate_and_leaves_the_precision_alone(
    monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.setattr("mixopt.proxy.cost._PROBE_SIDES", {"cpu": (64,)})
    monkeypatch.setattr("mixopt.proxy.cost._PROBE_SECONDS", 0.01)
    before = torch.get_float32_matmul_precision()
    assert measure_peak(torch.device("cpu"), precision) > 1e6
    assert torch.get_float32_matmul_precision() == before
