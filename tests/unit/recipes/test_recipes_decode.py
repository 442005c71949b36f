from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from mixopt.errors import NotFoundError, RecipeError
from mixopt.recipes.decode import Recipe, check_with, decode, flaw, read, refuse


class Wheel(Recipe):
    kind: Literal["wheel"]
    radius: float = Field(gt=0)


class Wing(Recipe):
    kind: Literal["wing"]
    feathers: int


class Cart(Recipe):
    name: str
    colour: Literal["green", "blue"] = "green"
    parts: list[Annotated[Wheel | Wing, Field(discriminator="kind")]] = Field(default_factory=list)

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str, info: ValidationInfo) -> str:
        names = (info.context or {}).get("names", (name,))
        if name not in names:
            refuse([flaw((), f"one of {', '.join(names)}", name, nearest=names[0])])
        return name


FAULTY = """
nmae = "x"
colour = "gren"
parts = [
    { kind = "wheel", radius = 0, raduis = 2 },
    { kind = "wign", feathers = 2 },
    { feathers = 2 },
    { kind = "wing", feathers = "many" },
]
"""


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        decode(FAULTY, Cart, file="cart.toml")
    shown = [(f.key, f.expected, f.found, f.nearest) for f in caught.value.faults]
    assert set(shown) == {
        ("name", "a value", "nothing", ""),
        ("nmae", "one of colour, name, parts", "unknown key 'nmae'", "name"),
        ("colour", "'green' or 'blue'", "'gren'", "green"),
        ("parts.0.wheel.radius", "greater than 0", "0", ""),
        ("parts.0.wheel.raduis", "one of kind, radius", "unknown key 'raduis'", "radius"),
        ("parts.1.kind", "one of wheel, wing", "'wign'", "wing"),
        ("parts.2.kind", "a value", "nothing", ""),
        (
            "parts.3.wing.feathers",
            "a valid integer, unable to parse string as an integer",
            "'many'",
            "",
        ),
    }
    assert str(caught.value).startswith("cart.toml: 8 faults\n")
    assert "expected 'green' or 'blue', found 'gren'; did you mean 'green'?" in str(caught.value)


def test_a_sound_recipe_is_decoded_and_frozen() -> None:
    cart = decode('name = "x"\nparts = [{ kind = "wheel", radius = 2 }]', Cart, file="cart.toml")
    assert cart.parts == [Wheel(kind="wheel", radius=2.0)]
    with pytest.raises(ValidationError, match="frozen"):
        cart.name = "y"


def test_what_is_no_toml_is_one_fault_with_its_place() -> None:
    with pytest.raises(RecipeError, match=r"cart\.toml: 1 fault\n(.|\n)*TOML.*line 1"):
        decode("name = = 3", Cart, file="cart.toml")


def test_flaws_of_a_validator_name_the_nearest() -> None:
    with pytest.raises(RecipeError) as caught:
        decode('name = "catr"', Cart, file="x", context={"names": ("cart", "sled")})
    (fault,) = caught.value.faults
    assert (fault.key, fault.expected, fault.nearest) == ("name", "one of cart, sled", "cart")


def test_flaws_stand_beside_the_faults_of_the_inner_validation() -> None:
    def fails(_: object, outer: object = None, /) -> object:  # noqa: ARG001 - as pydantic calls it
        return Wheel.model_validate({"kind": "wheel", "radius": -1})

    with pytest.raises(ValidationError) as caught:
        check_with(fails, {}, [flaw(("a", 3), "{braces} in the text", 7)])
    found = [(error["loc"], error["msg"]) for error in caught.value.errors()]
    assert found[0][0] == ("radius",)
    assert found[1] == (("a", 3), "{braces} in the text")
    assert check_with(lambda value, _=None, /: value, 5, []) == 5


def test_what_is_no_table_and_what_is_empty_are_told_in_plain_words() -> None:
    class Load(Recipe):
        cart: Cart
        weights: Annotated[dict[str, float], Field(min_length=1)]
        names: Annotated[dict[str, str], Field(min_length=1)]

    with pytest.raises(RecipeError) as caught:
        decode('cart = "red"\nweights = {}\nnames = "x"', Load, file="load.toml")
    expected = {fault.key: fault.expected for fault in caught.value.faults}
    assert expected == {"cart": "a table", "weights": "at least 1, not 0", "names": "a table"}


def test_long_values_are_cut_in_the_text() -> None:
    with pytest.raises(RecipeError) as caught:
        decode(f'name = "x"\ncolour = "{"g" * 500}"', Cart, file="x")
    assert len(caught.value.faults[0].found) == 80


def test_files_that_cannot_be_read_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    for name in ("missing.toml", "latin.toml", ""):
        with pytest.raises(NotFoundError, match=str(tmp_path / name)):
            read(tmp_path / name, Cart)
    (tmp_path / "good.toml").write_text('name = "x"')
    assert read(tmp_path / "good.toml", Cart).name == "x"
