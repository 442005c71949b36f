"""AdamW and Muon of all members at once, without a word between device and CPU: for CUDA devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from mixopt.proxy.capture import Acceleration, Function, compiled, deterministic
from mixopt.proxy.model import Stack
from mixopt.proxy.optimizer import AdamW
from mixopt.proxy.orthogonal import num_projections, orthogonalize, update_scale


class DeviceAdamW(AdamW):
    """`AdamW` with [K] of everything on the device: rates, norms, clipping, steps and skipping.

    A step is a handful of kernels over [K, P], captured as one CUDA graph; a member whose gradient
    is not finite keeps its row by selection, so nothing waits to find out which one that is.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        compile: bool | None = None,  # noqa: A002 - what torch calls it
        graphs: bool | None = None,
    ) -> None:
        """Start from zero moments; compiled and captured on CUDA unless told otherwise."""
        super().__init__(stack)
        device = stack.parameters.device
        self.steps = torch.zeros(stack.num_members, dtype=torch.float32, device=device)
        self._rates = torch.zeros(stack.num_members, dtype=torch.float64, device=device)
        self._norms = torch.zeros_like(stack.parameters[:, 0])
        self._enabled = torch.zeros((), dtype=torch.bool, device=device)
        self._acceleration = Acceleration(
            compiled=device.type == "cuda" if compile is None else compile,
            graphs=device.type == "cuda" if graphs is None else graphs,
        )
        self._run: Callable[[], None] | None = None

    @torch.no_grad()
    def step(self, learning_rates: Tensor) -> Tensor:
        """See `AdamW.step`; the norms stay on the device, and hold until the next step."""
        with deterministic(self.stack.parameters.device):
            if self._run is None:
                self._enabled.fill_(value=False)  # preparing must not move any member
                self._run = self._acceleration.prepare(self._update)
                self._enabled.fill_(value=True)
            self._rates.copy_(learning_rates)
            self._run()
        self.stack.clear_gradients()
        return self._norms.clone()

    def _update(self) -> None:
        """Move all members whose gradient is finite; everything is read and written in place."""
        training = self.stack.config.training
        self._norms.copy_(torch.linalg.vector_norm(self.stack.gradients, dim=1))
        moving = self._norms.isfinite() & self._enabled
        shrink = (training.clip_norm / self._norms).clamp(max=1.0)
        self.steps.add_(moving)
        hidden = slice(None, self.stack.layout.num_hidden)
        self._update_all_hidden(hidden, moving, shrink)
        rest = slice(self.stack.layout.num_hidden, None)
        self._update_part(rest, moving, shrink, self._rates, 0.0)

    def _update_all_hidden(self, columns: slice, moving: Tensor, shrink: Tensor) -> None:
        config = self.stack.config
        rates = self._rates * config.architecture.hidden_rate
        self._update_part(columns, moving, shrink, rates, config.training.weight_decay)

    def _update_part(
        self, columns: slice, moving: Tensor, shrink: Tensor, rates: Tensor, decay: float
    ) -> None:
        training, steps = self.stack.config.training, self.steps.double()
        # Where no step was taken yet the corrections would divide by zero; such a row is kept.
        taken = steps.clamp(min=1.0)
        scales = (
            shrink,
            1 - rates * decay,
            rates / (1 - training.beta1**taken),
            (1 - training.beta2**taken).sqrt(),
        )
        kind = self.stack.parameters.dtype
        self._fast(adamw_)(
            [
                buffer[:, columns]
                for buffer in (
                    self.stack.parameters,
                    self.stack.gradients,
                    self.first_moments,
                    self.second_moments,
                )
            ],
            moving.unsqueeze(1),
            [scale.to(kind).unsqueeze(1) for scale in scales],
            (training.beta1, training.beta2, training.epsilon),
        )

    def _fast(self, function: Function) -> Function:
        return compiled(function) if self._acceleration.compiled else function


