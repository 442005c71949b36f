"""Prints what becomes of every kind of broken and odd input that the contract tests make.

python tests/benchmarks/broken_files_table.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "contract"))

from broken_files import KINDS, read_kind
from broken_kinds import Kind

_LONGEST = 110


def main() -> None:
    print("| kind | read | taken | filtered | quarantined | where and why |")
    print("|---|---|---|---|---|---|")
    for kind in KINDS:
        with tempfile.TemporaryDirectory() as name:
            print(_line(kind, Path(name) / "kind"))


def _line(kind: Kind, folder: Path) -> str:
    kind.write(folder)
    _, intake = read_kind(kind, folder)
    reasons = [f"{entry.unit} {entry.offset}: {entry.reason}" for entry in intake.entries]
    shown = "; ".join(reasons).replace("|", "\\|").replace(f"{folder}/", "")
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} ..."
    counts = (intake.read, intake.taken, intake.filtered, intake.quarantined)
    return f"| {kind.name} | {' | '.join(str(count) for count in counts)} | {shown} |"


if __name__ == "__main__":
    main()
