"""A tiny study from files to a recommendation: nothing is faked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest
import torch
from scipy import stats
from tiny import TEXT_DOMAINS, make_setup, reopen

from mixopt.corpus.store import TokenStore
from mixopt.errors import NotFoundError, StudyError
from mixopt.proxy.config import ProxyRecipe
from mixopt.study.confirm import confirm, confirmation_trials, find_optima
from mixopt.study.engines.local import InlineEngine
from mixopt.study.ledger import TrialRecord
from mixopt.study.recommendation import Recommendation, read_recommendation
from mixopt.study.search import run_search
from mixopt.study.setup import StudySetup
from mixopt.training.states import FOLDER

_OBJECTIVE = "late/bits_per_byte/drills"
_SETTINGS: dict[str, object] = {
    "objective": _OBJECTIVE,
    "trials": 9,
    "batch": 4,
    "design": 8,
    "seeds": 2,
    "confirm_seeds": 3,
    "sampler": "law",
    "lane": 6,
}

Studied = tuple[StudySetup, Recommendation]


@pytest.fixture(scope="module")
def studied(tiny_store: TokenStore, quick_folders: Callable[[], Path]) -> Studied:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    setup = make_setup(tiny_store, quick_folders(), **_SETTINGS)
    setup = replace(setup, proxy=_longer(setup.proxy))
    with InlineEngine() as engine:
        run_search(setup, engine, lambda _steps: None)
        optima = find_optima(setup)
        trials = confirmation_trials(setup, optima)
        found = confirm(setup, optima, trials, engine, lambda _steps: None)
    torch.set_num_threads(before)
    return setup, found


def test_the_search_ends_with_what_a_law_proposed(studied: Studied) -> None:
    records = studied[0].ledger.records("search")
    labels = [record.label for record in records]
    assert labels == ["natural", "uniform", "unimax", *["design"] * 5, "law"]
    assert {record.seeds for record in records} == {(0, 1)}
    keys = {f"late/bits_per_byte/{name}" for name in (*TEXT_DOMAINS, "mean")}
    assert all(keys < set(record.measures) for record in records)


def test_more_drills_give_fewer_bits_of_drills(studied: Studied) -> None:
    setup, found = studied
    records = setup.ledger.records("search")
    shares = [
        setup.space.resolve(_point(record)).mean_mixture().share("drills") for record in records
    ]
    bits = [sum(record.measures[_OBJECTIVE]) / 2 for record in records]
    assert stats.spearmanr(shares, bits).statistic < -0.5
    recommended = _confirmed_share(setup, "recommended")
    assert recommended > _confirmed_share(setup, "natural")
    assert found.proposals[0].predicted < max(bits)


def test_the_recommendation_is_what_the_fresh_seeds_say(studied: Studied) -> None:
    setup, found = studied
    confirmed = {record.label: record for record in setup.ledger.records("confirm")}
    ours, natural = (confirmed[name].measures[_OBJECTIVE] for name in ("recommended", "natural"))
    assert len(ours) == len(natural) == 3
    low, high = stats.ttest_rel(natural, ours).confidence_interval(0.95)
    comparison = found.compared(_OBJECTIVE, "natural")
    assert comparison is not None
    assert [comparison.low, comparison.high] == pytest.approx([low, high])
    assert found.switch == (low > 0)
    assert ("do not switch" in found.sentence) != found.switch
    assert read_recommendation(setup.folder) == found


def test_the_recommendation_counts_everything(studied: Studied) -> None:
    setup, found = studied
    records = setup.ledger.records()
    assert found.trials == len(records) == 9 + 5
    assert found.runs == 9 * 2 + 5 * 3
    training = setup.proxy.training
    assert found.tokens == found.runs * (training.lm_tokens + training.sft_tokens)
    assert {row.law for row in found.laws} > {"stack", "gaussian_process"}
    assert sum(row.chosen for row in found.laws) == 1
    assert _OBJECTIVE in {row.measure for row in found.signals}


def test_the_same_command_again_gives_the_same_and_trains_nothing(studied: Studied) -> None:
    setup, found = studied
    steps: list[int] = []
    with InlineEngine() as engine:
        run_search(setup, engine, steps.append)
        optima = find_optima(setup)
        again = confirm(setup, optima, confirmation_trials(setup, optima), engine, steps.append)
    assert again == found
    assert steps == []


def test_a_study_that_shares_beginnings_trains_less_and_gives_the_same(
    tiny_store: TokenStore, quick_folders: Callable[[], Path], one_thread: None
) -> None:
    """Proxies of a shared stage come from the cache, in whatever batch it was trained."""
    assert one_thread is None
    records = []
    for batch in (5, 1):
        settings = {"trials": 5, "seeds": 1, "design": 5, "batch": batch, "share": 2}
        setup = make_setup(tiny_store, quick_folders(), **settings)
        run_search(setup, InlineEngine(), lambda _steps: None)
        records.append([_timeless(record) for record in setup.ledger.records()])
    assert records[0] == records[1]
    prefixes = [record.prefixes for record in records[0]]
    assert prefixes[3] == prefixes[4]
    assert prefixes[3] not in prefixes[:3]
    scheduled = sum(record.tokens for record in records[0])
    assert sum(record.trained_tokens for record in records[0]) < scheduled


_PROGRAM = """
import sys
from pathlib import Path
from tiny import make_setup, reopen
from mixopt.study.engines.local import LocalEngine
from mixopt.study.search import run_search

