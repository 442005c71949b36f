"""How many members a device trains at once, and in which passes: a model of memory, then a trial."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from mixopt.errors import DeviceError
from mixopt.proxy.backends.backend import Batch
from mixopt.proxy.backends.choose import make_backend
from mixopt.proxy.backends.chunked_loss import LOGITS_AT_ONCE
from mixopt.proxy.capture import is_out_of_memory
from mixopt.proxy.config import Architecture, ProxyRecipe
from mixopt.proxy.device_memory import free_bytes, release
from mixopt.proxy.layout import lay_out
from mixopt.proxy.model import Stack
from mixopt.proxy.muon import make_optimizer

__all__ = ["Footprint", "LanePlan", "footprint", "is_out_of_memory", "plan_lane", "settle"]

_STATE = 16
"""Bytes per parameter of masters, gradients and two moments."""
_MUON = 10
"""Bytes per hidden parameter of Muon's bfloat16 matrices: five as large as the directions."""
_DEVICE_FIXED = 2**30
"""Workspace of products, graphs and allocator."""
_CPU_FIXED = 2**26
_CPU_MEMBERS = 8
"""Members that a CPU gains from: it takes them one after another, and only overhead is shared."""
_SATURATING_FEATURES = 8.7e6
"""Tokens in flight x width that keep an H200 busy: 68, 34, 23 and 11 thousand at 128 to 768."""
_TILE = 128
"""Rows and columns of a product that one multiprocessor works on."""
_MULTIPROCESSORS = 132
"""Of an H200; a device that is at hand is asked."""
_CHEAP_TRIAL = 1e11
"""Floating-point operations up to which a CPU may try a step: about a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """What a lane of one proxy needs of a device's memory, in bytes."""

    member: int
    """Per member: parameters, gradients, moments, and the copy that products read."""
    token: int
    """Per token in flight: what the backward pass needs of the forward pass."""
    fixed: int
    """Whatever the lane: a chunk of logits, and the workspace of the kernels."""
    context_tokens: int
    """Tokens of one sequence."""
    together: bool
    """Whether the tokens of all members are in flight at once, or those of one at a time."""

    def bytes(self, members: int, sequences: int) -> int:
        """Return what a lane needs in passes of some sequences per member."""
        in_flight = (members if self.together else 1) * sequences * self.context_tokens
        return self.fixed + members * self.member + in_flight * self.token


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePlan:
    """How wide a lane is, and in which passes it takes a batch."""

    members: int
    micro_sequences: int  # per member and pass
    bytes: int  # predicted need of the device's memory
    footprint: Footprint | None = None

    def smaller(self) -> LanePlan | None:
        """Return the next plan to try when memory runs out: half the pass, then half the members."""
        members, sequences = self.members, self.micro_sequences
        if sequences > 1:
            sequences = -(-sequences // 2)
        elif members > 1:
            members = -(-members // 2)
        else:
            return None
        needed = self.footprint.bytes(members, sequences) if self.footprint else self.bytes
        return replace(self, members=members, micro_sequences=sequences, bytes=needed)


def footprint(proxy: ProxyRecipe, vocabulary: int, device_type: str) -> Footprint:
    """Return the memory model of a proxy with `vocabulary` token ids on "cuda" or "cpu".

    Every parameter has float32 masters, gradients and two moments. On CUDA there are also the
    copy that products read and the gradients that autograd hands over, both in the compute type,
    and Muon's matrices in bfloat16. A CPU takes one member after another. A token's row of the
    mask of examples counts with its activations.
    """
    shape, training = proxy.architecture, proxy.training
    layout = lay_out(shape, vocabulary)
    on_device = device_type == "cuda"
    item = 2 if on_device and training.precision == "bfloat16" else 4
    member = _STATE * layout.num_parameters
    if on_device:
        member += 2 * item * layout.num_parameters
        member += _MUON * layout.num_hidden if training.optimizer == "muon" else 0
    return Footprint(
        member=member,
        token=_token_bytes(shape, item) + item * training.context,
        fixed=_fixed_bytes(vocabulary, item) if on_device else _CPU_FIXED,
        context_tokens=training.context,
        together=on_device,
    )


def plan_lane(
    proxy: ProxyRecipe,
    *,
    vocabulary: int,
    device: torch.device | str,
    waiting: int,
    memory_bytes: int | None = None,
    trial: bool = True,
) -> LanePlan:
    """Return the narrowest lane that keeps a device busy, as far as memory and members go.

    Args:
        proxy: what is trained.
        vocabulary: token ids of the stack.
        device: where.
        waiting: members to train; a lane is never wider.
        memory_bytes: what the lane may use; by default most of what is free on the device.
        trial: whether a step is tried, on CUDA and, where it is cheap, on a CPU.

    Raises:
        DeviceError: not even one member with one sequence fits.
    """
    place = torch.device(device)
    needs = footprint(proxy, vocabulary, place.type)
    room = free_bytes(place) if memory_bytes is None else memory_bytes
    wanted = max(1, min(_saturating_members(proxy, place), waiting))
    plan = _fitting(needs, wanted, proxy.training.sequences, room)
    if plan is None:
        raise _too_small(proxy, str(place), needs.bytes(1, 1), room)
    cost = 6 * lay_out(proxy.architecture, vocabulary).num_parameters * proxy.training.step_tokens
    if not trial or (place.type == "cpu" and cost * plan.members > _CHEAP_TRIAL):
        return plan
    settled = settle(plan, lambda each: _try_step(proxy, vocabulary, place, each))
    if settled is None:
        raise _too_small(proxy, str(place), needs.bytes(1, 1), room)
    return settled


def settle(plan: LanePlan, attempt: Callable[[LanePlan], None]) -> LanePlan | None:
    """Return the first of a plan and its smaller ones whose attempt does not run out of memory.

    Returns:
        The plan, or None when even the smallest one does not fit.
    """
    now: LanePlan | None = plan
    while now is not None and not _fits(now, attempt):
        release()  # outside of the handler: the error's frames hold what is to be freed
        now = now.smaller()
    release()
    return now


def _fits(plan: LanePlan, attempt: Callable[[LanePlan], None]) -> bool:
    try:
        attempt(plan)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            return False
        raise
    return True


def _try_step(proxy: ProxyRecipe, vocabulary: int, device: torch.device, plan: LanePlan) -> None:
    """Train one step of a lane whose weights mean nothing."""
    columns = lay_out(proxy.architecture, vocabulary).num_parameters
    stack = Stack(
        proxy,
        vocabulary=vocabulary,
        parameters=torch.full((plan.members, columns), 0.01, device=device),
    )
    training = proxy.training
    tokens = torch.arange(plan.members * training.sequences * (training.context + 1)) % vocabulary
    batch = Batch(tokens=tokens.view(plan.members, training.sequences, training.context + 1))
    make_backend(stack, plan.micro_sequences).train(batch, range(plan.members))
    make_optimizer(stack).step(torch.zeros(plan.members))


def _fitting(needs: Footprint, wanted: int, sequences: int, room: int) -> LanePlan | None:
    """Return the lane of at most the wanted members with the most tokens in flight that fits."""
    plans = []
    for members in range(1, wanted + 1):
        left = room - needs.bytes(members, 0)
        each = needs.bytes(members, 1) - needs.bytes(members, 0)
        micro = _even_part(sequences, left // each)
        if micro > 0:
            total = needs.bytes(members, micro)
            plan = LanePlan(members=members, micro_sequences=micro, bytes=total, footprint=needs)
            plans.append(plan)
    return max(plans, key=_in_flight, default=None)


def _in_flight(plan: LanePlan) -> tuple[int, int]:
    return plan.members * plan.micro_sequences, plan.members


def _even_part(sequences: int, most: int) -> int:
    """Return the pass of at most `most` sequences that cuts a batch into the fewest even passes."""
    return -(-sequences // -(-sequences // min(sequences, most))) if most > 0 else 0


def _saturating_members(proxy: ProxyRecipe, device: torch.device) -> int:
    """Return the members that fill a device with tokens, and its multiprocessors with tiles.

    The gradient of a layer's largest matrix has few tiles, and a batched product does not split
    the sum over tokens, so narrow proxies need members to occupy all multiprocessors.
    """
    if device.type != "cuda":
        return _CPU_MEMBERS
    shape = proxy.architecture
    tokens = _SATURATING_FEATURES / shape.width / proxy.training.step_tokens
    tiles = math.ceil(shape.width / _TILE) * math.ceil(2 * shape.feedforward / _TILE)
    available = _MULTIPROCESSORS
    if torch.cuda.is_available():
        available = torch.cuda.get_device_properties(device).multi_processor_count
    return math.ceil(max(tokens, available / tiles))


def _token_bytes(shape: Architecture, item: int) -> int:
    """Count what one token leaves for the backward pass.

    A layer keeps its two normed and two plain streams, queries, keys and values, the mixed values
    (8 D), the gate, the up projection and their product (3 F), and three float32 per norm and
    head. Outside of the layers are the last stream, its norm and their gradients (4 D), the
    gradients inside of one layer (4 D + 3 F), and ids, weights and losses.
    """
    width, feedforward = shape.width, shape.feedforward
    layer = item * (8 * width + 3 * feedforward) + 4 * (2 + shape.heads)
    return shape.layers * layer + item * (8 * width + 3 * feedforward) + 40


def _fixed_bytes(vocabulary: int, item: int) -> int:
    """Count a chunk of logits in training and one in an evaluation, which is not compiled."""
    return (2 * item + item + 8) * max(LOGITS_AT_ONCE, vocabulary) + _DEVICE_FIXED


def _too_small(proxy: ProxyRecipe, device: str, needed: int, room: int) -> DeviceError:
    what = f"proxy '{proxy.name}' does not fit on {device}"
    needs = f"One member with one sequence needs some {needed / 2**20:,.0f} MiB"
    remedy = "Free memory, choose a smaller proxy, or train on another device."
    return DeviceError(what, why=f"{needs}; {room / 2**20:,.0f} MiB are free.", remedy=remedy)
