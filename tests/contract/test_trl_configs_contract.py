"""What the export writes for TRL, parsed by TRL's own strict parser into its own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from whole_life import life_inventory, life_schedule

from mixopt.export.plan import make_export_plan
from mixopt.export.target import export_schedule

pytestmark = pytest.mark.filterwarnings("default")  # TRL and what it loads warn on import

CONFIG_OF = {
    "4-chat": ("sft", "SFTConfig"),
    "5-own": ("sft", "SFTConfig"),
    "6-pivots": ("dpo", "DPOConfig"),
    "7-judged": ("dpo", "DPOConfig"),
    "8-rl": ("grpo", "GRPOConfig"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    schedule = life_schedule()
    plan = make_export_plan(schedule, *life_inventory(schedule))
    return export_schedule(plan, tmp_path_factory.mktemp("trl") / "out", ["trl"]).folder / "trl"


def parse(path: Path) -> tuple[Any, Any, Any, Any]:
    """Return script, training, model and data arguments; a key that TRL does not know is an error."""
    trl = pytest.importorskip("trl")
    command, name = CONFIG_OF[path.stem]
    script = trl.ScriptArguments
    if command == "grpo":
        script = pytest.importorskip("trl.scripts.grpo").GRPOScriptArguments
    kinds = (script, getattr(trl, name), trl.ModelConfig, trl.DatasetMixtureConfig)
    parser = trl.TrlParser(kinds)
    given = ["--config", str(path), "--bf16", "false", "--use_cpu", "true"]
    parsed: tuple[Any, Any, Any, Any] = parser.parse_args_and_config(given)
    return parsed


@pytest.mark.parametrize("stem", CONFIG_OF)
def test_trl_takes_every_key_as_it_is_meant(folder: Path, stem: str) -> None:
    path = folder / f"{stem}.yaml"
    script, training, model, data = parse(path)
    config = yaml.safe_load(path.read_text())
    entries = config.pop("datasets")
    for key, value in config.items():
        held = [getattr(part, key) for part in (script, training, model) if hasattr(part, key)]
        assert held == [value], key
    assert [(e.data_files, e.columns) for e in data.datasets] == [
        (entry["data_files"], entry["columns"]) for entry in entries
    ]


def test_a_key_that_trl_does_not_know_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "8-rl.yaml"
    path.write_text((folder / "8-rl.yaml").read_text() + "num_generation: 4\n")
    with pytest.raises(ValueError, match="num_generation"):
        parse(path)


def test_trl_samples_whole_groups(folder: Path) -> None:
    _, training, _, _ = parse(folder / "8-rl.yaml")
    assert training.generation_batch_size == training.gradient_accumulation_steps
    assert training.generation_batch_size % training.num_generations == 0
    assert training.max_completion_length < training.vllm_max_model_length == 1000
