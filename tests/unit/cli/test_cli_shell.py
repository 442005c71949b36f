"""What the SQL shell does with a line, and at a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from filled import write_filled_catalog
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from mixopt.catalog.query import Limits, LockedConnection, Studies, open_query
from mixopt.catalog.shipped import shipped_queries
from mixopt.cli import terminal
from mixopt.cli.shell import Shell, Words, complete_words

WORDS = Words(
    tables=("domains", "documents"),
    columns=("domain",),
    functions=("epochs(",),
    queries=("splits", "best-trials"),
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LockedConnection]:
    path = write_filled_catalog(tmp_path_factory.mktemp("shell") / "catalog.duckdb")
    with open_query(path, studies=Studies(package="mixopt.study.sql")) as connection:
        yield connection


@pytest.fixture
def shell(connection: LockedConnection) -> Shell:
    return Shell(connection, Limits(), shipped_queries())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("select name from domains order by name limit 1;", "code"),
        (".tables", "What each domain supplies"),
        (".describe supply", "unique tokens of the target run"),
        (".functions", "epochs(domain, tokens)"),
        (".queries", "@largest-domains"),
        (".help", ".timer on|off"),
        ("@repetition-at-target tokens=8M weight=0.5;", "drills"),
    ],
)
def test_a_line_is_answered(
    shell: Shell, line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run(line)
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("drop table domains;", "refused"),
        ("selekt 1;", "no SQL"),
        (".nonsense", "no command"),
        (".format xlsx", "no format"),
        (".rows many", "no number of rows"),
        ("@nonsense", "no shipped query"),
        ("@sample-of-documents", "needs a value"),
    ],
)
def test_a_mistake_is_told_and_the_shell_goes_on(
    shell: Shell, line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.run(line)
    assert told in capsys.readouterr().err
    assert shell.run("select 1;")


def test_format_rows_and_timer_are_kept(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    for line in (".format jsonl", ".rows 2", ".timer on", "select range as i from range(9);"):
        assert shell.run(line)
    told = capsys.readouterr()
    assert [json.loads(line) for line in told.out.splitlines()] == [{"i": 0}, {"i": 1}]
    assert "seconds" in told.err
    assert not shell.run(".quit")


def test_an_interrupt_stops_the_query_only(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mixopt.cli.answers.show", interrupted)
    assert shell.run("select range from range(1000000000000);")
    assert "stopped" in capsys.readouterr().err
    monkeypatch.undo()
    assert shell.run("select 42 as answer;")
    assert "42" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "complete"),
    [("select 1", False), ("select 1;", True), (".help", True), ("@splits", True), ("", True)],
)
def test_an_input_ends_with_a_semicolon(text: str, *, complete: bool) -> None:
    assert Shell.is_complete(text) is complete


@pytest.mark.parametrize(
    ("before", "word", "found"),
    [
        ("select * from do", "do", ["domains", "documents", "domain"]),
        ("select ep", "ep", ["epochs("]),
        ("sel", "sel", ["select"]),
        (".ta", ".ta", [".tables"]),
        (".describe do", "do", ["domains", "documents"]),
        (".format c", "c", ["csv"]),
        ("@sp", "sp", ["splits"]),
        ("@best-t", "best-t", ["best-trials"]),
        ("@", "", ["splits", "best-trials"]),
        ("", "", []),
    ],
)
def test_what_could_be_meant_is_offered(before: str, word: str, found: list[str]) -> None:
    assert complete_words(before, WORDS) == (word, found)


def test_words_are_those_of_the_catalog(shell: Shell) -> None:
    words = shell.words()
    assert {"supply", "domains", "trials"} <= set(words.tables)
    assert "supply_tokens" in words.columns
    assert {"epochs(", "sum("} <= set(words.functions)
    assert "splits" in words.queries


def test_a_terminal_takes_lines_and_remembers_them(
    connection: LockedConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with (
        create_pipe_input() as keys,
        create_app_session(input=keys, output=DummyOutput()),
    ):
        keys.send_text("select nonsense\x03")  # Ctrl-C drops the line
        keys.send_text(".format csv\rselect 40\r+ 2 as answer;\r\x04")  # and Ctrl-D leaves
        terminal.run_shell(connection, Limits())
    assert capsys.readouterr().out == "answer\n42\n"
    remembered = list(FileHistory(str(terminal.history_file())).load_history_strings())
    assert remembered == ["select 40\n+ 2 as answer;", ".format csv"]


def test_history_is_not_kept_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert isinstance(terminal._history(), InMemoryHistory)
