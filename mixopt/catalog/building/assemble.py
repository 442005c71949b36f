"""Assembling a catalog file from the store of measurements, in SQL."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa

from mixopt.catalog.building.assembly import Assembly
from mixopt.catalog.building.contamination import find_contamination
from mixopt.catalog.building.duplicates import find_duplicates
from mixopt.catalog.building.placing import place_files, take_documents
from mixopt.catalog.building.profiles import write_documents, write_domains, write_profiles
from mixopt.catalog.building.proxy_scores import attach_scores, note_missing, write_scores
from mixopt.catalog.building.samples import choose_samples
from mixopt.catalog.building.snapshots import attach_previous, write_history
from mixopt.database.workbench import Workbench
from mixopt.recipes.digest import digest

_MEMORY_MEGABYTES = 2048


def assemble(store_path: Path, catalog_path: Path, assembly: Assembly) -> tuple[str, ...]:
    """Write the whole catalog file, and return what the user should be told.

    No source is read: a recipe with other conditions, samples or declared supplies needs no new
    measurement. Memory is bounded; what does not fit is kept beside the file meanwhile.

    Args:
        store_path: the store that holds the measurements of all files of the assembly; closed.
        catalog_path: the file to write; must not exist. The caller puts it in place.
        assembly: what it is assembled from.

    Raises:
        CatalogError: a domain has no document to train on, two domains share documents, a
            condition fails, or the file cannot be written.
    """
    scratch = catalog_path.with_name(f"{catalog_path.name}.scratch")
    try:
        with Workbench(
            catalog_path,
            package="mixopt.catalog.sql",
            queries="mixopt.catalog.building.sql.assembly",
            scratch=scratch,
            memory_megabytes=_MEMORY_MEGABYTES,
        ) as bench:
            bench.attach("store", store_path)
            goes_on, note = attach_previous(bench, assembly.previous)
            bench.lock()
            with bench.transaction():
                _fill(bench, assembly, goes_on=goes_on)
                notes = note_missing(bench, assembly)
            bench.execute("checkpoint")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return (note, *notes) if note else notes


def _fill(bench: Workbench, assembly: Assembly, *, goes_on: bool) -> None:
    profile = assembly.recipe.profile
    bench.execute("create_work")
    bench.insert("insert_info", pa.Table.from_pylist([_info_row(assembly)]))
    place_files(bench, assembly)
    attach_scores(bench, assembly)
    take_documents(bench, assembly)
    choose_samples(bench, assembly)
    write_scores(bench, assembly)
    find_duplicates(bench, profile.near_duplicates)
    if profile.contamination is not None:
        find_contamination(bench)
    facts = write_profiles(bench, assembly)
    content_hash = write_domains(bench, assembly, facts)
    write_documents(bench, assembly)
    write_history(bench, content_hash, goes_on=goes_on)


def _info_row(assembly: Assembly) -> dict[str, object]:
    recipe = assembly.recipe
    return {
        "name": recipe.name,
        "tokenizer": assembly.tokenizers[0].name,
        "tokenizer_digest": assembly.tokenizers[0].digest,
        "content_hash": "",
        "recipe_file": str(assembly.recipe_file.resolve()),
        "recipe_digest": digest(recipe),
        "validation_share": recipe.split.validation,
        "test_share": recipe.split.test,
        "profile": recipe.profile.model_dump_json(),
    }
