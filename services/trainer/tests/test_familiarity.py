import numpy as np
import pytest
from numpy.typing import NDArray

from repsense_trainer import familiarity
from repsense_trainer.familiarity import Familiarity, fit_familiarity

CENTRES = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0]], dtype=np.float32)
NO_LEVELS = np.empty(0, np.float32)


def drawn(groups: tuple[str, ...], n_each: int = 40, seed: int = 0) -> tuple[NDArray[np.float32], ...]:
    """Statistics of three labels in some groups, each label about its centre."""
    random = np.random.default_rng(seed)
    labels = np.tile(np.repeat(np.arange(3), n_each), len(groups))
    names = np.repeat(np.array(groups), 3 * n_each)
    statistics = (CENTRES[labels] + random.normal(size=(len(labels), 3))).astype(np.float32)
    return statistics, labels, names


def known(fitted: Familiarity, *points: tuple[float, float, float]) -> NDArray[np.float32]:
    return np.asarray(fitted.known(np.array(points, dtype=np.float32)))[:, 0]


def fitted(groups: tuple[str, ...] = ("1", "2", "3"), **drawing: int) -> Familiarity | None:
    statistics, labels, names = drawn(groups, **drawing)
    return fit_familiarity(statistics, labels, names, NO_LEVELS, seed=0)  # type: ignore[arg-type]


def test_what_is_near_any_trained_window_is_known_and_what_is_far_from_all_is_not() -> None:
    of_training = fitted()
    assert of_training is not None

    near = known(of_training, (0, 0, 0), (10, 0, 0), (0, 10, 0), (1, 1, 1))
    far = known(of_training, (10, 10, 0), (5, 5, 8), (0, 0, 12), (-300, 0, 0))

    assert near.min() > 0.9
    assert far.max() < 0.1


def test_a_single_group_says_nothing_of_another() -> None:
    assert fitted(("1",)) is None


def test_of_much_that_is_trained_only_some_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(familiarity, "MAX_REMEMBERED", 50)

    few = fitted(n_each=100)

    assert few is not None
    assert few.memory.shape == (50, 3)
    assert known(few, (0, 0, 0)) > 0.5 > known(few, (30, 30, 30))


def test_a_level_may_be_off_by_its_tolerance() -> None:
    statistics, labels, names = drawn(("1", "2", "3"))
    strict, tolerant = (
        fit_familiarity(statistics, labels, names, np.array([tolerance], np.float32), seed=0)  # type: ignore[arg-type]
        for tolerance in (0.0, 5.0)
    )
    assert strict is not None
    assert tolerant is not None

    # Nobody trained 20 in the first statistic; a step of 10 is what tells two labels apart.
    assert tolerant.weights[0] < 0.3 * strict.weights[0]
    np.testing.assert_array_equal(tolerant.weights[1:], strict.weights[1:])
