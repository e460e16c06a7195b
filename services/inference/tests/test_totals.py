import pytest

from repsense.documents import ExerciseTotalDocument, LabelDocument, SetEditDocument
from repsense_inference.totals import ExerciseTotal, add_up, incorrect_share, sums_of_edit, total_seen

_SECOND = 1_000_000
_PUSH_UPS = ExerciseTotalDocument(
    exercise="push-up", n_sets=3, duration_us=90 * _SECOND, form_windows={"correct": 30, "incorrect": 10}
)
_SQUATS = ExerciseTotalDocument(exercise="squat", n_sets=1, duration_us=30 * _SECOND, form_windows={})


def _edit(
    label: LabelDocument | None = None, *, discarded: bool = False, repetitions: int | None = None
) -> SetEditDocument:
    """What was said of a set of push-ups with 6 windows of correct form and 4 of incorrect."""
    return SetEditDocument(
        _id="wrist-2",
        workout_id="wrist-1",
        started_us=2,
        version=1,
        changed_us=3,
        label=label,
        discarded=discarded,
        repetitions=repetitions,
        note=None,
        original=ExerciseTotalDocument(
            exercise="push-up", n_sets=1, duration_us=20 * _SECOND, form_windows={"correct": 6, "incorrect": 4}
        ),
        n_windows=10,
    )


def _corrected(*edits: SetEditDocument) -> dict[str, ExerciseTotal]:
    seen = [total_seen(one) for one in (_PUSH_UPS, _SQUATS)]
    corrections = [part for edit in edits for part in sums_of_edit(edit)]
    return {one.exercise: one for one in add_up([*seen, *corrections])}


def test_without_edits_a_workout_is_what_the_network_saw() -> None:
    found = _corrected()

    assert list(found) == ["push-up", "squat"]
    assert found["push-up"] == ExerciseTotal("push-up", 3, 90 * _SECOND, 40, 10, None)
    assert found["push-up"].incorrect_share == 0.25
    assert found["squat"].incorrect_share is None


def test_a_corrected_set_moves_to_its_exercise_with_all_its_windows_in_its_form() -> None:
    found = _corrected(_edit({"exercise": "squat", "form": "incorrect"}))

    assert found["push-up"] == ExerciseTotal("push-up", 2, 70 * _SECOND, 30, 6)
    assert found["squat"] == ExerciseTotal("squat", 2, 50 * _SECOND, 10, 10)


def test_a_set_corrected_to_an_exercise_without_forms_has_no_share_of_them() -> None:
    found = _corrected(_edit({"exercise": "lunge", "form": None}))

    assert found["lunge"] == ExerciseTotal("lunge", 1, 20 * _SECOND, 0, 0)


def test_a_discarded_set_does_not_count_whatever_else_was_said_of_it() -> None:
    found = _corrected(_edit({"exercise": "lunge", "form": None}, discarded=True, repetitions=9))

    assert found["push-up"] == ExerciseTotal("push-up", 2, 70 * _SECOND, 30, 6)
    assert "lunge" not in found


def test_an_exercise_of_which_no_set_is_left_is_gone() -> None:
    original = ExerciseTotalDocument(exercise="squat", n_sets=1, duration_us=30 * _SECOND, form_windows={})
    edit: SetEditDocument = {**_edit(discarded=True), "original": original}

    assert list(_corrected(edit)) == ["push-up"]


def test_repetitions_add_up_as_far_as_they_were_counted() -> None:
    assert _corrected(_edit(repetitions=12), _edit(repetitions=8))["push-up"].repetitions == 20
    assert _corrected(_edit(repetitions=0))["push-up"].repetitions == 0
    assert _corrected(_edit())["push-up"].repetitions is None
    moved = _corrected(_edit({"exercise": "squat", "form": None}, repetitions=12))
    assert (moved["push-up"].repetitions, moved["squat"].repetitions) == (None, 12)


def test_a_note_alone_changes_no_total() -> None:
    assert _corrected(_edit()) == _corrected()


@pytest.mark.parametrize(
    ("form_windows", "share"), [({}, None), ({"correct": 3}, 0.0), ({"correct": 3, "incorrect": 1}, 0.25)]
)
def test_the_share_of_incorrect_windows_is_of_those_whose_form_is_known(
    form_windows: dict[str, int], share: float | None
) -> None:
    assert incorrect_share(form_windows) == share
