import hashlib

import pytest
from catalog_fakes import sentence

from mixopt.catalog.documents import SPLITS, Document, split_of
from mixopt.catalog.recipe import SplitShares


def test_identity_names_the_content_only() -> None:
    expected = hashlib.sha256("text\0é".encode()).hexdigest()
    assert Document(text="é").identity == expected
    assert Document(text="e").identity != expected


def test_conversations_differ_by_roles_and_by_where_messages_end() -> None:
    messages = [
        (("user", "ab"),),
        (("system", "ab"),),
        (("user", "a"), ("user", "b")),
        (("user", "b"), ("user", "a")),
    ]
    identities = {Document(messages=each).identity for each in messages}
    assert len(identities) == len(messages)
    assert Document(text='[["user","ab"]]').identity not in identities


def test_bytes_are_utf8_and_of_contents_only() -> None:
    assert Document(text="é\n").num_bytes == 3
    assert Document(messages=(("user", "é"), ("assistant", "ok"))).num_bytes == 4
    assert Document(text=" \n").is_empty
    assert Document(messages=(("user", ""),)).is_empty


def test_splits_have_the_shares_asked_for() -> None:
    shares = SplitShares(validation=0.1, test=0.2)
    splits = [split_of(Document(text=sentence(n)).identity, shares) for n in range(4000)]
    found = {split: splits.count(split) / len(splits) for split in SPLITS}
    # Four standard deviations of a share of 4000 draws are below 0.03.
    assert found == pytest.approx({"train": 0.7, "validation": 0.1, "test": 0.2}, abs=0.03)


def test_raising_the_test_share_moves_no_document_out_of_test() -> None:
    small, large = SplitShares(validation=0, test=0.1), SplitShares(validation=0.1, test=0.3)
    identities = [Document(text=sentence(n)).identity for n in range(500)]
    kept = [identity for identity in identities if split_of(identity, small) == "test"]
    assert len(kept) > 20
    assert {split_of(identity, large) for identity in kept} == {"test"}
    assert {split_of(i, SplitShares(validation=0, test=0)) for i in identities} == {"train"}


def test_scores_are_no_part_of_what_a_document_is_but_of_its_fingerprint() -> None:
    plain, scored = Document(text="a"), Document(text="a", scores=(("quality", 0.5),))
    assert (plain.identity, plain) == (scored.identity, scored)
    assert plain.fingerprint == plain.identity
    others = [Document(text="a", scores=((name, 0.25),)) for name in ("quality", "level")]
    assert len({each.fingerprint for each in (plain, scored, *others)}) == 4
