"""The manifest of an export: what it was made from, the plan in tokens, and every file's hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mixopt.errors import ExportError
from mixopt.export.documents import DocumentFile
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.export.verify import Check

MANIFEST = "manifest.json"
_FORMAT = "mixopt-export-1"


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetRecord:
    """What the manifest says about one target.

    Attributes:
        name: the target's name.
        unit: what its weights count.
        written_for: the version whose formats were written.
        approximations: where it cannot do what the plan says.
        checks: what its configs realize.
    """

    name: str
    unit: str
    written_for: str
    approximations: tuple[str, ...]
    checks: tuple[Check, ...]


def manifest(
    plan: ExportPlan,
    targets: Sequence[TargetRecord],
    documents: Sequence[DocumentFile],
    hashes: Mapping[str, str],
) -> dict[str, Any]:
    """Return the manifest as plain data.

    Args:
        plan: the plan that was written.
        targets: one record per target.
        documents: files of documents that were written beside the export.
        hashes: path in the export -> SHA-256.
    """
    return {
        "format": _FORMAT,
        "schedule": {"name": plan.schedule, "digest": plan.digest, "recipe": dict(plan.recipe)},
        "catalog": {"name": plan.catalog, "content_hash": plan.catalog_hash},
        "tokenizer": plan.tokenizer,
        "epochs": plan.epochs(),
        "stages": [_stage(stage) for stage in plan.stages],
        "domains": [asdict(source) for source in plan.sources.values()],
        "approximations": list(plan.approximations),
        "targets": [asdict(record) for record in targets],
        "documents": [{**asdict(file), "path": str(file.path)} for file in documents],
        "files": dict(hashes),
    }


def _stage(stage: PlannedStage) -> dict[str, Any]:
    practice = stage.practice.model_dump(mode="json") if stage.practice is not None else None
    return {**asdict(replace(stage, practice=None)), "practice": practice}


def write_manifest(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write the manifest into an export."""
    path = folder / MANIFEST
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of an export.

    Raises:
        ExportError: the folder is no export of mixopt.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        message = f"{folder} is not an export of mixopt"
        raise ExportError(message, why=f"It has no {MANIFEST} of the format {_FORMAT}.")
    return content


def hash_files(folder: Path) -> dict[str, str]:
    """Return path -> SHA-256 of every file in a folder, sorted by path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def changed_files(folder: Path) -> list[str]:
    """Return the files of an export that mixopt did not write, or that were edited since.

    Raises:
        ExportError: the folder is no export of mixopt.
    """
    known = read_manifest(folder).get("files", {})
    found = hash_files(folder)
    return [name for name, value in found.items() if name != MANIFEST and known.get(name) != value]
