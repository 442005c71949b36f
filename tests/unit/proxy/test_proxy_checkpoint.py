"""Checkpoints come back bit for bit, and damaged or foreign ones are refused with the numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from proxy_reference import loss, make, random_tokens, recipe, train
from safetensors.torch import save_file

from mixopt.errors import CheckpointError
from mixopt.proxy.checkpoint import load, save
from mixopt.proxy.optimizer import AdamW


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "step.safetensors"
    save(make([1, 2], dtype=torch.float32), None, path, {"step": "7"})
    return path


def test_training_continues_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    stack, tokens = make([1, 2], dtype=torch.float32), random_tokens([1, 2], 3, 9)
    optimizer = AdamW(stack)
    for step in range(4):
        if step == 2:
            save(stack, optimizer, tmp_path / "c.safetensors", {"step": "2"})
        _step(optimizer, tokens)
    restored = load(tmp_path / "c.safetensors", expected=stack.config)
    assert restored.metadata == {"step": "2"}
    assert restored.optimizer is not None
    for _ in range(2):
        _step(restored.optimizer, tokens)
    assert torch.equal(restored.stack.parameters, stack.parameters)
    assert torch.equal(restored.optimizer.second_moments, optimizer.second_moments)


def _step(optimizer: AdamW, tokens: torch.Tensor) -> None:
    torch.autograd.backward(loss(optimizer.stack, tokens).sum())
    optimizer.step(torch.tensor([1e-2, 1e-3]))


def test_a_checkpoint_without_optimizer_keeps_type_recipe_and_bits(saved: Path) -> None:
    restored = load(saved)
    assert restored.optimizer is None
    assert restored.stack.config == recipe()
    assert restored.stack.parameters.dtype == torch.float32
    assert torch.equal(restored.stack.parameters, make([1, 2], dtype=torch.float32).parameters)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_truncated_file_is_refused_with_its_size(saved: Path) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=rf"damaged\nIts {len(content) // 2} bytes"):
        load(saved)


def test_a_single_flipped_bit_is_refused(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-5] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="content hashes to"):
        load(saved)


def test_another_proxy_is_refused_with_both_hashes(saved: Path) -> None:
    other = recipe(clip_norm=3.0)
    with pytest.raises(CheckpointError) as caught:
        load(saved, expected=other)
    assert other.content_hash in caught.value.why
    assert recipe().content_hash in caught.value.why


@pytest.mark.parametrize("kind", ["missing", "foreign", "text", "folder"])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.safetensors"
    if kind == "foreign":
        save_file({"weight": torch.zeros(2)}, path)
    elif kind == "text":
        path.write_text("hello")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(CheckpointError, match=r"x\.safetensors"):
        load(path)


def test_a_failed_write_leaves_the_old_checkpoint(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(make([3, 4], dtype=torch.float32), None, saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_trained_stack_is_not_its_start(tmp_path: Path) -> None:
    stack = make([1], dtype=torch.float32)
    train(stack, random_tokens([1], 6, 9), torch.tensor([1e-2]), steps=1)
    save(stack, None, tmp_path / "a.safetensors")
    assert torch.equal(load(tmp_path / "a.safetensors").stack.parameters, stack.parameters)
