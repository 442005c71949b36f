"""Layout: hidden matrices first, no gaps, and an initialization that depends on names only."""

from __future__ import annotations

import numpy as np
import pytest
from proxy_reference import VOCABULARY, recipe

from mixopt.proxy.layout import initial_row, lay_out


@pytest.mark.parametrize("tied", [True, False])
def test_leaves_tile_the_row_with_hidden_matrices_first(tied: bool) -> None:  # noqa: FBT001 - a case
    layout = lay_out(recipe(tied=tied).architecture, VOCABULARY)
    starts = [leaf.start for leaf in layout.leaves]
    stops = [leaf.stop for leaf in layout.leaves]
    assert starts == [0, *stops[:-1]]
    assert layout.num_parameters == stops[-1]
    hidden = {leaf.name.split(".")[-1] for leaf in layout.leaves if leaf.stop <= layout.num_hidden}
    assert hidden == {"query_key_value", "attention_output", "gate_up", "down"}
    tables = {leaf.name for leaf in layout.leaves if leaf.name in ("embedding", "head")}
    assert tables == ({"embedding"} if tied else {"embedding", "head"})


def test_initial_values_have_the_documented_spread() -> None:
    layout = lay_out(recipe(base_width=4).architecture, 4096)
    row = initial_row(layout, seed=3)
    parts = {leaf.name: row[leaf.start : leaf.stop] for leaf in layout.leaves}
    assert parts["embedding"].std() == pytest.approx(4**-0.5, rel=0.02)
    assert parts["layers.1.query_key_value"].std() == pytest.approx(16**-0.5, rel=0.1)
    assert not parts["layers.0.down"].any()
    assert not parts["layers.0.attention_output"].any()
    assert (parts["final_norm"] == 1).all()


def test_a_larger_vocabulary_leaves_all_other_initial_values_alone() -> None:
    small, large = (lay_out(recipe().architecture, size) for size in (24, 32))
    small_row, large_row = initial_row(small, seed=5), initial_row(large, seed=5)
    assert np.array_equal(small_row[: small.num_hidden], large_row[: large.num_hidden])
    columns = slice(small.num_hidden, small.num_hidden + 24 * 16)
    assert np.array_equal(small_row[columns], large_row[columns])
    assert not np.array_equal(small_row, initial_row(small, seed=6))
