"""Looking at schedules: what the tables say of stages of every kind, and mapped domains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mixopt.cli.main import make_app

RECIPE = """
name = "small"
[domains]
web = ["prose", "notes"]
talk = "chat"
[target]
parameters = "10K"
tokens = "60K"
context_tokens = 128
batch_tokens = 1_000
learning_rate = 1e-3
[[stage]]
name = "first"
kind = "lm"
share = 0.6
mixture = { web = 0.7, drills = 0.3 }
[[stage]]
name = "late"
kind = "lm"
share = "rest"
context_tokens = 256
rope_base = 50_000
ordering = { score = "length", strength = 0.5 }
mixture = { drills = 1.0 }
gate = { measure = "bits_per_byte/web", below = 3.5, latest = 0.8 }
[[stage]]
name = "sft"
kind = "sft"
tokens = "12K"
mixture = { talk = 1.0 }
[[stage]]
name = "dpo"
kind = "dpo"
tokens = "1K"
practice = { method = "judged", levels = { addition = 2 } }
"""
WEB = ("--map", "web=prose")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "small.toml"
    file.write_text(RECIPE)
    return file


def schedule(command: str, recipe: Path, catalog: Path, *more: str) -> Result:
    words = ["schedule", command, str(recipe), "--catalog", str(catalog), *more]
    return CliRunner().invoke(make_app(words), words, catch_exceptions=False)


def rows(done: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_table_has_a_row_for_own_answers(recipe: Path, tiny_catalog: Path) -> None:
    shown = rows(schedule("show", recipe, tiny_catalog, "--json", *WEB))
    assert [(row["stage"], row["domain"], row["share"]) for row in shown] == [
        ("first", "prose", "70.0%"),
        ("first", "drills", "30.0%"),
        ("late", "drills", "100.0%"),
        ("sft", "chat", "100.0%"),
        ("dpo", "own answers (judged)", None),
    ]


def test_what_a_table_does_not_show_is_said(recipe: Path, tiny_catalog: Path) -> None:
    said = schedule("show", recipe, tiny_catalog, *WEB).stderr
    assert "late: starts when bits_per_byte/prose <= 3.5, from 0, at 0.8 at the latest" in said
    assert "late: ordered by length, strength 0.5" in said
    assert "late: rotary base 50,000" in said


def test_a_plan_counts_sequences_at_the_context_of_each_stage(
    recipe: Path, tiny_catalog: Path
) -> None:
    options = ("--json", "--proxy", "pico", *WEB)
    planned = rows(schedule("plan", recipe, tiny_catalog, *options))
    steps = {row["stage"]: (row["steps"], row["context"]) for row in planned}
    context = steps["first"][1]
    assert steps["late"][1] == 2 * context
    total = steps["first"][0] + steps["late"][0]
    assert steps["first"][0] == round(0.8 * total)  # the latest point of the gate
    assert steps["dpo"][0] > 0


def test_a_recipe_is_checked_with_its_domains(recipe: Path, tiny_catalog: Path) -> None:
    done = schedule("check", recipe, tiny_catalog, "--map", "web=prose")
    assert done.stdout == f"{recipe}: a valid schedule, 4 stages\n"


def test_the_written_recipe_needs_no_mapping(recipe: Path, tiny_catalog: Path) -> None:
    text = schedule("show", recipe, tiny_catalog, "--toml", *WEB).stdout
    recipe.write_text(text)
    assert "[domains]" not in text
    again = schedule("show", recipe, tiny_catalog, "--toml").stdout
    assert again == text
