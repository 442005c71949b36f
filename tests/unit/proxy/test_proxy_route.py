"""The route is exact, is confined to its own products, and leaves float64 alone."""

from __future__ import annotations

import pytest
import torch

from mixopt.proxy import route


def _factors(dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(3)
    left = torch.randn(3, 64, 48, generator=stream, dtype=torch.float64)
    right = torch.randn(3, 48, 40, generator=stream, dtype=torch.float64)
    return left.to(dtype), right.to(dtype)


@pytest.mark.parametrize("name", ["onednn", "default"])
def test_products_are_float32_exact_on_the_accepted_route(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "onednn" and route.name() != name:
        pytest.skip("this processor refuses the route")
    monkeypatch.setattr(route, "name", lambda: name)
    left, right = _factors(torch.float32)
    error = route.bmm(left, right).double() - torch.bmm(left.double(), right.double())
    assert error.abs().max() < 1e-4


def test_the_precision_setting_is_restored_even_after_a_failure() -> None:
    before = torch.get_float32_matmul_precision()
    left, right = _factors(torch.float32)
    route.bmm(left, right)
    assert torch.get_float32_matmul_precision() == before
    with pytest.raises(RuntimeError):
        route.bmm(left, right[:, 1:])
    assert torch.get_float32_matmul_precision() == before


@pytest.mark.parametrize(
    ("error", "gain", "precision", "levels"),
    [
        (1e-7, 2.0, "float32", ("medium", "medium")),
        (1e-7, 2.0, "bfloat16", ("medium", "medium")),
        (1e-3, 2.0, "float32", ("highest", "highest")),
        (1e-3, 2.0, "bfloat16", ("highest", "medium")),
        (1e-7, 0.9, "float32", ("highest", "highest")),
        (1e-3, 0.9, "bfloat16", ("highest", "highest")),
    ],
)
def test_the_fastest_route_within_the_precision_is_taken(
    monkeypatch: pytest.MonkeyPatch,
    error: float,
    gain: float,
    precision: str,
    levels: tuple[str, str],
) -> None:
    monkeypatch.setattr(route, "_error", lambda _: error)
    monkeypatch.setattr(route, "_gain", lambda: gain)
    found = route.find_route.__wrapped__(precision)
    assert (found.small, found.large) == levels


def test_the_probe_sees_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    product = torch.mm
    assert route._error("highest") < 1e-6
    monkeypatch.setattr(
        torch, "mm", lambda left, right: product(left.bfloat16(), right.bfloat16()).float()
    )
    assert route._error("highest") > 1e-4


def test_products_of_a_route_are_written_in_place() -> None:
    found = route.find_route("float32")
    left, right = (factor[0] for factor in _factors(torch.float32))
    out = torch.full((64, 40), 7.0)
    with route.confined():
        found.multiply(left, right, out)
        found.multiply_add(left, right, out)
    assert float((out.double() - 2 * left.double() @ right.double()).abs().max()) < 1e-4


def test_float64_products_are_exact() -> None:
    left, right = _factors(torch.float64)
    expected = torch.einsum("knd,kdf->knf", left, right)
    torch.testing.assert_close(route.bmm(left, right), expected, rtol=0, atol=1e-12)
