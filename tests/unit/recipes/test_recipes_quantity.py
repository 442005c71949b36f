import pytest
from pydantic import TypeAdapter, ValidationError

from mixopt.recipes.quantity import ByteCount, Quantity, TokenCount, show_quantity

TOKENS: TypeAdapter[int] = TypeAdapter(TokenCount)
BYTES: TypeAdapter[int] = TypeAdapter(ByteCount)
COUNT: TypeAdapter[int] = TypeAdapter(Quantity)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250_000", 250_000),
        ("20B", 20 * 10**9),
        ("1.5T", 1_500_000_000_000),
        ("0.3k", 300),
        ("7 M", 7_000_000),
        ("20B tokens", 20 * 10**9),
        ("12 tokens", 12),
        ("1.234567891G", 1_234_567_891),
        (17, 17),
        (2e9, 2 * 10**9),
    ],
)
def test_tokens_are_read_with_units(text: object, expected: int) -> None:
    assert TOKENS.validate_python(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12MB", 12_000_000),
        ("1.5GB", 1_500_000_000),
        ("512 KB", 512_000),
        ("100B", 100),
        ("3TB", 3 * 10**12),
        ("5M", 5_000_000),
        ("64 bytes", 64),
        ("8", 8),
    ],
)
def test_a_b_means_bytes_where_bytes_are_counted(text: str, expected: int) -> None:
    assert BYTES.validate_python(text) == expected


@pytest.mark.parametrize("text", ["3Q", "", "B", "-5", "1.5", "1e9", "12MB", "5 tonnes", True, "0"])
def test_what_is_no_count_of_tokens_is_refused(text: object) -> None:
    with pytest.raises(ValidationError, match=r"number of tokens above 0 such as|greater than 0"):
        TOKENS.validate_python(text)


def test_every_refusal_names_its_unit() -> None:
    with pytest.raises(ValidationError, match="number of bytes above 0 such as 250_000, '512KB'"):
        BYTES.validate_python("12MiB")
    with pytest.raises(ValidationError, match="count above 0 such as 250_000, '124M' or '7B'"):
        COUNT.validate_python("20B tokens")
    assert COUNT.validate_python("124M") == 124_000_000


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1K"),
        (1_500_000_000, "1.5B"),
        (999_499, "999K"),
        (999_500, "1M"),
        (124_439_808, "124M"),
        (15e12, "15T"),
        (-2500, "-2.5K"),
        (12.345, "12.3"),
    ],
)
def test_counts_are_shown_with_three_digits(count: float, expected: str) -> None:
    assert show_quantity(count) == expected


@pytest.mark.parametrize("count", [1, 640, 20_000, 3_140_000, 7 * 10**9, 15 * 10**12])
def test_what_is_shown_is_read_back(count: int) -> None:
    assert TOKENS.validate_python(show_quantity(count)) == count
