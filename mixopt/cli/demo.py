"""`mixopt demo`: the whole road on the text that every Python installation has."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from mixopt.cli import console
from mixopt.cli.begin import Material, begin, train
from mixopt.cli.catalog import build_file
from mixopt.cli.export import export_file, show_checks
from mixopt.cli.paths import WorkersOption
from mixopt.cli.recommend import order_lines, run_confirmation, show_outcomes
from mixopt.cli.report import write_page
from mixopt.cli.study import narrate_costs
from mixopt.export.target import TARGETS
from mixopt.recipes.locate import locate
from mixopt.study.recommendation import SCHEDULE_FILE, Recommendation


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the command to the application."""
    parent.command("demo", help=help_text)(demo)


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where everything goes.")] = Path(
        "mixopt-demo"
    ),
    workers: WorkersOption = None,
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="A smaller study that shows the road, not a result.")
    ] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="Every stage: midtraining, SFT, two rounds of DPO, and RL."),
    ] = False,
) -> None:
    """Build a catalog, search a schedule, confirm it, export it and write the report."""
    if quick and full:
        message = "--quick and --full are two demos"
        raise typer.BadParameter(message)
    started = monotonic()
    name = "quick" if quick else "full" if full else "demo"
    recipe_file = locate(name, "schedules")
    study_folder = folder / name
    catalog = folder / "catalog.duckdb"
    console.headline("1 of 5  catalog: real text and task problems, with their supply")
    if catalog.is_file():
        console.narrate(f"{catalog} is there and kept")
    else:
        build_file("demo", catalog)
    console.headline("2 of 5  study: proxies through their whole life, stage by stage")
    setup = begin(Material(recipe=str(recipe_file), catalog=catalog), study_folder, None, None)
    train(setup, workers)
    console.headline("3 of 5  laws, proposals, confirmation on fresh seeds")
    found = run_confirmation(setup, workers)
    console.headline("4 of 5  exports")
    exported = export_file(
        study_folder / SCHEDULE_FILE,
        catalog,
        folder / f"export-{name}",
        list(TARGETS),
        with_documents=False,
        study=study_folder,
    )
    console.headline("5 of 5  report")
    page = write_page(study_folder, folder / f"report-{name}.html", (exported.folder,))
    show_outcomes(found)
    show_checks(exported)
    minutes = (monotonic() - started) / 60
    console.conclude(
        "mixopt demo", [*conclusions(found), "", *_places(folder, page, exported.folder)]
    )
    narrate_costs(setup)
    console.narrate(f"{found.runs} proxies, {found.tokens:,} tokens, {minutes:.1f} minutes")


def conclusions(found: Recommendation) -> list[str]:
    """Return the recommendation, what holds against the other baselines, and what got worse."""
    lines = [found.sentence]
    for right in ("uniform", "unimax"):
        compared = found.compared(found.objective, right)
        if compared is not None:
            lines.append(
                f"  against {right}: {compared.gain:+.4g}, 95% [{compared.low:+.4g}, "
                f"{compared.high:+.4g}]: {compared.verdict}"
            )
    lines += [f"  {line}" for line in order_lines(found)]
    for proposal in found.proposals[1:]:
        compared = found.compared(found.objective, proposal.label)
        if compared is not None:
            lines.append(
                f"  against the best by {proposal.measure}: {compared.gain:+.4g}, "
                f"95% [{compared.low:+.4g}, {compared.high:+.4g}]: {compared.verdict}"
            )
    for key in found.guardrails:
        compared = found.compared(key, "natural")
        if compared is not None:
            lines.append(
                f"  guardrail {key}: {compared.gain:+.4g} against natural: {compared.verdict}"
            )
    worse = [compared.measure for compared in found.worse()]
    lines.append(f"  worse than natural: {', '.join(worse) if worse else 'nothing measured'}")
    return lines


def _places(folder: Path, page: Path, exported: Path) -> list[str]:
    return [
        f"report:  {page}",
        f"exports: {exported}",
        f"catalog: {folder / 'catalog.duckdb'}, for `mixopt catalog sql`",
    ]
