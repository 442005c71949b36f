"""Bad input on the command line: every fault is named, nothing is half-written, no traceback."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """name = "x"
[target]
parameters = "1M"
tokens = {tokens}
context_tokens = 64
batch_tokens = 256
learning_rate = 1e-3
[[stage]]
name = "pretrain"
kind = "lm"
share = 1.0
"""
CATALOG = """name = "c"
[[domain]]
name = "web"
provenance = "organic"
sources = [{{ reader = "jsonl", path = "{path}" }}]
"""


def mixopt(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mixopt", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def write_lines(path: Path, count: int = 200) -> None:
    lines = [
        json.dumps({"text": f"document {number} about {number**2}"}) for number in range(count)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_lines(tmp_path / "web.jsonl")
    (tmp_path / "c.toml").write_text(CATALOG.format(path="web.jsonl"), encoding="utf-8")
    assert mixopt("catalog", "build", "c.toml", cwd=tmp_path).returncode == 0
    return tmp_path


def check(place: Path, text: str, tokens: int = 1000) -> subprocess.CompletedProcess[str]:
    (place / "s.toml").write_text(HEAD.format(tokens=tokens) + text, encoding="utf-8")
    return mixopt("schedule", "check", "s.toml", cwd=place)


def test_all_faults_of_a_schedule_are_told_together(place: Path) -> None:
    done = check(place, 'mixture = { wbe = 0.7, web = -0.1 }\ncolour = "red"\n')
    assert done.returncode == 3
    for text in ("did you mean 'web'", "-0.1", "0.6", "unknown key 'colour'", "s.toml"):
        assert text in done.stderr


def test_a_schedule_over_its_supply_is_refused_with_the_numbers(place: Path) -> None:
    done = check(place, "mixture = { web = 1.0 }\n", tokens=10**9)
    assert done.returncode == 7
    assert "1,000,000,000 tokens" in done.stderr
    assert "the cap is 4" in done.stderr


def test_a_shard_that_is_gone_is_named(place: Path) -> None:
    (place / "web.jsonl").unlink()
    done = mixopt("corpus", "build", cwd=place)
    assert done.returncode == 5
    assert "web.jsonl" in done.stderr
    assert not list((place / "corpus").glob("[!.]*"))


def test_broken_lines_and_a_cut_gz_go_to_quarantine(tmp_path: Path) -> None:
    write_lines(tmp_path / "plain.jsonl")
    whole = (tmp_path / "plain.jsonl").read_bytes()
    (tmp_path / "a.jsonl").write_bytes(whole + b'{"text": "cut\n')
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(whole)[:-200])
    text = CATALOG.format(path=".").replace('path = "."', 'path = ".", include = ["a.*", "b.*"]')
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    assert mixopt("catalog", "build", "c.toml", cwd=tmp_path).returncode == 0
    query = "select path, reason from quarantine order by path"
    found = json.loads(mixopt("catalog", "sql", query, "--json", cwd=tmp_path).stdout)
    assert [Path(row["path"]).name for row in found] == ["a.jsonl", "b.jsonl.gz"]


def test_a_failed_build_leaves_the_catalog_that_was_there(place: Path) -> None:
    before = (place / "catalog.duckdb").read_bytes()
    (place / "web.jsonl").unlink()
    done = mixopt("catalog", "build", "c.toml", cwd=place)
    assert done.returncode == 5
    assert "web.jsonl" in done.stderr
    assert (place / "catalog.duckdb").read_bytes() == before
