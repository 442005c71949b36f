"""Proxy recipes: the shipped one is good, and faults are named where they are."""

from __future__ import annotations

import subprocess
import sys

import pytest
from proxy_reference import recipe

from mixopt.errors import RecipeError
from mixopt.proxy.config import ProxyRecipe, read_proxy
from mixopt.proxy.ladder import proxy_names
from mixopt.recipes.decode import validate


def test_every_shipped_proxy_is_valid_and_named_after_its_file() -> None:
    names = proxy_names()
    assert "nano" in names
    assert [read_proxy(name).name for name in names] == names


def test_faults_are_all_reported_with_their_keys() -> None:
    data = recipe().model_dump()
    data["architecture"] |= {"heads": 3, "layers": 0, "widht": 8}
    data["training"] |= {"beta1": 1.0, "lm_tokens": 35, "epsilon": float("nan")}
    with pytest.raises(RecipeError) as caught:
        validate(data, ProxyRecipe, file="p.toml")
    faults = {fault.key: fault for fault in caught.value.faults}
    assert set(faults) == {
        "architecture.heads",
        "architecture.layers",
        "architecture.widht",
        "training.beta1",
        "training.lm_tokens",
        "training.epsilon",
    }
    assert "width 16" in faults["architecture.heads"].expected
    assert "3 x 12 = 36 tokens" in faults["training.lm_tokens"].expected
    assert faults["architecture.widht"].nearest == "width"


@pytest.mark.parametrize(("width", "heads", "good"), [(64, 4, True), (60, 4, False), (60, 5, True)])
def test_a_head_has_an_even_width(width: int, heads: int, good: bool) -> None:  # noqa: FBT001 - a case
    data = recipe().model_dump()
    data["architecture"] |= {"width": width, "heads": heads}
    if good:
        assert validate(data, ProxyRecipe, file="").architecture.head_width % 2 == 0
    else:
        with pytest.raises(RecipeError, match=f"width {width} into even parts"):
            validate(data, ProxyRecipe, file="")


def test_rates_and_gain_are_one_at_the_base_width() -> None:
    nano = read_proxy("nano").architecture
    assert (nano.hidden_rate, nano.output_gain) == (1.0, 1.0)
    wide = recipe(base_width=8).architecture
    assert (wide.hidden_rate, wide.output_gain) == (0.5, 0.5)


def test_the_content_hash_sees_the_values_and_not_the_name() -> None:
    tiny = recipe()
    renamed = tiny.model_copy(update={"name": "other"})
    assert renamed.content_hash == tiny.content_hash
    assert recipe(clip_norm=2.0).content_hash != tiny.content_hash


def test_reading_a_recipe_does_not_load_torch() -> None:
    code = (
        "import sys; from mixopt.proxy.config import read_proxy; read_proxy('nano');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
