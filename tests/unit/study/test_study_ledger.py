from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from fake_engine import TASKS, TEXT, drills_are_good, made_up
from tiny import schedule_at

from mixopt.corpus.store import TokenStore
from mixopt.database import migrate
from mixopt.database.connection import Database, is_outdated
from mixopt.errors import MixoptError, NotFoundError, StudyError
from mixopt.evaluation.result import ChosenMixture, Figure, MemberResult, TrainedNode
from mixopt.schedule.mixture import mixture_of
from mixopt.study.ledger import FILE, Ledger
from mixopt.study.trial import Trial, confirm_trial, search_trial
from mixopt.training.tree import Member

_IDENTITY = {"proxy": "aaa", "catalog": "bbb"}


def _trials(store: TokenStore) -> list[Trial]:
    schedules = [schedule_at(store, share) for share in (0.3, 0.5, 0.7)]
    return [search_trial(n, "design", found, {"x": n / 4}) for n, found in enumerate(schedules)]


def _result(trial: Trial, seed: int) -> MemberResult:
    return made_up(Member(trial=trial.name, seed=seed, schedule=trial.schedule), drills_are_good)


def _ledger(folder: Path, trials: list[Trial]) -> Ledger:
    ledger = Ledger(folder)
    ledger.create(_IDENTITY)
    ledger.add_trials(trials)
    return ledger


def test_what_is_added_is_read_back(tiny_store: TokenStore, quick_path: Path) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    ledger.add_results([_result(trials[1], seed) for seed in (5, 4)])
    assert ledger.finished() == {("search-0001", 4), ("search-0001", 5)}
    empty, record, _ = ledger.records()
    assert (record.number, record.label, record.point) == (1, "design", '{"x": 0.25}')
    assert record.schedule_digest == trials[1].schedule.digest
    assert (record.seeds, record.cpu_seconds, record.tokens) == ((4, 5), 2.0, 200)
    expected = [m.value for seed in (4, 5) for m in _result(trials[1], seed).measures[:1]]
    assert record.measures[TASKS] == tuple(expected)
    assert (empty.seeds, dict(empty.measures)) == ((), {})


def test_records_are_of_a_phase_and_in_order(tiny_store: TokenStore, quick_path: Path) -> None:
    trials = _trials(tiny_store)
    confirmed = confirm_trial(0, "natural", schedule_at(tiny_store), {})
    ledger = _ledger(quick_path, [confirmed, *reversed(trials)])
    assert [record.trial for record in ledger.records()] == [
        *(trial.name for trial in trials),
        confirmed.name,
    ]
    assert [record.trial for record in ledger.records("confirm")] == [confirmed.name]


def test_known_trials_are_left_as_they_are(tiny_store: TokenStore, quick_path: Path) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials[:2])
    before = ledger.records()
    ledger.add_trials([replace(trials[0], label="other", schedule=trials[2].schedule), trials[2]])
    assert ledger.records()[:2] == before
    assert _count(ledger, "weights") == 3 * (3 + 2 + 1)


def test_results_are_noted_all_or_none(tiny_store: TokenStore, quick_path: Path) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    ledger.add_results([_result(trials[0], 0)])
    with pytest.raises(StudyError, match="insert_run"):
        ledger.add_results([_result(trials[1], 0), _result(trials[0], 0)])
    assert ledger.finished() == {("search-0000", 0)}
    assert _count(ledger, "measures") == 3


