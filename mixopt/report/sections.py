"""The sections of a page, in the order that they are read: what to do, what it costs, how sure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mixopt.evaluation.measure import MEAN
from mixopt.report import tables, wording
from mixopt.report.charts.trials import agreement_of
from mixopt.report.data import ReportData
from mixopt.report.figures import pictures
from mixopt.report.front import front_section
from mixopt.report.markup import details, heading, items, paragraph, picture, table
from mixopt.report.stages import stages_section
from mixopt.schedule.remarks import remarks
from mixopt.study.ledger import TrialRecord
from mixopt.study.recommendation import RECOMMENDED, Recommendation

NOTHING_WORSE = "Nothing measurable got worse than natural."


def body(data: ReportData) -> str:
    """Return the content of the page."""
    sections = (
        _verdict, _schedule, _worse, _certainty, _order, front_section, stages_section, _signal, _cost, _pictures,
        _outcomes, _appendix,
    )  # fmt: skip
    return "\n".join(part for section in sections for part in section(data))


def _verdict(data: ReportData) -> Iterator[str]:
    yield heading(f"mixopt study {data.study}", 1)
    found = data.recommendation
    if found is None:
        yield paragraph(
            f"No recommendation yet: {len(data.search)} trials of the search, nothing confirmed "
            "on fresh seeds.",
            "verdict",
        )
    else:
        yield paragraph(found.sentence, "verdict switch" if found.switch else "verdict stay")
    yield paragraph(
        f"The objective {data.objective} is {wording.measure_explained(data.objective)}.", "note"
    )


def _schedule(data: ReportData) -> Iterator[str]:
    record = data.confirmed(RECOMMENDED)
    title = "The recommended schedule"
    if record is None:
        record = _best_trial(data)
        title = "The best trial so far, not confirmed"
    if record is None:
        return
    schedule = data.schedule(record)
    rows = tables.weight_rows(schedule)
    domains = [name for name in data.inventory.names() if any(row.domain == name for row in rows)]
    yield heading(title)
    besides = any(remarks(stage) for stage in schedule.stages)
    yield table(
        ["stage", "kind", *(["besides"] if besides else []), "tokens", *domains],
        [
            [
                stage.name,
                stage.kind,
                *(["; ".join(remarks(stage))] if besides else []),
                wording.tokens(stage.tokens),
                *(_weight(rows, stage.name, domain) for domain in domains),
            ]
            for stage in schedule.stages
        ],
        text_columns=3 if besides else 2,
    )
    yield paragraph(
        "Shares of the stage's tokens; an arrow goes from the start of the stage to its end. "
        f"Tokens are those of the target run ({wording.tokens(schedule.target.tokens)} of "
        f"pretraining, {wording.tokens(schedule.target.parameters)} parameters).",
        "note",
    )
    if data.exports:
        yield paragraph("Written for trainers:")
        yield items(str(path) for path in data.exports)


def _worse(data: ReportData) -> Iterator[str]:
    found = data.recommendation
    if found is None:
        return
    yield heading("What got worse")
    compared = [row for row in tables.comparison_rows(found) if row.right == "natural"]
    worse = [row for row in compared if row.verdict == "worse"]
    if not compared:
        yield paragraph("Nothing was compared with natural.")
        return
    head = ["measure", "natural", "recommended", "gain", "95% interval"]
    if worse:
        kept = [row.measure.split("/")[0] in found.stages for row in worse]
        rows = [
            [
                wording.measure_name(row.measure),
                _outcome(data, "natural", row.measure),
                _outcome(data, RECOMMENDED, row.measure),
                wording.signed(row.gain),
                wording.interval(row.low, row.high),
            ]
            for row in worse
        ]
        yield table(head, [row for row, keep in zip(rows, kept, strict=True) if keep])
        others = [row for row, keep in zip(rows, kept, strict=True) if not keep]
        if others:
            yield details(f"{len(others)} more after other stages", table(head, others))
    else:
        yield paragraph(NOTHING_WORSE)
    yield paragraph(
        f"Out of {len(compared)} measures compared with natural, each with an interval of its own: "
        f"chance alone would make about {len(compared) * 0.025:.1f} of them look worse.",
        "note",
    )


def _certainty(data: ReportData) -> Iterator[str]:
    found = data.recommendation
    if found is None:
        return
    yield heading("How sure")
    rows = [r for r in tables.comparison_rows(found) if r.measure == found.objective]
    if rows:
        yield paragraph(
            f"Gains of the recommended schedule on {found.objective}, on {rows[0].num_seeds} seeds "
            "that no search trial used; intervals are paired by seed."
        )
        yield table(
            ["against", "verdict", "gain", "95% interval", "seeds"],
            [
                [r.right, r.verdict, wording.signed(r.gain), wording.interval(r.low, r.high), str(r.num_seeds)]
                for r in rows
            ],
            text_columns=2,
        )  # fmt: skip
    for text in _predictions(data, found):
        yield paragraph(text)


def _order(data: ReportData) -> Iterator[str]:
    """Tell the effect of order from that of dose, whatever its sign."""
    found = data.recommendation.order_effect if data.recommendation else None
    if found is None:
        return
    yield heading("What the order does by itself")
    for text in found.sentences():
        yield paragraph(text)
    if found.comparisons:
        yield table(
            ["against", "verdict", "gain by order", "95% interval", "seeds"],
            [
                [r.right, r.verdict, wording.signed(r.gain), wording.interval(r.low, r.high), str(r.num_seeds)]
                for r in found.comparisons
            ],
            text_columns=2,
        )  # fmt: skip


def _signal(data: ReportData) -> Iterator[str]:
    signal = {row.measure: row for row in tables.signal_rows(data.search)}
    if data.recommendation is None and signal:
        yield heading("How well the measures tell trials apart")
    for key in (data.objective, data.contrast):
        if key in signal:
            row = signal[key]
            yield paragraph(
                f"Signal to noise of {key}: trials differ by {wording.number(row.between, 3)} "
                f"(standard deviation), one seed by {wording.number(row.seed, 3)}; the ratio is "
                f"{row.per_seed:.2f} for one seed and {row.of_mean:.2f} for a trial's mean."
            )
    rows = tables.trial_rows(data)
    both = sum(row.objective is not None and row.contrast is not None for row in rows)
    if data.contrast is not None and both > 2:
        agreement = agreement_of(rows, data.objective, data.contrast)
        yield paragraph(
            f"Over {both} trials, Spearman's correlation of {data.objective} with {data.contrast} "
            f"is {agreement:+.2f}, both counted so that more is better."
        )


def _cost(data: ReportData) -> Iterator[str]:
    yield heading("What it cost")
    rows = tables.cost_rows([*data.others, *data.search, *data.confirm, *data.superseded])
    names = {
        "scout": "scouts, on smaller or shorter proxies",
        "search": "search",
        "scale": "larger runs",
        "confirm": "confirmation on fresh seeds",
        "all": "both" if len(rows) == 3 else "all",
    }
    yield table(
        ["phase", "trials", "runs", "tokens trained on", "processor time"],
        [
            [
                names[row.phase],
                str(row.trials),
                str(row.runs),
                wording.tokens(row.tokens),
                wording.duration(row.cpu_seconds),
            ]
            for row in (rows if len(rows) > 2 else rows[:1])
        ],
    )


def _pictures(data: ReportData) -> Iterator[str]:
    yield heading("Figures")
    for found in pictures(data):
        yield picture(found.name, found.title, found.caption, found.figure)
    if data.law is None:
        yield paragraph(f"There is no law of the objective. {data.law_missing}", "note")


def _outcomes(data: ReportData) -> Iterator[str]:
    labels = tables.outcome_labels(data)
    if not labels:
        return
    yield heading("Outcomes on fresh seeds")
    yield paragraph("Means over seeds, with standard errors.", "note")
    chief: list[list[str]] = []
    others: list[list[str]] = []
    for row in tables.outcome_rows(data):
        found = (
            "-" if cell is None else wording.with_error(cell.value, cell.standard_error)
            for cell in row.cells
        )
        kept = chief if _is_chief(row.measure, data) else others
        kept.append([row.measure, *found])
    yield table(["measure", *labels], chief)
    if others:
        yield details(f"{len(others)} more measures", table(["measure", *labels], others))
    yield heading("Epochs at the target", 3)
    rows = tables.epoch_rows(data)
    epochs = {(row.domain, row.label): row.epochs for row in rows}
    supplies = {row.domain: (row.supply_tokens, row.cap) for row in rows}
    yield table(
        ["domain", "supply", "cap", *labels],
        [
            [
                domain,
                wording.tokens(supply),
                f"{cap:g}",
                *(f"{epochs.get((domain, label), 0.0):.2f}" for label in labels),
            ]
            for domain, (supply, cap) in supplies.items()
        ],
    )


def _is_chief(measure: str, data: ReportData) -> bool:
    """Whether a measure is what the study goes by, or a mean after the objective's stage."""
    last = data.objective.split("/")[0]
    return measure in (data.objective, data.contrast) or (
        measure.startswith(f"{last}/") and measure.endswith(f"/{MEAN}")
    )