if __name__ == "__main__":
    states = {"seconds": 0.0}
    setup = make_setup(reopen(Path(sys.argv[1])), Path(sys.argv[2]), trials=5, states=states)
    with LocalEngine(1) as engine:
        run_search(setup, engine, lambda steps: steps and print(steps, flush=True))
        print("idle", flush=True)
        sys.stdin.read()
"""


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_ends_like_an_undisturbed_one(
    tiny_catalog: Path, tiny_store: TokenStore, quick_path: Path, one_thread: None
) -> None:
    assert one_thread is None
    program = quick_path / "program.py"
    program.write_text(_PROGRAM)
    command = [sys.executable, str(program), str(tiny_catalog), str(quick_path / "killed")]
    killed = make_setup(tiny_store, quick_path / "killed", trials=5)
    kept: set[tuple[str, int]] = set()
    for reports in (1, 2, None):
        _kill_after(command, reports)
        finished = _finished(killed)
        assert kept <= finished
        kept = finished
    assert len(kept) == 10
    calm = make_setup(reopen(tiny_catalog), quick_path / "calm", trials=5)
    run_search(calm, InlineEngine(), lambda _steps: None)
    assert [_timeless(record) for record in killed.ledger.records()] == [
        _timeless(record) for record in calm.ledger.records()
    ]
    assert not any((quick_path / "killed" / FOLDER / "running").iterdir())


def _kill_after(command: list[str], reports: int | None) -> None:
    """Kill a study after some reports of progress, or when idle; its workers must end too."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=_environment(), stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        for line, _ in enumerate(iter(process.stdout.readline, b"idle\n"), start=1):
            if line == reports:
                break
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
    assert workers
    for _ in range(200):
        if not any(Path(f"/proc/{worker}").exists() for worker in workers):
            return
        sleep(0.1)
    pytest.fail(f"orphans: {workers}")


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}


def _finished(setup: StudySetup) -> set[tuple[str, int]]:
    try:
        return setup.ledger.finished()
    except (NotFoundError, StudyError):
        return set()


def _timeless(record: TrialRecord) -> TrialRecord:
    return replace(record, cpu_seconds=0.0)


def _point(record: TrialRecord) -> dict[str, float]:
    point: dict[str, float] = json.loads(record.point)
    return point


def _confirmed_share(setup: StudySetup, label: str) -> float:
    record = next(each for each in setup.ledger.records("confirm") if each.label == label)
    return setup.space.resolve(json.loads(record.point)).mean_mixture().share("drills")


def _longer(proxy: ProxyRecipe) -> ProxyRecipe:
    """Return the proxy with enough steps to learn what it is shown."""
    training = proxy.training.model_copy(update={"lm_tokens": 60 * proxy.training.step_tokens})
    return proxy.model_copy(update={"training": training})
