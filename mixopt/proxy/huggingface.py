"""A member as a Llama checkpoint of the `transformers` library, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save as serialize
from torch import Tensor

from mixopt import atomic
from mixopt.errors import CheckpointError, MixoptError
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.model import Stack
from mixopt.recipes.decode import validate

_RECIPE_KEY = "mixopt_proxy"
_FINAL_NORM = "model.norm.weight"


def write_member(
    stack: Stack, member: int, folder: Path, *, end_of_text: int | None = None
) -> None:
    """Write one member as a folder that `LlamaForCausalLM.from_pretrained` reads.

    The output gain goes into the final norm, so the logits are the stack's; the recipe goes into
    `config.json`, so that `read_member` finds it.

    Args:
        stack: K members.
        member: the slot to write, from 0.
        folder: made if it does not exist; files of an earlier checkpoint are replaced.
        end_of_text: the token id that ends a document, if there is one.
    """
    row = {name: part[member].detach().float().cpu() for name, part in stack.weights().items()}
    tensors = _to_llama(stack.config, row)
    config = _llama_config(stack, end_of_text)
    content = serialize(tensors, metadata={"format": "pt"})
    atomic.write(folder / "model.safetensors", content)
    atomic.write(folder / "config.json", json.dumps(config, indent=2) + "\n")


def read_member(folder: Path) -> Stack:
    """Read a folder that `write_member` wrote, as a stack of one member.

    Raises:
        CheckpointError: files are missing or damaged, or the folder is of another maker.
    """
    config = _read_config(folder / "config.json")
    try:
        recipe = validate(config[_RECIPE_KEY], ProxyRecipe, file=str(folder / "config.json"))
        vocabulary = int(config["vocab_size"])
    except (KeyError, TypeError, ValueError, MixoptError) as error:
        what = f"{folder} holds no proxy"
        raise CheckpointError(what, why=f"config.json: {error!r} in '{_RECIPE_KEY}'.") from error
    tensors = _read_tensors(folder / "model.safetensors")
    stack = Stack.initialize(recipe, vocabulary=vocabulary, seeds=[0])
    template = {name: part[0].detach() for name, part in stack.weights().items()}
    _check_shapes(folder, _to_llama(recipe, template), tensors)
    _fill(recipe, template, tensors)
    return stack


def _to_llama(recipe: ProxyRecipe, row: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and transpose the parameters of one member; matrices are [out, in] in `transformers`."""
    tensors = {
        "model.embed_tokens.weight": row["embedding"],
        _FINAL_NORM: row["final_norm"] * recipe.architecture.output_gain,
    }
    if not recipe.architecture.tied_head:
        tensors["lm_head.weight"] = row["head"]
    for layer in range(recipe.architecture.layers):
        ours, theirs = f"layers.{layer}", f"model.layers.{layer}"
        for name, (part, suffix) in _PARTS.items():
            matrix = row[f"{ours}.{part}"]
            tensors[f"{theirs}.{name}.weight"] = _slice(matrix, suffix).t()
        tensors[f"{theirs}.input_layernorm.weight"] = row[f"{ours}.attention_norm"]
        tensors[f"{theirs}.post_attention_layernorm.weight"] = row[f"{ours}.feedforward_norm"]
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _fill(recipe: ProxyRecipe, row: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy a Llama checkpoint into views of one member's parameters."""
    row["embedding"].copy_(tensors["model.embed_tokens.weight"])
    row["final_norm"].copy_(tensors[_FINAL_NORM] / recipe.architecture.output_gain)
    if not recipe.architecture.tied_head:
        row["head"].copy_(tensors["lm_head.weight"])
    for layer in range(recipe.architecture.layers):
        ours, theirs = f"layers.{layer}", f"model.layers.{layer}"
        for name, (part, suffix) in _PARTS.items():
            target = _slice(row[f"{ours}.{part}"], suffix)
            target.copy_(tensors[f"{theirs}.{name}.weight"].t())
        row[f"{ours}.attention_norm"].copy_(tensors[f"{theirs}.input_layernorm.weight"])
        name = f"{theirs}.post_attention_layernorm.weight"
        row[f"{ours}.feedforward_norm"].copy_(tensors[name])


_PARTS: dict[str, tuple[str, tuple[int, int]]] = {
    "self_attn.q_proj": ("query_key_value", (0, 3)),
    "self_attn.k_proj": ("query_key_value", (1, 3)),
    "self_attn.v_proj": ("query_key_value", (2, 3)),
    "self_attn.o_proj": ("attention_output", (0, 1)),
    "mlp.gate_proj": ("gate_up", (0, 2)),
    "mlp.up_proj": ("gate_up", (1, 2)),
    "mlp.down_proj": ("down", (0, 1)),
}
"""Each Llama matrix as one of several equal parts of the columns of one of ours."""


def _slice(matrix: Tensor, part: tuple[int, int]) -> Tensor:
    number, count = part
    return matrix.chunk(count, dim=-1)[number]


def _llama_config(stack: Stack, end_of_text: int | None) -> dict[str, Any]:
    shape = stack.config.architecture
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": stack.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.feedforward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": shape.norm_epsilon,
        "rope_theta": shape.rope_base,
        "max_position_embeddings": stack.config.training.context,
        "tie_word_embeddings": shape.tied_head,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "pad_token_id": end_of_text,
        "dtype": "float32",
        _RECIPE_KEY: stack.config.model_dump(mode="json"),
    }


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        what = f"cannot read {path}"
        raise CheckpointError(what, why=str(error)) from error
    return config


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, OSError) as error:
        what = f"cannot read {path}"
        raise CheckpointError(what, why=str(error)) from error


def _check_shapes(
    folder: Path, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> None:
    wrong = [
        f"{name}: expected {tuple(tensor.shape)}, found {_shape(found.get(name))}"
        for name, tensor in expected.items()
        if name not in found or found[name].shape != tensor.shape
    ]
    if wrong:
        what = f"{folder} does not fit its recipe"
        raise CheckpointError(what, why="\n".join(f"  - {line}" for line in wrong))


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else str(tuple(tensor.shape))
