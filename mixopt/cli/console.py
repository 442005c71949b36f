"""The only writer: data to stdout, narration to stderr, and every mistake as text and exit code."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from pydantic import BaseModel
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.panel import Panel
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from mixopt.errors import MixoptError

_INTERNAL_ERROR = 70
_INTERRUPTED = 130

_PIPE_WIDTH = 200
_WHOLE = 9999.5  # from here on, four digits would need an exponent

_out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def narrate(text: str) -> None:
    """Say what is going on, on stderr."""
    _err.print(escape(text))


def headline(text: str) -> None:
    """Say what comes next, on stderr."""
    _err.print(f"[bold]{escape(text)}[/bold]")


def conclude(title: str, lines: Sequence[str]) -> None:
    """Show a conclusion in a frame, on stdout."""
    _out.print(
        Panel("\n".join(escape(line) for line in lines), title=escape(title), padding=(1, 2))
    )


def show_text(text: str) -> None:
    """Print text as data."""
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def data_output() -> IO[bytes]:
    """Return what data that is no text goes to: stdout, after all that was printed."""
    sys.stdout.flush()
    return sys.stdout.buffer


def is_terminal() -> bool:
    """Return whether data goes to a terminal."""
    return sys.stdout.isatty()


def show_json(value: object) -> None:
    """Print a value as one JSON document; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def show_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, as_json: bool, title: str = ""
) -> None:
    """Print rows as a table, or as a JSON list of objects."""
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    table = Table(title=escape(title) or None, title_justify="left", header_style="bold")
    numeric = [_is_numeric([row[n] for row in rows]) for n in range(len(columns))]
    for name, is_number in zip(columns, numeric, strict=True):
        side: JustifyMethod = "right" if is_number else "left"
        table.add_column(escape(name), justify=side, overflow="fold")
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row))
    _out.print(table)


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr; the block is given a function that advances it."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, transient=not _err.is_terminal) as bar:
        task = bar.add_task(escape(description), total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def progress_in_bytes(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr; the block is given a function to tell bytes done and to do."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, transient=not _err.is_terminal) as bar:
        task = bar.add_task(escape(description), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def run_safely(command: Callable[[], None], *, debug: bool) -> int:
    """Run a command; return the exit code, having told what went wrong."""
    try:
        command()
    except KeyboardInterrupt:
        narrate("Interrupted. What was finished is kept; the same command goes on from there.")
        return _INTERRUPTED
    except BrokenPipeError:
        return 0
    except MixoptError as error:
        report(error)
        _trace(error, debug=debug)
        return error.exit_code
    except Exception as error:  # noqa: BLE001, RUF100 - the one place where nothing may pass
        _err.print(f"[bold red]internal error:[/bold red] {escape(repr(error))}")
        narrate("This is a fault of mixopt. Run again with --debug and report what it prints.")
        _trace(error, debug=debug)
        return _INTERNAL_ERROR
    return 0


def _trace(error: Exception, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)


def report(error: MixoptError) -> None:
    """Say what went wrong, on stderr."""
    _err.print(f"[bold red]error:[/bold red] {escape(error.what)}")
    for text in (error.why, error.remedy):
        if text:
            narrate(text)


def _is_numeric(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) for value in known)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _measured(value)
    if isinstance(value, int):
        return f"{value:,}"
    return _nested(value) if isinstance(value, list | tuple | Mapping) else str(value)


def _nested(value: Sequence[object] | Mapping[object, object]) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_cell(item)}' for key, item in value.items())}}}"
    return f"[{', '.join(map(_cell, value))}]"


def _measured(value: float) -> str:
    if math.isnan(value):  # such as the spread of one seed
        return ""
    return f"{value:.4g}" if abs(value) < _WHOLE else f"{value:,.0f}"


def plain(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return a value as JSON has it; records become objects, and what is not finite null."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="python")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)
