"""Commands as a user types them: exit codes, JSON, and clear words for bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def mixopt(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mixopt", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_help_names_every_group_without_loading_any(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv=['mixopt', '--help']\n"
        "from mixopt.cli.main import cli_main\n"
        "try: cli_main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'optuna', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "catalog" in done.stdout
    assert "recommend" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


def test_show_and_sql_print_json(tiny_catalog: Path, tmp_path: Path) -> None:
    shown = mixopt("catalog", "show", "--catalog", str(tiny_catalog), "--json", cwd=tmp_path)
    domains = json.loads(shown.stdout)
    query = "select name, tokens from domains"
    answered = mixopt(
        "catalog", "sql", query, "--catalog", str(tiny_catalog), "--json", cwd=tmp_path
    )
    assert {row["domain"] for row in domains} == {
        row["name"] for row in json.loads(answered.stdout)
    }
    assert shown.returncode == answered.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("catalog", "show"), 4, "no catalog"),
        (("catalog", "build", "nonsense"), 4, "neither a file nor"),
        (("catalog", "sql", "drop table shards", "--catalog", "CATALOG"), 6, ""),
        (("schedule", "check", "demmo", "--catalog", "CATALOG"), 4, "Did you mean 'demo'"),
        (("recommend", "nowhere"), 8, "is no study"),
        (("export", "demo", "--target", "megatron", "--catalog", "CATALOG"), 3, "fault"),
        (("report", "nowhere"), 8, "is no study"),
    ],
)
def test_bad_input_is_an_error_with_words(
    tiny_catalog: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    given = [str(tiny_catalog) if word == "CATALOG" else word for word in arguments]
    done = mixopt(*given, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    done = mixopt("catalog", "show", "--colour", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_version_is_printed_without_a_command(tmp_path: Path) -> None:
    done = mixopt("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("mixopt ")
