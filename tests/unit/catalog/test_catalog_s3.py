import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from catalog_fakes import build, domain
from catalog_reading import no_tokenizer
from fsspec import AbstractFileSystem

from mixopt.catalog.documents import Document
from mixopt.catalog.listing import list_files
from mixopt.catalog.locations import File, file_at, open_file
from mixopt.catalog.readers.dispatch import read_documents
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.sources import FileSource, JsonlSource, ParquetSource
from mixopt.errors import CatalogError

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A real server of objects on this machine."""
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def storage(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | int | bool]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return {"endpoint_url": endpoint}


@pytest.fixture
def bucket(storage: dict[str, Any]) -> AbstractFileSystem:
    system = s3fs.S3FileSystem(**storage)
    if not system.exists("s3://corpus"):
        system.mkdir("s3://corpus")
    return system


def listed(source: FileSource) -> list[File]:
    return list_files(source, domain="web", recipe_file=Path("recipe.toml"))


def read(file: File, source: FileSource) -> tuple[list[Document], Intake]:
    intake = Intake()
    documents = read_documents(file, source, "text", intake, load=no_tokenizer)
    return list(documents), intake


def test_objects_are_listed_and_read_as_files_are(
    bucket: AbstractFileSystem, storage: dict[str, Any]
) -> None:
    lines = {name: json.dumps({"text": name}).encode() for name in ("a", "deep/b", "deep/c[1]")}
    bucket.pipe({f"corpus/web/{name}.jsonl": line for name, line in lines.items()})
    bucket.pipe({"corpus/website/d.jsonl": b"", "corpus/web/readme.txt": b"no data"})
    source = JsonlSource(reader="jsonl", path="s3://corpus/web", storage=storage)
    files = listed(source)
    assert {file.location for file in files} == {f"s3://corpus/web/{name}.jsonl" for name in lines}
    for file in files:
        (document,), intake = read(file, source)
        assert file.location == f"s3://corpus/web/{document.text}.jsonl"
        assert (file.num_bytes, intake.read) == (len(lines[document.text]), 1)


def test_one_object_is_a_source_too(bucket: AbstractFileSystem, storage: dict[str, Any]) -> None:
    bucket.pipe("corpus/one/data", b'{"text": "x"}')
    source = JsonlSource(reader="jsonl", path="s3://corpus/one/data", storage=storage)
    (file,) = listed(source)
    assert file == file_at("s3://corpus/one/data", tuple(storage.items()))
    assert read(file, source)[0] == [Document(text="x")]


def test_an_object_that_changes_is_another_version(
    bucket: AbstractFileSystem, storage: dict[str, Any]
) -> None:
    location, options = "s3://corpus/changed.jsonl", tuple(storage.items())
    versions = []
    for content in (b"one", b"two", b"one"):
        bucket.pipe("corpus/changed.jsonl", content)
        versions.append(file_at(location, options).modified)
    assert versions[0] == versions[2] != versions[1]


def test_of_a_parquet_object_only_the_needed_ranges_are_read(
    bucket: AbstractFileSystem, storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = random.Random(0).randbytes(24 << 20)
    rows = [noise[at : at + (1 << 20)] for at in range(0, len(noise), 1 << 20)]
    sink = pa.BufferOutputStream()
    texts = [f"row {number}" for number in range(len(rows))]
    pq.write_table(pa.table({"image": rows, "text": texts}), sink, use_dictionary=False)
    bucket.pipe("corpus/p/wide.parquet", sink.getvalue().to_pybytes())
    source = ParquetSource(reader="parquet", path="s3://corpus/p", storage=storage)
    fetched = []
    fetch = s3fs.core.S3File._fetch_range

    def counted(self: object, start: int, end: int) -> bytes:
        fetched.append(end - start)
        return bytes(fetch(self, start, end))

    monkeypatch.setattr(s3fs.core.S3File, "_fetch_range", counted)
    documents, _ = read(listed(source)[0], source)
    assert [document.text for document in documents] == texts
    assert 0 < sum(fetched) < 10 << 20


def test_an_object_that_is_gone_goes_into_quarantine(
    bucket: AbstractFileSystem, storage: dict[str, Any]
) -> None:
    bucket.pipe("corpus/gone/a.jsonl", b'{"text": "x"}')
    source = JsonlSource(reader="jsonl", path="s3://corpus/gone", storage=storage)
    (file,) = listed(source)
    bucket.rm("corpus/gone/a.jsonl")
    documents, intake = read(file, source)
    assert not documents
    assert (intake.read, intake.quarantined) == (1, 1)
    assert "gone/a.jsonl" in intake.entries[0].reason


def test_a_bucket_that_is_not_there_is_an_error(storage: dict[str, Any]) -> None:
    source = JsonlSource(reader="jsonl", path="s3://nowhere/data", storage=storage)
    with pytest.raises(CatalogError, match="'s3://nowhere/data' has no files"):
        listed(source)


def test_missing_credentials_are_an_error(
    storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    options = storage | {"use_listings_cache": False}  # A file system of its own is made.
    source = JsonlSource(reader="jsonl", path="s3://corpus/private", storage=options)
    with pytest.raises(CatalogError, match="cannot read s3://corpus/private") as caught:
        listed(source)
    assert "credentials" in caught.value.why
    assert "credentials" in caught.value.remedy


def test_a_server_that_cannot_be_reached_is_an_error(
    storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    options = storage | {"endpoint_url": "http://127.0.0.1:9"}
    source = JsonlSource(reader="jsonl", path="s3://corpus/web", storage=options)
    with pytest.raises(CatalogError, match="cannot read s3://corpus/web") as caught:
        listed(source)
    assert "127.0.0.1:9" in caught.value.why
    file = File(location="s3://corpus/a", num_bytes=1, modified="", storage=tuple(options.items()))
    with pytest.raises(CatalogError, match="cannot read"):
        open_file(file)


def test_an_object_with_broken_records_is_read_once_and_a_damaged_one_again(
    bucket: AbstractFileSystem, endpoint: str, storage: dict[str, Any], tmp_path: Path
) -> None:
    lines = b'{"text": "whole"}\n{"text": \n'
    damaged = gzip.compress(random.Random(0).randbytes(9000))[:5000]
    bucket.pipe({"corpus/broken/a.jsonl": lines, "corpus/broken/b.jsonl.gz": damaged})
    assert storage["endpoint_url"] == endpoint
    source = (
        f'reader = "jsonl", path = "s3://corpus/broken", storage = {{endpoint_url = "{endpoint}"}}'
    )
    first = build(tmp_path, domain("web", source))
    assert (first.measured, first.reused) == (2, 0)
    again = build(tmp_path, domain("web", source))
    assert (again.measured, again.reused, again.quarantined) == (1, 1, first.quarantined)
    assert again.inventory == first.inventory
