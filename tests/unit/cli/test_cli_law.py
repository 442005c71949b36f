"""Laws of tables as a user asks for them: fits, predictions, comparisons, proposals, ladders."""

from __future__ import annotations

import csv
import json
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from mixopt.cli import law_extrapolate, law_front, law_propose
from mixopt.cli.main import make_app
from mixopt.errors import LawError, MixoptError, NotFoundError
from mixopt.surrogate.proposing.pareto import propose_front
from mixopt.surrogate.proposing.propose import propose

DOMAINS = ("code", "prose", "web")


def losses(weights: np.ndarray[Any, np.dtype[np.float64]], level: float = 1.0) -> list[list[float]]:
    """Return two losses, one best near all code, one near all prose."""
    first = level + 0.5 * (0.1 + 2 * weights[:, 0] + weights[:, 2]) ** -0.5
    second = level + 0.5 * (0.1 + 2 * weights[:, 1] + weights[:, 2]) ** -0.5
    found: list[list[float]] = np.stack([first, second], axis=1).tolist()
    return found


def write_tables(folder: Path, name: str, rows: int, *, level: float = 1.0) -> tuple[Path, Path]:
    weights = np.random.default_rng(rows).dirichlet(np.ones(3), rows)
    files = folder / f"{name}-ratios.csv", folder / f"{name}-metrics.csv"
    heads = [f"mix_{domain}" for domain in DOMAINS], ["eval/code_loss", "eval/prose_loss"]
    for file, head, body in zip(
        files, heads, (weights.tolist(), losses(weights, level)), strict=True
    ):
        with file.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["run", *head])
            writer.writerows([f"r{n}", *row] for n, row in enumerate(body))
    return files


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_tables(tmp_path_factory.mktemp("law"), "small", 16)


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(law_propose, "find_optimum", partial(propose, candidates=256))
    monkeypatch.setattr(law_extrapolate, "propose", partial(propose, candidates=256))
    monkeypatch.setattr(law_front, "propose_front", partial(propose_front, candidates=256))


def law(command: str, *words: object) -> Result:
    listed = ["law", command, *(str(word) for word in words)]
    return CliRunner().invoke(make_app(listed), listed, catch_exceptions=False)


def asked(command: str, tables: tuple[Path, Path], *words: object) -> Any:  # noqa: ANN401 - JSON
    files = ("--ratios", tables[0], "--metrics", tables[1])
    done = law(command, *files, "--workers", 1, "--json", *words)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def refused(kind: type[MixoptError], message: str, *words: object) -> None:
    with pytest.raises(kind, match=message):
        law(*(str(word) for word in words))


def test_fit_scores_every_measure_and_the_objective(tables: tuple[Path, Path]) -> None:
    found = asked("fit", tables)
    by_name = {row["measure"]: row for row in found["measures"]}
    assert list(by_name) == ["code", "prose", "mean of 2 measures"]
    assert all(row["rank correlation"] > 0.9 for row in by_name.values())
    assert {"gaussian_process", "log_linear"} <= {row["family"] for row in found["families"]}
    assert "no mixture was run twice" in found["notes"][-1]
    assert {row["measure"]: row["law"] for row in found["laws"]}["mean of 2 measures"]


def test_predictions_are_near_the_truth_and_their_intervals_hold_it(
    tables: tuple[Path, Path],
) -> None:
    at = ("--at", "code=0.5,prose=0.3,web=0.2", "--at", "mix_web=100")
    rows = asked("predict", tables, "--objective", "code", *at)
    truth = losses(np.array([[0.5, 0.3, 0.2], [0.0, 0.0, 1.0]]))
    for row, (value, _) in zip(rows, truth, strict=True):
        assert row["low"] < value < row["high"]
    assert rows[0]["predicted"] == pytest.approx(truth[0][0], abs=0.02)
    assert rows[0]["beyond the runs"] is None
    assert "web" in rows[1]["beyond the runs"]


def test_comparisons_name_the_better_mixture_first(tables: tuple[Path, Path]) -> None:
    at = ("--at", "code=0.1,prose=0.8,web=0.1", "--at", "uniform", "--at", "r3")
    rows = asked("compare", tables, "--objective", "prose", *at)
    assert rows[0]["mixture"] == "code=0.1,prose=0.8,web=0.1"
    assert rows[0]["P(better)"] > 0.9
    assert all(row["low"] <= row["gain"] <= row["high"] for row in rows)
    assert len(rows) == 3


