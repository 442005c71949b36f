"""`mixopt catalog score`: how hard every document is to a proxy, as a file of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mixopt.catalog.inventory import Inventory, iterate_splits
from mixopt.catalog.score_files import score_path, write_scores
from mixopt.cli import console
from mixopt.cli.corpus import build_store
from mixopt.cli.paths import CatalogOption, corpus_folder, find_catalog
from mixopt.corpus.tokenizer import load_tokenizer
from mixopt.errors import NotFoundError
from mixopt.proxy.config import ProxyRecipe, read_proxy


def register(app: typer.Typer) -> None:
    """Add the command to the group `catalog`."""
    app.command()(score)


def score(
    name: Annotated[str, typer.Argument(help="Name of the score, such as `difficulty`.")],
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
) -> None:
    """Train a proxy, and write the bits per byte of every document of texts and conversations."""
    from mixopt.study.setup import find_device  # noqa: PLC0415 - other commands need no torch
    from mixopt.training import scoring  # noqa: PLC0415

    path = find_catalog(catalog)
    out = score_path(path, name)
    recipe = _proxy(proxy, tokens)
    context = recipe.training.context
    store = build_store(path, corpus_folder(path, corpus), None, context)
    trained_on = _texts(store.inventory, domain)
    schedule = scoring.scoring_schedule(store, trained_on, recipe)
    with console.progress(f"training {recipe.name}", recipe.training.budget.steps("lm")) as advance:
        backend = scoring.train_scorer(
            recipe, store, schedule, device=find_device("auto"), progress=advance
        )
    parts = []
    total = sum(store.inventory.domain(each).documents for each in store.names)
    with console.progress("scoring: documents", total) as advance:
        for each in store.names:
            documents = (found for _, found in iterate_splits(path, each, load=load_tokenizer))
            parts.append(
                scoring.score_documents(
                    backend, documents, store.tokenizer, context=context, progress=advance
                )
            )
    identities = np.concatenate([found for found, _ in parts])
    values = np.concatenate([found for _, found in parts])
    count = write_scores(out, identities, values)
    console.show_text(f"{out}: {count:,} documents")


def _proxy(name: str, tokens: int | None) -> ProxyRecipe:
    proxy = read_proxy(name)
    if tokens is None:
        return proxy
    training = proxy.training.model_dump() | {"lm_tokens": max(tokens, proxy.training.step_tokens)}
    return proxy.model_validate(proxy.model_dump() | {"training": training})


def _texts(inventory: Inventory, given: list[str] | None) -> list[str]:
    """Return the domains that are trained on."""
    names = given or list(inventory.names("text"))
    for name in names:
        inventory.domain(name)
    if not names or set(names) - set(inventory.names("text")):
        what = "a proxy is trained on domains of texts"
        known = ", ".join(inventory.names("text")) or "none"
        raise NotFoundError(what, remedy=f"Name some of them with --domain: {known}.")
    return names
