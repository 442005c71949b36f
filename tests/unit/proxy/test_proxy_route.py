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


def test_a_processor_that_rounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    product = torch.bmm

    def rounding(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        if left.dtype == torch.float32:
            return product(left.bfloat16().float(), right.bfloat16().float())
        return product(left, right)

    monkeypatch.setattr(torch, "bmm", rounding)
    assert route.name.__wrapped__() == "default"


def test_float64_products_are_exact() -> None:
    left, right = _factors(torch.float64)
    expected = torch.einsum("knd,kdf->knf", left, right)
    torch.testing.assert_close(route.bmm(left, right), expected, rtol=0, atol=1e-12)
