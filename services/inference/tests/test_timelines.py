from hypothesis import given
from hypothesis import strategies as st

from repsense.labels import Label
from repsense_inference.timelines import LabelledWindow, thin_out

_PUSH_UP, _SQUAT = Label(exercise="push-up"), Label(exercise="squat")


def _windows(labels: str, begin_us: int = 0) -> list[LabelledWindow]:
    """A window per letter, each 20 long and 10 after the one before: p, s, or - for unknown."""
    meant = {"p": _PUSH_UP, "s": _SQUAT, "-": None}
    return [
        LabelledWindow(begin_us + 10 * number, begin_us + 10 * number + 20, meant[letter], 0.5)
        for number, letter in enumerate(labels)
    ]


def test_few_windows_stay_as_they_are() -> None:
    windows = _windows("pps-")

    assert thin_out(windows, 4) == windows
    assert thin_out([], 1) == []


def test_windows_that_lie_together_become_one_with_the_label_of_most() -> None:
    found = thin_out(_windows("pppspssspsss"), 3)

    assert [(one.start_us, one.end_us, one.label) for one in found] == [
        (0, 50, _PUSH_UP),
        (40, 90, _SQUAT),
        (80, 130, _SQUAT),
    ]


def test_the_confidence_is_of_the_windows_with_the_label() -> None:
    windows = [
        LabelledWindow(0, 20, _PUSH_UP, 0.8),
        LabelledWindow(10, 30, None, 0.0),
        LabelledWindow(20, 40, _PUSH_UP, 0.9),
    ]

    (found,) = thin_out(windows, 1)

    assert (found.label, round(found.confidence, 6)) == (_PUSH_UP, 0.85)


def test_nothing_is_shown_where_there_is_a_pause() -> None:
    pause = (60, 1_000)

    found = thin_out([*_windows("ppppp"), *_windows("sssss", begin_us=pause[1])], 6)

    assert found
    assert all(one.end_us <= pause[0] or one.start_us >= pause[1] for one in found)


@given(labels=st.text("ps-", max_size=60), max_points=st.integers(1, 20))
def test_there_are_never_more_than_asked_for_and_none_is_left_out(labels: str, max_points: int) -> None:
    windows = _windows(labels)

    found = thin_out(windows, max_points)

    assert len(found) <= max_points
    assert [one.start_us for one in found] == sorted(one.start_us for one in found)
    if windows:
        assert (found[0].start_us, found[-1].end_us) == (windows[0].start_us, windows[-1].end_us)
