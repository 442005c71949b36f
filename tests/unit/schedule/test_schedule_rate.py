import numpy as np
import pytest

from mixopt.schedule.rate import Decay, RateShape


def test_warmup_stable_decay_by_hand() -> None:
    shape = RateShape(peak=2.0, warmup=0.2, decay=0.4, floor=0.1)
    points = [0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
    np.testing.assert_allclose(shape.at(points), [0, 1, 2, 2, 2, 1.1, 0.2], atol=1e-12)


@pytest.mark.parametrize(
    ("decay", "quarter", "half"),
    [("linear", 0.75, 0.5), ("cosine", (2 + np.sqrt(2)) / 4, 0.5), ("sqrt", 0.5, 1 - np.sqrt(0.5))],
)
def test_decays_at_known_points(decay: Decay, quarter: float, half: float) -> None:
    shape = RateShape(decay=0.8, shape=decay)
    np.testing.assert_allclose(shape.at([0.2, 0.4, 0.6, 1.0]), [1, quarter, half, 0], atol=1e-12)


def test_without_parts_the_rate_is_the_peak() -> None:
    assert RateShape(peak=0.3).at(np.zeros((2, 3))).tolist() == [[0.3] * 3] * 2
