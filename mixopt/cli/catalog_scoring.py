"""Scoring a catalog's documents by a proxy that is trained on some of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mixopt.catalog.documents import Document, Split
from mixopt.catalog.inventory import (
    Inventory,
    count_unseen,
    iterate_splits,
    iterate_taken,
    read_column_names,
)
from mixopt.catalog.score_files import score_path, write_scores
from mixopt.cli import console
from mixopt.cli.corpus import build_store
from mixopt.cli.paths import corpus_folder
from mixopt.corpus.store import TokenStore
from mixopt.corpus.tokenizer import load_tokenizer
from mixopt.errors import CatalogError, NotFoundError
from mixopt.proxy.config import ProxyRecipe, read_proxy


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        proxy: a proxy recipe: a path or a shipped name.
        tokens: tokens that it is trained on; none takes the recipe's.
        domains: what it is trained on; none takes all domains of texts.
        corpus: the corpus folder; none takes that beside the catalog.
        everything: score also what proxies do not see.
    """

    proxy: str
    tokens: int | None
    domains: list[str] | None
    corpus: Path | None
    everything: bool


def score_catalog(path: Path, name: str, request: Request, *, as_json: bool) -> None:
    """Train a proxy, write the scores of a catalog's documents, and tell what to do next."""
    from mixopt.study.setup import find_device  # noqa: PLC0415 - other commands need no torch
    from mixopt.training import scoring  # noqa: PLC0415

    out = _out(path, name)
    recipe = _proxy(request.proxy, request.tokens)
    context = recipe.training.context
    store = build_store(path, corpus_folder(path, request.corpus), None, context)
    schedule = scoring.scoring_schedule(store, _texts(store.inventory, request.domains), recipe)
    with console.progress(f"training {recipe.name}", recipe.training.budget.steps("lm")) as advance:
        backend = scoring.train_scorer(
            recipe, store, schedule, device=find_device("auto"), progress=advance
        )
    unseen = count_unseen(path)
    total = _num_documents(store) + (unseen if request.everything else 0)
    with console.progress("scoring: documents", total) as advance:
        scored = scoring.score_documents(
            backend,
            iterate_taken(path, load=load_tokenizer) if request.everything else _seen(path, store),
            store.tokenizer,
            context=context,
            progress=advance,
        )
    count = write_scores(out, scored.identities, scored.values)
    if unseen and not request.everything:
        console.narrate(
            f"{unseen:,} documents that proxies do not see have none: see --everything."
        )
    _conclude(path, out, count, scored.means(), as_json=as_json)


def _out(catalog: Path, name: str) -> Path:
    """Return where the scores go."""
    path = score_path(catalog, name)
    if name in read_column_names(catalog).given:
        what = f"the catalog's sources give a score or label '{name}' already"
        raise CatalogError(what, remedy="Choose another name.")
    return path


def _seen(catalog: Path, store: TokenStore) -> Iterator[tuple[Split, Document]]:
    for name in store.names:
        yield from iterate_splits(catalog, name, load=load_tokenizer)


def _num_documents(store: TokenStore) -> int:
    return sum(store.inventory.domain(name).documents for name in store.names)


def _conclude(
    catalog: Path, out: Path, count: int, means: dict[str, float | None], *, as_json: bool
) -> None:
    columns = read_column_names(catalog)
    build = f"mixopt catalog build {columns.recipe_file} --out {catalog}"
    if as_json:
        found = {"path": str(out), "documents": count, "bits_per_byte": means, "next": build}
        console.show_json(found)
    else:
        console.show_text(f"{out}: {count:,} documents")
    told = {"train": "training documents", "held_out": "held-out ones"}
    listed = [f"{mean:.3f} of {told[split]}" for split, mean in means.items() if mean is not None]
    console.narrate(f"Bits per byte, mean: {', '.join(listed)}.")
    if out.stem not in columns.attached:
        console.narrate(f'Put "{out.stem}" into `profile.proxy_scores` of {columns.recipe_file}.')
    console.narrate(f"Attach them with `{build}`.")


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
