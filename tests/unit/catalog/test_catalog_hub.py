"""Datasets of the hub: their files by split and configuration, each read by its suffix."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixopt.catalog.documents import Document
from mixopt.catalog.locations import File, file_at
from mixopt.catalog.readers import hub
from mixopt.catalog.readers.intake import Intake
from mixopt.catalog.sources import HubSource
from mixopt.errors import CatalogError

CARD = """---
configs:
- config_name: english
  default: true
  data_files:
  - {split: train, path: english/train-*}
  - {split: test, path: english/test-*}
- config_name: french
  data_files: french/*.parquet
---
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    root = tmp_path / "dataset"
    for place in ("english", "french"):
        (root / place).mkdir(parents=True)
    (root / "README.md").write_text(CARD)
    for name in ("train-0", "train-1", "test-0"):
        (root / f"english/{name}.jsonl").write_text(json.dumps({"text": name, "q": 1}))
    pq.write_table(pa.table({"text": ["un", "deux"]}), root / "french/0.parquet")
    return root


def source(path: Path | str, **options: object) -> HubSource:
    return HubSource.model_validate({"reader": "hub", "path": str(path), **options})


def read(file: File, wanted: HubSource) -> list[Document]:
    intake = Intake()
    documents = list(hub.read_hub(file, wanted, "text", intake))
    assert not intake.entries
    return documents


def test_files_are_those_of_the_split_and_configuration(folder: Path) -> None:
    def names(**options: object) -> list[str]:
        return [Path(each.location).name for each in hub.hub_files(source(folder, **options))]

    assert names() == ["train-0.jsonl", "train-1.jsonl"]
    assert names(hub_split="test", config="english") == ["test-0.jsonl"]
    assert names(config="french") == ["0.parquet"]
    file = hub.hub_files(source(folder))[0]
    assert file == file_at(str(folder / "english/train-0.jsonl"))


def test_files_are_read_by_their_suffix(folder: Path) -> None:
    english, french = source(folder, scores={"quality": "q"}), source(folder, config="french")
    found = [each for file in hub.hub_files(english) for each in read(file, english)]
    assert [(each.text, each.scores) for each in found] == [
        ("train-0", (("quality", 1.0),)),
        ("train-1", (("quality", 1.0),)),
    ]
    assert [each.text for each in read(hub.hub_files(french)[0], french)] == ["un", "deux"]


def test_a_folder_that_datasets_saved_is_laid_out_like_one(tmp_path: Path) -> None:
    datasets.disable_progress_bars()
    rows = datasets.Dataset.from_dict({"text": ["one", "two"]})
    datasets.DatasetDict(train=rows, test=rows.select([1])).save_to_disk(tmp_path / "saved")
    wanted = source(tmp_path / "saved", hub_split="test")
    (file,) = hub.hub_files(wanted)
    assert [each.text for each in read(file, wanted)] == ["two"]


@pytest.mark.parametrize(
    ("options", "what", "why"),
    [
        ({"hub_split": "trian"}, "has no split 'trian'", "train, test; did you mean 'train'?"),
        ({"config": "german"}, "cannot find the dataset", "german"),
    ],
)
def test_what_the_dataset_does_not_have_is_an_error(
    folder: Path, options: dict[str, str], what: str, why: str
) -> None:
    with pytest.raises(CatalogError, match=what) as caught:
        hub.hub_files(source(folder, **options))
    assert why in str(caught.value)


def test_files_in_other_formats_are_an_error(folder: Path) -> None:
    (folder / "README.md").write_text(
        "---\nconfigs:\n- {config_name: a, data_files: '*.csv'}\n---\n"
    )
    (folder / "a.csv").write_text("text\nx\n")
    with pytest.raises(CatalogError, match="1 files in a format that is not read") as caught:
        hub.hub_files(source(folder))
    assert "a.csv" in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_arguments: object, **_options: object) -> NoReturn:
        message = "no route to host"
        raise ConnectionError(message)

    monkeypatch.setattr(datasets, "load_dataset_builder", unreachable)
    with pytest.raises(CatalogError, match="cannot find the dataset 'team/web'") as caught:
        hub.hub_files(source("team/web"))
    assert "ConnectionError: no route to host" in str(caught.value)


def test_remote_files_are_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    urls = [f"memory://test_catalog_hub/data/{name}.jsonl" for name in ("b", "a")]
    for url in urls:
        with fsspec.open(url, "wb") as opened:
            opened.write(b'{"text": "far"}')
    config = SimpleNamespace(data_files={"train": urls})
    builder = SimpleNamespace(config=config)
    monkeypatch.setattr(datasets, "load_dataset_builder", lambda *_, **__: builder)
    asked: list[str] = []
    monkeypatch.setattr(hub, "file_at", lambda location, _storage: asked.append(location))
    wanted = source("team/web", revision="main")
    assert [each.text for file in hub.hub_files(wanted) for each in read(file, wanted)] == [
        "far"
    ] * 2
    assert not asked
