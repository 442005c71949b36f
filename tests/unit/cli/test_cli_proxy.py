"""`mixopt proxy` as a user types it: proxies, the ladder, a bench and a study's forecast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import PROXY
from typer.testing import CliRunner, Result

from mixopt.cli.main import GROUPS, make_app
from mixopt.errors import NotFoundError

TINY = f"""
name = "tiny"
[architecture]
width = {PROXY.architecture.width}
layers = 1
heads = 2
feedforward = 32
[training]
context = 32
sequences = 2
lm_tokens = 768
sft_tokens = 320
learning_rate = 1e-2
sft_learning_rate = 5e-3
"""


def _run(*arguments: str) -> Result:
    app = make_app(["proxy"])
    return CliRunner().invoke(app, ["proxy", *arguments], catch_exceptions=False)


def _bench(*arguments: str) -> dict[str, Any]:
    done = _run("bench", *arguments, "--seconds", "0.01", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(autouse=True)
def quick_probe(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:  # noqa: ARG001 - the command sets threads
    monkeypatch.setattr("mixopt.cli.proxy.measure_peak", lambda *_: 1e11)
    monkeypatch.setattr("mixopt.cli.proxy.keep_freed_memory", lambda: True)


@pytest.fixture
def tiny_proxy(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def test_the_group_is_listed() -> None:
    assert "proxy" in {group.name for group in GROUPS}


def test_proxies_are_listed_from_small_to_large() -> None:
    rows = json.loads(_run("list", "--json").stdout)
    assert [row["proxy"] for row in rows] == ["pico", "nano", "micro", "mini", "small", "base"]


def test_a_proxy_is_shown_with_what_it_costs() -> None:
    facts = json.loads(_run("show", "nano", "--vocabulary", "300", "--json").stdout)
    assert facts["vocabulary"] == 304
    assert facts["parameters in tables"] == 304 * 64
    assert facts["recipe"]["architecture"]["width"] == 64
    assert "nano" in _run("show", "nano").stdout


def test_the_ladder_is_shown_rung_by_rung() -> None:
    rows = json.loads(_run("ladder", "--json").stdout)
    assert [row["proxy"] for row in rows] == ["nano", "micro", "mini", "small", "base"]
    costs = [row["PFLOPs"] for row in rows]
    assert costs == sorted(costs)


def test_a_bench_measures_every_width_and_plans_a_lane(tiny_proxy: Path) -> None:
    found = _bench(str(tiny_proxy), "--members", "2,1")
    assert [row["members"] for row in found["throughput"]] == [1, 2]
    assert found["peak_flops"] == 1e11
    assert found["plan"]["members"] >= 1
    assert "study" not in found


def test_a_bench_is_a_table_for_people(tiny_proxy: Path) -> None:
    done = _run("bench", str(tiny_proxy), "--members", "1", "--seconds", "0.01", "--device", "cpu")
    assert "tokens/s" in done.stdout
    assert "Planned lane:" in done.stdout


def test_time_and_price_of_a_study_follow_from_the_rate(
    tiny_proxy: Path, tiny_catalog: Path
) -> None:
    study = ("--study", str(_study(tiny_proxy)), "--catalog", str(tiny_catalog))
    found = _bench("--members", "1", "--workers", "4", "--price-per-hour", "3.6", *study)
    told = found["study"]
    assert found["proxy"] == "tiny"
    assert told["tokens_per_second"] == pytest.approx(
        4 * found["throughput"][0]["tokens_per_second"]
    )
    assert told["hours"] * 3600 == pytest.approx(told["trained_tokens"] / told["tokens_per_second"])
    assert told["price"] == pytest.approx(3.6 * told["hours"])


def test_a_forecast_is_told_in_words(tiny_proxy: Path, tiny_catalog: Path) -> None:
    study = ("--study", str(_study(tiny_proxy)), "--catalog", str(tiny_catalog))
    options = ("--members", "1", "--seconds", "0.01", "--device", "cpu", "--workers", "2")
    done = _run("bench", *options, "--price-per-hour", "5", *study)
    assert "8 runs of the search" in done.stdout
    assert "on 2 workers" in done.stdout
    assert "at the given price" in done.stdout


def test_members_that_are_no_numbers_are_a_usage_error() -> None:
    for text in ("many", "0,1", ""):
        assert _run("bench", "--members", text).exit_code == 2


def test_an_unknown_proxy_is_an_error_with_words() -> None:
    with pytest.raises(NotFoundError, match="no proxies recipe 'nono'"):
        _run("show", "nono")


def _study(proxy: Path) -> Path:
    """Write the smallest study over the tiny catalog."""
    path = proxy.with_name("study.toml")
    path.write_text(
        'name = "small"\n'
        "[target]\nparameters = 10_000\ntokens = 60_000\ncontext_tokens = 32\n"
        "batch_tokens = 1_000\nlearning_rate = 1e-3\n"
        '[[stage]]\nname = "pretrain"\nkind = "lm"\nshare = "rest"\nfree = { prior = "natural" }\n'
        f'[study]\nobjective = "pretrain/bits_per_byte/mean"\nproxy = "{proxy}"\ntrials = 4\n'
    )
    return path
