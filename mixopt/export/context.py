"""What a target is told beside the plan: folders, seed and devices, and what it hands back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mixopt.export.planned import ExportPlan, Piece, PlannedStage
from mixopt.recipes.digest import digest

Unit = Literal["tokens", "rows"]  # what a target's weights count

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_STEM = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportContext:
    """The surroundings of an export.

    Attributes:
        export_folder: where the export will lie when it is done; absolute.
        run_folder: where documents, the target's tokens and its checkpoints go; absolute, and
            outside the export, so that exporting again destroys none of them.
        seed: names every random order.
        devices: processes that train together, for targets whose batch is per device.
        rows: documents that were really written, per domain; estimated where missing.
    """

    export_folder: Path
    run_folder: Path
    seed: int = 0
    devices: int = 1
    rows: Mapping[str, int] = field(default_factory=dict)

    def documents(self, domain: str) -> Path:
        """Return the JSONL file that holds the training documents of a domain."""
        return self.run_folder / "documents" / f"{file_stem(domain)}.jsonl"

    def rows_of(self, plan: ExportPlan, domain: str) -> int:
        """Return how many documents of a domain the target has."""
        return self.rows.get(domain, plan.sources[domain].rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What a target wrote.

    Attributes:
        files: paths of the files.
        approximations: where the target cannot do what the plan says.
    """

    files: tuple[Path, ...]
    approximations: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The mixture that a written config gives under the target's own arithmetic.

    Attributes:
        stage: the stage's name.
        piece: number of the piece in the stage; 0 for the whole stage.
        file: the config.
        tokens: trained on under the config.
        shares: share of tokens per domain.
    """

    stage: str
    piece: int
    file: str
    tokens: float
    shares: Mapping[str, float]


def file_stem(name: str) -> str:
    """Return a file name without special characters; different names give different ones."""
    stem = _UNSAFE.sub("_", name).lstrip(".-")[:_LONGEST_STEM]
    return stem if stem and stem == name else f"{stem}-{digest(name)[:8]}"


def stage_stem(stage: PlannedStage, piece: Piece | None = None) -> str:
    """Return the name of a stage's files, such as `1-pretrain` or `1-pretrain.piece2`."""
    stem = f"{stage.number}-{file_stem(stage.name)}"
    if piece is None or len(stage.pieces) == 1:
        return stem
    return f"{stem}.piece{piece.number}"