def test_a_failure_among_measures_takes_the_run_along(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    good = _result(trials[0], 0)
    twice = replace(good, seed=1, measures=good.measures + good.measures[:1])
    with pytest.raises(StudyError, match="insert_measures"):
        ledger.add_results([good, twice])
    assert ledger.finished() == set()
    assert _count(ledger, "measures") == 0


def test_trials_are_noted_with_all_their_weights_or_not_at_all(
    tiny_store: TokenStore, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = _ledger(quick_path, [])
    insert = Database.insert_many

    def fails_late(database: Database, name: str, rows: list[dict[str, object]]) -> None:
        if rows[0]["trial"] == "search-0002":
            raise KeyboardInterrupt
        insert(database, name, rows)

    monkeypatch.setattr(Database, "insert_many", fails_late)
    with pytest.raises(KeyboardInterrupt):
        ledger.add_trials(_trials(tiny_store))
    assert ledger.records() == []
    assert _count(ledger, "weights") == 0


def _with_path(trial: Trial, seed: int, *nodes: tuple[str, int]) -> MemberResult:
    path = tuple(TrainedNode(key=key, tokens=tokens) for key, tokens in nodes)
    return replace(_result(trial, seed), path=path)


def test_shared_stages_are_counted_for_the_first_run_alone(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    ledger.add_results([_with_path(trials[1], 0, ("a", 60), ("c", 40))])
    ledger.add_results([_with_path(trials[0], 0, ("a", 60), ("b", 40))])
    ledger.add_results([_with_path(trials[0], 1, ("d", 60), ("e", 7))])
    first, second, last = ledger.records()
    assert [first.trained_tokens, second.trained_tokens, last.trained_tokens] == [167, 40, 0]
    assert (first.prefixes, second.prefixes) == (("a", "d"), ("a",))
    assert (first.tokens, second.tokens) == (200, 100)


def test_a_ledger_of_an_older_mixopt_is_brought_up_to_date_by_reading(
    tiny_store: TokenStore, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = _trials(tiny_store)
    with monkeypatch.context() as patch:
        whole = migrate.load_migrations
        patch.setattr(migrate, "load_migrations", lambda package: whole(package)[:1])
        ledger = _ledger(quick_path, [])
    assert is_outdated(ledger.path, "mixopt.study.sql")
    assert ledger.records() == []
    assert not is_outdated(ledger.path, "mixopt.study.sql")
    ledger.add_trials(trials)
    ledger.add_results([_with_path(trials[0], 0, ("a", 60))])
    assert ledger.records()[0].trained_tokens == 60


def _snapshots(ledger: Ledger) -> list[str | None]:
    with Database(ledger.path, "read", package="mixopt.study.sql") as database:
        rows = database._connection.execute("select snapshot from trials").fetchall()
    return [row[0] for row in rows]


def test_trials_name_the_snapshot_of_the_catalog(tiny_store: TokenStore, quick_path: Path) -> None:
    assert _snapshots(_ledger(quick_path, _trials(tiny_store))) == [_IDENTITY["catalog"]] * 3


def test_old_trials_are_told_the_snapshot_that_their_study_kept(
    tiny_store: TokenStore, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        whole = migrate.load_migrations
        patch.setattr(migrate, "load_migrations", lambda package: whole(package)[:4])
        ledger = _ledger(quick_path, [])
    connection = duckdb.connect(str(ledger.path))
    connection.execute("insert into trials values ('old', 'search', '', 0, '', '', '', null)")
    connection.close()
    assert [record.trial for record in ledger.records()] == ["old"]
    ledger.add_trials(_trials(tiny_store)[:1])
    assert _snapshots(ledger) == [_IDENTITY["catalog"]] * 2


def _decided(trial: Trial, seed: int) -> MemberResult:
    """Return a result whose gate opened and whose policy chose twice."""
    figures = (
        Figure(stage="early", name="opened_at", value=0.1 * seed),
        Figure(stage="sft", name="distinct", value=7.0),
    )
    halves = [{"prose": 1.0, "notes": 0.0}, {"prose": 0.25, "notes": 0.75}]
    chosen = tuple(
        ChosenMixture(stage="late", since=n / 2, mixture=mixture_of(each))
        for n, each in enumerate(halves)
    )
    return replace(_result(trial, seed), figures=figures, chosen=chosen)


def test_what_stages_note_is_read_back(tiny_store: TokenStore, quick_path: Path) -> None:
    trials = _trials(tiny_store)
    confirmed = confirm_trial(0, "natural", schedule_at(tiny_store), {})
    ledger = _ledger(quick_path, [*trials, confirmed])
    ledger.add_results([_decided(trials[1], seed) for seed in (5, 4)])
    ledger.add_results([_decided(confirmed, 6)])
    found = [
        (each.trial, each.seed, each.stage, each.name, each.value)
        for each in ledger.figures("search")
    ]
    gates = [("search-0001", seed, "early", "opened_at", 0.1 * seed) for seed in (4, 5)]
    assert found == gates + [("search-0001", seed, "sft", "distinct", 7.0) for seed in (4, 5)]
    assert {each.trial for each in ledger.figures("confirm")} == {confirmed.name}
    assert len(ledger.figures()) == 6


def test_choices_are_read_back_by_seed_and_in_order(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    ledger.add_results([_decided(trials[0], seed) for seed in (3, 1)])
    ledger.add_results([_result(trials[0], 2)])
    found = ledger.choices("search-0000")
    assert set(found) == {1, 3}
    assert [(each.stage, each.since) for each in found[1]] == [("late", 0.0), ("late", 0.5)]
    expected = _decided(trials[0], 1).chosen
    for each, given in zip(found[1], expected, strict=True):
        assert each.mixture.as_dict() == given.mixture.as_dict()
    assert ledger.choices("search-0001") == {}


@pytest.mark.parametrize("part", ["figures", "chosen"])
def test_a_failure_among_figures_or_choices_takes_the_run_along(
    tiny_store: TokenStore, quick_path: Path, part: str
) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    good = _decided(trials[0], 0)
    twice = replace(_decided(trials[0], 1), **{part: getattr(good, part) * 2})
    with pytest.raises(StudyError, match="insert_"):
        ledger.add_results([good, twice])
    assert ledger.finished() == set()
    assert [_count(ledger, table) for table in ("measures", "figures", "choices")] == [0, 0, 0]


def test_values_belong_to_the_seeds_that_have_them(
    tiny_store: TokenStore, quick_path: Path
) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    lost = replace(_result(trials[0], 1), measures=())
    ledger.add_results([_result(trials[0], 0), lost, _result(trials[0], 2)])
    record = ledger.records()[0]
    assert record.seeds == (0, 1, 2)
    assert record.by_seed(TASKS) == dict(zip((0, 2), record.measures[TASKS], strict=True))
    assert record.by_seed("sft/margin/nothing") == {}


def test_queries_see_means_of_figures(tiny_store: TokenStore, quick_path: Path) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    ledger.add_results([_decided(trials[0], seed) for seed in (1, 2, 3)])
    with Database(ledger.path, "read", package="mixopt.study.sql") as database:
        query = "select value, standard_error, num_seeds from mean_figures where name = 'opened_at'"
        (row,) = database._connection.execute(query).fetchall()
    assert row == (pytest.approx(0.2), pytest.approx(0.1 / 3**0.5), 3)


@pytest.mark.parametrize("part", list(_IDENTITY))
def test_another_study_is_named_by_what_differs(quick_path: Path, part: str) -> None:
    ledger = Ledger(quick_path)
    ledger.create(_IDENTITY)
    ledger.create(_IDENTITY)
    with pytest.raises(StudyError, match="another study") as caught:
        ledger.create(_IDENTITY | {part: "changed"})
    assert part in caught.value.why
    assert len([name for name in _IDENTITY if name in caught.value.why]) == 1
    assert ledger.identity() == _IDENTITY


def test_reading_where_nothing_is(quick_path: Path) -> None:
    ledger = Ledger(quick_path)
    for read in (ledger.finished, ledger.records, ledger.identity):
        with pytest.raises(NotFoundError, match=FILE):
            read()
    assert list(quick_path.iterdir()) == []


def test_a_damaged_file_is_an_error_of_the_study(quick_path: Path) -> None:
    (quick_path / FILE).write_bytes(b"no database at all" * 1000)
    with pytest.raises(StudyError, match="damaged") as caught:
        Ledger(quick_path).records()
    assert isinstance(caught.value, MixoptError)


def test_measures_keep_their_keys(tiny_store: TokenStore, quick_path: Path) -> None:
    trials = _trials(tiny_store)
    ledger = _ledger(quick_path, trials)
    ledger.add_results([_result(trials[0], 0)])
    assert {TASKS, TEXT} < set(ledger.records()[0].measures)


def _count(ledger: Ledger, table: str) -> int:
    with Database(ledger.path, "read", package="mixopt.study.sql") as database:
        (row,) = database._connection.execute(f"select count(*) from {table}").fetchall()
    return int(row[0])
