"""Records of options as options of their own."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from mixopt.cli.flatten import flattened


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Two options."""

    folder: Annotated[str, typer.Option("--folder", help="Where.")]
    depth: Annotated[int, typer.Option("--depth")] = 2


@flattened
def show(place: Place, *, loud: Annotated[bool, typer.Option("--loud")] = False) -> None:
    """Say where."""
    typer.echo(f"{place.folder} {place.depth} {loud}")


def test_fields_become_options_and_come_back_as_the_record() -> None:
    app = typer.Typer()
    app.command()(show)
    done = CliRunner().invoke(app, ["--folder", "here", "--loud"])
    assert done.stdout == "here 2 True\n"
    assert CliRunner().invoke(app, ["--loud"]).exit_code != 0
    assert list(inspect.signature(show).parameters) == ["folder", "depth", "loud"]
