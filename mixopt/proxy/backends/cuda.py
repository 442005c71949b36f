"""The CUDA backend: narrow products, chunked losses, compiled blocks, and a step as one graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mixopt.proxy.attention import attention_bias
from mixopt.proxy.backends import chunked_loss, trunk
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.chunked_loss import wide
from mixopt.proxy.backends.working_copy import WorkingCopy
from mixopt.proxy.capture import Acceleration, Function, compiled, deterministic
from mixopt.proxy.model import Stack


class CudaBackend:
    """Batched products in the compute type over float32 masters, gradients summed in the masters' type.

    With precision `bfloat16` the factors of all products, and what is kept between them, are
    bfloat16; norms, rotations, softmax and losses are float32, as are evaluations' sums.

    Numbers repeat bit for bit on one kind of device at one lane width and micro-batch. Another
    width may choose other kernels, so a member agrees with itself alone to rounding only: keep a
    lane's width fixed, and leave slots off rather than making the lane narrower.

    Everything also runs on a CPU, uncompiled, which is how it is tested.
    """

    def __init__(
        self,
        stack: Stack,
        micro_sequences: int | None = None,
        *,
        compute: torch.dtype | None = None,
        compile: bool | None = None,  # noqa: A002 - what torch calls it
        graphs: bool | None = None,
    ) -> None:
        """Prepare to run a stack.

        Args:
            stack: K members.
            micro_sequences: sequences per member and pass; all of a batch by default.
            compute: type of the factors of products; what the recipe permits by default.
            compile: whether blocks are compiled; on CUDA by default.
            graphs: whether a step is captured as a CUDA graph; on CUDA by default.
        """
        self.stack = stack
        self.micro_sequences = micro_sequences
        self.compute = compute or _permitted(stack)
        on_device = stack.parameters.device.type == "cuda"
        self.acceleration = Acceleration(
            compiled=on_device if compile is None else compile,
            graphs=on_device if graphs is None else graphs,
        )
        self._copy = WorkingCopy(stack, self.compute)
        self._steps: dict[tuple[int, int, bool, float], _Step] = {}

    @property
    def fingerprint(self) -> str:
        """See `Backend.fingerprint`; the lane width also decides rounding, but is the lane's."""
        device = self.stack.parameters.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        kernels = "compiled" if self.acceleration.compiled else "plain"
        compute = str(self.compute).removeprefix("torch.")
        return f"cuda {compute} {kernels} {name} torch {torch.__version__}"

    def train(self, batch: Batch, live: Sequence[int]) -> Tensor:
        """See `Backend.train`; slots that are not live are computed as zeros."""
        rows, columns = batch.tokens.shape[1:]
        with deterministic(self.stack.parameters.device):
            step = self._step(rows, columns - 1, segmented=batch.segments is not None)
            step.inputs.load(batch, live)
            step.run()
            sums = step.inputs.sums.cpu()
        chosen = torch.tensor(list(live), dtype=torch.int64)
        return torch.full_like(sums, torch.nan).index_copy_(0, chosen, sums[chosen])

    @torch.no_grad()
    def token_losses(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """See `Backend.token_losses`; the result is on the CPU."""
        device, members = self.stack.parameters.device, self.stack.num_members
        found = []
        with deterministic(device):
            self._copy.refresh()
            weights = self._copy.weights()
            for rows in _pieces(tokens.shape[1], self.micro_sequences):
                own = tokens[:, rows].to(device, torch.int64).expand(members, -1, -1)
                inner = None
                if segments is not None:
                    inner = segments[:, rows, :-1].to(device).expand(members, -1, -1)
                features = self._features(weights, own[..., :-1], inner)
                targets = own[..., 1:].flatten(1)
                head, score = self._head(weights), chunked_loss.cross_entropy
                losses = chunked_loss.losses(features, head, targets, score)
                found.append(losses.view(members, -1, own.shape[-1] - 1).cpu())
        return torch.cat(found, dim=1)

    def _step(self, rows: int, length: int, *, segmented: bool) -> _Step:
        """Return the step of a shape, prepared on its first use with all slots off."""
        key = rows, length, segmented, self.stack.rope_scale
        if key not in self._steps:
            inputs = _Inputs(self.stack, rows, length, segmented)
            self.stack.rotary_table(length)  # made here, so that no graph makes it
            run = self.acceleration.prepare(lambda: self._accumulate(inputs))
            self._steps[key] = _Step(inputs=inputs, run=run)
        return self._steps[key]

    def _accumulate(self, inputs: _Inputs) -> None:
        """Add the gradients of a whole batch, pass by pass."""
        self._copy.refresh(inputs.live)
        inputs.sums.zero_()
        for rows in _pieces(inputs.tokens.shape[1], self.micro_sequences):
            self._pass(inputs, rows)

    def _pass(self, inputs: _Inputs, rows: slice) -> None:
        """Add the gradients of some sequences of every member, in place and without waiting."""
        weights = self._copy.weights(requires_grad=True)
        head = self._head(weights)
        trained = {name: weight for name, weight in weights.items() if name != "head"}
        own, segments = inputs.tokens[:, rows], inputs.segments
        with torch.enable_grad():
            inner = None if segments is None else segments[:, rows]
            features = self._features(trained, own[..., :-1], inner)
        shares = inputs.weights[:, rows].masked_fill(~inputs.live[:, None, None], 0).flatten(1)
        gradients = self.stack.named_gradients()
        losses, to_features = chunked_loss.losses_and_gradients(
            features.detach(),
            head,
            own[..., 1:].flatten(1),
            shares,
            self._head(gradients),
            self._fast(chunked_loss.cross_entropy_with_gradient),
        )
        inputs.sums.add_((losses * shares).sum(dim=1))
        found = torch.autograd.grad(features, list(trained.values()), to_features)
        for name, gradient in zip(trained, found, strict=True):
            gradients[name].add_(gradient)

    def _features(
        self, weights: Mapping[str, Tensor], tokens: Tensor, segments: Tensor | None
    ) -> Tensor:
        """Return what the head reads, [K, B * T, D]; compiled where gradients are wanted."""
        shape, length = self.stack.config.architecture, tokens.shape[-1]
        bias = None
        if segments is not None:
            bias = attention_bias(length, segments, weights["embedding"].detach())
        block = self._fast(trunk.block) if torch.is_grad_enabled() else trunk.block
        table = self.stack.rotary_table(length)
        return trunk.run(shape, weights, tokens, table, bias, block)

    def _head(self, parts: Mapping[str, Tensor]) -> Tensor:
        name = "embedding" if self.stack.config.architecture.tied_head else "head"
        return parts[name].detach()

    def _fast(self, function: Function) -> Function:
        return compiled(function) if self.acceleration.compiled else function


class _Inputs:
    """Buffers of one shape that a graph reads and writes; all slots are off until the first load."""

    def __init__(self, stack: Stack, rows: int, length: int, segmented: bool) -> None:  # noqa: FBT001 - part of a key
        members, device = stack.num_members, stack.parameters.device
        shape = (members, rows, length)
        full = wide(stack.parameters.dtype)
        self.tokens = torch.zeros((members, rows, length + 1), dtype=torch.int64, device=device)
        self.weights = torch.zeros(shape, dtype=full, device=device)
        self.segments = torch.zeros(shape, dtype=torch.int64, device=device) if segmented else None
        self.live = torch.zeros(members, dtype=torch.bool, device=device)
        self.sums = torch.zeros(members, dtype=full, device=device)
        self._staged: dict[int, Tensor] = {}

    def load(self, batch: Batch, live: Sequence[int]) -> None:
        """Bring one batch to the device; what was loaded before must have been used."""
        self._bring(self.tokens, batch.tokens)
        if batch.weights is None:
            self.weights.fill_(1 / self.weights[0].numel())
        else:
            self._bring(self.weights, batch.weights)
        if self.segments is not None and batch.segments is not None:
            self._bring(self.segments, batch.segments[..., :-1])
        chosen = torch.zeros(len(self.live), dtype=torch.bool)
        chosen[list(live)] = True
        self._bring(self.live, chosen)

    def _bring(self, target: Tensor, source: Tensor) -> None:
        """Copy through pinned memory, which the device reads while the CPU goes on."""
        if target.device.type != "cuda" or source.device.type != "cpu":
            target.copy_(source)
            return
        if id(target) not in self._staged:
            pinned = torch.empty(target.shape, dtype=target.dtype, pin_memory=True)
            self._staged[id(target)] = pinned
        staged = self._staged[id(target)].copy_(source)
        target.copy_(staged, non_blocking=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    """A shape's buffers, and what runs a step over them."""

    inputs: _Inputs
    run: Callable[[], None]


def _permitted(stack: Stack) -> torch.dtype:
    """Return the type that the recipe permits for factors; wider masters keep their own."""
    narrow = stack.config.training.precision == "bfloat16"
    dtype = stack.parameters.dtype
    return torch.bfloat16 if narrow and dtype == torch.float32 else dtype


def _pieces(total: int, most: int | None) -> Iterator[slice]:
    """Cut a batch into passes of at most `most` sequences."""
    step = total if most is None else max(1, most)
    for first in range(0, total, step):
        yield slice(first, min(first + step, total))