def _appendix(data: ReportData) -> Iterator[str]:
    yield heading("Appendix")
    yield from _comparisons(data)
    yield from _laws(data)
    yield from _signals(data)
    yield heading("All trials of the search", 3)
    yield table(
        ["trial", "label", "seeds", "failed", data.objective, data.contrast or "-", "processor time"],
        [
            [
                row.trial,
                row.label,
                str(row.num_seeds),
                str(row.failed_seeds),
                wording.with_error(row.objective, row.objective_error),
                wording.with_error(row.contrast, row.contrast_error),
                wording.duration(row.cpu_seconds),
            ]
            for row in tables.trial_rows(data)
        ],
        text_columns=2,
    )  # fmt: skip


def _comparisons(data: ReportData) -> Iterator[str]:
    rows = tables.comparison_rows(data.recommendation)
    if rows:
        shown = table(
            ["measure", "against", "verdict", "gain", "95% interval"],
            [
                [r.measure, r.right, r.verdict, wording.signed(r.gain), wording.interval(r.low, r.high)]
                for r in rows
            ],
            text_columns=3,
        )  # fmt: skip
        yield heading("All comparisons of the recommended schedule", 3)
        yield details(f"{len(rows)} comparisons", shown)


def _laws(data: ReportData) -> Iterator[str]:
    rows = tables.law_rows(data)
    if rows:
        yield heading("Laws, judged on trials that they did not see", 3)
        yield table(
            ["measure", "law", "chosen", "rank correlation", "in the best quarter", "regret@1", "error"],
            [
                [
                    row.measure,
                    row.law,
                    "yes" if row.chosen else "",
                    f"{row.rank_correlation:.2f}",
                    f"{row.top_quarter_rank_correlation:.2f}",
                    wording.number(row.regret_at_1, 3),
                    wording.number(row.root_mean_square_error, 3),
                ]
                for row in rows
            ],
            text_columns=3,
        )  # fmt: skip


