"""What the SQL shell does with a line: queries, its own commands, and what could be meant next."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mixopt.catalog.query import Limits, LockedConnection
from mixopt.catalog.shipped import KeptQuery, bind
from mixopt.cli import answers, console
from mixopt.database.queries import load_queries
from mixopt.errors import MixoptError, QueryError

_OWN: Final = load_queries("mixopt.catalog.sql")
_WORD: Final = re.compile(r"[\w.]*$")
_HELP: Final = (
    ("QUERY;", "SQL that reads, over one line or more, up to its ;"),
    ("@NAME [NAME=VALUE ...]", "a shipped query"),
    (".queries", "the shipped queries"),
    (".tables", "tables and views"),
    (".describe TABLE", "the columns of a table, and what they are"),
    (".functions", "functions for this catalog"),
    (".format NAME", f"{', '.join(answers.FORMATS[:-1])}"),
    (".rows NUMBER", "rows to show at most"),
    (".timer on|off", "show how long queries take"),
    (".quit", "leave, as Ctrl-D does"),
)
_COMMANDS: Final = tuple(command.split()[0] for command, _ in _HELP if command.startswith("."))
_KEYWORDS: Final = (
    "select", "distinct", "from", "where", "group by", "order by", "having", "limit", "join",
    "left join", "using", "on", "with", "union all", "case", "when", "then", "else", "end", "as",
    "and", "or", "not", "is null", "in", "between", "like", "desc", "describe", "summarize",
    "explain", "qualify", "over", "partition by",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """What can be completed: names of tables, of columns, of functions and of shipped queries."""

    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()


def complete_words(before: str, words: Words) -> tuple[str, list[str]]:
    """Return the word that the cursor stands behind, and what it could become.

    Args:
        before: the text before the cursor.
        words: what there is.
    """
    match = _WORD.search(before)
    word = match[0] if match else ""
    ahead = before[: len(before) - len(word)].strip()
    candidates: Iterable[str]
    if not ahead and word.startswith("."):
        candidates = _COMMANDS
    elif before.lstrip().startswith("@") and " " not in before.strip():
        word = before.strip().removeprefix("@")  # names of queries have dashes
        candidates = words.queries
    elif ahead == ".describe":
        candidates = words.tables
    elif ahead == ".format":
        candidates = answers.FORMATS[:-1]
    elif word:
        candidates = (*words.tables, *words.columns, *words.functions, *_KEYWORDS)
    else:
        candidates = ()
    found = [text for text in candidates if text.startswith(word.lower()) and text != word]
    return word, list(dict.fromkeys(found))


class Shell:
    """Takes what a user types, a whole input at a time; prints answers and mistakes."""

    def __init__(
        self, connection: LockedConnection, limits: Limits, queries: Sequence[KeptQuery]
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._queries = {query.name: query for query in queries}
        self._style: answers.Format = "table"
        self._rows = 200
        self._timer = False
        self._commands: dict[str, Callable[[str], None]] = {
            ".help": lambda _: console.show_table(("type", "for"), _HELP, as_json=False),
            ".queries": lambda _: self._show_queries(),
            ".tables": lambda _: self._ask(_OWN["shell_tables"]),
            ".functions": lambda _: self._ask(_OWN["shell_functions"]),
            ".describe": self._describe,
            ".format": self._set_format,
            ".rows": self._set_rows,
            ".timer": self._set_timer,
        }

    @staticmethod
    def is_complete(text: str) -> bool:
        """Return whether an input has ended: a command, a shipped query, or SQL up to its `;`."""
        stripped = text.strip()
        return not stripped or stripped[0] in ".@" or stripped.endswith(";")

    def run(self, text: str) -> bool:
        """Do what an input says; return whether to go on.

        Mistakes are printed. Ctrl-C ends what runs, and not the shell.
        """
        typed = text.strip()
        command, _, rest = typed.partition(" ")
        if command in {".quit", ".exit"}:
            return False
        started = time.monotonic()
        try:
            self._do(typed, command, rest.strip())
        except KeyboardInterrupt:
            console.narrate("stopped")
        except MixoptError as error:
            console.report(error)
        if self._timer and typed and not typed.startswith("."):
            console.narrate(f"{time.monotonic() - started:.2f} seconds")
        return True

    def words(self) -> Words:
        """Return what can be completed in this catalog."""
        rows = self._connection.query(_OWN["shell_words"]).rows
        of_kind = {
            kind: tuple(str(name) for found, name in rows if found == kind)
            for kind in ("table", "column", "function")
        }
        return Words(
            tables=of_kind["table"],
            columns=of_kind["column"],
            functions=of_kind["function"],
            queries=tuple(self._queries),
        )

    def _do(self, typed: str, command: str, rest: str) -> None:
        if typed.startswith("@"):
            self._ask_kept(command.removeprefix("@").removesuffix(";"), rest.removesuffix(";"))
        elif command in self._commands:
            self._commands[command](rest)
        elif typed.startswith("."):
            what = f"there is no command {command}"
            raise QueryError(what, remedy="`.help` lists them.")
        elif typed:
            self._ask(typed)

    def _ask(self, sql: str, parameters: dict[str, object] | None = None) -> None:
        with self._connection.stream(sql, parameters) as answer:
            shown = answers.first_rows(answer, self._rows)
            answers.show(shown, self._style, self._limits)

    def _ask_kept(self, name: str, settings: str) -> None:
        if name not in self._queries:
            what = f"there is no shipped query '{name}'"
            raise QueryError(what, remedy="`.queries` lists them.")
        query = self._queries[name]
        self._ask(query.sql, bind(query, settings.split()))

    def _show_queries(self) -> None:
        rows = [(f"@{query.name}", query.question) for query in self._queries.values()]
        console.show_table(("query", "question"), rows, as_json=False)

    def _describe(self, table: str) -> None:
        self._ask(_OWN["shell_describe"], {"table": table.removesuffix(";")})

    def _set_format(self, name: str) -> None:
        self._style = answers.format_named(name)

    def _set_rows(self, number: str) -> None:
        if not number.isdecimal() or int(number) == 0:
            what = f"'{number}' is no number of rows"
            raise QueryError(what, remedy="Such as `.rows 1000`.")
        self._rows = int(number)

    def _set_timer(self, state: str) -> None:
        self._timer = state != "off"
