from pathlib import Path
from typing import Any

import pytest
import yaml
from export_fakes import SUPPLY, context, plan, stage

from mixopt.errors import ExportError
from mixopt.export.planned import ExportPlan
from mixopt.export.trl import Trl
from mixopt.schedule.rate import RateShape

LM = stage("text", {"web": 0.7, "code": 0.3})
CHAT = {"chat": 0.7, "math": 0.3}
LENGTHS = {"web": 50, "code": 800, "chat": 50, "math": 400}


def written(made: ExportPlan, folder: Path, *, devices: int = 1) -> dict[str, Any]:
    Trl().write(made, folder, context(folder, devices=devices))
    return {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yaml")}


def test_row_probabilities_are_token_shares_over_length(tmp_path: Path) -> None:
    sources = written(plan(LM, lengths=LENGTHS), tmp_path)["1-text"]["pieces"][0]["sources"]
    web, code = (source["probability"] for source in sources)
    assert web / code == pytest.approx((0.7 / 50) / (0.3 / 800), rel=1e-3)
    assert web + code == 1.0
    assert sources[0]["rows"] == round(0.7 * SUPPLY / 50)


def test_a_later_stage_skips_the_rows_of_the_earlier(tmp_path: Path) -> None:
    again = stage("again", {"web": 1.0})
    sources = written(plan(LM, again), tmp_path)["2-again"]["pieces"][0]["sources"]
    assert sources[0]["skip"] == round(0.7 * SUPPLY / 100)


def test_a_moving_stage_is_one_config_with_pieces_in_order(tmp_path: Path) -> None:
    moving = stage("text", {"web": 1.0, "code": 0.0}, {"web": 0.0, "code": 1.0})
    config = written(plan(moving), tmp_path)["1-text"]
    shares = [piece["sources"][0]["probability"] for piece in config["pieces"]]
    assert shares == pytest.approx([0.875, 0.625, 0.375, 0.125])
    assert config["training"]["train_sampling_strategy"] == "sequential"
    assert len({piece["seed"] for piece in config["pieces"]}) == 4


def test_sft_fractions_are_rows_and_sum_to_one(tmp_path: Path) -> None:
    made = plan(LM, stage("sft", CHAT, kind="sft"), lengths=LENGTHS)
    config = written(made, tmp_path)["2-sft"]
    chat, math = (entry["fraction"] for entry in config["datasets"])
    assert chat / math == pytest.approx((0.7 / 50) / (0.3 / 400), rel=1e-6)
    assert chat + math == 1.0
    assert config["packing_strategy"] == "bfd_split"
    assert config["assistant_only_loss"] is True


def test_a_small_domain_is_listed_once_per_epoch(tmp_path: Path) -> None:
    made = plan(LM, stage("sft", CHAT, kind="sft"), supply={"math": 120_000})
    entries = written(made, tmp_path)["2-sft"]["datasets"]
    math = [entry["fraction"] for entry in entries if "math" in entry["data_files"]]
    assert math == pytest.approx([0.12, 0.12, 0.06])


def test_stages_hand_their_model_on(tmp_path: Path) -> None:
    configs = written(plan(LM, stage("sft", CHAT, kind="sft")), tmp_path)
    assert configs["1-text"]["model"] == str(tmp_path / "run/model")
    assert configs["2-sft"]["model_name_or_path"] == configs["1-text"]["training"]["output_dir"]


def test_the_batch_is_split_over_devices(tmp_path: Path) -> None:
    assert (
        written(plan(LM), tmp_path, devices=5)["1-text"]["training"]["gradient_accumulation_steps"]
        == 2
    )
    for devices in (0, 3, 20):
        with pytest.raises(ExportError, match=f"{devices} devices"):
            written(plan(LM), tmp_path, devices=devices)


def test_the_rate_is_a_warmup_stable_decay(tmp_path: Path) -> None:
    rate = RateShape(warmup=0.1, decay=0.3, floor=0.1, shape="sqrt")
    settings = written(plan(stage("s", {"a": 1.0}, rate=rate)), tmp_path)["1-s"]["training"]
    assert settings["warmup_steps"] == 10
    assert settings["lr_scheduler_kwargs"]["num_decay_steps"] == 30
    assert settings["lr_scheduler_kwargs"]["decay_type"] == "1-sqrt"
    assert settings["lr_scheduler_kwargs"]["min_lr_ratio"] == pytest.approx(0.1)


def test_a_domain_of_unknown_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no document in the catalog"):
        written(plan(LM, supply={"web": 0}), tmp_path)


def test_a_path_that_reads_as_a_pattern_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "runs[1]"
    folder.mkdir()
    with pytest.raises(ExportError, match="pattern"):
        written(plan(LM), folder)


def test_files_that_start_again_are_told(tmp_path: Path) -> None:
    made = plan(LM, stage("sft", CHAT, kind="sft"), stage("more", CHAT, kind="sft"))
    notes = " ".join(Trl().write(made, tmp_path, context(tmp_path)).approximations)
    assert "'chat' starts again" in notes
