from pathlib import Path

import pyarrow as pa
import pytest

from mixopt.database.filter import Condition, check_condition
from mixopt.errors import QueryError

COLUMNS = {"text": "varchar", "bytes": "bigint", "quality": "double", "topic": "varchar"}
BATCH = pa.table(
    {
        "text": ["one", "two words", "three", None],
        "bytes": [3, 9, 5, 0],
        "quality": [0.5, None, 0.1, 0.9],
        "topic": ["a", "b", None, "a"],
    }
)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("bytes > 4", [False, True, True, False]),
        ("bytes > 4 -- a remark", [False, True, True, False]),
        ("bytes > 4 or /* more */ topic = 'a'", [True, True, True, True]),
        ("quality > 0.2", [True, False, False, True]),
        ("not quality > 0.2", [False, False, True, False]),
        ("TEXT like 'two%'", [False, True, False, False]),
        ("regexp_matches(text, '^t') and bytes < 9", [False, False, True, False]),
        ("len(list_filter(string_split(text, ' '), lambda word: len(word) = 3)) = 1", None),
        ("case when topic = 'b' then true end", [False, True, False, False]),
        ("true", [True] * 4),
        ("null::boolean", [False] * 4),
    ],
)
def test_rows_meet_a_condition_or_not(where: str, expected: list[bool] | None) -> None:
    found = Condition(where, COLUMNS).holds(BATCH).tolist()
    assert found == (expected or [True, True, False, False])


def test_the_columns_are_those_that_the_condition_names() -> None:
    assert Condition("Bytes > 4 and topic is null", COLUMNS).columns == {"bytes", "topic"}
    assert Condition("true", COLUMNS).columns == set()


def test_many_rows_keep_their_order() -> None:
    condition = Condition("bytes % 3 = 0", COLUMNS)
    for size in (1, 2048, 10_000):
        batch = pa.table({"bytes": range(size)})
        assert condition.holds(batch).tolist() == [number % 3 == 0 for number in range(size)]


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("", "TUPLE"),
        ("bytes >", "syntax error"),
        ("bytes > 1; drop table batch", "syntax error"),
        ("bytes) from batch where (1", "not one expression"),
        ("bytes > 1), (bytes > 2", "not one expression"),
        ("bytes > 1) union all (select true", "not one expression"),
        ("true); attach 'x.db'; select (true", "SELECT"),
        ("true /*", "comment"),
        ("bytes", "of type BIGINT"),
        ("text", "of type VARCHAR"),
        ("qualty > 1", "qualty.*columns are text, bytes, quality, topic"),
        ("batch.bytes > 1", "names a table"),
        ("sum(bytes) > 1", "aggregates"),
        ("row_number() over () > 1", "window"),
        ("columns('b.*') > 1", "star"),
        ("$secret > 1", "parameter"),
        ("bytes in (select 1)", "query within"),
        ("exists (from read_text('/etc/passwd'))", "query within"),
        ("random() < 0.5", "calls random"),
        ("len(list_transform([1], lambda x: uuid())) = 1", "calls uuid"),
        ("current_date > date '2020-01-01'", "calls current_date"),
        ("now() is null", "calls now"),
        ("sleep_ms(100000) is null", "calls sleep_ms"),
        ("current_setting('threads') = '1'", "calls current_setting"),
        ("getenv('HOME') is null", "getenv"),
        ("read_text('/etc/passwd') is null", "read_text"),
        ("nextval('s') > 1", "calls nextval"),
    ],
)
def test_what_is_no_condition_over_one_row_is_refused(where: str, fault: str) -> None:
    assert check_condition(where, COLUMNS)
    with pytest.raises(QueryError, match=f"(?s)`.*{fault}"):
        Condition(where, COLUMNS)


def test_a_score_may_be_called_like_a_function_or_a_table() -> None:
    columns = {"current_date": "varchar", "batch": "double"}
    assert check_condition("current_date = 'x' and batch > 1", columns) == ""
    batch = pa.table({"current_date": ["x"], "batch": [2.0]})
    assert Condition("current_date = 'x' and batch > 1", columns).holds(batch).tolist() == [True]


def test_a_condition_that_fails_on_a_row_says_so() -> None:
    condition = Condition("text::integer > 1", COLUMNS)
    with pytest.raises(QueryError, match="try_cast") as caught:
        condition.holds(BATCH)
    assert "Could not convert" in caught.value.why
    assert condition.holds(pa.table({"text": ["2"]})).tolist() == [True]


def test_conditions_leave_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Condition("bytes > 1", COLUMNS).holds(BATCH)
    assert list(tmp_path.iterdir()) == []
