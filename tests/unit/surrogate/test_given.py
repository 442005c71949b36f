"""Mixtures and supplies beside a table: in words, in files, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mixopt.errors import LawError, NotFoundError
from mixopt.surrogate.tables.given import natural, read_named, read_pairs, read_supply, uniform
from mixopt.surrogate.tables.read import Layout, RunTable, read_runs


@pytest.fixture
def table(tmp_path: Path) -> RunTable:
    """Two stages over code, web and a domain that no run used."""
    file = tmp_path / "runs.csv"
    head = [f"phase_{stage}_w.{name}" for stage in (0, 1) for name in ("code", "web", "none")]
    rows = [(0.2, 0.8, 0, 0.4, 0.6, 0, 1.0), (0.5, 0.5, 0, 0.6, 0.4, 0, 2.0)]
    lines = [",".join(["run", *head, "loss"])]
    lines += [",".join([f"r{n}", *map(str, row)]) for n, row in enumerate(rows)]
    file.write_text("\n".join(lines))
    return read_runs(file, None, Layout(measures=("loss",), phases=(0.75, 0.25)))


def test_words_give_one_mixture_for_every_stage_or_one_per_stage(table: RunTable) -> None:
    same = read_named("code=0.3,web=0.7", table).features
    np.testing.assert_allclose(same.weights, [[[0.3, 0.7], [0.3, 0.7]]])
    each = read_named("code=30,web=70;w.web=1", table).features
    np.testing.assert_allclose(each.weights, [[[0.3, 0.7], [0.0, 1.0]]])
    rest = read_named("code=0.3", table, rest="web").features
    np.testing.assert_allclose(rest.weights, same.weights)
    np.testing.assert_allclose(each.tokens, [[0.75, 0.25]])


def test_names_of_runs_and_baselines(table: RunTable) -> None:
    np.testing.assert_allclose(read_named("r1", table).features.weights[0, 1], [0.6, 0.4])
    np.testing.assert_allclose(natural(table, None).features.weights[0, 0], [0.35, 0.65])
    held = natural(table, {"code": 10, "web": 30}).features
    np.testing.assert_allclose(held.weights[0], [[0.25, 0.75], [0.25, 0.75]])
    np.testing.assert_allclose(uniform(table).features.weights, 0.5)


def test_files_of_mixtures_may_leave_out_zeros(table: RunTable, tmp_path: Path) -> None:
    file = tmp_path / "mixtures.csv"
    file.write_text("name,web,none,code\nfirst,0.6,0,0.4\nsecond,1,0,0\n")
    found = read_named(str(file), table)
    assert found.names == ("first", "second")
    np.testing.assert_allclose(found.features.weights[0], [[0.4, 0.6], [0.4, 0.6]])
    np.testing.assert_allclose(found.features.weights[1], [[0.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("code=0.5,web=0.2", "They sum to 0.7"),
        ("code=1.5,web=-0.5", "the least is -0.5"),
        ("none=0.5,web=0.5", "no run used it"),
        ("code=x,web=,=1", "3 faults"),
        ("code=0.5,code=0.5", "'code' stands twice"),
        ("code=1;web=1;web=1", "has 3 stages"),
    ],
)
def test_faulty_words(table: RunTable, given: str, message: str) -> None:
    with pytest.raises(LawError) as caught:
        read_named(given, table)
    assert message in str(caught.value)


def test_unknown_domains_are_named_with_the_nearest(table: RunTable) -> None:
    with pytest.raises(NotFoundError) as caught:
        read_named("cod=1", table)
    assert "Did you mean 'code'" in str(caught.value)
    assert read_pairs("Wikipedia (en)=0.5, dclm:a=1", "x") == {"Wikipedia (en)": 0.5, "dclm:a": 1}


def test_supplies_in_words_and_files(table: RunTable, tmp_path: Path) -> None:
    expected = {"code": 2_000_000_000, "web": 10**12}
    assert read_supply("code=2B,w.web=1e12", table) == expected
    file = tmp_path / "supply.csv"
    file.write_text("domain,tokens\nweb,1_000B\ncode,2B\nnone,5\n")
    assert read_supply(str(file), table) == expected
    for given, message in (("code=2B", "nothing is said of web"), ("code=-1,web=no", "2 faults")):
        with pytest.raises(LawError) as caught:
            read_supply(given, table)
        assert message in str(caught.value)
    file.write_text("name,count\nweb,1\n")
    with pytest.raises(LawError, match="no columns `domain` and `tokens`"):
        read_supply(str(file), table)
