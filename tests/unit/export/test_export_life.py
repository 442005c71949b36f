import json
from dataclasses import replace
from pathlib import Path

import pytest
from export_fakes import BATCH, CONTEXT, LEVELS, SUPPLY, context, plan, practised, stage

from mixopt.errors import ExportError
from mixopt.export.manifest import manifest
from mixopt.export.megatron import Megatron
from mixopt.export.planned import ExportPlan
from mixopt.export.remarks import comments
from mixopt.export.verify import verify
from mixopt.schedule.gate import Gate
from mixopt.schedule.practice import Judged, Pivotal, Reinforcement
from mixopt.schedule.schedule import Online, Ordering

LM = stage("text", {"web": 0.7, "code": 0.3})
LONG = replace(
    stage("long", {"web": 1.0}, context=2 * CONTEXT),
    rope_base=500_000.0,
    gate=Gate(measure="accuracy/recall", above=0.9),
    online=Online(policy="odm"),
    ordering=Ordering(score="length", strength=-0.5),
    packing="whole",
)
DPO = practised("dpo", Pivotal(method="pivotal", levels=LEVELS))
RL = practised("rl", Reinforcement(method="grpo", levels=LEVELS, samples=4))


def megatron(made: ExportPlan, folder: Path) -> tuple[str, str, dict[str, str]]:
    """Return the notes, the README and the arguments by name."""
    written = Megatron().write(made, folder, context(folder))
    files = {path.stem: path.read_text() for path in folder.glob("*.args")}
    return " ".join(written.approximations), (folder / "README.md").read_text(), files


def test_pairs_and_groups_fill_whole_steps() -> None:
    _, dpo, rl = plan(LM, DPO, RL).stages
    assert (dpo.batch_sequences, dpo.steps) == (BATCH // CONTEXT, SUPPLY // BATCH)
    assert (rl.batch_sequences, rl.steps) == (8, 125)  # two groups of 4 are nearest to 10
    assert rl.tokens == 125 * 8 * CONTEXT
    assert (dpo.pieces, dpo.parts, rl.parts) == ((), (), ())


def test_every_kind_has_a_rate_of_its_own() -> None:
    rates = [found.rate.peak for found in plan(LM, DPO, RL).stages]
    assert rates == [1e-3, 2e-6, 3e-6]


def test_the_rotary_base_holds_from_its_stage_on() -> None:
    bases = [found.rope_base for found in plan(LM, LONG, DPO).stages]
    assert bases == [10_000.0, 500_000.0, 500_000.0]
    assert [found.rope_base for found in plan(LM, DPO).stages] == [None, None]


def test_what_no_target_does_is_told() -> None:
    notes = " ".join(plan(LM, LONG).approximations)
    assert "not where a run has shown that its gate opens" in notes
    assert "mixopt schedule freeze" in notes
    shown = " ".join(plan(LM, LONG, fired={"long": 0.25}).approximations)
    assert "after 25.0% of the tokens" in shown


def test_comments_name_gate_policy_and_order() -> None:
    gate, online, ordering = comments(plan(LM, LONG, fired={"long": 0.25}).stages[1])
    assert gate.startswith(
        "gate: accuracy/recall >= 0.9, from 0, at 1 at the latest; resolved to 0.25"
    )
    assert "odm" in online
    assert ordering == "ordering: by length, greatest first, strength 0.5"
    assert comments(plan(LM).stages[0]) == []


def test_the_manifest_is_plain_data_with_every_setting() -> None:
    found = manifest(plan(LM, LONG, DPO, fired={"long": 0.25}), [], [], {})
    _, long, dpo = json.loads(json.dumps(found))["stages"]
    assert long["gate"]["share"] == 0.25
    assert (long["online"]["policy"], long["ordering"]["strength"]) == ("odm", -0.5)
    assert (long["packing"], long["rope_base"]) == ("whole", 500_000.0)
    assert dpo["practice"]["method"] == "pivotal"


def test_megatron_is_given_the_base_of_every_launch(tmp_path: Path) -> None:
    _, _, files = megatron(plan(LM, LONG), tmp_path)
    assert "--rotary-base=10000\n" in files["1-text"]
    assert "--rotary-base=500000\n" in files["2-long"]
    assert files["2-long"].startswith("# gate: accuracy/recall >= 0.9")
    _, _, plain = megatron(plan(LM), tmp_path)
    assert "--rotary-base" not in plain["1-text"]


def test_megatron_says_what_it_loses_and_leaves_out(tmp_path: Path) -> None:
    notes, page, _ = megatron(plan(LM, LONG, DPO), tmp_path)
    assert "Megatron-LM shuffles, so the order is lost" in notes
    assert "joins documents end to end" in notes
    assert "Not for Megatron-LM: 'dpo' (dpo)" in page
    assert "<(grep -v '^#'" in page


def test_megatron_reads_past_its_comments(tmp_path: Path) -> None:
    made = plan(LM, LONG)
    folder = tmp_path / "out" / "megatron"
    folder.mkdir(parents=True)
    Megatron().write(made, folder, context(tmp_path))
    readings = Megatron().read(made, folder, context(tmp_path))
    assert [reading.tokens for reading in readings] == [SUPPLY, SUPPLY]


def test_a_stage_without_domains_still_has_to_be_covered() -> None:
    made = plan(LM, practised("dpo", Judged(method="judged", levels=LEVELS)))
    with pytest.raises(ExportError, match="'dpo' is not covered"):
        verify(made, "t", ("dpo",), [])
