from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mixopt.catalog.inventory import DomainSupply, Inventory
from mixopt.errors import StudyError
from mixopt.study.change import (
    FILE,
    Change,
    find_change,
    read_change,
    translated,
    write_change,
)
from mixopt.surrogate.features import mixture_features


def inventory(**domains: tuple[str, int]) -> Inventory:
    """Return a catalog of text domains: name -> content and supply."""
    return Inventory(
        catalog="made-up",
        tokenizer="bytes",
        content_hash=str(domains),
        domains=tuple(
            DomainSupply(
                name=name,
                provenance="organic",
                schema="text",
                licence="",
                supply_tokens=supply,
                sample_tokens=supply,
                documents=1,
                num_bytes=supply,
                content_hash=content,
            )
            for name, (content, supply) in domains.items()
        ),
    )


_OLD = inventory(web=("a", 600), code=("b", 300), bbc=("c", 50), cnn=("d", 50))


def test_what_is_in_one_catalog_alone_was_added_or_removed() -> None:
    new = inventory(code=("b", 300), web=("a", 600), bbc=("x", 70), law=("e", 90))
    found = find_change(_OLD, new)
    assert found == Change(kept=("code", "web"), changed=("bbc",), added=("law",), removed=("cnn",))
    assert found.affected == ("bbc", "law")


def test_split_and_merged_domains_are_neither_added_nor_removed() -> None:
    new = inventory(good=("a1", 200), bad=("a2", 400), code=("b", 300), news=("cd", 100))
    found = find_change(_OLD, new, {"web": ("good", "bad")}, {"news": ("bbc", "cnn")})
    assert (found.kept, found.added, found.removed) == (("code",), (), ())
    assert found.affected == ("good", "bad", "news")


@pytest.mark.parametrize(
    ("split", "merged", "text"),
    [
        ({"wbe": ("good", "code")}, {}, "the old catalog 'made-up' has no domain 'wbe'"),
        ({"web": ("good", "bda")}, {}, "the new catalog 'made-up' has no domain 'bda'"),
        ({"web": ("good", "code")}, {"good": ("bbc", "cnn")}, "'good' twice"),
    ],
)
def test_names_that_are_not_there_are_errors(split: object, merged: object, text: str) -> None:
    new = inventory(good=("a1", 200), code=("b", 300))
    with pytest.raises(StudyError, match=text):
        find_change(_OLD, new, split, merged)  # type: ignore[arg-type]


def test_no_change_and_nothing_but_change_are_errors() -> None:
    with pytest.raises(StudyError, match="no domain of catalog 'made-up' differs"):
        find_change(_OLD, _OLD)
    with pytest.raises(StudyError, match="is left as it was"):
        find_change(_OLD, inventory(law=("e", 90)))


def test_old_runs_are_told_over_the_new_domains() -> None:
    new = inventory(
        law=("e", 90), news=("cd", 100), good=("a1", 200), bad=("a2", 400), code=("b", 300)
    )
    change = find_change(_OLD, new, {"web": ("good", "bad")}, {"news": ("bbc", "cnn")})
    old = mixture_features(_OLD.names(), np.array([[0.6, 0.1, 0.2, 0.1], [0.0, 1.0, 0.0, 0.0]]))
    found = translated(old, change, new)
    expected = [[0.0, 0.3, 0.2, 0.4, 0.1], [0.0, 0.0, 0.0, 0.0, 1.0]]
    assert found.features.domains == ("law", "news", "good", "bad", "code")
    np.testing.assert_allclose(found.features.doses, expected, atol=1e-12)
    np.testing.assert_allclose(found.lost, 0.0, atol=1e-12)


def test_what_is_gone_is_shared_out_and_counted() -> None:
    new = inventory(web=("a", 600), code=("b", 300), law=("e", 1))
    change = find_change(_OLD, new)
    old = mixture_features(_OLD.names(), np.array([[0.4, 0.1, 0.3, 0.2]]))
    found = translated(old, change, new)
    np.testing.assert_allclose(found.features.doses, [[0.8, 0.2, 0.0]])
    np.testing.assert_allclose(found.lost, [0.5])
    gone = mixture_features(_OLD.names(), np.array([[0.0, 0.0, 0.5, 0.5]]))
    with pytest.raises(StudyError, match="all tokens of a stage from domains that are gone"):
        translated(gone, change, new)


def test_a_change_is_kept_with_the_study(tmp_path: Path) -> None:
    change = Change(kept=("code",), split={"web": ("good", "bad")})
    assert read_change(tmp_path) is None
    write_change(tmp_path, change)
    assert read_change(tmp_path) == change
    (tmp_path / FILE).write_text('{"kept": 3}')
    with pytest.raises(StudyError, match="is damaged"):
        read_change(tmp_path)
