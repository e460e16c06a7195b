"""What is missing for a good model."""

from datetime import UTC, date, datetime

import pytest

from repsense_dashboard.api import Label
from repsense_dashboard.api.labels import StoredLabel
from repsense_dashboard.api.recordings import LabelAmount, RecordingSummary, SubjectAmount
from repsense_dashboard.goals import Advice, takes_missing, tell_advice
from repsense_dashboard.session_name import current_session, next_session

_SQUAT, _LUNGE, _REST = Label(exercise="squat", form="correct"), Label(exercise="lunge"), Label(exercise="rest")


def _summary(seconds: dict[Label | None, float], persons: tuple[str, ...] = ("Anna", "Ben")) -> RecordingSummary:
    return RecordingSummary(
        minutes=sum(seconds.values()) / 60,
        n_recordings=len(seconds),
        labels=tuple(LabelAmount(label=each, minutes=lasted / 60, n_recordings=2) for each, lasted in seconds.items()),
        persons=tuple(SubjectAmount(subject=each, minutes=1, n_recordings=1) for each in persons),
        cells=(),
        parts=(),
    )


def _stored(*labels: Label, background: Label | None = _REST) -> list[StoredLabel]:
    return [
        StoredLabel(
            label_id=str(number),
            exercise=label.exercise,
            form=label.form,
            background=label == background,
            version=1,
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number, label in enumerate(labels)
    ]


@pytest.mark.parametrize(
    ("recorded_s", "take_s", "n_takes"),
    [(0, 20, 6), (80, 20, 2), (95, 20, 1), (116, 20, 0), (600, 20, 0), (0, 60, 2), (60, 10, 6)],
)
def test_takes_missing_are_counted_in_takes_of_the_planned_length(
    recorded_s: float, take_s: float, n_takes: int
) -> None:
    assert takes_missing(recorded_s, take_s=take_s) == n_takes


def test_the_scarcest_label_comes_first() -> None:
    advice = tell_advice(_summary({_SQUAT: 80.0, _LUNGE: 40.0, _REST: 200.0}), _stored(_SQUAT, _LUNGE, _REST))
    assert [each.title for each in advice] == ["lunge: 4 more takes", "squat (correct): 2 more takes"]
    assert [each.label for each in advice] == [_LUNGE, _SQUAT]


def test_a_label_without_any_recording_is_missing_most() -> None:
    advice = tell_advice(_summary({_SQUAT: 200.0, _REST: 200.0}), _stored(_SQUAT, _LUNGE, _REST))
    assert advice[0].label == _LUNGE
    assert "nothing of it yet" in advice[0].reason


def test_with_enough_of_everything_there_is_nothing_to_say() -> None:
    enough: dict[Label | None, float] = dict.fromkeys((_SQUAT, _LUNGE, _REST), 150.0)
    assert tell_advice(_summary(enough), _stored(_SQUAT, _LUNGE, _REST)) == []


def test_nothing_recorded_is_said_by_the_page_and_not_here() -> None:
    assert tell_advice(_summary({}), []) == []


def _titles(advice: object) -> list[str]:
    assert isinstance(advice, list)
    return [each.title for each in advice if isinstance(each, Advice)]


def test_what_a_network_needs_besides_time_is_said() -> None:
    alone = tell_advice(_summary({_SQUAT: 200.0, None: 9.0}, persons=("Anna",)), _stored(_SQUAT))
    assert _titles(alone) == [
        "Record a second activity",
        "Record rest, too",
        "Record somebody else, too",
        "Label 2 recordings",
    ]


def test_rest_is_no_second_activity() -> None:
    advice = tell_advice(_summary({_SQUAT: 200.0, _REST: 200.0}), _stored(_SQUAT, _REST))
    assert _titles(advice) == ["Record a second activity"]


def test_a_session_goes_on_until_the_sensor_is_put_on_anew() -> None:
    today, known = date(2026, 3, 5), [None, "garden", "2026-03-04 9", "2026-03-05 2", "2026-03-05 10"]
    assert current_session(today, known) == "2026-03-05 10"
    assert next_session(today, known) == "2026-03-05 11"


def test_the_first_session_of_a_day_has_number_one() -> None:
    today = date(2026, 3, 5)
    assert current_session(today, []) == "2026-03-05 1"
    assert next_session(today, []) == "2026-03-05 1"
