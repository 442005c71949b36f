"""One suite over every target: what is written gives the plan's mixture, under any hard case."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from whole_life import TOKENS, life_inventory, life_schedule, shard_of, supply_of

from mixopt.catalog.documents import Document
from mixopt.catalog.inventory import Inventory
from mixopt.errors import ExportError, NotFoundError
from mixopt.export.context import ExportContext
from mixopt.export.manifest import hash_files
from mixopt.export.plan import make_export_plan
from mixopt.export.planned import ExportPlan
from mixopt.export.target import TARGETS, ExportOptions, export_schedule
from mixopt.export.verify import verify
from mixopt.recipes.decode import validate
from mixopt.schedule.curve import Knot, MixtureCurve, constant
from mixopt.schedule.mixture import mixture_of
from mixopt.schedule.rate import RateShape
from mixopt.schedule.recipe import ScheduleRecipe
from mixopt.schedule.schedule import (
    Schedule,
    Stage,
    StageKind,
    TargetRun,
)
from mixopt.schedule.space import Space

DRAWING: tuple[StageKind, ...] = ("lm", "sft")  # kinds that draw from domains
PAIRS = [
    (name, kind) for name, target in TARGETS.items() for kind in target.kinds if kind in DRAWING
]
every_target = pytest.mark.parametrize(("name", "kind"), PAIRS)


def plan_of(
    kind: StageKind,
    *mixtures: Mapping[str, float],
    supply: Mapping[str, int] | None = None,
    lengths: Mapping[str, int] | None = None,
    stage: str = "stage",
) -> ExportPlan:
    """Return a plan whose last stage goes through the mixtures; domains hold TOKENS each."""
    at = np.linspace(0, 1, len(mixtures)).tolist()
    knots = [Knot(at=a, mixture=mixture_of(m)) for a, m in zip(at, mixtures, strict=True)]
    curve = MixtureCurve(shape="piecewise" if knots[1:] else "constant", knots=tuple(knots))
    only = Stage(
        name=stage,
        kind=kind,
        tokens=TOKENS,
        curve=curve,
        context_tokens=1000,
        learning_rate=RateShape(warmup=0.1, decay=0.2),
    )
    target = TargetRun(
        parameters=1,
        tokens=TOKENS,
        context_tokens=1000,
        batch_tokens=100_000,
        learning_rate=1e-3,
        sft_learning_rate=1e-5,
        tokenizer="bytes",
    )
    text = replace(only, name="text", kind="lm", curve=constant(mixture_of({"base": 1.0})))
    stages = (only,) if kind == "lm" else (text, only)
    schedule = Schedule(name="contract", target=target, stages=stages, max_epochs=1e9)
    names = schedule.dose()
    held = [shard_of(n, (supply or {}).get(n, TOKENS), (lengths or {}).get(n, 100)) for n in names]
    domains = tuple(supply_of(shard) for shard in held)
    inventory = Inventory(catalog="c", tokenizer="bytes", content_hash="c", domains=domains)
    return make_export_plan(schedule, inventory, {shard.domain: [shard] for shard in held})


def zipf(count: int) -> dict[str, float]:
    return {f"domain-{number}": 1 / number for number in range(1, count + 1)}


CASES: dict[str, Callable[[StageKind], ExportPlan]] = {
    "one domain": lambda kind: plan_of(kind, {"only": 1.0}),
    "200 domains": lambda kind: plan_of(kind, zipf(200)),
    "a zero weight": lambda kind: plan_of(kind, {"a": 0.4, "b": 0.6, "none": 0.0}),
    "a hair of weight": lambda kind: plan_of(kind, {"a": 1 - 1e-6, "hair": 1e-6}),
    "7.3 epochs of a tiny domain": lambda kind: plan_of(
        kind, {"big": 0.927, "tiny": 0.073}, supply={"tiny": TOKENS // 100}
    ),
    "lengths 100-fold apart": lambda kind: plan_of(
        kind, {"short": 0.7, "long": 0.3}, lengths={"short": 20, "long": 2000}
    ),
    "a mixture that moves": lambda kind: plan_of(kind, {"a": 1, "b": 0}, {"a": 0, "b": 1}),
    "hostile names": lambda kind: plan_of(
        kind,
        {"it's": 0.2, 'say "no"': 0.2, "a b": 0.1, "../../up": 0.2, "größe ☃": 0.2, "a_b": 0.1},
        stage="a stage; rm -rf $HOME/*",
    ),
}


@every_target
@pytest.mark.parametrize("case", CASES)
def test_what_is_written_gives_the_plan(
    name: str, kind: StageKind, case: str, tmp_path: Path
) -> None:
    plan = CASES[case](kind)
    summary = export_schedule(plan, tmp_path / "out", [name])
    (record,) = summary.targets
    assert record.checks
    assert max(check.distance for check in record.checks) < 0.001
    assert all(sum(check.shares.values()) == pytest.approx(1.0) for check in record.checks)
    inside = [path.resolve().is_relative_to(tmp_path) for path in tmp_path.rglob("*")]
    assert all(inside)


@every_target
def test_epochs_above_one_are_told(name: str, kind: StageKind, tmp_path: Path) -> None:
    plan = CASES["7.3 epochs of a tiny domain"](kind)
    (record,) = export_schedule(plan, tmp_path / "out", [name]).targets
    assert "'tiny' is repeated: 7.30 epochs" in " ".join(record.approximations)
    assert "7.30" in (tmp_path / "out" / name / "README.md").read_text()


@every_target
def test_the_manifest_names_every_file(name: str, kind: StageKind, tmp_path: Path) -> None:
    plan = CASES["a mixture that moves"](kind)
    export_schedule(plan, tmp_path / "out", [name])
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    files = hash_files(tmp_path / "out")
    del files["manifest.json"]
    assert manifest["files"] == files
    assert manifest["schedule"]["digest"] == plan.digest
    assert manifest["stages"][-1]["tokens"] == TOKENS
    assert manifest["epochs"]["a"] == pytest.approx(0.5)


@every_target
def test_the_same_export_twice_is_the_same(name: str, kind: StageKind, tmp_path: Path) -> None:
    plan = CASES["hostile names"](kind)
    export_schedule(plan, tmp_path / "out", [name])
    first = hash_files(tmp_path / "out")
    export_schedule(plan, tmp_path / "out", [name])
    assert hash_files(tmp_path / "out") == first


@pytest.mark.parametrize("name", TARGETS)
def test_a_whole_life_is_written_and_read_back(name: str, tmp_path: Path) -> None:
    schedule = life_schedule()
    plan = make_export_plan(schedule, *life_inventory(schedule), {"long": 0.25})
    (record,) = export_schedule(plan, tmp_path / "out", [name]).targets
    trained = [stage for stage in plan.stages if stage.kind in TARGETS[name].kinds]
    assert {check.stage for check in record.checks} == {stage.name for stage in trained}
    assert max(check.distance for check in record.checks) < 0.001
    configs = [*(tmp_path / "out" / name).glob("2-long.*")]
    assert any("# gate: accuracy/recall >= 0.9" in path.read_text() for path in configs)
    assert "none" not in {domain for check in record.checks for domain in check.shares}


def test_the_manifest_of_a_whole_life_gives_its_schedule_back(tmp_path: Path) -> None:
    schedule = life_schedule(constant(mixture_of({"a": 0.7, "b": 0.3})))
    inventory, shards = life_inventory(schedule)
    plan = make_export_plan(schedule, inventory, shards)
    export_schedule(plan, tmp_path / "out", [*TARGETS])
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    recipe = validate(manifest["schedule"]["recipe"], ScheduleRecipe, file="manifest.json")
    again = Space(recipe=recipe, inventory=inventory).resolve({})
    assert again.digest == schedule.digest == manifest["schedule"]["digest"]
    kinds = [(stage["kind"], bool(stage["practice"])) for stage in manifest["stages"]]
    assert kinds[3:] == [("sft", False), ("sft", True), ("dpo", True), ("dpo", True), ("rl", True)]


def plant_in_life(name: str, fault: Callable[[Path], None], folder: Path) -> None:
    schedule = life_schedule()
    plan = make_export_plan(schedule, *life_inventory(schedule))
    target = Faulty(name, fault)
    (folder / name).mkdir(parents=True)
    context = ExportContext(export_folder=folder, run_folder=folder / "run")
    target.write(plan, folder / name, context)
    readings = target.inner.read(plan, folder / name, context)
    verify(plan, name, target.inner.kinds, readings)


def swap_json(folder: Path) -> None:
    path = next(folder.glob("*.blend.json"))
    blend = json.loads(path.read_text())
    blend["train"][0], blend["train"][2] = blend["train"][2], blend["train"][0]
    path.write_text(json.dumps(blend))


def zero_json(folder: Path) -> None:
    path = next(folder.glob("*.blend.json"))
    blend = json.loads(path.read_text())
    blend["train"][0] = "0.0"
    path.write_text(json.dumps(blend))


def edit(pattern: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = max(folder.glob(pattern))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return apply


def swap_yaml(*keys: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = max(folder.glob("*.yaml"))
        config: dict[str, Any] = yaml.safe_load(path.read_text())
        pieces = config.get("pieces", [config])
        first, second = pieces[0].get("sources", pieces[0].get("datasets"))
        for key in keys:
            first[key], second[key] = second[key], first[key]
        path.write_text(yaml.safe_dump(config))

    return apply


FAULTS: dict[str, tuple[str, StageKind, Callable[[Path], None]]] = {
    "blend swapped": ("megatron", "lm", swap_json),
    "zero weight": ("megatron", "lm", zero_json),
    "hidden hold-out": ("megatron", "lm", edit("*.args", "--eval-iters=0", "--split=969,30,1")),
    "wrong length": ("megatron", "lm", edit("*.args", "--seq-length=1000", "--seq-length=2000")),
    "too few samples": (
        "megatron",
        "lm",
        edit("*.args", "--train-samples=100000", "--train-samples=1000"),
    ),
    "rows swapped": ("trl", "lm", swap_yaml("rows")),
    "probabilities swapped": ("trl", "lm", swap_yaml("probability")),
    "shuffled": ("trl", "lm", edit("*.yaml", "sequential", "random")),
    "another ending": ("trl", "lm", edit("*.yaml", "all_exhausted_without_replacement", "x")),
    "fractions swapped": ("trl", "sft", swap_yaml("fraction")),
    "truncating": ("trl", "sft", edit("*.yaml", "bfd_split", "bfd")),
    "too few steps": ("trl", "sft", edit("*.yaml", "max_steps: 1000", "max_steps: 900")),
}


class Faulty:
    """A target with a fault planted into what it writes."""

    def __init__(self, name: str, fault: Callable[[Path], None]) -> None:
        self.inner, self.fault = TARGETS[name], fault

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def write(self, plan: ExportPlan, folder: Path, context: Any) -> Any:  # noqa: ANN401
        written = self.inner.write(plan, folder, context)
        self.fault(folder)
        return written


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught_and_leaves_nothing(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, kind, plant = FAULTS[fault]
    plan = plan_of(kind, {"a": 0.7, "b": 0.3}, lengths={"a": 50, "b": 400})
    table = {**TARGETS, name: Faulty(name, plant)}
    monkeypatch.setattr("mixopt.export.target.TARGETS", table)
    with pytest.raises(ExportError):
        export_schedule(plan, tmp_path / "out", [name])
    assert list(tmp_path.iterdir()) == []


LIFE_FAULTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a share of a text stage": ("trl", edit("1-*.yaml", "probability: 0.7", "probability: 0.3")),
    "a share of an sft stage": ("trl", edit("4-*.yaml", "fraction: 0.6", "fraction: 0.9")),
    "steps of a preference stage": ("trl", edit("6-*.yaml", "max_steps: 500", "max_steps: 400")),
    "steps of a reward stage": ("trl", edit("8-*.yaml", "max_steps: 5", "max_steps: 6")),
    "length of a preference stage": ("trl", edit("7-*.yaml", "h: 1000", "h: 500")),
    "a share of a gated stage": ("megatron", edit("2-*.json", '"0.7"', '"0.3"')),
}


@pytest.mark.parametrize("fault", LIFE_FAULTS)
def test_a_planted_fault_in_a_whole_life_is_caught(fault: str, tmp_path: Path) -> None:
    name, plant = LIFE_FAULTS[fault]
    plant_in_life(name, lambda _: None, tmp_path / "sound")
    with pytest.raises(ExportError):
        plant_in_life(name, plant, tmp_path / "faulty")


def test_a_target_that_trains_no_stage_is_an_error(tmp_path: Path) -> None:
    plan = plan_of("sft", {"a": 1.0})
    alone = replace(plan, stages=plan.stages[1:])
    with pytest.raises(ExportError, match="'megatron' trains no stage"):
        export_schedule(alone, tmp_path / "out", ["megatron"])
    (record,) = export_schedule(plan, tmp_path / "out", ["megatron"]).targets
    assert "'stage' is left out" in record.approximations[0]


def test_an_unknown_target_has_its_nearest_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        export_schedule(plan_of("lm", {"a": 1.0}), tmp_path / "out", ["megatrn"])
    assert "Did you mean 'megatron'?" in caught.value.remedy


def test_rows_that_were_written_replace_the_estimate(tmp_path: Path) -> None:
    plan = plan_of("sft", {"a": 0.5, "b": 0.5}, lengths={"a": 1000, "b": 1000})
    few = {"a": 100_000, "b": 20_000, "base": 1}

    def documents_of(domain: str) -> list[Document]:
        return [Document(messages=(("user", "?"), ("assistant", "!")))] * few[domain]

    options = ExportOptions(run_folder=tmp_path / "elsewhere")
    summary = export_schedule(
        plan, tmp_path / "out", ["trl"], options=options, documents_of=documents_of
    )
    assert {file.domain: file.rows for file in summary.documents} == few
    config = yaml.safe_load((tmp_path / "out/trl/2-stage.yaml").read_text())
    files = [Path(entry["data_files"]).name for entry in config["datasets"]]
    assert files == ["a.jsonl", "b.jsonl", "b.jsonl", "b.jsonl"]
    assert all(Path(entry["data_files"]).is_file() for entry in config["datasets"])


def test_an_empty_domain_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no document to train on"):
        export_schedule(
            plan_of("lm", {"a": 1.0}), tmp_path / "out", ["trl"], documents_of=lambda _: []
        )
    assert not (tmp_path / "out").exists()
