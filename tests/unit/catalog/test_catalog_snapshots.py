from pathlib import Path

import pytest
from assembly_fakes import Fake, Row, domain, row

from mixopt.catalog.inventory import read_inventory


def texts(*names: object) -> list[Row]:
    return [row(name, 10) for name in names]


def carried_on(tmp_path: Path, old: Fake | None, files: dict[str, list[Row]]) -> Fake:
    """A catalog of other files in the place of an old one."""
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    fake = Fake(folder, files)
    if old is not None:
        old.path.rename(fake.path)
    fake.assemble(domain("web"))
    return fake


def test_a_snapshot_is_kept_for_every_content(tmp_path: Path) -> None:
    first = carried_on(tmp_path, None, {"web/1": texts(1, 2)})
    seen = [read_inventory(first.path).content_hash]
    second = carried_on(tmp_path, first, {"web/1": texts(1, 2), "web/2": texts(3)})
    seen.append(read_inventory(second.path).content_hash)
    third = carried_on(tmp_path, second, {"web/2": texts(3), "web/1": texts(1, 4)})
    seen.append(read_inventory(third.path).content_hash)
    assert third.rows("select number, snapshot from snapshots order by 1") == list(
        enumerate(seen, 1)
    )
    sql = "select number, documents, tokens, shards from snapshots order by 1"
    assert third.rows(sql) == [(1, 2, 20, 1), (2, 3, 30, 2), (3, 3, 30, 2)]
    sql = "select number, domain, tokens, supply_tokens from snapshot_domains order by 1"
    assert third.rows(sql) == [(1, "web", 20, 20), (2, "web", 30, 30), (3, "web", 30, 30)]
    assert third.notes == ()


def test_versions_of_files_have_a_beginning_and_an_end(tmp_path: Path) -> None:
    fake = carried_on(tmp_path, None, {"web/1": texts(1), "web/2": texts(2)})
    fake = carried_on(tmp_path, fake, {"web/1": texts(1), "web/2": texts(3), "web/3": texts(4)})
    fake = carried_on(tmp_path, fake, {"web/2": texts(2), "web/3": texts(4)})
    sql = "select path, documents, since, until from shard_history order by path, since"
    assert fake.rows(sql) == [
        ("/web/1", 1, 1, 3),
        ("/web/2", 1, 1, 2),
        ("/web/2", 1, 2, 3),
        ("/web/2", 1, 3, None),
        ("/web/3", 1, 2, None),
    ]


def test_the_same_content_is_no_new_snapshot(tmp_path: Path) -> None:
    fake = carried_on(tmp_path, None, {"web/1": texts(1), "web/2": texts(2)})
    before = fake.rows("select * from snapshots")
    again = carried_on(tmp_path, fake, {"web/moved": texts(2, 1)})
    assert again.rows("select * from snapshots") == before
    assert len(again.rows("select * from shard_history where until is null")) == 2


@pytest.mark.parametrize("content", [b"no database", None])
def test_a_catalog_that_cannot_be_read_begins_a_new_history(
    tmp_path: Path, content: bytes | None
) -> None:
    fake = Fake(tmp_path, {"web/1": texts(1)})
    if content is not None:
        fake.path.write_bytes(content)
    fake.assemble(domain("web"))
    assert fake.rows("select number from snapshots") == [(1,)]
    expected = [] if content is None else ["The history begins anew"]
    assert [note.partition(":")[0] for note in fake.notes] == expected
