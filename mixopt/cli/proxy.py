"""`mixopt proxy`: list, show, ladder, bench."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from mixopt.catalog.inventory import read_inventory
from mixopt.cli import console
from mixopt.cli.paths import CatalogOption, JsonOption, WorkersOption, find_catalog
from mixopt.corpus.tokenizer import ByteTokenizer, load_tokenizer
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.proxy.cost import cost_of, measure_peak
from mixopt.proxy.ladder import proxy_names, read_ladder
from mixopt.proxy.memory import keep_freed_memory
from mixopt.proxy.model import padded_vocabulary
from mixopt.proxy.planner import LanePlan, footprint, plan_lane
from mixopt.proxy.throughput import Bench, Throughput
from mixopt.recipes.locate import locate
from mixopt.recipes.quantity import show_quantity
from mixopt.schedule.recipe import read_schedule
from mixopt.schedule.space import Space
from mixopt.study.engines.local import processors
from mixopt.study.recipe import StudyRecipe
from mixopt.study.setup import DeviceName, find_device
from mixopt.study.work import Work, work_of

_MEBIBYTE = 2**20
_PETA = 10**15
_MANY = 10**6  # members that wait, where no study says how many

NameArgument = Annotated[str, typer.Argument(help="Proxy recipe: a path or a shipped name.")]
VocabularyOption = Annotated[
    int | None, typer.Option("--vocabulary", min=2, help="Token ids; by default bytes.")
]


def register(parent: typer.Typer, help_text: str) -> None:
    """Add the commands to the application."""
    app = typer.Typer(help=help_text, no_args_is_help=True)
    app.command("list")(show_all)
    app.command()(show)
    app.command()(ladder)
    app.command()(bench)
    parent.add_typer(app, name="proxy")


def show_all(*, as_json: JsonOption = False) -> None:
    """Show all proxies that ship."""
    rows = []
    for name in proxy_names():
        proxy = read_proxy(name)
        shape, training = proxy.architecture, proxy.training
        hidden = cost_of(proxy, 1).hidden_parameters
        rows.append(
            (
                name,
                hidden,
                shape.width,
                shape.layers,
                training.context,
                training.step_tokens,
                show_quantity(training.lm_tokens),
                training.optimizer,
                training.precision,
            )
        )
    columns = ("proxy", "parameters", "width", "layers", "context", "tokens per step")
    title = "Parameters outside of embedding and head"
    rows.sort(key=lambda row: row[1])
    console.show_table(
        (*columns, "lm tokens", "optimizer", "precision"), rows, as_json=as_json, title=title
    )


def show(
    name: NameArgument, vocabulary: VocabularyOption = None, *, as_json: JsonOption = False
) -> None:
    """Show what one proxy is and costs."""
    proxy, ids = read_proxy(name), _vocabulary(vocabulary)
    cost, training = cost_of(proxy, ids), proxy.training
    facts: dict[str, object] = {
        "proxy": proxy.name,
        "content": proxy.content_hash,
        "vocabulary": ids,
        "parameters in blocks": cost.hidden_parameters,
        "parameters in tables": cost.table_parameters,
        "FLOPs per token": cost.flops,
        "of them matrices": cost.matrix_flops,
        "of them attention": cost.attention_flops,
        "of them head": cost.head_flops,
        "tokens of a run": training.lm_tokens + training.sft_tokens,
        "PFLOPs of a run": cost.flops * (training.lm_tokens + training.sft_tokens) / _PETA,
        "MiB per member on CPU": footprint(proxy, ids, "cpu").member / _MEBIBYTE,
        "MiB per member on CUDA": footprint(proxy, ids, "cuda").member / _MEBIBYTE,
    }
    if as_json:
        console.show_json(facts | {"recipe": proxy})
        return
    console.show_table(("", proxy.name), list(facts.items())[1:], as_json=False)


def ladder(
    name: Annotated[str, typer.Argument(help="Ladder recipe: a path or a shipped name.")] = (
        "ladder"
    ),
    vocabulary: VocabularyOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show the rungs of a ladder: parameters, tokens, operations and memory."""
    ids, rows = _vocabulary(vocabulary), []
    for rung in read_ladder(name).rung:
        proxy = rung.recipe()
        cost = cost_of(proxy, ids)
        member = footprint(proxy, ids, "cuda").member / _MEBIBYTE
        operations = cost.flops * rung.lm_tokens * rung.seeds / _PETA
        parts = (cost.hidden_parameters, cost.table_parameters, rung.lm_tokens, rung.seeds)
        rows.append((proxy.name, *parts, operations, member))
    columns = ("proxy", "parameters", "in tables", "lm tokens", "seeds", "PFLOPs", "MiB per member")
    title = f"vocabulary {ids:,}; PFLOPs of one schedule on all seeds; memory on CUDA"
    console.show_table(columns, rows, as_json=as_json, title=title)


