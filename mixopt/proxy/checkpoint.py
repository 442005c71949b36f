"""Stacks on disk: safetensors files that carry their recipe and the digest of their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save as serialize
from torch import Tensor

from mixopt import atomic
from mixopt.errors import CheckpointError, MixoptError
from mixopt.proxy.config import ProxyRecipe
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import make_optimizer
from mixopt.proxy.optimizer import AdamW
from mixopt.recipes.decode import validate

_FORMAT = "mixopt-stack-2"
_MOMENTS = ("first_moments", "second_moments", "steps")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a checkpoint file holds."""

    stack: Stack
    optimizer: AdamW | None
    metadata: dict[str, str]
    """What the caller of `save` wrote down, such as the training step and the seeds."""


def save(
    stack: Stack, optimizer: AdamW | None, path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a stack, and its optimizer's state where one is given, in one atomic step."""
    tensors = {"parameters": stack.parameters.detach()}
    if optimizer is not None:
        tensors |= {name: getattr(optimizer, name) for name in _MOMENTS}
    header = {
        "config": stack.config.model_dump_json(),
        "config_hash": stack.config.content_hash,
        "vocabulary": str(stack.vocabulary),
        "metadata": json.dumps(dict(metadata or {}), sort_keys=True),
    }
    write_tensors(path, tensors, header, form=_FORMAT)


def load(
    path: Path, *, expected: ProxyRecipe | None = None, device: torch.device | str = "cpu"
) -> Checkpoint:
    """Read a checkpoint back.

    Args:
        path: a file that `save` wrote.
        expected: if given, the proxy that the checkpoint must be of.
        device: where the tensors go.

    Raises:
        CheckpointError: the file is missing, damaged or of another proxy.
    """
    header, tensors = read_tensors(path, form=_FORMAT)
    config = _config(path, header)
    if expected is not None and expected.content_hash != config.content_hash:
        what = f"checkpoint {path} is of another proxy"
        raise CheckpointError(
            what,
            why=f"It holds '{config.name}' ({config.content_hash}); "
            f"expected '{expected.name}' ({expected.content_hash}).",
            remedy="Use the recipe that it was trained with, or remove the checkpoint.",
        )
    placed = {name: tensor.to(device) for name, tensor in tensors.items() if name != "steps"}
    try:
        vocabulary = int(header["vocabulary"])
        stack = Stack(config, vocabulary=vocabulary, parameters=placed["parameters"])
    except (KeyError, ValueError) as error:
        raise _damaged(path, f"The parameters do not fit the recipe: {error}.") from error
    optimizer = _optimizer(path, stack, placed | tensors) if "steps" in tensors else None
    return Checkpoint(stack=stack, optimizer=optimizer, metadata=json.loads(header["metadata"]))


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, str], *, form: str
) -> None:
    """Write tensors with a header, the name of their form and a digest, in one atomic step."""
    held = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    marked = {**header, "format": form}
    marked["content"] = _content_digest(marked, held)
    atomic.write(path, serialize(held, metadata=marked))


def read_tensors(path: Path, *, form: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read the header and the tensors of a file that `write_tensors` wrote.

    Raises:
        CheckpointError: the file is missing, damaged or of another form.
    """
    if not path.is_file():
        what = f"no checkpoint at {path}"
        raise CheckpointError(what, remedy="Check the path.")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, OSError) as error:
        size = path.stat().st_size
        raise _damaged(path, f"Its {size} bytes are no whole safetensors file: {error}.") from error
    if header.get("format") != form:
        found = header.get("format", "no format")
        what = f"{path} is no such checkpoint"
        raise CheckpointError(what, why=f"Expected the form '{form}', found {found}.")
    expected = header.pop("content", "nothing")
    digest = _content_digest(header, tensors)
    if digest != expected:
        raise _damaged(path, f"Its content hashes to {digest}, not {expected}.")
    return header, tensors


def _config(path: Path, header: Mapping[str, str]) -> ProxyRecipe:
    try:
        return validate(json.loads(header["config"]), ProxyRecipe, file=str(path))
    except (KeyError, ValueError, MixoptError) as error:
        raise _damaged(path, f"Its recipe cannot be read: {error}.") from error


def _optimizer(path: Path, stack: Stack, tensors: Mapping[str, Any]) -> AdamW:
    optimizer = make_optimizer(stack)
    for name in _MOMENTS:
        state: Tensor = getattr(optimizer, name)
        found = tensors.get(name)
        if found is None or found.shape != state.shape:
            shape = None if found is None else tuple(found.shape)
            raise _damaged(path, f"'{name}' should be {tuple(state.shape)}, is {shape}.")
        state.copy_(found)
    return optimizer


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"checkpoint {path} is damaged", why=why, remedy="Remove it; the run then starts over."
    )


def _content_digest(header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> str:
    content = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name in sorted(tensors):
        content.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        content.update(tensors[name].view(torch.uint8).numpy().data)
    return content.hexdigest()[:16]
