from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from export_fakes import BATCH, CONTEXT, LEVELS, SUPPLY, context, plan, practised, stage

from mixopt.errors import ExportError
from mixopt.export.planned import ExportPlan
from mixopt.export.trl import Trl
from mixopt.export.trl_preferences import TEMPLATE
from mixopt.schedule.gate import Gate
from mixopt.schedule.practice import Judged, Pivotal, Practice, Reinforcement, Rejection
from mixopt.schedule.schedule import Stage

LM = stage("text", {"web": 0.7, "code": 0.3})
REJECTION = practised("own", Rejection(method="rejection", levels=LEVELS, samples=5, keep=3))
PIVOTAL = practised("pivots", Pivotal(method="pivotal", levels=LEVELS, beta=0.2, gap=0.4))
JUDGED = practised("judged", Judged(method="judged", levels=LEVELS, beta=0.1))
RL = practised("rl", Reinforcement(method="grpo", levels=LEVELS, samples=5, clip=0.1))


def judged(**settings: Any) -> Stage:  # noqa: ANN401 - settings of any type
    return practised("judged", Judged(method="judged", levels=LEVELS, **settings))


def written(made: ExportPlan, folder: Path, *, devices: int = 1) -> tuple[dict[str, Any], str, str]:
    """Return configs by name, notes and the README."""
    found = Trl().write(made, folder, context(folder, devices=devices))
    configs = {
        path.stem: yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))
    }
    return configs, " ".join(found.approximations), (folder / "README.md").read_text()


def test_preferences_learn_pairs_from_the_model_before(tmp_path: Path) -> None:
    configs, notes, _ = written(plan(LM, JUDGED), tmp_path)
    config = configs["2-judged"]
    assert config["model_name_or_path"] == configs["1-text"]["training"]["output_dir"]
    assert (config["beta"], config["loss_type"], config["learning_rate"]) == (
        0.1,
        ["sigmoid"],
        2e-6,
    )
    assert config["gradient_accumulation_steps"] * 2 == BATCH // CONTEXT
    (entry,) = config["datasets"]
    assert entry["data_files"] == str(tmp_path / "run/answers/2-judged.jsonl")
    assert entry["columns"] == ["prompt", "chosen", "rejected"]
    assert entry["data_files"] in notes


def test_the_loss_is_the_one_that_trl_calls_by_another_name(tmp_path: Path) -> None:
    made = plan(LM, judged(label_smoothing=0.1, anchor=0.5), stage("s", {"c": 1.0}, kind="sft"))
    config = written(made, tmp_path)[0]["2-judged"]
    assert (config["loss_type"], config["loss_weights"]) == (["aot", "sft"], [1.0, 0.5])
    assert (config["label_smoothing"], config["per_device_train_batch_size"]) == (0.1, 1)
    config = written(plan(LM, judged(normalized=True)), tmp_path)[0]["2-judged"]
    assert config["loss_type"] == ["sigmoid_norm"]
    assert "label_smoothing" not in config


def test_smoothing_of_a_normalized_loss_is_told_to_be_lost(tmp_path: Path) -> None:
    made = plan(LM, judged(normalized=True, label_smoothing=0.2))
    configs, notes, _ = written(made, tmp_path)
    assert configs["2-judged"]["loss_type"] == ["sigmoid_norm"]
    assert "the smoothing of 0.2 is left out" in notes


def test_single_tokens_are_not_closed_by_a_template(tmp_path: Path) -> None:
    configs, _, page = written(plan(LM, PIVOTAL), tmp_path)
    assert "chat_template_kwargs" in configs["2-pivots"]["datasets"][0]["columns"]
    assert TEMPLATE in page
    assert "changes by 0.4 or more" in page


def test_the_template_adds_nothing() -> None:
    jinja = pytest.importorskip("jinja2")
    messages = [{"role": "user", "content": "1+1="}, {"role": "assistant", "content": "2"}]
    shown = jinja.Template(TEMPLATE).render(messages=messages, add_generation_prompt=True)
    assert shown == "1+1=2"


def test_rewards_sample_groups_of_answers(tmp_path: Path) -> None:
    config = written(plan(LM, RL), tmp_path, devices=2)[0]["2-rl"]
    assert (config["num_generations"], config["temperature"]) == (5, 1.0)
    assert (config["beta"], config["epsilon"], config["scale_rewards"]) == (0.04, 0.1, "group")
    assert config["gradient_accumulation_steps"] == 5
    assert (config["max_completion_length"], config["vllm_max_model_length"]) == (750, 1000)
    assert config["reward_funcs"] == ["rewards.exact"]
    assert (tmp_path / "rewards.py").is_file()


