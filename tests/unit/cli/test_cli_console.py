"""The console: data to stdout, narration to stderr, mistakes as text and exit code."""

from __future__ import annotations

import json

import pytest

from mixopt.cli import console
from mixopt.errors import MixoptError, SupplyError


def _fails_with(error: BaseException) -> None:
    raise error


def test_a_mistake_is_told_whole_and_gives_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = SupplyError("what [is] wrong", why="because of 3", remedy="Do that.")
    assert console.run_safely(lambda: _fails_with(error), debug=False) == SupplyError.exit_code
    told = capsys.readouterr()
    assert told.out == ""
    assert "what [is] wrong" in told.err
    assert "because of 3" in told.err
    assert "Do that." in told.err
    assert "Traceback" not in told.err


def test_debug_shows_where_a_mistake_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    console.run_safely(lambda: _fails_with(SupplyError("x")), debug=True)
    assert "Traceback" in capsys.readouterr().err


def test_an_internal_error_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run_safely(lambda: _fails_with(ZeroDivisionError("y")), debug=False) == 70
    told = capsys.readouterr().err
    assert "fault of mixopt" in told
    assert "Traceback" not in told


def test_an_interruption_says_that_work_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run_safely(lambda: _fails_with(KeyboardInterrupt()), debug=False) == 130
    assert "is kept" in capsys.readouterr().err


def test_json_is_one_document_with_null_for_what_is_no_number(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.show_table(("a", "b"), [(1, float("nan")), ("ü", None)], as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"a": 1, "b": None}, {"a": "ü", "b": None}]


def test_a_table_leaves_empty_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table(("a", "b"), [(1, float("nan")), (2, None)], as_json=False)
    told = capsys.readouterr().out
    assert "nan" not in told
    assert "None" not in told


def test_a_table_cuts_no_name_and_sets_numbers_right(capsys: pytest.CaptureFixture[str]) -> None:
    name = "measure_" * 60
    console.show_table((name, "gain"), [("x", 12345), ("y", None)], as_json=False)
    told = capsys.readouterr().out
    assert "…" not in told
    assert "12,345 │" in told


def test_a_table_shows_markup_of_users_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table(("name",), [("[bold]x[/bold]",)], as_json=False)
    assert "[bold]x[/bold]" in capsys.readouterr().out


def test_every_kind_of_mistake_has_an_exit_code_of_its_own() -> None:
    kinds = MixoptError.__subclasses__()
    codes = [kind.exit_code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert not set(codes) & {0, 1, 2, 70, 130}


def test_a_table_writes_numbers_and_lists_as_people_do(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(35_391.4, ["a", 1_000]), (0.12345, {"q": 0.5})]
    console.show_table(("number", "list"), rows, as_json=False)
    told = capsys.readouterr().out
    assert all(text in told for text in ("35,391", "[a, 1,000]", "0.1235", "{q: 0.5}"))
