import os
import pickle
import sys
from pathlib import Path

import fsspec
import pytest
import xxhash
from fsspec.implementations.memory import MemoryFile

from mixopt.catalog import locations
from mixopt.catalog.locations import (
    File,
    checksum,
    file_at,
    files_below,
    is_remote,
    local_path,
    open_file,
)
from mixopt.errors import CatalogError

LOADED = sys.modules["fsspec.registry"]._registry


def below(folder: Path) -> set[str]:
    return {name for name, _ in files_below(str(folder))}


def test_a_file_is_listed_as_it_is_found_alone(tmp_path: Path) -> None:
    path = tmp_path / "b" / "a[1].txt"
    path.parent.mkdir()
    path.write_bytes(b"twelve bytes")
    ((name, listed),) = files_below(str(tmp_path))
    assert (name, listed) == ("b/a[1].txt", file_at(str(path)))
    assert listed.num_bytes == 12
    assert listed.modified == str(path.stat().st_mtime_ns)
    assert list(files_below(str(path))) == [("", listed)]
    assert pickle.loads(pickle.dumps(listed)) == listed


def test_files_that_are_not_wanted_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.txt", "b/c.txt", "b/d.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    looked: list[str] = []
    look_at = locations._entry_file

    def look(entry: os.DirEntry[str]) -> File:
        looked.append(entry.name)
        return look_at(entry)

    monkeypatch.setattr(locations, "_entry_file", look)
    wanted = files_below(str(tmp_path), is_wanted=lambda below: below.endswith("c.txt"))
    assert [name for name, _ in wanted] == ["b/c.txt"]
    assert looked == ["c.txt"]


def test_a_folder_is_listed_once_however_many_links_lead_to_it(tmp_path: Path) -> None:
    for folder in ("data/real", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.txt").touch()
    data = tmp_path / "data"
    (data / "another").symlink_to(data / "real")
    (data / "loop").symlink_to(data)
    (data / "out").symlink_to(tmp_path / "elsewhere")
    (data / "zzz").symlink_to(tmp_path / "elsewhere")
    assert sorted(name for name, _ in files_below(str(data))) == ["out/a.txt", "real/a.txt"]


@pytest.mark.parametrize("target", ["never", "gone.txt"])
def test_a_link_to_nothing_is_listed_and_does_not_open(tmp_path: Path, target: str) -> None:
    (tmp_path / "gone.txt").symlink_to(tmp_path / target)
    ((name, file),) = files_below(str(tmp_path))
    assert (name, file.num_bytes, file.modified) == ("gone.txt", 0, "")
    with pytest.raises(OSError, match=r"No such file|Too many levels"):
        open_file(file)


def test_a_folder_that_cannot_be_read_is_listed_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.txt").touch()
    scandir = os.scandir

    def closed(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert below(tmp_path) == {"a.txt", "closed/"}


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
def test_a_pipe_does_not_stop_whoever_opens_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    ((_, file),) = files_below(str(tmp_path))
    with pytest.raises(OSError, match="no regular file"):
        open_file(file)


@pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes on Linux alone")
def test_names_that_are_no_unicode_become_urls(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x")
    ((_, file),) = files_below(str(tmp_path))
    assert file.location == f"file://{tmp_path}/caf%E9.txt"
    assert not is_remote(file.location)
    assert file_at(file.location) == file
    assert local_path(file.location).endswith("caf\udce9.txt")
    with open_file(file) as opened:
        assert opened.read() == b"x"


def test_the_checksum_is_that_of_all_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    content = bytes(range(256)) * 9000
    path.write_bytes(content)
    assert checksum(file_at(str(path))) == xxhash.xxh3_128(content).hexdigest()
    assert checksum(File(location="s3://bucket/a.bin", num_bytes=1, modified="")) is None


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"cannot read .*gone\.txt") as caught:
        file_at(str(tmp_path / "gone.txt"))
    assert "FileNotFoundError" in caught.value.why
    assert list(files_below(str(tmp_path / "gone.txt"))) == []


@pytest.mark.parametrize(
    ("url", "remedy"),
    [("gs://bucket/data", r"mixopt\[gcs\]"), ("s3://bucket/data", r"mixopt\[s3\]")],
)
def test_a_missing_package_is_named(url: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gcsfs", "s3fs"):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.delitem(LOADED, url.partition(":")[0], raising=False)
    with pytest.raises(CatalogError, match=remedy) as caught:
        list(files_below(url))
    assert "the package for" in caught.value.what


def test_an_unknown_kind_of_url_is_an_error() -> None:
    with pytest.raises(CatalogError, match=r"cannot read nonsense://bucket"):
        list(files_below("nonsense://bucket"))


def test_files_in_memory_are_listed_and_read_like_others() -> None:
    system = fsspec.filesystem("memory")
    system.pipe({"/locations/a/one.txt": b"one", "/locations/two.txt": b"two!"})
    found = dict(files_below("memory://locations"))
    assert set(found) == {"a/one.txt", "two.txt"}
    file = found["two.txt"]
    assert (file.location, file.num_bytes) == ("memory:///locations/two.txt", 4)
    assert file_at(file.location) == file
    with open_file(file) as opened:
        assert opened.seek(1) == 1
        assert opened.read() == b"wo!"


def test_a_file_system_that_fails_while_reading_is_not_the_files_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fsspec.filesystem("memory").pipe({"/failing/a.txt": b"text"})
    (file,) = dict(files_below("memory://failing")).values()
    opened = open_file(file)
    monkeypatch.setattr(MemoryFile, "read", lambda *_: 1 // 0)
    with pytest.raises(CatalogError, match=r"cannot read memory:///failing/a\.txt"), opened:
        opened.read()