def test_proposals_keep_what_is_demanded_and_can_be_read_again(
    tables: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "best.csv"
    bounds = ("--ceiling", "code=0.6", "--floor", "web=0.05", "--lattice", 0.05)
    found = asked("propose", tables, "--objective", "code", *bounds, "--out", out)
    shares = {row["domain"]: float(row["proposed"][:-1]) for row in found["weights"]}
    assert shares["code"] <= 60.001
    assert shares["web"] >= 4.999
    assert all(share % 5 == pytest.approx(0) for share in shares.values())
    (again,) = asked("predict", tables, "--objective", "code", "--at", out)
    assert again["mixture"] == "proposed"
    assert again["predicted"] == pytest.approx(found["mixtures"][0]["predicted"], abs=1e-4)


def test_supply_caps_a_proposal_and_shows_epochs(tables: tuple[Path, Path], tmp_path: Path) -> None:
    supply = tmp_path / "supply.csv"
    supply.write_text("domain,tokens\nmix_code,1B\nprose,20B\nweb,1e11\n")
    out = tmp_path / "best.toml"
    target = ("--supply", supply, "--tokens", "20B", "--max-epochs", 2, "--penalty", 0)
    found = asked("propose", tables, "--objective", "code", *target, "--out", out)
    epochs = {row["domain"]: row["epochs"] for row in found["weights"]}
    assert epochs["code"] == pytest.approx(2, abs=0.05)
    assert [row["mixture"] for row in found["mixtures"]][:2] == ["proposed", "natural"]
    (stage,) = tomllib.loads(out.read_text())["stage"]
    assert stage["mixture"]["code"] == pytest.approx(0.1, abs=0.003)


def test_a_ladder_says_what_the_target_comes_to(tmp_path: Path) -> None:
    rungs = []
    for size, rows, level in (("1M", 20, 1.5), ("10M", 12, 1.2)):
        files = write_tables(tmp_path, size, rows, level=level)
        rungs += ["--rung", f"{size},1B,{files[0]},{files[1]}"]
    words = [
        "law",
        "extrapolate",
        *rungs,
        "--target",
        "100M,1B",
        "--measure",
        "code",
        "--seed",
        "1",
        "--json",
    ]
    done = CliRunner().invoke(make_app(words), words, catch_exceptions=False)
    found = json.loads(done.stdout)
    first = found["mixtures"][0]
    assert first["at the target"] < first["at the largest rung"]
    assert first["low"] < first["at the target"] < first["high"]
    assert found["order"][0]["measure"] == "code"
    assert (found["mixtures"][1]["gain"], found["mixtures"][1]["P(better)"]) == (None, None)


def test_mistakes_have_words(tables: tuple[Path, Path], tmp_path: Path) -> None:
    files = ("--ratios", tables[0], "--metrics", tables[1], "--workers", 1)
    refused(LawError, "sum to 0.7|are no mixture", "predict", *files, "--at", "code=0.7")
    refused(NotFoundError, "no domain 'cod'", "predict", *files, "--at", "cod=1")
    refused(NotFoundError, "no mixture", "predict", *files, "--at", tmp_path / "no.csv")
    refused(LawError, "nothing to compare", "compare", *files, "--at", "uniform")
    refused(NotFoundError, "no measure 'x'", "fit", *files, "--objective", "x")
    refused(LawError, "both directions", "fit", *files, "--maximize", "code")
    refused(LawError, "cannot read the floors", "propose", *files, "--floor", "code")
    refused(LawError, "nothing is said of prose", "propose", *files, "--supply", "code=1B,web=1B")
    refused(LawError, "no count of tokens", "propose", *files, "--tokens", "many")
    refused(LawError, "cannot write", "propose", *files, "--out", tmp_path / "x.txt")
    refused(LawError, "--phases", "fit", *files, "--phases", "a,b")


def test_a_front_weighs_measures_of_both_directions(tables: tuple[Path, Path]) -> None:
    found = asked("propose", tables, "--front", "code", "--front", "prose", "--maximize", "prose")
    assert found["mixtures"][0]["mixture"] == "knee"


def test_a_front_shows_its_knee_first(tables: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "knee.csv"
    found = asked("propose", tables, "--front", "code", "--front", "prose", "--out", out)
    assert found["mixtures"][0]["mixture"] == "knee"
    assert {"code", "prose"} <= set(found["mixtures"][0])
    losses = {row["mixture"]: row for row in found["losses"]}
    assert losses["best in code"]["loss in code"] == pytest.approx(0)
    assert losses["best in code"]["loss in prose"] > 0
    assert out.read_text().splitlines()[1].startswith("knee,")


def test_the_runs_may_choose_the_penalty(tables: tuple[Path, Path]) -> None:
    found = asked("propose", tables, "--objective", "code", "--penalty", "auto")
    assert found["mixtures"][0]["P(better)"] > 0.5
    files = ("--ratios", tables[0], "--metrics", tables[1])
    refused(LawError, "is no penalty", "propose", *files, "--penalty", "much")


def test_a_proposal_says_what_holds_it_back(tables: tuple[Path, Path]) -> None:
    bound = ("--objective", "code", "--ceiling", "code=0.4", "--guard", "prose", "--tokens", "1B")
    found = asked("propose", tables, *bound)
    best = found["mixtures"][-1]["mixture"]
    assert f"{best} is predicted to be better" in found["notes"][-1]
    assert "--tokens without --supply caps no epochs" in found["notes"]
    assert {"proposed", "mean of the runs"} <= set(found["guards"][0])


def test_a_target_below_the_ladder_is_told(tmp_path: Path) -> None:
    rungs = []
    for size, rows, level in (("1M", 20, 1.5), ("10M", 12, 1.2)):
        files = write_tables(tmp_path, size, rows, level=level)
        rungs += ["--rung", f"{size},1B,{files[0]},{files[1]}"]
    done = law("extrapolate", *rungs, "--objective", "code", "--target", "5M,1B", "--json")
    assert "5M < 10M parameters" in json.loads(done.stdout)["notes"][0]
