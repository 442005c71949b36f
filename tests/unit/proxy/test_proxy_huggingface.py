"""A member as a Llama checkpoint: `transformers` computes the same logits, and it comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from proxy_reference import make, random_tokens

from mixopt.errors import CheckpointError
from mixopt.proxy.huggingface import read_member, write_member


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_computes_the_same_logits(tmp_path: Path, tied: bool) -> None:  # noqa: FBT001 - a case
    llama: Any = pytest.importorskip("transformers").LlamaForCausalLM
    stack, tokens = make([1, 2], tied=tied, dtype=torch.float32), random_tokens([1, 2], 3, 12)
    write_member(stack, 1, tmp_path / "member", end_of_text=3)
    model, report = llama.from_pretrained(tmp_path / "member", output_loading_info=True)
    assert not any(report.values())
    with torch.no_grad():
        theirs = model(tokens[1]).logits
        ours = stack.forward(tokens)[1]
    assert ours.abs().max() > 0.1
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-4)
    assert model.config.eos_token_id == 3


@pytest.mark.parametrize("tied", [True, False])
def test_a_member_comes_back(tmp_path: Path, tied: bool) -> None:  # noqa: FBT001 - a case
    stack = make([1, 2], tied=tied, dtype=torch.float32)
    write_member(stack, 1, tmp_path)
    restored = read_member(tmp_path)
    assert restored.config == stack.config
    torch.testing.assert_close(restored.parameters[0], stack.parameters[1], rtol=1e-6, atol=0)


def test_a_folder_of_another_maker_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama", "vocab_size": 8}')
    with pytest.raises(CheckpointError, match="holds no proxy"):
        read_member(tmp_path)
    with pytest.raises(CheckpointError, match="cannot read"):
        read_member(tmp_path / "nowhere")


def test_tensors_that_do_not_fit_the_recipe_are_named(tmp_path: Path) -> None:
    write_member(make([1], dtype=torch.float32), 0, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["mixopt_proxy"]["architecture"]["feedforward"] = 24
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError) as caught:
        read_member(tmp_path)
    assert "mlp.gate_proj.weight: expected (24, 16), found (20, 16)" in caught.value.why


def test_a_truncated_weight_file_is_refused(tmp_path: Path) -> None:
    write_member(make([1], dtype=torch.float32), 0, tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot read"):
        read_member(tmp_path)
