import sysconfig
from pathlib import Path

import pytest

from mixopt.catalog.files import expand, find_files
from mixopt.catalog.sources import TextSource
from mixopt.errors import CatalogError


def found(folder: Path, path: str = ".", **options: tuple[str, ...]) -> list[str]:
    source = TextSource(reader="text", path=path, **options)  # type: ignore[arg-type]
    files = find_files(source, domain="prose", recipe_file=folder / "recipe.toml")
    assert all(file.is_absolute() for file in files)
    return [file.relative_to(folder.resolve()).as_posix() for file in files]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.txt", "b/c.txt", "b/test/d.txt", "test/deep/e.txt", "b/f.py", "g.txt.gz"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


def test_globs_choose_by_path_and_by_name(tree: Path) -> None:
    assert set(found(tree)) == {"a.txt", "b/c.txt", "b/test/d.txt", "test/deep/e.txt", "g.txt.gz"}
    assert set(found(tree, include=("c.txt", "*.py"))) == {"b/c.txt", "b/f.py"}
    assert set(found(tree, include=("*.txt",), exclude=("test/*",))) == {
        "a.txt",
        "b/c.txt",
        "b/test/d.txt",
    }
    assert set(found(tree, path="b", exclude=("test/*",))) == {"b/c.txt"}


def test_the_order_is_by_hash_and_the_same_in_another_folder(tmp_path: Path) -> None:
    orders = []
    for name, numbers in (("one", range(50)), ("two", reversed(range(50)))):
        folder = tmp_path / name
        folder.mkdir()
        for number in numbers:
            (folder / f"{number:02d}.txt").touch()
        orders.append(found(folder))
    assert orders[0] == orders[1]
    assert orders[0] != sorted(orders[0])


def test_a_file_may_be_named_whatever_its_suffix(tree: Path) -> None:
    assert found(tree, path="b/f.py") == ["b/f.py"]
    assert found(tree, path="{recipe}/a.txt") == ["a.txt"]


def test_placeholders_stand_for_folders_of_this_python(tmp_path: Path) -> None:
    recipe_file = tmp_path / "recipe.toml"
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    assert expand("{stdlib}/json", recipe_file) == stdlib / "json"
    assert (expand("{site_packages}", recipe_file) / "numpy").is_dir()
    assert expand("below/x", recipe_file) == tmp_path.resolve() / "below" / "x"


@pytest.mark.parametrize(
    ("path", "include", "why"),
    [
        ("missing.txt", (), "There is no file or folder"),
        ("b", ("*.rst",), r"matches \*\.rst"),
    ],
)
def test_a_source_without_files_is_an_error(
    tree: Path, path: str, include: tuple[str, ...], why: str
) -> None:
    with pytest.raises(CatalogError, match=why) as caught:
        found(tree, path=path, include=include)
    assert "domain 'prose'" in caught.value.what
    assert str(tree / "recipe.toml") in caught.value.what
    assert f"'{path}'" in caught.value.what
