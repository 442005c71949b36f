"""The entry point: parses nothing itself and loads the one command group that is called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Final

import typer

import mixopt
from mixopt.cli import console


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A top-level command; its module has a function `register`."""

    name: str
    help: str


GROUPS: Final = (
    Group(name="demo", help="Run the whole road on real text: catalog to report."),
    Group(name="catalog", help="Build a catalog of data shards, look at it, query it in SQL."),
    Group(name="corpus", help="Turn a catalog's documents into memory-mapped tokens."),
    Group(name="schedule", help="Check, show and plan a schedule."),
    Group(name="study", help="Search a space of schedules with proxies."),
    Group(name="proxy", help="Show proxies, and measure how fast this device trains them."),
    Group(name="recommend", help="Confirm a study's winner on fresh seeds."),
    Group(name="law", help="Fit laws to a table of runs, predict, compare and propose mixtures."),
    Group(name="export", help="Write a schedule as configs of real trainers."),
    Group(name="report", help="Write a study as one HTML page."),
)


def cli_main() -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    sys.argv[1:] = [argument for argument in arguments if argument != "--debug"]
    app = make_app(sys.argv[1:])
    sys.exit(console.run_safely(lambda: _run(app), debug=debug))


def make_app(arguments: list[str]) -> typer.Typer:
    """Return the application with the called group loaded, and the others by name alone."""
    app = typer.Typer(
        name="mixopt",
        help=mixopt.__doc__,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    called = next((word for word in arguments if not word.startswith("-")), "")
    for group in GROUPS:
        if group.name == called:
            import_module(f"mixopt.cli.{group.name}").register(app, group.help)
        else:
            app.command(group.name, help=group.help)(_placeholder)
    return app


def _show_version(*, wanted: bool) -> None:
    if wanted:
        console.show_text(f"mixopt {mixopt.__version__}")
        raise typer.Exit


def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version.",
            is_eager=True,
            callback=lambda wanted: _show_version(wanted=wanted),
        ),
    ] = False,
) -> None:
    """Take the options that stand before any command."""


def _placeholder() -> None:
    """Stand for a group that was not called, in the list of commands."""


def _run(app: Callable[[], object]) -> None:
    try:
        app()
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
