import json
import math
import subprocess
from pathlib import Path

import pytest
from export_fakes import BATCH, CONTEXT, context, plan, stage

from mixopt.errors import ExportError
from mixopt.export.megatron import Megatron
from mixopt.export.planned import ExportPlan
from mixopt.schedule.rate import RateShape

MIX, OTHER = {"a": 0.75, "b": 0.25, "c": 0.0}, {"a": 0.2, "b": 0.8}
DECAY = RateShape(peak=0.5, decay=0.2, floor=0.1, shape="sqrt")


def written(made: ExportPlan, folder: Path) -> dict[str, dict[str, str]]:
    target = folder / "out" / "megatron"
    target.mkdir(parents=True)
    Megatron().write(made, target, context(folder))
    return {path.name: flags(path) for path in sorted(target.glob("*.args"))}


def flags(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value for name, _, value in pairs}


def rate_of_megatron(given: dict[str, str], samples: int) -> float:
    """OptimizerParamScheduler.get_lr for the styles that are written."""
    high, low = float(given["--lr"]), float(given["--min-lr"])
    warmup, end = int(given["--lr-warmup-samples"]), int(given["--lr-decay-samples"])
    if warmup > 0 and samples <= warmup:
        return high * samples / warmup
    if given["--lr-decay-style"] == "constant":
        return high
    decay = int(given["--lr-wsd-decay-samples"])
    done = max(0.0, (samples - (end - decay)) / decay)
    fall = {"linear": done, "minus_sqrt": math.sqrt(done)}[given["--lr-wsd-decay-style"]]
    return low + (1 - fall) * (high - low)


def test_weights_pass_through_and_zeros_are_dropped(tmp_path: Path) -> None:
    written(plan(stage("one", MIX)), tmp_path)
    blend = json.loads((tmp_path / "out/megatron/1-one.blend.json").read_text())
    assert blend["train"][::2] == ["0.75", "0.25"]
    assert blend["train"][1] == str(tmp_path / "run/megatron/a_text_document")
    assert blend["valid"] is None
    assert blend["test"] is None


def test_two_stages_are_one_run_with_a_transition(tmp_path: Path) -> None:
    first, second = written(plan(stage("one", MIX), stage("two", OTHER)), tmp_path).values()
    assert first["--phase-transition-iterations"] == "100"
    assert first["--train-samples"] == second["--train-samples"] == str(2 * 100 * BATCH // CONTEXT)
    assert first["--save"] == second["--save"] == second["--load"]
    assert first["--seed"] != second["--seed"]
    assert "--split" not in first


def test_another_context_starts_a_run_from_the_weights(tmp_path: Path) -> None:
    long = stage("long", OTHER, context=2 * CONTEXT)
    first, second = written(plan(stage("one", MIX), long), tmp_path).values()
    assert "--phase-transition-iterations" not in second
    assert second["--pretrained-checkpoint"] == first["--save"] != second["--save"]
    assert second["--global-batch-size"] == "5"
    assert first["--max-position-embeddings"] == "2000"


def test_the_rate_follows_the_schedule_in_every_launch(tmp_path: Path) -> None:
    warm = RateShape(warmup=0.1)
    made = plan(stage("one", MIX, rate=warm), stage("two", MIX, OTHER, rate=DECAY))
    given = written(made, tmp_path)
    batch = BATCH // CONTEXT
    for step in (1, 5, 10, 60, 100):
        expected = 1e-3 * float(warm.at(step / 100))
        assert rate_of_megatron(given["1-one.args"], step * batch) == pytest.approx(expected)
    for piece, step in ((1, 1), (2, 30), (4, 80), (4, 90), (4, 100)):
        expected = 1e-3 * float(DECAY.at(step / 100))
        found = rate_of_megatron(given[f"2-two.piece{piece}.args"], (100 + step) * batch)
        assert found == pytest.approx(expected)


def greedy(weights: list[float], samples: int) -> list[int]:
    """build_blending_indices: every sample goes to the source that lags its share most."""
    counts = [0] * len(weights)
    for sample in range(samples):
        lags = [w * max(sample, 1) - n for w, n in zip(weights, counts, strict=True)]
        counts[lags.index(max(lags))] += 1
    return counts


def test_the_reading_is_what_the_greedy_interleave_draws(tmp_path: Path) -> None:
    weights = {"a": 0.4, "b": 0.3, "c": 0.17, "d": 0.1, "e": 0.03}
    made = plan(stage("one", weights))
    written(made, tmp_path)
    (reading,) = Megatron().read(made, tmp_path / "out/megatron", context(tmp_path))
    drawn = greedy(list(weights.values()), 1000)
    assert [reading.shares[name] * 1000 for name in weights] == pytest.approx(drawn, abs=1.01)


def test_stages_of_other_kinds_do_not_count_as_repeats(tmp_path: Path) -> None:
    made = plan(stage("one", MIX), stage("sft", {"chat": 1.0}, kind="sft"), supply={"chat": 1000})
    notes = " ".join(Megatron().write(made, tmp_path, context(tmp_path)).approximations)
    assert "chat" not in notes


def test_the_shell_reads_the_arguments_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "a" $HOME dir'
    given = written(plan(stage("one", MIX)), folder)["1-one.args"]
    script = 'mapfile -t A < "$1"; printf "%s\\0" "${A[@]}"'
    path = folder / "out/megatron/1-one.args"
    done = subprocess.run(["bash", "-c", script, "_", path], capture_output=True, check=True)
    read = dict(item.partition("=")[::2] for item in done.stdout.decode().split("\0") if item)
    assert read == given
    assert Path(read["--per-split-data-args-path"]).is_file()


def test_the_commands_of_the_readme_are_valid_shell(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    written(plan(stage("one", {"a b": 0.5, "c'd": 0.5})), folder)
    blocks = (folder / "out/megatron/README.md").read_text().split("```bash\n")[1:]
    for block in blocks:
        text = block.split("```")[0]
        subprocess.run(["bash", "-n", "-c", text], check=True)
    assert len(blocks) == 2


def test_a_line_break_in_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="line break"):
        written(plan(stage("one", MIX)), tmp_path / "two\nlines")


def test_repeats_and_lost_optimizer_state_are_told(tmp_path: Path) -> None:
    warm = stage("two", MIX, rate=RateShape(warmup=0.1))
    made = plan(stage("one", MIX), warm, supply={"a": 500_000})
    notes = " ".join(Megatron().write(made, tmp_path, context(tmp_path)).approximations)
    assert "'a' is repeated: 3.00 epochs" in notes
    assert "moments start anew" in notes


def test_chance_repeats_are_estimated(tmp_path: Path) -> None:
    made = plan(stage("one", {"a": 0.5, "b": 0.5}), stage("two", {"a": 0.5, "b": 0.5}))
    notes = " ".join(Megatron().write(made, tmp_path, context(tmp_path)).approximations)
    assert "25.0%" in notes  # half of the supply drawn twice: a quarter of the supply comes again
