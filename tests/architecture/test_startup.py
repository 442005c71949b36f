"""Commands that only read start fast: they load neither what builds nor what trains."""

from __future__ import annotations

import subprocess
import sys


def test_the_catalogs_commands_load_only_what_they_need() -> None:
    heavy = (
        "mixopt.catalog.building",
        "mixopt.catalog.readers",
        "mixopt.training",
        "numba",
        "torch",
    )
    program = (
        f"import sys, mixopt.cli.catalog; print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
