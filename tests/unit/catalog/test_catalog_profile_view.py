from pathlib import Path

from catalog_fakes import build, domain, write_texts

from mixopt.catalog.profile_view import read_profile


def test_files_without_a_document_are_among_those_that_were_read(tmp_path: Path) -> None:
    write_texts(tmp_path / "texts", range(20))
    (tmp_path / "texts" / "empty.txt").write_text("")
    summary = build(tmp_path, domain("texts", 'reader = "text", path = "texts"'))
    files = read_profile(summary.path, "texts").files
    assert (files["files"], files["read"]) == (21, 21)
    assert (files["taken"], files["filtered"], files["quarantined"]) == (20, 0, 1)
