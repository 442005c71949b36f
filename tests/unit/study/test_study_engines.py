from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any

import pytest
from fake_engine import drills_are_good, made_up
from tiny import EXAMINATION, PROXY, reopen, schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.errors import StudyError, SupplyError
from mixopt.evaluation.result import MemberResult
from mixopt.study.engines.engine import Engine
from mixopt.study.engines.local import InlineEngine, LocalEngine
from mixopt.training.lane import LaneJob, train_lane
from mixopt.training.runs import Reports
from mixopt.training.tree import Member


class _Deadly:
    """Ends the process that unpickles it, as a system out of memory would."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os._exit, (1,))


def _job(store: TokenStore, seed: int, **changes: Any) -> LaneJob:  # noqa: ANN401 - passed on
    schedule = schedule_at(store)
    members = tuple(Member(trial=f"lane-{seed}", seed=seed + n, schedule=schedule) for n in (0, 1))
    job = LaneJob(proxy=PROXY, store=store, members=members, examination=EXAMINATION)
    return replace(job, **changes)


def _run(engine: Engine, jobs: Sequence[LaneJob]) -> tuple[list[MemberResult], int]:
    """Return the results in the order of their names, without what the clock says, and steps."""
    found: list[MemberResult] = []
    steps: list[int] = []
    with engine:
        engine.run(jobs, found.extend, steps.append)
    plain = [
        replace(
            result,
            cpu_seconds=0.0,
            path=tuple(replace(node, cpu_seconds=0.0) for node in result.path),
        )
        for result in found
    ]
    return sorted(plain, key=lambda result: (result.trial, result.seed)), sum(steps)


@pytest.mark.slow
def test_results_do_not_depend_on_where_and_beside_what_a_lane_is_trained(
    tiny_store: TokenStore, one_thread: None
) -> None:
    assert one_thread is None
    jobs = [_job(tiny_store, seed) for seed in (0, 10, 20)]
    here = _run(InlineEngine(), jobs)
    assert here[1] == 6 * (12 + 5)
    assert _run(LocalEngine(1), jobs) == here
    assert _run(LocalEngine(2), jobs) == here


def test_an_error_of_a_worker_arrives_whole(tiny_catalog: Path) -> None:
    store = reopen(tiny_catalog)
    first, *others = store.inventory.domains
    lacking = replace(first, sample_tokens=first.supply_tokens // 100)
    store.inventory = replace(store.inventory, domains=(lacking, *others))
    job = _job(store, 0)
    with pytest.raises(SupplyError) as here:
        train_lane(job, Reports(progress=lambda _: None, results=lambda _: None))
    with pytest.raises(SupplyError) as there:
        _run(LocalEngine(1), [job])
    texts = [(error.value.what, error.value.why, error.value.remedy) for error in (here, there)]
    assert texts[0] == texts[1]
    assert all(texts[0])


def test_a_worker_that_dies_is_an_error_of_the_study(tiny_store: TokenStore) -> None:
    with pytest.raises(StudyError, match="a worker process died") as caught:
        _run(LocalEngine(1), [_job(tiny_store, 0, proxy=_Deadly())])
    assert "Finished trials are kept" in caught.value.remedy


def test_what_was_told_before_a_failure_is_kept(tiny_store: TokenStore) -> None:
    engine, kept = LocalEngine(1), list[MemberResult]()
    engine._queue = SimpleQueue(ctx=get_context("spawn"))

    class Pool:
        """Ends lanes at once: the first fails, the others had told their results before."""

        def submit(self, _function: object, job: LaneJob) -> Future[None]:
            future: Future[None] = Future()
            if job.members[0].seed == 0:
                future.set_exception(StudyError("broken"))
            else:
                assert engine._queue is not None
                engine._queue.put([made_up(each, drills_are_good) for each in job.members])
                future.set_result(None)
            return future

    engine._pool = Pool()  # type: ignore[assignment]
    jobs = [_job(tiny_store, seed) for seed in (0, 10, 20, 30)]
    with pytest.raises(StudyError, match="broken"):
        engine.run(jobs, kept.extend, lambda _steps: None)
    assert {result.trial for result in kept} == {"lane-10", "lane-20", "lane-30"}


def test_results_arrive_as_members_end(tiny_store: TokenStore) -> None:
    """Of two members in a lane of one slot the first is told before the second is trained."""
    told: list[tuple[str, int]] = []
    with InlineEngine() as engine:
        engine.run(
            [_job(tiny_store, 0, width=1)],
            lambda results: told.append(("results", len(results))),
            lambda steps: told.append(("steps", steps)),
        )
    assert [kind for kind, _ in told].count("results") == 2
    assert told.index(("results", 1)) < len(told) - 1
    assert sum(steps for kind, steps in told if kind == "steps") == 2 * 17


def test_an_engine_has_to_be_entered(tiny_store: TokenStore) -> None:
    with pytest.raises(ValueError, match="has not been entered"):
        LocalEngine(1).run([_job(tiny_store, 0)], lambda _: None, lambda _: None)