def bench(  # noqa: PLR0913, PLR0917 - each is an option of the command
    name: Annotated[
        str | None, typer.Argument(help="Proxy recipe; by default the study's, or nano.")
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", help="Study recipe to tell time and cost of.")
    ] = None,
    catalog: CatalogOption = None,
    members: Annotated[
        str, typer.Option("--members", help="Members of the stacks, comma-separated.")
    ] = "1,2,4,8,16,32",
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.01, help="How long to measure each stack.")
    ] = 1.0,
    device: Annotated[DeviceName, typer.Option("--device", help="What to measure.")] = "auto",
    workers: WorkersOption = None,
    price: Annotated[
        float | None, typer.Option("--price-per-hour", min=0, help="Of this machine.")
    ] = None,
    vocabulary: VocabularyOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast this device trains stacks, and tell what a study would take on it.

    A processor is measured with one thread, which is what each worker of a study has, by the time
    that it was given: the figures hold for workers with a core of their own.
    """
    widths = _widths(members)
    asked = _read_study(study, catalog) if study else None
    settings = asked.recipe.study if asked else None
    proxy = read_proxy(name or (settings.proxy if settings else "nano"))
    place = torch.device(find_device(device))
    ids = _vocabulary(vocabulary, asked.space.inventory.tokenizer if asked else None)
    rows, peak = _sweep(proxy, ids, place, widths, seconds)
    waiting = settings.batch * settings.seeds if settings else _MANY
    plan = plan_lane(proxy, vocabulary=ids, device=place, waiting=waiting)
    result: dict[str, Any] = {
        "proxy": proxy.name,
        "vocabulary": ids,
        "device": _device_name(place),
        "peak_flops": peak,
        "throughput": rows,
        "plan": {name: getattr(plan, name) for name in ("members", "micro_sequences", "bytes")},
    }
    if asked:
        count = 1 if place.type == "cuda" else workers or processors()
        rate = _rate_of(rows, plan)
        result["study"] = _forecast(work_of(asked.recipe, asked.space, proxy), rate, count, price)
    if as_json:
        console.show_json(result)
    else:
        _show_bench(result, proxy, plan)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """The study that a forecast is wanted of."""

    recipe: StudyRecipe
    space: Space


def _read_study(name: str, catalog: Path | None) -> _Asked:
    inventory = read_inventory(find_catalog(catalog))
    recipe = read_schedule(locate(name, "schedules"), inventory, StudyRecipe)
    return _Asked(recipe=recipe, space=Space(recipe=recipe, inventory=inventory))


def _sweep(
    proxy: ProxyRecipe, vocabulary: int, device: torch.device, widths: list[int], seconds: float
) -> tuple[list[Throughput], float]:
    """Measure the device's peak and then every width, with a progress bar."""
    torch.set_num_threads(1)
    keep_freed_memory()
    rows: list[Throughput] = []
    with console.progress(f"{proxy.name}: stacks", len(widths)) as advance:
        peak = measure_peak(device, proxy.training.precision)
        measured = Bench(
            proxy=proxy, vocabulary=vocabulary, device=device, peak_flops=peak, seconds=seconds
        )
        for row in measured.sweep(widths):
            rows.append(row)
            advance(1)
    if len(rows) < len(widths):
        left = ", ".join(str(width) for width in widths[len(rows) :])
        console.narrate(f"left out, as they do not fit or take too long: {left} members")
    return rows, peak


