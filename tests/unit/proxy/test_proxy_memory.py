"""Keeping freed memory: glibc complies, other systems are left alone."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from mixopt.proxy.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_glibc_complies() -> None:
    code = (
        "import sys; from mixopt.proxy.memory import keep_freed_memory;"
        "sys.exit(0 if keep_freed_memory() else 3)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()


def test_a_library_without_the_call_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda _: object())
    assert not keep_freed_memory()
