"""The README tells the truth about commands: each one it names exists."""

from __future__ import annotations

import re
from pathlib import Path

from mixopt.cli.main import GROUPS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = set(re.findall(r"\bmake ([a-z-]+)\b", README))
    assert named
    assert named <= targets


def test_every_command_group_is_in_the_readme_and_none_else() -> None:
    named = set(re.findall(r"\bmixopt ([a-z]+)\b", "\n".join(_code_blocks())))
    assert named == {group.name for group in GROUPS}


def test_continuous_integration_runs_the_test_command() -> None:
    assert "make test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def _code_blocks() -> list[str]:
    return re.findall(r"```(?:console|sh)\n(.*?)```", README, re.DOTALL)
