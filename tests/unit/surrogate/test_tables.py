"""Reading tables of runs: keys, units, prefixes, stages, and every fault with its row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mixopt.errors import LawError, NotFoundError
from mixopt.surrogate.tables.read import Layout, RunTable, read_runs

ROWS = ((0.2, 0.3, 0.5), (0.6, 0.4, 0.0), (0.1, 0.1, 0.8))
LOSSES = (3.5, 2.5, 4.5)


def write(path: Path, header: str, rows: Sequence[Sequence[object]]) -> Path:
    lines = [header, *(",".join(str(value) for value in row) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def ratios(folder: Path, rows: Sequence[Sequence[float]] = ROWS, head: str = "w_a,w_b,w_c") -> Path:
    numbered = [(f"run{n}", *row) for n, row in enumerate(rows)]
    return write(folder / "ratios.csv", f"run,{head}", numbered)


def metrics(folder: Path, losses: Sequence[object] = LOSSES, head: str = "run,loss") -> Path:
    return write(folder / "metrics.csv", head, [(f"run{n}", v) for n, v in enumerate(losses)])


def faults(folder: Path, layout: Layout | None = None) -> str:
    with pytest.raises(LawError) as caught:
        read_runs(folder / "ratios.csv", folder / "metrics.csv", layout or Layout())
    return str(caught.value)


def test_rows_are_joined_by_the_key_whatever_their_order(tmp_path: Path) -> None:
    shuffled = [(f"run{n}", LOSSES[n]) for n in (2, 0, 1)]
    other = write(tmp_path / "metrics.csv", "run,loss", shuffled)
    runs = read_runs(ratios(tmp_path), other).runs
    assert runs.names == ("run0", "run1", "run2")
    assert runs.features.domains == ("a", "b", "c")
    np.testing.assert_allclose(runs.features.weights[:, 0], ROWS)
    np.testing.assert_allclose(runs.column("loss"), LOSSES)


def test_percents_and_rounded_rows_become_shares(tmp_path: Path) -> None:
    percent = [[100 * weight for weight in row] for row in ROWS]
    percent[0][0] += 0.5
    table = read_runs(ratios(tmp_path, percent), metrics(tmp_path))
    np.testing.assert_allclose(table.runs.features.weights.sum(axis=2), 1.0)
    assert "ratios.csv: weights are percents" in table.notes
    assert any("rows sum to 1 to 1.005" in note for note in table.notes)


def test_every_fault_of_both_files_is_named_with_its_row(tmp_path: Path) -> None:
    bad = [[0.2, 0.3, 0.4], [0.6, 0.7, -0.3], [0.1, "x", 0.9]]
    ratios(tmp_path, bad)  # type: ignore[arg-type]
    metrics(tmp_path, (1.0, "oops", 2.0))
    text = faults(tmp_path)
    assert "4 faults" in text
    assert "ratios.csv, row 1 (run run0): the weights sum to 0.9" in text
    assert "ratios.csv, row 2 (run run1): the weight of 'w_c' is negative: -0.3" in text
    assert "ratios.csv, row 3 (run run2): the weight of 'w_b' is no number: 'x'" in text
    assert "metrics.csv, row 2 (run run1): 'loss' is no number: 'oops'" in text


def test_rows_that_do_not_sum_to_one_are_told_apart_from_missing_columns(tmp_path: Path) -> None:
    ratios(tmp_path, [ROWS[0], (0.6, 0.2, 0.0), ROWS[2]])
    metrics(tmp_path)
    assert "row 2 (run run1): the weights sum to 0.8" in faults(tmp_path)
    ratios(tmp_path, [row[1:] for row in ROWS[1:]], head="w_b,w_c")
    assert "no row of weights sums to 1 or to 100; they sum to 0.4 to 0.9" in faults(tmp_path)
    files = tmp_path / "ratios.csv", tmp_path / "metrics.csv"
    features = read_runs(*files, Layout(rest="w_a")).runs.features
    assert features.domains == ("b", "c", "w_a")
    np.testing.assert_allclose(features.weights[:, 0], [(0.4, 0.0, 0.6), (0.1, 0.8, 0.1)])


def test_keys_that_stand_twice_or_match_nothing_are_faults(tmp_path: Path) -> None:
    ratios(tmp_path)
    write(tmp_path / "metrics.csv", "run,loss", [("run0", 1.0), ("run0", 2.0)])
    assert "run 'run0' stands in rows 1, 2" in faults(tmp_path)
    write(tmp_path / "metrics.csv", "run,loss", [("other", 1.0)])
    assert "have no run in common, such as 'run0' and 'other'" in faults(tmp_path)
    write(tmp_path / "metrics.csv", "id,loss", [("run0", 1.0)])
    assert "have no key in common" in faults(tmp_path)
    with pytest.raises(NotFoundError, match="Did you mean 'run'"):
        read_runs(tmp_path / "ratios.csv", tmp_path / "metrics.csv", Layout(key="runs"))


def test_rows_of_one_file_only_are_left_out_and_counted(tmp_path: Path) -> None:
    table = read_runs(ratios(tmp_path), metrics(tmp_path, (*LOSSES[:2],)))
    assert table.runs.names == ("run0", "run1")
    assert "left out 1 run of ratios.csv not in metrics.csv: 'run2'" in table.notes


def test_equal_mixtures_become_replicates_and_copies_count_once(tmp_path: Path) -> None:
    rows = [ROWS[0], ROWS[0], ROWS[1], ROWS[1], ROWS[2]]
    table = read_runs(ratios(tmp_path, rows), metrics(tmp_path, (3.0, 3.2, 2.0, 2.0, 5.0)))
    np.testing.assert_allclose(table.runs.column("loss"), [3.1, 2.0, 5.0])
    np.testing.assert_allclose(table.runs.noise[:, 0], [0.01, 0.02, 0.02])
    assert any("counted once: 1 rows that repeat" in note for note in table.notes)


def test_missing_measures_stay_missing_and_diverged_ones_are_missing(tmp_path: Path) -> None:
    text = [("run0", 1.0, "nan"), ("run1", "", "inf"), ("run2", "NA", 4.0), ("run3", 2.0, 5.0)]
    other = write(tmp_path / "metrics.csv", "run,x,y", text)
    table = read_runs(ratios(tmp_path, (*ROWS, (0.3, 0.3, 0.4))), other)
    assert table.runs.names == ("run0", "run2", "run3")
    np.testing.assert_array_equal(np.isnan(table.runs.column("x")), [False, True, False])
    np.testing.assert_array_equal(np.isnan(table.runs.column("y")), [True, False, False])
    assert "2 of 6 measured values are missing" in table.notes


def test_unused_domains_and_constant_measures_are_left_out(tmp_path: Path) -> None:
    rows = [(0.5, 0.5, 0.0), (0.6, 0.4, 0.0), (0.1, 0.9, 0.0)]
    flat = write(
        tmp_path / "metrics.csv", "run,x,y", [(f"run{n}", 1.0, float(n)) for n in range(3)]
    )
    table = read_runs(ratios(tmp_path, rows), flat)
    assert table.unused == ("c",)
    assert table.runs.features.domains == ("a", "b")
    assert table.runs.measures == ("y",)
    with pytest.raises(LawError, match="nothing can be learned from 'x'"):
        read_runs(tmp_path / "ratios.csv", flat, Layout(measures=("x",)))


def test_one_file_with_stages_and_a_rest(tmp_path: Path) -> None:
    one = write(
        tmp_path / "one.csv",
        "name,phase_0_code,phase_1_code,loss,other",
        [("p", 0.2, 0.4, 1.0, 7), ("q", 0.5, 0.0, 2.0, 8), ("r", 0.0, 1.0, 3.0, 9)],
    )
    layout = Layout(measures=("loss",), rest="web", phases=(0.75, 0.25), maximize=("loss",))
    table = read_runs(one, None, layout)
    features = table.runs.features
    assert (features.stages, features.domains) == (("phase_0", "phase_1"), ("code", "web"))
    np.testing.assert_allclose(features.weights[0], [[0.2, 0.8], [0.4, 0.6]])
    np.testing.assert_allclose(features.tokens[0], [0.75, 0.25])
    assert table.runs.directions == ("maximize",)
    with pytest.raises(LawError, match="has 2 stages"):
        read_runs(one, None, Layout(measures=("loss",), rest="web", phases=(1.0,)))


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "tsv"])
def test_other_formats_say_the_same(tmp_path: Path, ending: str) -> None:
    frame = pl.DataFrame({"run": [7, 8, 9], "a": [0.2, 0.6, 0.1], "b": [0.8, 0.4, 0.9]})
    file = tmp_path / f"ratios.{ending}"
    if ending == "parquet":
        frame.write_parquet(file)
    elif ending == "jsonl":
        frame.write_ndjson(file)
    else:
        frame.write_csv(file, separator="\t")
    other = write(tmp_path / "metrics.csv", "run,loss", [(8, 2.0), (7, 1.0), (9, 3.0)])
    runs = read_runs(file, other).runs
    assert runs.names == ("7", "8", "9")
    np.testing.assert_allclose(runs.column("loss"), [1.0, 2.0, 3.0])


def test_names_of_columns_are_known_too_and_nearest_ones_are_offered(tmp_path: Path) -> None:
    table: RunTable = read_runs(ratios(tmp_path), metrics(tmp_path))
    assert table.domain("w_b") == table.domain("b") == "b"
    with pytest.raises(NotFoundError, match="has no measure 'los'"):
        table.measure("los")
    with pytest.raises(NotFoundError, match="has no measure 'nothing'"):
        read_runs(tmp_path / "ratios.csv", tmp_path / "metrics.csv", Layout(maximize=("nothing",)))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "cannot read|has no rows"),
        ("a.csv", "run,x,x\n1,2,3\n", "two columns of one name: 'x'"),
        ("a.csv", "run,x,y\n", "has no rows"),
        ("a.csv", "run,x,y\n1,2,3,4,5\n", "cannot read"),
        ("a.xlsx", "x", "cannot tell the format"),
        ("a.parquet", "x", "cannot read"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LawError, match=message):
        read_runs(tmp_path / name)
    with pytest.raises(NotFoundError, match="no such file"):
        read_runs(tmp_path / "none.csv")
