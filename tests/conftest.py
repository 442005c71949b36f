"""What the floors that train share: one tiny corpus, built once, and one thread."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tiny import build_tiny_catalog, build_tiny_store

from mixopt.corpus.store import TokenStore


@pytest.fixture(scope="session")
def tiny_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_catalog(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_store(tiny_catalog: Path) -> TokenStore:
    return build_tiny_store(tiny_catalog)


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def quick_folders() -> Iterator[Callable[[], Path]]:
    """Make folders in memory where there are some: databases wait for the disk at every commit."""
    memory = Path("/dev/shm")
    base = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="mixopt-tests-", dir=base) as folder:
        yield lambda: Path(tempfile.mkdtemp(dir=folder))


@pytest.fixture
def quick_path(quick_folders: Callable[[], Path]) -> Path:
    return quick_folders()
