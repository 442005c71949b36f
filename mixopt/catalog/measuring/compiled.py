"""How loops over the bytes and words of documents are compiled, and kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from numba import njit

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def kernel(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Compile a function at its first call.

    The result is kept beside the package, or with the user's caches where that is read-only; if
    neither can be written to, every process compiles anew.
    """
    options: Any = {"error_model": "numpy", "nogil": True}
    try:
        compiled: Any = njit(cache=True, **options)(function)
    except RuntimeError:
        compiled = njit(**options)(function)
    else:
        # Numba would look at the function's own file alone, and miss a change of what it calls.
        compiled._cache._cache_file._source_stamp = _digest()  # noqa: SLF001 - has no public name
    kept: Callable[_Parameters, _Result] = compiled
    return kept


@cache
def _digest() -> str:
    """Name the contents of all files beside this one."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
