"""`mixopt catalog score`: how hard every document is to a proxy, as a file of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixopt.cli.paths import CatalogOption, JsonOption, find_catalog


def register(app: typer.Typer) -> None:
    """Add the command to the group `catalog`."""
    app.command()(score)


def score(  # noqa: PLR0913 - one option each
    name: Annotated[str, typer.Argument(help="Name of the score, such as `hardness`.")],
    proxy: Annotated[
        str, typer.Option("--proxy", help="Proxy recipe: a path or a shipped name.")
    ] = "pico",
    tokens: Annotated[
        int | None, typer.Option("--tokens", min=1, help="Tokens that it is trained on.")
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option("--domain", help="What it is trained on; by default all domains of texts."),
    ] = None,
    catalog: CatalogOption = None,
    corpus: Annotated[
        Path | None, typer.Option("--corpus", help="Corpus folder; by default beside the catalog.")
    ] = None,
    *,
    everything: Annotated[
        bool,
        typer.Option(
            "--everything",
            help="Score also what proxies do not see: outside of samples and domains.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a proxy, and write the bits per byte of every text and conversation for a next build.

    Documents that the proxy was trained on are scored as well as held-out ones, whose mean is told
    beside theirs. A build attaches the scores that `profile.proxy_scores` of its recipe names.
    """
    from mixopt.cli.catalog_scoring import Request, score_catalog  # noqa: PLC0415 - loads much

    score_catalog(
        find_catalog(catalog),
        name,
        Request(proxy=proxy, tokens=tokens, domains=domain, corpus=corpus, everything=everything),
        as_json=as_json,
    )