def test_unscaled_and_process_rewards_are_told_apart(tmp_path: Path) -> None:
    own = Reinforcement(method="grpo", levels=LEVELS, samples=5, scaled=False, process=True)
    configs, notes, _ = written(plan(LM, practised("rl", own)), tmp_path)
    assert configs["2-rl"]["scale_rewards"] == "none"
    assert "rewards of single tokens" in notes


def test_accepted_answers_are_fine_tuned_on_whole(tmp_path: Path) -> None:
    configs, notes, page = written(plan(LM, REJECTION), tmp_path)
    config = configs["2-own"]
    assert (config["packing_strategy"], config["assistant_only_loss"]) == ("bfd_split", True)
    assert config["learning_rate"] == 1e-5
    assert "a verifier accepts" in notes
    assert "Sample 5 answers" in page
    assert "at most 3 different ones" in page


def test_the_readme_has_the_commands_in_order(tmp_path: Path) -> None:
    _, _, page = written(plan(LM, REJECTION, PIVOTAL, RL), tmp_path)
    commands = page.split("```bash")[1].split("```")[0].splitlines()
    runs = [line for line in commands if line.startswith(("accelerate", "trl"))]
    assert [run.split(" --config")[0] for run in runs[1:]] == ["trl sft", "trl dpo", "trl grpo"]
    assert commands.index("# make answers/3-pivots.jsonl from the model so far") == 5


def test_the_reward_pays_for_an_exact_answer_alone(tmp_path: Path) -> None:
    written(plan(LM, RL), tmp_path)
    module: dict[str, Any] = {}
    exec((tmp_path / "rewards.py").read_text(), module)  # noqa: S102 - the file that is under test
    texts = ["42", " 42\n", "42 42", "is it 42", "17 + 25 = 42", "4", ""]
    said = [[{"role": "assistant", "content": text}] for text in texts]
    for completions in (texts, said):
        paid = module["exact"](completions=completions, answer=["42"] * 7, prompts=[])
        assert paid == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_a_change_of_the_rotary_base_is_one_of_the_model(tmp_path: Path) -> None:
    long = replace(stage("long", {"web": 1.0}, context=2 * CONTEXT), rope_base=5e5)
    configs, _, _ = written(plan(LM, long), tmp_path)
    assert [config["rope_base"] for config in configs.values()] == [10_000.0, 5e5]
    assert configs["2-long"]["context_tokens"] == 2 * CONTEXT
    assert written(plan(LM), tmp_path)[0]["1-text"]["rope_base"] is None


def test_a_gate_is_a_comment_of_the_config(tmp_path: Path) -> None:
    gated = replace(stage("long", {"web": 1.0}), gate=Gate(measure="margin/recall", below=0.1))
    written(plan(LM, gated, fired={"long": 0.5}), tmp_path)
    first = (tmp_path / "2-long.yaml").read_text().splitlines()[0]
    assert first.startswith("# gate: margin/recall <= 0.1")


def test_readings_count_both_sides_of_a_pair(tmp_path: Path) -> None:
    made = plan(LM, REJECTION, JUDGED, RL)
    written(made, tmp_path)
    readings = Trl().read(made, tmp_path, context(tmp_path))[2:]
    assert [(reading.tokens, dict(reading.shares)) for reading in readings] == [(SUPPLY, {})] * 3


def change(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda config: config.update({key: value})


SMOOTH = Judged(method="judged", levels=LEVELS, label_smoothing=0.1)
FAULTS: dict[str, tuple[Practice, Callable[[dict[str, Any]], None]]] = {
    "another loss": (SMOOTH, change("loss_type", ["sigmoid"])),
    "another beta": (SMOOTH, change("beta", 0.5)),
    "mixed pairs": (SMOOTH, lambda c: c.update(per_device_train_batch_size=5)),
    "another file": (SMOOTH, lambda c: c["datasets"][0].update(data_files="x")),
    "no columns": (SMOOTH, lambda c: c["datasets"][0].pop("columns")),
    "another model": (SMOOTH, change("model_name_or_path", "x")),
    "torn groups": (
        Reinforcement(method="grpo", levels=LEVELS, samples=5),
        change("gradient_accumulation_steps", 7),
    ),
    "other groups": (
        Reinforcement(method="grpo", levels=LEVELS, samples=5),
        change("num_generations", 4),
    ),
    "cut off": (Rejection(method="rejection", levels=LEVELS), change("packing_strategy", "bfd")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_config_of_another_training_is_refused(fault: str, tmp_path: Path) -> None:
    practice, spoil = FAULTS[fault]
    made = plan(LM, practised("own", practice))
    configs, _, _ = written(made, tmp_path)
    spoil(configs["2-own"])
    (tmp_path / "2-own.yaml").write_text(yaml.safe_dump(configs["2-own"]))
    with pytest.raises(ExportError, match=r"2-own\.yaml"):
        Trl().read(made, tmp_path, context(tmp_path))