def _rate_of(rows: list[Throughput], plan: LanePlan) -> float:
    """Return the best tokens per second of stacks that are no wider than the plan."""
    fitting = [row for row in rows if row.members <= plan.members] or rows[:1]
    return max((row.tokens_per_second for row in fitting), default=0.0)


def _forecast(work: Work, rate: float, workers: int, price: float | None) -> dict[str, Any]:
    """Return time and cost of a study whose workers each train so many tokens per second."""
    hours = work.trained_tokens / (rate * workers) / 3600 if rate else None
    known = hours is not None and price is not None
    return {
        **dataclasses.asdict(work),
        "workers": workers,
        "tokens_per_second": rate * workers,
        "hours": hours,
        "price": hours * price if known else None,  # type: ignore[operator] # both are known
    }


def _show_bench(result: dict[str, Any], proxy: ProxyRecipe, plan: LanePlan) -> None:
    rows: list[Throughput] = result["throughput"]
    first = rows[0].tokens_per_second if rows else 1.0
    table = [
        (
            row.members,
            f"{row.sequences} x {proxy.training.context}",
            round(1000 * row.step_seconds, 2),
            round(row.tokens_per_second),
            round(row.tokens_per_second / first, 2),
            f"{row.utilization:.1%}",
        )
        for row in rows
    ]
    precision = proxy.training.precision
    title = (
        f"{proxy.name} on {result['device']}, vocabulary {result['vocabulary']:,}, {precision}: "
    )
    title += f"peak {result['peak_flops'] / 1e12:.3g} TFLOP/s by the largest products"
    columns = ("members", "per member", "ms per step", "tokens/s", "x first", "MFU")
    console.show_table(columns, table, as_json=False, title=title)
    console.show_text(
        f"Planned lane: {plan.members} members, {plan.micro_sequences} sequences of each at once, "
        f"{plan.bytes / _MEBIBYTE:,.0f} MiB."
    )
    if "study" in result:
        _show_forecast(result["study"])


def _show_forecast(found: dict[str, Any]) -> None:
    trained, scheduled = found["trained_tokens"], found["scheduled_tokens"]
    lines = [
        f"{found['search_runs']} runs of the search, {found['confirmation_runs']} to confirm",
        f"{show_quantity(scheduled)} tokens scheduled",
        f"{show_quantity(trained)} trained, with common beginnings trained once",
    ]
    if found["hours"] is not None:
        lines.append(
            f"{_duration(3600 * found['hours'])} of training on {found['workers']} workers, examinations left out"
            + (f"; {found['price']:.2f} at the given price" if found["price"] is not None else "")
        )
    console.show_text("Study: " + "\n       ".join(lines))


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _widths(text: str) -> list[int]:
    try:
        widths = sorted({int(word) for word in text.split(",")})
    except ValueError:
        widths = [0]
    if widths[0] < 1:
        message = f"whole numbers above 0, comma-separated, found '{text}'"
        raise typer.BadParameter(message, param_hint="--members")
    return widths


def _vocabulary(given: int | None, tokenizer: str | None = None) -> int:
    """Return the ids of a stack: those given, of a catalog's tokenizer, or of bytes."""
    if given is None:
        given = load_tokenizer(tokenizer).size if tokenizer else ByteTokenizer.size
    return padded_vocabulary(given)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "one thread of this processor"