def _signals(data: ReportData) -> Iterator[str]:
    rows = tables.signal_rows(data.search)
    if rows:
        shown = table(
            ["measure", "between trials", "one seed", "ratio, one seed", "ratio, mean of a trial"],
            [
                [
                    row.measure,
                    wording.number(row.between, 3),
                    wording.number(row.seed, 3),
                    f"{row.per_seed:.2f}",
                    f"{row.of_mean:.2f}",
                ]
                for row in rows
            ],
        )
        yield heading("Signal to noise of every measure", 3)
        yield details(f"{len(rows)} measures", shown)


def _best_trial(data: ReportData) -> TrialRecord | None:
    rows = tables.trial_rows(data)
    best = tables.best_row(rows, data.objective)
    return next((r for r in data.search if best is not None and r.trial == best.trial), None)


def _weight(rows: list[tables.WeightRow], stage: str, domain: str) -> str:
    for row in rows:
        if (row.stage, row.domain) == (stage, domain):
            if math.isclose(row.first, row.last, abs_tol=5e-4):
                return wording.percent(row.mean)
            return f"{wording.percent(row.first)} → {wording.percent(row.last)}"
    return "-"


def _predictions(data: ReportData, found: Recommendation) -> Iterator[str]:
    """Hold what the laws promised against what came out."""
    for proposal in found.proposals:
        outcome = _outcome(data, proposal.label, proposal.measure)
        yield (
            f"The law of {proposal.measure} promised "
            f"{wording.with_error(proposal.predicted, proposal.deviation)} for "
            f"{proposal.label}; fresh seeds and test data gave {outcome}."
        )
        if proposal.doubts:
            yield f"Before that it held {proposal.label} to be {proposal.doubts}."
    if found.next_worth is not None:
        yield (
            f"Another batch of the search is expected to gain {found.next_worth:.3g} in "
            f"{found.objective}."
        )


def _outcome(data: ReportData, label: str, measure: str) -> str:
    cell = tables.outcome(data, label, measure)
    return "-" if cell is None else wording.with_error(cell.value, cell.standard_error)
