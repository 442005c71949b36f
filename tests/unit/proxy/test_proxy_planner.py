"""The planner: its memory model against counted figures, and lanes that shrink until they fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from proxy_reference import recipe

from mixopt.errors import DeviceError
from mixopt.proxy import device_memory, planner
from mixopt.proxy.capture import is_out_of_memory
from mixopt.proxy.config import Architecture, ProxyRecipe
from mixopt.proxy.layout import lay_out
from mixopt.proxy.planner import LanePlan, footprint, plan_lane, settle

GIB = 2**30
ROOM = 139 * GIB


def _proxy(width: int, layers: int) -> ProxyRecipe:
    tiny = recipe()
    shape = Architecture(width=width, layers=layers, heads=width // 32, feedforward=3 * width)
    changes = {"context": 512, "sequences": 16, "precision": "bfloat16"}
    training = tiny.training.model_copy(update=changes)
    return tiny.model_copy(update={"architecture": shape, "training": training})


def _plan(proxy: ProxyRecipe, *, waiting: int = 1000, memory: int = ROOM) -> LanePlan:
    return plan_lane(
        proxy, vocabulary=4096, device="cuda", waiting=waiting, memory_bytes=memory, trial=False
    )


@pytest.mark.parametrize(
    ("width", "layers", "kilobytes"), [(128, 5, 24), (256, 5, 46), (384, 8, 108), (768, 8, 215)]
)
def test_activations_come_near_the_counted_ones(width: int, layers: int, kilobytes: int) -> None:
    needs = footprint(_proxy(width, layers), 4096, "cuda")
    assert kilobytes <= needs.token / 1000 <= 1.2 * kilobytes


def test_state_is_what_is_allocated_per_parameter() -> None:
    proxy = _proxy(128, 5)
    count = lay_out(proxy.architecture, 4096).num_parameters
    assert footprint(proxy, 4096, "cpu").member == 16 * count  # all float32
    assert footprint(proxy, 4096, "cuda").member == 20 * count  # and two copies in bfloat16


@pytest.mark.parametrize(
    ("width", "layers", "saturating"), [(128, 5, 68_000), (256, 5, 34_000), (768, 8, 11_000)]
)
def test_with_room_the_narrowest_lane_that_saturates(
    width: int, layers: int, saturating: int
) -> None:
    proxy = _proxy(width, layers)
    plan = _plan(proxy)
    assert plan.micro_sequences == proxy.training.sequences
    assert plan.members * proxy.training.step_tokens >= 0.99 * saturating
    assert plan.bytes < ROOM
    assert _plan(proxy, waiting=1).members == 1


def test_a_plan_never_exceeds_the_memory_and_uses_what_it_can() -> None:
    proxy = _proxy(256, 5)
    needs = footprint(proxy, 4096, "cuda")
    for memory in range(3 * GIB, 9 * GIB, GIB // 2):
        plan = _plan(proxy, memory=memory)
        assert plan.bytes == needs.bytes(plan.members, plan.micro_sequences) <= memory
        assert (
            plan.micro_sequences < 16
            or needs.bytes(plan.members + 1, 16) > memory
            or plan.members >= 5
        )


def test_nothing_fits_is_an_error_with_the_numbers() -> None:
    with pytest.raises(DeviceError, match="does not fit on cuda") as caught:
        _plan(_proxy(128, 5), memory=GIB)
    assert "1,024 MiB are free" in caught.value.why


def test_smaller_halves_the_pass_and_then_the_members() -> None:
    plan: LanePlan | None = _plan(_proxy(256, 5))
    assert plan is not None
    steps, needed = [(plan.members, plan.micro_sequences)], plan.bytes
    while (plan := plan.smaller()) is not None:
        assert plan.bytes < needed
        needed = plan.bytes
        steps.append((plan.members, plan.micro_sequences))
    assert steps == [(6, 16), (6, 8), (6, 4), (6, 2), (6, 1), (3, 1), (2, 1), (1, 1)]


@pytest.mark.parametrize(("limit", "expected"), [(96, (6, 16)), (30, (6, 4)), (4, (3, 1))])
def test_a_device_that_runs_out_of_memory_gets_the_largest_plan_it_holds(
    limit: int, expected: tuple[int, int]
) -> None:
    def device(plan: LanePlan) -> None:
        if plan.members * plan.micro_sequences > limit:
            raise torch.OutOfMemoryError

    settled = settle(_plan(_proxy(256, 5)), device)
    assert settled is not None
    assert (settled.members, settled.micro_sequences) == expected


def test_settling_ends_without_a_plan_and_passes_other_errors_on() -> None:
    def full(plan: LanePlan) -> None:
        message = f"CUDA out of memory at {plan.members}"
        raise RuntimeError(message)

    def broken(plan: LanePlan) -> None:
        message = f"no kernel for {plan.members}"
        raise RuntimeError(message)

    plan = LanePlan(members=4, micro_sequences=2, bytes=1)
    assert settle(plan, full) is None
    with pytest.raises(RuntimeError, match="no kernel for 4"):
        settle(plan, broken)


def test_a_cpu_tries_the_step_it_plans() -> None:
    plan = plan_lane(recipe(), vocabulary=24, device="cpu", waiting=3)
    assert (plan.members, plan.micro_sequences) == (3, 3)
    assert plan_lane(recipe(), vocabulary=24, device="cpu", waiting=100).members == 8


def test_a_trial_that_never_fits_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def full(*arguments: object) -> None:
        tried.append(arguments[-1])
        raise torch.OutOfMemoryError

    monkeypatch.setattr(planner, "_try_step", full)
    with pytest.raises(DeviceError, match="'tiny' does not fit on cpu"):
        plan_lane(recipe(), vocabulary=24, device="cpu", waiting=2)
    last = tried[-1]
    assert isinstance(last, LanePlan)
    assert (last.members, last.micro_sequences) == (1, 1)


def test_lack_of_memory_is_known_by_type_text_or_cause() -> None:
    wrapped = RuntimeError("the compiler failed")
    wrapped.__cause__ = torch.OutOfMemoryError("full")
    full = [wrapped, MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
    assert all(is_out_of_memory(error) for error in full)
    assert not is_out_of_memory(ValueError("out of memory, says a value"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_a_container_may_leave_less_than_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "limit").write_text("5000\n")
    (tmp_path / "usage").write_text("1000\n")
    monkeypatch.setattr(
        device_memory, "_CONTROL_GROUPS", ((tmp_path / "limit", tmp_path / "usage"),)
    )
    assert device_memory.free_bytes(torch.device("cpu")) == 3200
    (tmp_path / "limit").write_text("max\n")
    machine = device_memory.free_bytes(torch.device("cpu"))
    assert 2**20 < machine < device_memory.available_bytes()
    monkeypatch.setattr(device_memory, "_MEMINFO", tmp_path / "none")
    assert device_memory.available_bytes() >= machine
