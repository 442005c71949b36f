import math
import random

import pytest

from mixopt.catalog.documents import SPLITS, Document
from mixopt.catalog.profile import (
    DistinctDocuments,
    Measured,
    duplicate_share,
    length_bucket,
    merge_profiles,
    profile_documents,
)


def measured(number: int) -> Measured:
    return Measured(
        identity=Document(text=str(number)).identity,
        fingerprint=Document(text=str(number)).fingerprint,
        split=SPLITS[number % 3],
        num_bytes=number + 1,
        tokens=2 * number,
    )


def test_totals_are_sums_by_split() -> None:
    profile = profile_documents(measured(number) for number in range(10))
    assert profile.splits["train"].documents == 4
    assert profile.splits["train"].num_bytes == 1 + 4 + 7 + 10
    assert profile.totals.tokens == 2 * sum(range(10))
    assert profile.lengths == {0: 1, 1: 2, 2: 4, 3: 3}


def test_merging_parts_equals_profiling_the_whole_in_any_order() -> None:
    documents = [measured(number) for number in [*range(50), *range(20)]]
    whole = profile_documents(documents)
    random.Random(5).shuffle(documents)
    parts = [profile_documents(documents[start::7]) for start in range(7)]
    assert merge_profiles(parts) == whole
    assert merge_profiles(parts).content_hash == whole.content_hash


def test_the_content_hash_sees_every_change() -> None:
    documents = [measured(number) for number in range(5)]
    variants = [documents, documents[:4], [*documents, documents[0]], [*documents[:4], measured(9)]]
    # Two pairs of equal documents cancel under an exclusive-or, not under a sum.
    variants += [[*documents, *documents[:1] * 2], [*documents, *documents[1:2] * 2], []]
    hashes = {profile_documents(variant).content_hash for variant in variants}
    assert len(hashes) == len(variants)


@pytest.mark.parametrize("num_bytes", [1, 2, 3, 4, 1023, 1024, 1025, 2**40 - 1, 2**40])
def test_length_buckets_are_whole_logarithms(num_bytes: int) -> None:
    bucket = length_bucket(num_bytes)
    assert 2**bucket <= num_bytes < 2 ** (bucket + 1)
    assert bucket == math.frexp(num_bytes)[1] - 1


def test_distinct_documents_are_counted_once() -> None:
    distinct = DistinctDocuments()
    distinct.add([measured(0), measured(3), measured(0)])
    distinct.add([measured(3), measured(4)])
    assert distinct.documents == 3
    assert distinct.splits["train"].tokens == 6
    assert distinct.splits["validation"].tokens == 8
    assert duplicate_share(5, distinct.documents) == pytest.approx(0.4)
    assert duplicate_share(0, 0) == 0
