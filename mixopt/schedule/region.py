"""The region that a free mixture keeps to: bounds on shares and on sums of them, blocks, a lattice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from mixopt.catalog.inventory import Inventory
from mixopt.errors import SupplyError
from mixopt.schedule.free import FreeMixture, GroupRecipe
from mixopt.schedule.projection import NoPointError, Polytope, project
from mixopt.schedule.simplex import Weights

_SLACK = 1e-9  # of shares, which have eight digits


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """Mixtures over M domains in V parts that keep some bounds.

    A part is a block, whose domains keep their ratios, or a domain outside all blocks.

    Attributes:
        domains: the M domains.
        spread: [V, M] share of every domain in every part; rows sum to 1.
        floors: [M] least weights that are asked for.
        ceilings: [M] largest weights.
        groups: [G, M] 1 for the domains of every group.
        group_floors: [G] least sums.
        group_ceilings: [G] largest sums.
        least: weight that a part has unless the supply forbids it.
        lattice: shares of parts are multiples of it; None where they may be any.
    """

    domains: tuple[str, ...]
    spread: NDArray[np.float64]
    floors: Weights
    ceilings: Weights
    groups: NDArray[np.float64]
    group_floors: Weights
    group_ceilings: Weights
    least: float
    lattice: float | None

    @property
    def num_parts(self) -> int:
        """How many parts there are (V)."""
        return len(self.spread)

    def inward(self, weights: Weights) -> Weights:
        """Return the shares of the parts in a mixture; [M] -> [V]."""
        return np.asarray((self.spread > 0).astype(float) @ weights)

    def outward(self, shares: Weights) -> Weights:
        """Return the mixture that has these shares of the parts; [V] -> [M]."""
        return np.asarray(shares @ self.spread)

    def nearest(self, shares: Weights, caps: Weights, where: str) -> Weights:
        """Return the mixture nearest to shares of the parts that keeps all bounds; [V] -> [M].

        Nearest is least in KL(result || shares), then moved to the lattice by largest remainders.

        Args:
            shares: [V] of sum 1.
            caps: [M] largest weights that the supply allows.
            where: begins the message of an error.

        Raises:
            SupplyError: no mixture keeps the bounds and the caps.
        """
        held = self._polytope(caps)
        try:
            found = project(shares, held)
            if self.lattice is not None:
                found = on_lattice(found, held, self.lattice)
        except NoPointError:
            raise self._refusal(caps, where) from None
        return self.outward(found)

    def _polytope(self, caps: Weights) -> Polytope:
        """Return the bounds in terms of the parts."""
        limit = _over_parts(np.minimum(self.ceilings, caps), self.spread, np.inf).min(axis=1)
        limit = np.minimum(limit, 1.0)
        floor = _over_parts(self.floors, self.spread, 0.0).max(axis=1)
        return Polytope(
            low=np.maximum(floor, np.minimum(self.least, limit)),
            high=limit,
            sums=self.groups @ self.spread.T,
            least=self.group_floors,
            most=self.group_ceilings,
        )

    def _refusal(self, caps: Weights, where: str) -> SupplyError:
        """Return the error that tells which bounds leave no mixture."""
        held = self._polytope(caps)
        names = [self._name(part) for part in range(self.num_parts)]
        lines = [
            f"  - {name}: at least {low:.4g}, at most {high:.4g}"
            for name, low, high in zip(names, held.low, held.high, strict=True)
            if low > high + _SLACK
        ]
        if not lines and held.high.sum() < 1:
            lines = [f"  - all domains together: at most {held.high.sum():.4g} of 1"]
        if not lines and held.low.sum() > 1:
            lines = [f"  - all domains together: at least {held.low.sum():.4g} of 1"]
        if not lines:
            lines = [
                f"  - {', '.join(np.array(self.domains)[row > 0])}: together {low:.4g} to {high:.4g}"
                for row, low, high in zip(
                    self.groups, self.group_floors, self.group_ceilings, strict=True
                )
            ] + [
                f"  - {name}: {low:.4g} to {high:.4g}"
                for name, low, high in zip(names, held.low, held.high, strict=True)
                if low > self.least or high < 1
            ]
        if self.lattice is not None:
            lines.append(f"  - all in multiples of {self.lattice:g}")
        message = f"{where}: no mixture keeps the bounds and the caps on epochs"
        return SupplyError(
            message,
            why="\n".join(lines),
            remedy="Lower floors, raise ceilings, add data, or raise [limits] max_epochs.",
        )

    def _name(self, part: int) -> str:
        inside = np.array(self.domains)[self.spread[part] > 0]
        return str(inside[0]) if len(inside) == 1 else f"the block of {', '.join(inside)}"


def region_of(free: FreeMixture, domains: tuple[str, ...], inventory: Inventory) -> Region:
    """Return the region of a free mixture over the domains of its stage."""
    place = {name: number for number, name in enumerate(domains)}
    groups = [_members(group, domains, inventory) for group in free.groups]
    return Region(
        domains=domains,
        spread=_parts(free.blocks, domains),
        floors=np.array([free.floors.get(name, 0.0) for name in place]),
        ceilings=np.array([free.ceilings.get(name, 1.0) for name in place]),
        groups=np.array(groups, float).reshape(len(groups), len(domains)),
        group_floors=np.array([group.floor for group in free.groups]),
        group_ceilings=np.array([group.ceiling for group in free.groups]),
        least=free.least,
        lattice=free.lattice,
    )


def on_lattice(shares: Weights, held: Polytope, step: float) -> Weights:
    """Return shares in multiples of a step, by largest remainders within all bounds; [V].

    Units that are left go one by one to the part that misses most, where bounds allow it. Where
    that ends outside a bound on a sum, the multiples with the least sum of distances are found
    by an integer program.

    Raises:
        NoPointError: no multiples keep the bounds.
    """
    total = round(1 / step)
    wanted = shares / step
    low = np.ceil(held.low / step - 1e-6)
    high = np.floor(held.high / step + 1e-6)
    if np.any(low > high) or low.sum() > total or high.sum() < total:
        raise NoPointError
    units = np.clip(np.floor(wanted + 1e-6), low, high)
    while units.sum() != total:
        sign = np.sign(total - units.sum())
        sums = held.sums @ units
        room = (units < high) if sign > 0 else (units > low)
        full = sums >= held.most / step - 1e-6 if sign > 0 else sums <= held.least / step + 1e-6
        room &= ~np.any(held.sums[full] > 0, axis=0)
        if not room.any():
            break
        units[np.argmax(np.where(room, sign * (wanted - units), -np.inf))] += sign
    inside = replace(held, low=low * step, high=high * step)
    if units.sum() != total or inside.violation(units * step) > _SLACK:
        units = _nearest_multiples(wanted, inside, step)
    return np.asarray(units / total)


def _nearest_multiples(wanted: Weights, held: Polytope, step: float) -> Weights:
    """Return the whole numbers of units with the least sum of distances; [V]."""
    count, total = len(wanted), round(1 / step)
    eye, none = np.eye(count), np.zeros_like(held.sums)
    rows = [
        LinearConstraint(np.hstack([eye, -eye]), -np.inf, wanted),
        LinearConstraint(np.hstack([-eye, -eye]), -np.inf, -wanted),
        LinearConstraint(np.append(np.ones(count), np.zeros(count)), total, total),
    ]
    if len(held.sums):
        low, high = held.least / step - 1e-6, held.most / step + 1e-6
        rows.append(LinearConstraint(np.hstack([held.sums, none]), low, high))
    found = milp(
        np.append(np.zeros(count), np.ones(count)),
        integrality=np.append(np.ones(count), np.zeros(count)),
        bounds=Bounds(
            np.append(np.round(held.low / step), np.zeros(count)),
            np.append(np.round(held.high / step), np.full(count, np.inf)),
        ),
        constraints=rows,
    )
    if found.x is None:
        raise NoPointError
    return np.asarray(np.round(found.x[:count]))


def _parts(blocks: Mapping[str, Mapping[str, float]], domains: tuple[str, ...]) -> Weights:
    """Return the share of every domain in every part, parts in the order of their first domain."""
    place = {name: number for number, name in enumerate(domains)}
    owner = {name: block for block, ratios in blocks.items() for name in ratios}
    rows: dict[tuple[str, str], Weights] = {}
    for name in domains:
        block = owner.get(name)
        key = ("domain", name) if block is None else ("block", block)
        ratio = 1.0 if block is None else blocks[block][name]
        rows.setdefault(key, np.zeros(len(domains)))[place[name]] = ratio
    spread = np.array(list(rows.values()))
    return np.asarray(spread / spread.sum(axis=1, keepdims=True))


def _members(group: GroupRecipe, domains: tuple[str, ...], inventory: Inventory) -> list[bool]:
    if group.of is not None:
        return [name in group.of for name in domains]
    return [inventory.domain(name).provenance == group.provenance for name in domains]


def _over_parts(bounds: Weights, spread: Weights, otherwise: float) -> Weights:
    """Return what bounds on domains ask of the parts that these are in; [V, M]."""
    inside = spread > 0
    return np.where(inside, bounds / np.where(inside, spread, 1.0), otherwise)
