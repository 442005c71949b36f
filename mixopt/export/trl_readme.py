"""The README of a TRL export: the data to make, the commands in order, what differs from the plan."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from mixopt.export import readme
from mixopt.export.context import ExportContext, stage_stem
from mixopt.export.planned import ExportPlan, PlannedStage
from mixopt.export.trl_answers import answers_file
from mixopt.export.trl_lm import SCRIPT
from mixopt.export.trl_preferences import TEMPLATE
from mixopt.schedule.practice import Judged, Pivotal, Reinforcement, Rejection

_COMMANDS = {"sft": "trl sft", "dpo": "trl dpo", "rl": "trl grpo"}


def write_readme(
    plan: ExportPlan, folder: str, context: ExportContext, notes: Sequence[str]
) -> str:
    """Return the page.

    Args:
        plan: what was written.
        folder: where the configs lie when the export is done.
        context: the surroundings.
        notes: where the target cannot do what the plan says.
    """
    lengths = (
        f"A document's length is the catalog's mean, counted with '{plan.tokenizer}'; a share of "
        "tokens w becomes a share of rows in proportion to w / length."
    )
    practised = [stage for stage in plan.stages if stage.practice is not None]
    sections = [
        ("", [f"Schedule {plan.digest}, catalog {plan.catalog_hash}. {lengths}"]),
        ("Stages", readme.stages_table(plan.stages)),
        ("1. Data and model", _data(context)),
        ("", readme.shards_table(plan, list(plan.sources))),
        ("2. Training", [*_training(context), "", "```bash", *_commands(plan, folder), "```"]),
        ("Mixture", readme.mixture_table(plan.stages)),
        ("What differs from the plan", readme.bullets(notes, "Nothing.")),
    ]
    if practised:
        sections.insert(4, ("Answers and preferences", _answers(practised, context)))
    return readme.page(f"TRL and datasets: {readme.cell(plan.schedule)}", sections)


def _data(context: ExportContext) -> list[str]:
    documents = context.documents("x").parent
    return [
        (
            f"The configs read one JSONL file per domain in `{documents}`, with a `text` or a `messages` "
            "field; `mixopt export --with-documents` writes them from the training split of the "
            "catalog. The catalog's own files may have other formats and fields, and hold the "
            "validation and test documents too. A domain with a declared supply is there as a sample "
            "only: put the whole domain in its place."
        ),
        "",
        (
            f"The first stage takes its model and tokenizer from `{context.run_folder / 'model'}`: a "
            "checkpoint to go on from, or `config.json` and tokenizer files for a fresh model. If text "
            "stages ran in another trainer, convert its last checkpoint and set `model_name_or_path`."
        ),
    ]


def _training(context: ExportContext) -> list[str]:
    return [
        (
            f"The configs are for {context.devices} device(s): on n of them, divide "
            "`gradient_accumulation_steps` by n. Packing whole conversations needs an attention "
            "implementation that keeps packed examples apart (`attn_implementation: "
            "flash_attention_2`); loss on answers alone needs a chat template with `{% generation %}` "
            "marks. SFT shares count all tokens of a conversation, prompts included."
        ),
    ]


def _commands(plan: ExportPlan, folder: str) -> list[str]:
    lines = [f"cd {shlex.quote(folder)}"]
    for stage in plan.stages:
        config = shlex.quote(f"{stage_stem(stage)}.yaml")
        if stage.kind == "lm":
            lines.append(f"accelerate launch {SCRIPT} {config}")
            continue
        if stage.practice is not None:
            lines.append(f"# make answers/{stage_stem(stage)}.jsonl from the model so far")
        lines.append(f"{_COMMANDS[stage.kind]} --config {config}")
    return lines


def _answers(stages: Sequence[PlannedStage], context: ExportContext) -> list[str]:
    """Return how the user makes the data of every stage that learns from the model's own answers."""
    lines = [
        (
            "These stages learn from what the model itself answers, so their files can only be made once "
            "the stage before is trained; the key `datasets` of their configs names the file. Ask training "
            "problems only, none that the model is judged by."
        ),
        "",
    ]
    for stage in stages:
        text, row = _method(stage)
        lines += [
            f"**{readme.cell(stage.name)}** reads `{answers_file(stage, context)}`. {text}",
            "",
            "```json",
            json.dumps(row),
            "```",
            "",
        ]
    return lines[:-1]


def _method(stage: PlannedStage) -> tuple[str, object]:
    """Return how the rows of a stage are made, and one of them."""
    user = [{"role": "user", "content": "17 + 25 = ?"}]
    match stage.practice:
        case Rejection():
            return _accepted(stage.practice), {"messages": [*user, _said("42")]}
        case Pivotal():
            rows = {"prompt": [{"role": "user", "content": "PROMPT AND ANSWER SO FAR, AS TEXT"}]}
            sides = {"chosen": [_said("GOOD TOKEN")], "rejected": [_said("BAD TOKEN")]}
            return _pivotal(stage.practice), {
                **rows,
                **sides,
                "chat_template_kwargs": {"chat_template": TEMPLATE},
            }
        case Judged():
            return _judged(stage.practice), {
                "prompt": user,
                "chosen": [_said("42")],
                "rejected": [_said("It is about 40.")],
            }
        case Reinforcement():
            return _rewarded(stage), {"prompt": user, "answer": "42"}
        case None:
            return "", {}


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def _accepted(practice: Rejection) -> str:
    return (
        f"Sample {practice.samples} answers to every problem at temperature {practice.temperature:g}, "
        f"keep those that a verifier accepts, at most {practice.keep} different ones to a problem."
    )


def _pivotal(practice: Pivotal) -> str:
    return (
        "Pairs are single tokens that decide (Abdin et al. 2024, Phi-4, section 4.3). Take problems that "
        f"the model solves with a chance of {practice.low:g} to {practice.high:g}. Sample an answer at "
        f"temperature {practice.temperature:g}; estimate the chance of success after a part of it from "
        f"{practice.continuations} continuations; halve parts between whose ends the chance changes by "
        f"{practice.gap:g} or more, down to single tokens. Such a token and a sampled one with the opposite "
        "effect after the same text are a pair. The prompt is the text up to the token, with the marks of "
        "the model's chat template; end it on a token boundary. The template in the row adds nothing to "
        "it: without it, TRL would teach the model to stop behind the token."
    )


def _judged(practice: Judged) -> str:
    judge = "a verifier of exactness, form and brevity"
    if practice.judge != "verifier":
        judge = f"the reward model `{readme.cell(practice.judge)}`"
    least = f" by more than {practice.least_difference:g}" if practice.least_difference else ""
    return (
        f"Sample {practice.samples} answers to every problem at temperature {practice.temperature:g} and "
        f"score them with {judge}. The best and the worst are a pair if their scores differ{least}; "
        "drop pairs of equal texts."
    )


def _rewarded(stage: PlannedStage) -> str:
    assert isinstance(stage.practice, Reinforcement)
    prompts = stage.steps * stage.batch_sequences // stage.practice.samples
    return (
        f"One row is a prompt with its right answer; {prompts:,} prompts are one pass. TRL samples the "
        "answers itself and rewards them with the function that `reward_funcs` names: `rewards.exact` of "
        "`rewards.py` in this folder, or one of your own by its dotted path."
    )