class DeviceMuon(DeviceAdamW):
    """`Muon` with all matrices of one shape, of all members and layers, in one product.

    Products are bfloat16 on CUDA, as the iteration was designed for, and the stack's type elsewhere.
    """

    def _update_all_hidden(self, columns: slice, moving: Tensor, shrink: Tensor) -> None:
        stack, training = self.stack, self.stack.config.training
        kind, chosen = stack.parameters.dtype, moving.unsqueeze(1)
        # What is left of the gradients is cleared after the step, so they hold what comes of them.
        updates = stack.gradients[:, columns]
        scale = shrink.to(kind).unsqueeze(1)
        momentum = self.first_moments[:, columns]
        self._fast(nesterov_)(updates, momentum, chosen, scale, training.momentum)
        self._orthogonalize_(updates, moving[:, None, None])
        rates = (self._rates * stack.config.architecture.hidden_rate).to(kind).unsqueeze(1)
        parameters = stack.parameters[:, columns]
        self._fast(decay_and_move_)(parameters, updates, chosen, rates, training.weight_decay)

    def _orthogonalize_(self, directions: Tensor, chosen: Tensor) -> None:
        """Turn the directions [K, columns] of chosen rows into updates, in place."""
        for matrices in _by_shape(self._projections(directions)):
            members, rows, columns = matrices[0].shape
            kind = torch.bfloat16 if directions.device.type == "cuda" else directions.dtype
            joined = directions.new_empty((members, len(matrices), rows, columns), dtype=kind)
            for number, matrix in enumerate(matrices):
                joined[:, number] = matrix
            done = orthogonalize(joined.flatten(0, 1)).view(joined.shape)
            scale = update_scale(rows, columns)
            for number, matrix in enumerate(matrices):
                update = done[:, number].to(matrix.dtype) * scale
                matrix.copy_(torch.where(chosen, update, matrix))

    def _projections(self, rows: Tensor) -> list[Tensor]:
        """View every projection in flat rows [K, columns] as matrices [K, D, F] of its own."""
        views: list[Tensor] = []
        for leaf in self.stack.layout.leaves:
            if leaf.stop <= self.stack.layout.num_hidden:
                matrix = rows[:, leaf.start : leaf.stop].view(-1, *leaf.shape)
                views.extend(matrix.chunk(num_projections(leaf), dim=2))
        return views


def make_device_optimizer(stack: Stack) -> AdamW:
    """Return the on-device optimizer that the stack's recipe asks for."""
    muon = stack.config.training.optimizer == "muon"
    return DeviceMuon(stack) if muon else DeviceAdamW(stack)


def adamw_(
    buffers: list[Tensor],
    moving: Tensor,
    scales: list[Tensor],
    constants: tuple[float, float, float],
) -> None:
    """Step in place (Loshchilov and Hutter, 2019, algorithm 2), all rows with scales of their own.

    Args:
        buffers: parameters, gradients, first and second moments, [K, columns] each.
        moving: bool [K, 1]; rows that are not moving keep parameters and moments.
        scales: [K, 1] each: of the gradient, of the parameters (their decay), the rate over the
            first moment's bias correction, and the root of the second's.
        constants: beta1, beta2 and epsilon.
    """
    parameters, gradients, first, second = buffers
    shrink, keep, rate, correction = scales
    beta1, beta2, epsilon = constants
    clipped = gradients * shrink
    new_first = first + (1 - beta1) * (clipped - first)
    new_second = beta2 * second + (1 - beta2) * clipped * clipped
    moved = parameters * keep - rate * new_first / (new_second.sqrt() / correction + epsilon)
    parameters.copy_(torch.where(moving, moved, parameters))
    first.copy_(torch.where(moving, new_first, first))
    second.copy_(torch.where(moving, new_second, second))


def nesterov_(
    gradients: Tensor, momentum: Tensor, moving: Tensor, shrink: Tensor, decay: float
) -> None:
    """Add clipped gradients to the momentum, and turn them into directions, in moving rows.

    Args:
        gradients: [K, columns], directions afterwards.
        momentum: [K, columns].
        moving: bool [K, 1].
        shrink: [K, 1], scale of the gradient.
        decay: of the momentum.
    """
    clipped = gradients * shrink
    new = momentum * decay + clipped
    momentum.copy_(torch.where(moving, new, momentum))
    gradients.copy_(torch.where(moving, clipped + decay * new, gradients))


def decay_and_move_(
    parameters: Tensor, updates: Tensor, moving: Tensor, rates: Tensor, decay: float
) -> None:
    """Decay moving rows of parameters [K, columns] and take rates [K, 1] of the updates off them."""
    moved = parameters * (1 - rates * decay) - rates * updates
    parameters.copy_(torch.where(moving, moved, parameters))


def _by_shape(matrices: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Turn matrices so that they are wide, and group those of one shape."""
    groups: dict[tuple[int, ...], list[Tensor]] = {}
    for matrix in map(_wide, matrices):
        groups.setdefault(tuple(matrix.shape), []).append(matrix)
    return groups.values()


def _wide(matrices: Tensor) -> Tensor:
    """View matrices [K, D, F] so that D <= F."""
    tall = matrices.shape[1] > matrices.shape[2]
    return matrices.transpose(1, 2) if tall else matrices
