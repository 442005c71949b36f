"""A catalog of a million shards in ten thousand domains: how long it takes to assemble and to ask.

Run with `python tests/benchmarks/million_shards.py [--shards N] [--domains N] [--documents N]`. The
store of measurements is filled with made-up rows; all that follows is the real assembly, and queries
that a practitioner asks. Documents are spread over the shards; one in twenty copies another, one in
twenty nearly, and as many pairs share n-grams.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb

from mixopt.catalog.building.assemble import assemble
from mixopt.catalog.building.assembly import Assembly, Collection, SourceFiles, Tokenizer
from mixopt.catalog.inventory import read_inventory
from mixopt.catalog.locations import File
from mixopt.catalog.query import run_query
from mixopt.catalog.recipe import CatalogRecipe
from mixopt.catalog.sources import JsonlSource
from mixopt.database.connection import Database

Result = TypeVar("Result")

FILL_FILES = """
insert into files
select range, format('/corpus/d{:05d}/part-{:07d}.jsonl', range % $domains, range), 1000000, '1', null,
    'r', 'm', $each, 0, 0, $each
from range($shards)
"""
FILL_DOCUMENTS = """
insert into documents by name
with drawn as (
    select
        range // $each as file,
        (range % $each)::integer as document,
        case when range % 20 = 0 then range - 7 else range end as named
    from range($first, $last)
)
select
    file,
    document,
    hash(named) as identity,
    hash(named) as fingerprint,
    200 + hash(named, 1) % 8000 as bytes,
    50 + hash(named, 2) % 2000 as tokens,
    ['en', 'de', 'fr', 'zh'][1 + (hash(named, 3) % 4)::bigint] as language,
    (hash(named, 4) % 1000 / 1000)::float as compressibility,
    (hash(named, 5) % 1000 / 1000)::float as repetition,
    unhex(array_to_string(list_transform(range(16), lambda word: format('{:016x}', hash(
        case when named % 20 = 3 and word > 1 then named - 1 else named end, word
    ))), '')) as signature,
    list_transform(range(4), lambda word: hash(named - (named % 20 = 5)::integer, word)) as grams,
    []::varchar[] as protected,
    null::varchar as excerpt,
    hash(named, 6) % 10000 / 10000 as quality,
    ['math', 'law', 'code', 'news'][1 + (hash(named, 7) % 4)::bigint] as topic
from drawn
"""
QUESTIONS = {
    "largest domains": "select name, tokens from domains order by tokens desc limit 20",
    "tokens by language": "select language, sum(bytes) from languages group by 1 order by 2 desc",
    "one domain's shards": "select * from shards where domain = 'd00077' order by tokens desc",
    "largest shards": "select path, tokens from shards order by tokens desc limit 20",
    "most repetitive shards": "select path from shards order by repetition desc limit 20",
    "shards by language": "select language, count(*), sum(tokens) from shards group by 1",
    "one file": "select * from files where path like '%part-0123456.jsonl'",
    "tokens by split": "select split, sum(tokens) from shard_splits group by 1",
    "lengths": "select log2_bytes, sum(documents) from length_histograms group by 1 order by 1",
    "duplicates": "select name, duplicate_share from domains order by 2 desc limit 20",
    "overlapping domains": "select * from domain_overlaps order by token_share desc limit 20",
    "contaminated domains": "select name, contaminated_share from domains order by 2 desc limit 20",
    "kept documents": "select text_domain, count(*) from (select domain as text_domain, scores "
    "from documents where scores['quality'] > 0.9) group by 1 order by 2 desc limit 20",
    "what came": "select since, count(*), sum(tokens) from shard_history group by 1",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=1_000_000)
    parser.add_argument("--domains", type=int, default=10_000)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--kept", type=int, default=20)
    options = parser.parse_args()
    each = max(1, options.documents // options.shards)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, catalog = folder / "store.duckdb", folder / "catalog.duckdb"
        report("fill the store", lambda: fill(store, options.shards, options.domains, each))
        assembly = report("list the assembly", lambda: listed(options))
        report("assemble", lambda: assemble(store, catalog, assembly))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        megabytes = {path.name: path.stat().st_size / 1e6 for path in (store, catalog)}
        print(f"peak memory {peak:,.0f} MiB; {megabytes} MB")
        report("read the inventory", lambda: read_inventory(catalog))
        for question, sql in QUESTIONS.items():
            report(question, partial(run_query, catalog, sql))


def report(what: str, act: Callable[[], Result]) -> Result:
    start = time.perf_counter()
    result = act()
    print(f"{what:<24} {time.perf_counter() - start:9.3f} s", flush=True)
    return result


def fill(store: Path, shards: int, domains: int, each: int) -> None:
    """Write measurements of made-up documents, a million at a time."""
    Database(store, "write", package="mixopt.catalog.building.sql").close()
    documents, chunk = shards * each, 1_000_000
    with duckdb.connect(str(store), config={"memory_limit": "4GB"}) as connection:
        connection.execute("alter table documents add column quality double")
        connection.execute("alter table documents add column topic varchar")
        connection.execute(FILL_FILES, {"shards": shards, "domains": domains, "each": each})
        for first in range(0, documents, chunk):
            bounds = {"first": first, "last": min(first + chunk, documents), "each": each}
            connection.execute(FILL_DOCUMENTS, bounds)


def listed(options: argparse.Namespace) -> Assembly:
    scores, labels = {"quality": "q"}, {"topic": "t"}
    source = JsonlSource(reader="jsonl", path="x", scores=scores, labels=labels)
    names = [f"d{number:05d}" for number in range(options.domains)]
    sources = [source.model_dump()]
    domains = [{"name": name, "provenance": "organic", "sources": sources} for name in names]
    profile = {"kept_documents": options.kept}
    data = {"name": "large", "domain": domains, "profile": profile}
    collections = [
        Collection(
            name=name,
            schema="text",
            sources=(SourceFiles(source=source, files=files_of(number, options)),),
        )
        for number, name in enumerate(names)
    ]
    return Assembly(
        recipe=CatalogRecipe.model_validate(data),
        recipe_file=Path("large.toml"),
        tokenizers=(Tokenizer(name="bytes", digest="bytes"),),
        collections=tuple(collections),
    )


def files_of(domain: int, options: argparse.Namespace) -> tuple[tuple[int, File], ...]:
    return tuple(
        (
            number,
            File(
                location=f"/corpus/d{domain:05d}/part-{number:07d}.jsonl",
                num_bytes=1_000_000,
                modified="1",
            ),
        )
        for number in range(domain, options.shards, options.domains)
    )


if __name__ == "__main__":
    main()
