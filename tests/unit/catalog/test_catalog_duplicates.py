from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from assembly_fakes import Fake, domain, identity, row

from mixopt.catalog.building.duplicates import leaders

RNG = np.random.default_rng(5)


def signature(base: int, changed: int = 0, seed: int = 0) -> bytes:
    """A signature of its own for every base; some of its bytes, in places by the seed, changed."""
    signed = np.random.default_rng(base).integers(0, 256, 128, dtype=np.uint8)
    rng = np.random.default_rng((base, seed, 1))
    places = rng.permutation(128)[:changed]
    signed[places] = (signed[places] + rng.integers(1, 256, changed)) % 256
    return signed.tobytes()


def test_groups_are_what_pairs_connect() -> None:
    pairs = np.array([[3, 9], [9, 4], [7, 2**64 - 1], [5, 7], [3, 4]], np.uint64)
    members, smallest = leaders(pairs)
    assert members.tolist() == [3, 4, 5, 7, 9, 2**64 - 1]
    assert smallest.tolist() == [3, 3, 5, 5, 3, 5]


def _groups_by_hand(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    leader: dict[int, int] = {}
    for left, right in pairs:
        one, other = leader.setdefault(left, left), leader.setdefault(right, right)
        for member, at in leader.items():
            if at in (one, other):
                leader[member] = min(one, other)
    return leader


def test_groups_equal_those_of_a_plain_union() -> None:
    pairs = RNG.integers(0, 60, (40, 2)).astype(np.uint64)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    members, smallest = leaders(pairs)
    expected = _groups_by_hand((int(left), int(right)) for left, right in pairs)
    found = dict(zip(members.tolist(), smallest.tolist(), strict=True))
    by_smallest = {leader: min(m for m in found if found[m] == leader) for leader in found.values()}
    assert found == {member: by_smallest[found[member]] for member in found}
    together = {frozenset(m for m in expected if expected[m] == each) for each in expected.values()}
    assert {frozenset(m for m in found if found[m] == each) for each in found.values()} == together


def test_exact_copies_count_within_and_across(tmp_path: Path) -> None:
    web = [*(row(n, 10) for n in range(8)), row(0, 10), row(1, 10)]
    code = [row(n, 10) for n in (1, 2, 100, 101)]
    fake = Fake(tmp_path, {"web/1": web[:9], "web/2": web[9:], "code/1": code})
    fake.assemble(domain("web"), domain("code"))
    columns = "tokens, unique_tokens, effective_tokens, supply_tokens, duplicate_share"
    assert fake.rows(f"select {columns} from domains order by position") == [
        (100, 80, 80, 80, pytest.approx(0.2)),
        (40, 40, 40, 40, 0.0),
    ]
    assert fake.rows("select domain, duplicate_share > 0 from shards order by shard") == [
        ("web", True),
        ("web", False),
        ("code", False),
    ]
    assert fake.rows("select domain, other, documents, token_share from domain_overlaps") == [
        ("web", "code", 3, pytest.approx(0.3)),
        ("code", "web", 2, pytest.approx(0.5)),
    ]
    found = fake.rows("select copies from documents where domain = 'web' order by 1")
    assert [copies for (copies,) in found] == [1] * 5 + [2] * 3 + [3] * 2


def test_near_duplicates_share_a_band_and_are_similar(tmp_path: Path) -> None:
    near = [row(n, 10 + n, signature=signature(1, 8, n)) for n in range(6)]
    apart = [row(10 + n, 10, signature=signature(100 + n)) for n in range(20)]
    far = [row(40 + n, 10, signature=signature(7, 50, n)) for n in range(4)]
    short = [row(50 + n, 10) for n in range(3)]
    fake = Fake(tmp_path, {"web/1": [*near, *apart, *far, *short]})
    fake.assemble(domain("web"))
    smallest = min(range(6), key=identity)
    kept = 10 + smallest + 10 * 27
    columns = "unique_tokens, effective_tokens, near_duplicate_share, duplicate_share"
    assert fake.rows(f"select {columns} from domains") == [
        (sum(10 + n for n in range(6)) + 270, kept, pytest.approx(5 / 33), 0.0)
    ]
    sizes = fake.rows("select near_duplicates, count(*) from documents group by 1 order by 1")
    assert sizes == [(0, 27), (5, 6)]


def test_near_duplicates_are_looked_for_as_the_profile_says(tmp_path: Path) -> None:
    rows = [row(n, 10, signature=signature(1, 4, n)) for n in range(5)]
    fake = Fake(tmp_path, {"web/1": rows})
    found = []
    for profile in ({}, {"near_duplicates": 0.95}, {"near_duplicates": None}):
        fake.assemble(domain("web"), profile=profile)
        found += fake.rows("select effective_tokens, near_duplicate_share from domains")
    assert found[0] == (10, pytest.approx(0.8))
    assert found[1] == (50, 0.0)
    assert found[2] == (50, None)


def test_the_supply_may_be_that_of_distinct_content(tmp_path: Path) -> None:
    fake = Fake(tmp_path, {"web/1": [row(n, 10, signature=signature(1, 4, n)) for n in range(5)]})
    fake.assemble(domain("web"), profile={"supply": "effective"})
    assert fake.rows("select supply_tokens, supply_declared from domains") == [(10, False)]
    fake.assemble(domain("web", supply_tokens="1k"), profile={"supply": "effective"})
    assert fake.rows("select supply_tokens, supply_declared from domains") == [(1000, True)]


def test_the_order_of_files_changes_no_figure(tmp_path: Path) -> None:
    rows = [row(n, 10 + n % 3, signature=signature(n // 4, 10, n)) for n in range(80)]
    found = []
    for name, files in {"one": (rows[:50], rows[50:]), "two": (rows[:0:-1], rows[:1])}.items():
        (tmp_path / name).mkdir()
        fake = Fake(tmp_path / name, {f"web/{n}": part for n, part in enumerate(files)})
        fake.assemble(domain("web"))
        columns = "* exclude (shards, language)"
        found.append(fake.rows(f"select {columns} from domains"))
    assert found[0] == found[1]


def test_a_band_that_all_documents_share_makes_as_many_pairs(tmp_path: Path) -> None:
    boilerplate = signature(3)[:8]
    rows = [row(n, 10, signature=boilerplate + signature(1000 + n)[8:]) for n in range(3000)]
    fake = Fake(tmp_path, {"web/1": rows})
    fake.assemble(domain("web"), profile={"contamination": None})
    assert fake.rows("select effective_tokens, near_duplicate_share from domains") == [(30000, 0.0)]


def test_held_out_text_in_training_documents_is_found(tmp_path: Path) -> None:
    held = row("h", 10, split="test", grams=[1, 2, 3])
    train = [row(0, 10, grams=[3, 50]), row(1, 20, grams=[60]), row(2, 30, grams=[1, 2])]
    others = [row("v", 5, split="validation", grams=[60]), row(9, 7, grams=[50, 2])]
    fake = Fake(tmp_path, {"web/1": [held, *train], "code/1": others})
    fake.assemble(domain("web"), domain("code"))
    assert fake.rows("select * from contaminations") == [
        ("web", "held-out: web", 2, 40),
        ("web", "held-out: code", 1, 20),
        ("code", "held-out: web", 1, 7),
    ]
    shares = fake.rows("select contaminated_share, protected_share from domains order by position")
    assert shares == [(1.0, 0.0), (1.0, 0.0)]
    marked = fake.rows("select split, contaminated from documents where domain = 'web' order by 1")
    assert marked == [("test", None), *[("train", True)] * 3]


def test_boilerplate_is_no_contamination(tmp_path: Path) -> None:
    held = row("h", 10, split="test", grams=[1, 2])
    train = [row(n, 10, grams=[1, 2] if n == 0 else [1]) for n in range(1001)]
    fake = Fake(tmp_path, {"web/1": [held, *train]})
    fake.assemble(domain("web"), profile={"near_duplicates": None})
    assert fake.rows("select documents from contaminations") == [(1,)]
    fake.assemble(domain("web"), profile={"contamination": None})
    assert fake.rows("select contaminated_share, protected_share from domains") == [(None, None)]


def test_training_documents_with_protected_text_are_counted(tmp_path: Path) -> None:
    rows = [row(0, 10, protected=["tasks", "exam"]), row(1, 20, protected=["exam"]), row(2, 5)]
    held = row("h", 10, split="validation", protected=["exam"])
    fake = Fake(tmp_path, {"web/1": [*rows, held]})
    fake.assemble(domain("web"))
    assert fake.rows("select source, documents, tokens from contaminations") == [
        ("exam", 2, 30),
        ("tasks", 1, 10),
    ]
    assert fake.rows("select protected_share from domains") == [(pytest.approx(2 / 3),)]
