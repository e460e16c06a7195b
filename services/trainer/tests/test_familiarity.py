import numpy as np
import pytest
from numpy.typing import NDArray

from repsense_trainer import familiarity
from repsense_trainer.familiarity import Familiarity, fit_familiarity, guess_familiarity

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


@pytest.mark.parametrize("n_takes", [1, 2, 3])
def test_of_a_single_group_what_is_far_from_all_takes_is_not_known(n_takes: int) -> None:
    statistics, labels, _ = drawn(("1",) * n_takes)
    takes = np.arange(len(labels)) // 40  # one label each

    guessed = guess_familiarity(statistics, labels, takes, NO_LEVELS, seed=0)  # type: ignore[arg-type]

    assert guessed is not None
    # Another session may lie further from all takes than they lie from each other.
    assert known(guessed, (0, 0, 0), (10, 0, 0), (0, 10, 0), (2, 2, 2)).min() > 0.9
    assert known(guessed, (0, 0, 25), (-300, 0, 0)).max() < 0.1


def test_of_one_window_per_label_nothing_is_guessed() -> None:
    one_each = np.arange(3)

    assert guess_familiarity(CENTRES, one_each, one_each, NO_LEVELS, seed=0) is None


def test_takes_that_are_all_the_same_are_known() -> None:
    guessed = guess_familiarity(
        np.repeat(CENTRES, 9, axis=0), np.arange(27) // 9, np.arange(27) // 3, NO_LEVELS, seed=0
    )

    assert guessed is not None
    assert known(guessed, (0, 0, 0), (10, 0, 0)).min() > 0.9
    assert known(guessed, (1, 0, 0)) < 0.1


def test_labels_that_lie_far_apart_do_not_make_everything_between_them_known() -> None:
    statistics, labels, groups = drawn(("1", "2", "3"))
    far_apart = (statistics + 50 * CENTRES[labels]).astype(np.float32)

    of_training = fit_familiarity(far_apart, labels, groups, NO_LEVELS, seed=0)  # type: ignore[arg-type]

    assert of_training is not None
    assert known(of_training, (0, 0, 0), (510, 0, 0), (1, 1, 1)).min() > 0.9
    assert known(of_training, (255, 0, 0), (100, 100, 0), (0, 0, 30)).max() < 0.1


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
