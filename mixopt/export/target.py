"""What a target must do, the table of targets, and writing an export for any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar, Final, Protocol

from mixopt.catalog.documents import Document
from mixopt.errors import ExportError, NotFoundError
from mixopt.export import readme
from mixopt.export.context import ExportContext, Reading, Unit, Written
from mixopt.export.documents import DocumentFile, write_documents
from mixopt.export.manifest import TargetRecord, hash_files, manifest, write_manifest
from mixopt.export.megatron import Megatron
from mixopt.export.planned import ExportPlan
from mixopt.export.replace import replaced
from mixopt.export.trl import Trl
from mixopt.export.verify import TOLERANCE, verify
from mixopt.schedule.schedule import StageKind

DocumentsOf = Callable[[str], Iterable[Document]]


class Target(Protocol):
    """A trainer that a plan can be written for.

    `unit` says what its weights count: `tokens`, or `rows` that are converted from them. `kinds` are
    the stages that it trains, and `written_for` the version whose formats are written.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    unit: ClassVar[Unit]
    kinds: ClassVar[tuple[StageKind, ...]]
    written_for: ClassVar[str]

    def write(self, plan: ExportPlan, folder: Path, context: ExportContext) -> Written:
        """Write configs for every stage of `kinds`, and a README with the commands in order."""
        ...

    def read(self, plan: ExportPlan, folder: Path, context: ExportContext) -> list[Reading]:
        """Read them back and say what the target would draw, by its own arithmetic."""
        ...


TARGETS: Final[Mapping[str, Target]] = {"megatron": Megatron(), "trl": Trl()}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportOptions:
    """How to export.

    Attributes:
        run_folder: where documents, tokens and checkpoints go; beside the export when None.
        seed: names every random order.
        devices: processes that train together.
        tolerance: largest total variation between realized and planned shares.
    """

    run_folder: Path | None = None
    seed: int = 0
    devices: int = 1
    tolerance: float = TOLERANCE


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportSummary:
    """What was exported.

    Attributes:
        folder: the export.
        run_folder: where the target's data and checkpoints go.
        targets: per target, its approximations and what its configs realize.
        documents: files of documents that were written.
        approximations: of the plan itself.
    """

    folder: Path
    run_folder: Path
    targets: tuple[TargetRecord, ...]
    documents: tuple[DocumentFile, ...]
    approximations: tuple[str, ...]


def find_target(name: str) -> Target:
    """Return the target of that name.

    Raises:
        NotFoundError: there is none; names the nearest.
    """
    if name in TARGETS:
        return TARGETS[name]
    near = get_close_matches(name, TARGETS, n=1)
    hint = f"Did you mean '{near[0]}'? " if near else ""
    message = f"no target '{name}'"
    raise NotFoundError(message, remedy=f"{hint}Targets: {', '.join(TARGETS)}.")


def export_schedule(
    plan: ExportPlan,
    folder: Path,
    targets: Sequence[str],
    *,
    options: ExportOptions | None = None,
    documents_of: DocumentsOf | None = None,
) -> ExportSummary:
    """Write a plan for some targets, one folder each, read it back, and put it in its place.

    Args:
        plan: what to write.
        folder: where; an unchanged export that lies there is replaced.
        targets: names of targets.
        options: how.
        documents_of: gives the training documents of a domain; none are written when None.

    Raises:
        NotFoundError: there is no such target.
        ExportError: a target trains none of the stages, realizes another mixture, or `folder` holds
            something else.
    """
    chosen = [find_target(name) for name in dict.fromkeys(targets)]
    _check_kinds(plan, chosen)
    options = options or ExportOptions()
    place = folder.absolute()
    beside = place.with_name(f"{place.name}-run")
    run_folder = options.run_folder.absolute() if options.run_folder else beside
    with replaced(place) as draft:
        context = ExportContext(
            export_folder=place, run_folder=run_folder, seed=options.seed, devices=options.devices
        )
        documents = _documents(plan, chosen, context, documents_of)
        rows = {file.domain: file.rows for file in documents if _is_whole(plan, file.domain)}
        context = replace(context, rows=rows)
        records = [_write(target, plan, draft, context, options) for target in chosen]
        _readme(plan, draft, records)
        write_manifest(draft, manifest(plan, records, documents, hash_files(draft)))
    return ExportSummary(
        folder=place,
        run_folder=run_folder,
        targets=tuple(records),
        documents=tuple(documents),
        approximations=plan.approximations,
    )


