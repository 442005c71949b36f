"""The SQL shell at a terminal: editing over several lines, completion, colours and history."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from mixopt.catalog.query import Limits, LockedConnection
from mixopt.catalog.shipped import shipped_queries
from mixopt.cli import console
from mixopt.cli.shell import Shell, Words, complete_words

_PROMPT: Final = "mixopt> "
_CONTINUED: Final = "   ...> "
_HISTORY: Final = "sql-history"


class _Completer(Completer):
    """Offers what the shell's words allow."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002 - asked for or not, it is the same
    ) -> Iterable[Completion]:
        word, found = complete_words(document.text_before_cursor, self._words)
        return [Completion(text, start_position=-len(word)) for text in found]


def run_shell(connection: LockedConnection, limits: Limits) -> None:
    """Take queries from a terminal until the user leaves."""
    shell = Shell(connection, limits, shipped_queries())
    session = _session(shell)
    console.narrate("SQL over the catalog; `.help` says what else there is, Ctrl-D leaves.")
    while True:
        try:
            typed = session.prompt()
        except KeyboardInterrupt:  # drops the line
            continue
        except EOFError:
            return
        if not shell.run(typed):
            return


def history_file() -> Path:
    """Return the file that keeps what was typed, below $XDG_STATE_HOME or ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "mixopt" / _HISTORY


def _session(shell: Shell) -> PromptSession[str]:
    session: PromptSession[str] = PromptSession(
        _PROMPT,
        multiline=Condition(lambda: not shell.is_complete(session.default_buffer.text)),
        prompt_continuation=_CONTINUED,
        completer=_Completer(shell.words()),
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        history=_history(),
    )
    return session


def _history() -> History:
    path = history_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError:  # such as a home that nobody may write to
        return InMemoryHistory()
    return FileHistory(str(path))
