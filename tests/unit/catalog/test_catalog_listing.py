import os
import sysconfig
from pathlib import Path

import fsspec
import pytest

from mixopt.catalog.listing import expand, list_files
from mixopt.catalog.sources import CodeSource, HubSource, JsonlSource, TextSource
from mixopt.errors import CatalogError


def found(folder: Path, path: str = ".", **options: tuple[str, ...]) -> list[str]:
    source = TextSource(reader="text", path=path, **options)  # type: ignore[arg-type]
    files = list_files(source, domain="prose", recipe_file=folder / "recipe.toml")
    root = f"{folder.resolve().as_posix()}/"
    assert all(file.location.startswith(root) for file in files)
    return [file.location.removeprefix(root) for file in files]


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


def test_a_remote_folder_has_the_order_of_a_local_one(tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    for number in range(20):
        (tmp_path / f"{number}.jsonl").touch()
        system.pipe(f"/listing/data/{number}.jsonl", b"")
        system.pipe(f"/listing/database/{number}.jsonl", b"")
    source = JsonlSource(reader="jsonl", path="memory://listing/data")
    files = list_files(source, domain="a", recipe_file=tmp_path / "recipe.toml")
    names = [file.location.removeprefix("memory:///listing/data/") for file in files]
    local = found(tmp_path, include=("*.jsonl",))
    assert names == local


def test_a_file_may_be_named_whatever_its_suffix(tree: Path) -> None:
    assert found(tree, path="b/f.py") == ["b/f.py"]
    assert found(tree, path="{recipe}/a.txt") == ["a.txt"]


def test_code_is_known_by_suffix_and_by_name(tree: Path) -> None:
    (tree / "Makefile").touch()
    source = CodeSource(reader="code", path=".")
    files = list_files(source, domain="code", recipe_file=tree / "recipe.toml")
    assert {Path(file.location).name for file in files} == {"f.py", "Makefile"}


def test_a_closed_folder_is_kept_for_the_quarantine(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def closed(path: str) -> object:
        if path.endswith("deep"):
            raise PermissionError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert "test/deep" in found(tree)
    assert "test/deep" not in found(tree, exclude=("test/*",))


def test_placeholders_stand_for_folders_of_this_python(tmp_path: Path) -> None:
    recipe_file = tmp_path / "recipe.toml"
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    assert expand("{stdlib}/json", recipe_file) == str(stdlib / "json")
    assert Path(expand("{site_packages}", recipe_file), "numpy").is_dir()
    assert expand("below/x", recipe_file) == str(tmp_path.resolve() / "below" / "x")
    assert expand("s3://bucket/../x", recipe_file) == "s3://bucket/../x"


@pytest.mark.parametrize(
    ("path", "include", "why"),
    [
        ("missing.txt", (), "There is no file or folder"),
        ("b", ("*.rst",), r"matches \*\.rst"),
        ("memory://nowhere", (), "There is no file or folder memory://nowhere"),
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


def test_files_of_a_split_of_the_hub_have_the_same_order_in_another_folder(tmp_path: Path) -> None:
    orders = []
    for name in ("here", "there/deeper"):
        folder = tmp_path / name / "data"
        folder.mkdir(parents=True)
        for number in range(20):
            (folder / f"train-{number:02d}.jsonl").write_text('{"text": "a"}')
        (folder / "test.jsonl").write_text('{"text": "b"}')
        source = HubSource(reader="hub", path=str(folder.parent), exclude=("*-19.jsonl",))
        files = list_files(source, domain="a", recipe_file=tmp_path / "recipe.toml")
        orders.append([Path(file.location).name for file in files])
    assert orders[0] == orders[1]
    assert set(orders[0]) == {f"train-{number:02d}.jsonl" for number in range(19)}
