from pathlib import Path

import pytest

from mixopt.errors import ExportError
from mixopt.export.manifest import MANIFEST, hash_files, write_manifest
from mixopt.export.replace import replaced


def export(folder: Path, text: str) -> None:
    with replaced(folder) as draft:
        (draft / "config").write_text(text)
        content = {"format": "mixopt-export-1", "files": hash_files(draft)}
        write_manifest(draft, content)


def test_an_unchanged_export_is_replaced_and_nothing_is_left_over(tmp_path: Path) -> None:
    export(tmp_path / "out", "first")
    export(tmp_path / "out", "second")
    assert (tmp_path / "out/config").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(tmp_path / "out", "first")
    assert (tmp_path / "out" / MANIFEST).is_file()


def test_a_failure_leaves_the_old_export(tmp_path: Path) -> None:
    export(tmp_path / "out", "first")
    with pytest.raises(ZeroDivisionError), replaced(tmp_path / "out") as draft:
        (draft / "config").write_text(str(1 / 0))
    assert (tmp_path / "out/config").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["config", "notes.txt", "deep/notes.txt"])
def test_edited_and_foreign_files_are_kept(tmp_path: Path, name: str) -> None:
    export(tmp_path / "out", "first")
    path = tmp_path / "out" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(ExportError, match="added or edited") as caught:
        export(tmp_path / "out", "second")
    assert name in caught.value.why
    assert path.read_text() == "mine"


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="not an export of mixopt"):
        export(tmp_path / "out", "first")


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ExportError, match="is a file"):
        export(tmp_path / "out", "first")


def test_a_full_disk_is_an_export_error(tmp_path: Path) -> None:
    export(tmp_path / "out", "first")
    with pytest.raises(ExportError, match="cannot write"), replaced(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert (tmp_path / "out/config").read_text() == "first"


def test_an_export_is_readable_by_others(tmp_path: Path) -> None:
    export(tmp_path / "out", "first")
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755
