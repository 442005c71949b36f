from pathlib import Path

import pytest

from mixopt.errors import NotFoundError
from mixopt.recipes.locate import KINDS, locate, shelf, shipped


def test_shipped_recipes_are_found_by_name() -> None:
    assert "demo" in shipped("catalogs")
    assert locate("demo", "catalogs") == shelf("catalogs") / "demo.toml"
    assert locate("nano", "proxies").is_file()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_shelf(kind: str) -> None:
    assert shelf(kind).name == kind
    assert shipped(kind) == sorted(shipped(kind))


def test_a_file_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").write_text("")
    assert locate("demo", "catalogs") == Path("demo")
    Path("demo").unlink()
    Path("demo").mkdir()
    assert locate("demo", "catalogs") == shelf("catalogs") / "demo.toml"


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(NotFoundError) as caught:
        locate("dmeo", "catalogs")
    assert "Did you mean 'demo'?" in caught.value.remedy
    assert "demo" in caught.value.remedy.split("Shipped:")[1]
    assert caught.value.exit_code == 4
