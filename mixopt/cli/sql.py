"""`mixopt catalog sql`: one query over a catalog and studies, or a shell for many."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from mixopt.catalog.query import Limits, Studies, open_query
from mixopt.catalog.shipped import KeptQuery, bind, find_query, read_query, shipped_queries
from mixopt.cli import answers, console
from mixopt.cli.flatten import flattened
from mixopt.cli.paths import CatalogOption, JsonOption, find_catalog
from mixopt.errors import NotFoundError, QueryError

_LEDGERS: Final = "mixopt.study.sql"


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked; every field is an option."""

    file: Annotated[Path | None, typer.Option("--file", help="A file with the query.")] = None
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE for $NAME in the query, such as tokens=20B."),
    ] = None
    catalog: CatalogOption = None
    study: Annotated[
        list[Path] | None, typer.Option("--study", help="Study folders to query as well.")
    ] = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What becomes of the answer; every field is an option."""

    style: Annotated[
        str | None, typer.Option("--format", help=f"{', '.join(answers.FORMATS)}.")
    ] = None
    as_json: JsonOption = False
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a file; its ending names the format.")
    ] = None
    most: Annotated[
        int | None, typer.Option("--limit", min=1, help="Rows at most; the rest is left out.")
    ] = None

    def format(self) -> answers.Format:
        """Return the format that is asked for, or that the file's ending names.

        Raises:
            QueryError: there is none of that name.
        """
        if self.style is not None or self.as_json:
            return answers.format_named(self.style or "json")
        if self.out is not None:
            return answers.format_named(self.out.suffix.removeprefix("."))
        return "table"


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What the query may use; every field is an option."""

    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Time limit.")] = 60.0
    memory: Annotated[int, typer.Option("--memory", min=64, help="Megabytes of memory.")] = 2048


def register(app: typer.Typer) -> None:
    """Add the command to the group `catalog`."""
    app.command()(sql)


@flattened
def sql(
    query: Annotated[
        str | None,
        typer.Argument(
            help="One SELECT, or @NAME of a shipped query; by default a shell, or what is piped in."
        ),
    ] = None,
    *,
    question: Question,
    result: Result,
    allowance: Allowance,
    listed: Annotated[bool, typer.Option("--list", help="List the shipped queries.")] = False,
) -> None:
    """Ask in SQL: domains, shards, documents, snapshots and, with --study, trials and measures."""
    if listed:
        rows = [(kept.name, kept.question, _settings(kept)) for kept in shipped_queries()]
        console.show_table(("query", "question", "--set"), rows, as_json=result.format() == "json")
        return
    catalog = find_catalog(question.catalog)
    studies = Studies(package=_LEDGERS, ledgers=ledgers_of(question.study or []))
    limits = Limits(seconds=allowance.seconds, memory_megabytes=allowance.memory)
    if query is None and question.file is None and sys.stdin.isatty():
        from mixopt.cli.terminal import run_shell  # noqa: PLC0415 - nobody else waits for it

        with open_query(catalog, studies=studies, limits=limits) as connection:
            run_shell(connection, limits)
        return
    kept = _asked(query, question.file)
    if "(--study)" in kept.question and not question.study:
        console.narrate("This asks about studies, and none is named: add --study FOLDER.")
    parameters = bind(kept, question.setting or [])
    style = result.format()
    with (
        open_query(catalog, studies=studies, limits=limits) as connection,
        connection.stream(kept.sql, parameters) as answer,
    ):
        cut = answer if result.most is None else answers.first_rows(answer, result.most)
        if result.out is None:
            answers.show(cut, style, limits)
        else:
            answers.write(cut, style, result.out)
            console.narrate(f"written: {result.out}")


def ledgers_of(folders: Sequence[Path]) -> list[Path]:
    """Return the ledgers of study folders.

    Raises:
        NotFoundError: a folder has none.
    """
    if not folders:
        return []
    from mixopt.study.ledger import FILE  # noqa: PLC0415 - a catalog alone need not wait for it

    paths = [folder / FILE for folder in folders]
    for path in paths:
        if not path.is_file():
            what = f"{path.parent} holds no study results"
            raise NotFoundError(
                what, remedy="Name the folder of a study (--folder of `study run`)."
            )
    return paths


def _settings(kept: KeptQuery) -> str:
    """Return what can be set in a query, with what it is when it is not."""
    return ", ".join(
        each.name if each.preset is None else f"{each.name}={each.preset}"
        for each in kept.parameters
    )


def _asked(query: str | None, file: Path | None) -> KeptQuery:
    """Return the query that is meant: from a file, shipped, typed or piped in."""
    if query is not None and file is not None:
        what = "a query and a file are too much"
        raise QueryError(what, remedy="Give one of them.")
    if file is not None:
        return read_query(file)
    if query is not None and query.startswith("@"):
        return find_query(query.removeprefix("@"))
    text = query if query is not None else sys.stdin.read()
    return KeptQuery(name="the query", question="", parameters=(), sql=text)