def _check_kinds(plan: ExportPlan, targets: Sequence[Target]) -> None:
    if not targets:
        message = "no target to export to"
        raise ExportError(message, remedy=f"Name some of: {', '.join(TARGETS)}.")
    kinds = {stage.kind for stage in plan.stages}
    for target in targets:
        if not kinds & set(target.kinds):
            message = f"target '{target.name}' trains no stage of schedule '{plan.schedule}'"
            raise ExportError(
                message,
                why=f"It trains {', '.join(target.kinds)}; the stages are "
                f"{', '.join(sorted(kinds))}.",
                remedy="Name another target.",
            )


def _documents(
    plan: ExportPlan,
    targets: Sequence[Target],
    context: ExportContext,
    documents_of: DocumentsOf | None,
) -> list[DocumentFile]:
    if documents_of is None:
        return []
    kinds = {kind for target in targets for kind in target.kinds}
    parts = [part for stage in plan.stages if stage.kind in kinds for part in stage.parts]
    names = dict.fromkeys(part.domain for part in parts)
    found = [write_documents(name, documents_of(name), context.documents(name)) for name in names]
    empty = [file.domain for file in found if file.rows == 0]
    if empty:
        message = f"domain '{empty[0]}' has no document to train on"
        raise ExportError(message, why="Its training split is empty.", remedy="Add data to it.")
    return found


def _is_whole(plan: ExportPlan, domain: str) -> bool:
    """Tell whether the catalog holds all that the target has, not a sample of a declared supply."""
    source = plan.sources[domain]
    return source.supply_tokens <= source.sample_tokens


def _write(
    target: Target, plan: ExportPlan, draft: Path, context: ExportContext, options: ExportOptions
) -> TargetRecord:
    folder = draft / target.name
    folder.mkdir()
    written = target.write(plan, folder, context)
    readings = target.read(plan, folder, context)
    checks = verify(plan, target.name, target.kinds, readings, tolerance=options.tolerance)
    left = [
        f"{target.name} trains no {stage.kind} stage: '{stage.name}' is left out."
        for stage in plan.stages
        if stage.kind not in target.kinds
    ]
    return TargetRecord(
        name=target.name,
        unit=target.unit,
        written_for=target.written_for,
        approximations=(*left, *written.approximations),
        checks=tuple(checks),
    )


def _readme(plan: ExportPlan, draft: Path, records: Sequence[TargetRecord]) -> None:
    sections: list[tuple[str, Sequence[str]]] = [
        (
            "",
            [f"Schedule {plan.digest}, catalog {plan.catalog_hash}. Hashes are in manifest.json."],
        ),
        ("Stages", readme.stages_table(plan.stages)),
        ("Mixture", readme.mixture_table(plan.stages)),
        ("Approximations of the plan", readme.bullets(plan.approximations, "None.")),
    ]
    for record in records:
        worst = max(check.distance for check in record.checks)
        lines = [
            (
                f"See [{record.name}/README.md]({record.name}/README.md) for the commands in order. "
                f"Written for {record.written_for}; its weights count {record.unit}. Read back, every "
                f"config is within {worst:.5f} of the plan (total variation)."
            ),
            "",
            *readme.bullets(record.approximations, "No approximations."),
        ]
        sections.append((record.name, lines))
    title = f"Export of {readme.cell(plan.schedule)}"
    (draft / "README.md").write_text(readme.page(title, sections), encoding="utf-8")
