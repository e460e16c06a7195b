"""What a choice of data comes to, what is wrong with it, and what a training of it would be."""

import math

import pytest
from services.dashboard.tests import fake_training
from services.dashboard.tests.fake_training import make_holding, make_manifest

from repsense_dashboard.api import Label
from repsense_dashboard.api.training import Holding, Manifest
from repsense_dashboard.training_plan import (
    Choice,
    Plan,
    expected_duration_s,
    is_model_name,
    make_plan,
    n_networks,
    possible_tests,
    training_request,
)

_SQUAT, _LUNGE, _REST = (Label(exercise=exercise) for exercise in ("squat", "lunge", "rest"))


def _holdings(*documents: dict[str, object]) -> list[Holding]:
    return [Holding.model_validate(document) for document in documents]


def _plan(*documents: dict[str, object], choice: Choice | None = None) -> Plan:
    return make_plan(_holdings(*documents), choice or Choice(), {_REST})


def _full_plan(n_persons: int) -> Plan:
    persons = [f"p{number}" for number in range(n_persons)]
    return make_plan(_holdings(*fake_training.make_holdings(persons)), Choice(), {_REST})


def test_everything_is_used_by_default() -> None:
    plan = _full_plan(3)
    assert plan.problems == ()
    assert (len(plan.labels), plan.background) == (9, (_REST,))
    assert (plan.group_by, plan.groups, plan.group_word) == ("subject", ("p0", "p1", "p2"), "person")
    assert math.isclose(sum(plan.minutes_by_label().values()), plan.minutes)
    assert plan.n_recordings == 3 * 2 * 9 * 3


def test_with_one_person_the_sessions_are_left_out() -> None:
    plan = _plan(make_holding("squat", session="a"), make_holding("lunge", session="b"))
    assert (plan.group_by, plan.groups) == ("session", ("Anna/a", "Anna/b"))


def test_with_recordings_of_nobody_known_the_sessions_are_left_out() -> None:
    plan = _plan(make_holding("squat", session="a", subject=None), make_holding("lunge", session="b"))
    assert plan.groups == ("Anna/b", "a")


def test_a_session_of_nobody_known_may_be_that_of_somebody_under_the_same_name() -> None:
    plan = _plan(make_holding("squat", session="a", subject=None), make_holding("lunge", session="a"))
    assert plan.groups == ("a",)
    assert possible_tests(plan)[0] == ("quick",)


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([], "Nothing is selected"),
        ([make_holding("squat"), make_holding("squat", subject="Ben")], "all of this is squat"),
        ([make_holding("squat"), make_holding("lunge", session=None)], "3 recordings name no session"),
        ([make_holding("squat"), make_holding("lunge", session=None, n_recordings=1)], "1 recording names no session"),
    ],
)
def test_what_the_trainer_would_refuse_is_said_before(documents: list[dict[str, object]], said: str) -> None:
    (problem,) = _plan(*documents).problems
    assert said in problem


def test_all_of_it_no_exercise_is_said_before() -> None:
    holdings = _holdings(make_holding("rest"), make_holding("squat"))
    assert "no exercise" in make_plan(holdings, Choice(), {_REST, _SQUAT}).problems[0]


def test_no_session_is_needed_where_persons_are_told_apart() -> None:
    plan = _plan(make_holding("squat", session=None), make_holding("lunge", session=None, subject="Ben"))
    assert plan.problems == ()


def test_recordings_without_a_label_are_left_out_by_naming_the_labels() -> None:
    plan = _plan(make_holding("squat"), make_holding("lunge"), make_holding(None, n_recordings=1))
    assert plan.n_unlabelled == 1
    assert "1 recording without a label is left out." in plan.hints
    assert training_request(plan, "quick", "a").selection.labels == (_LUNGE, _SQUAT)


def test_a_choice_becomes_the_filters_of_the_request() -> None:
    choice = Choice(frozenset({"Anna"}), frozenset({"monday"}), frozenset({"wrist"}), frozenset({_SQUAT, _LUNGE}))
    plan = _plan(
        make_holding("squat"),
        make_holding("lunge"),
        make_holding("jump"),
        make_holding("squat", subject="Ben"),
        make_holding("squat", session="friday"),
        make_holding("squat", sensor_id="ankle"),
        choice=choice,
    )
    assert plan.n_recordings == 6
    selection = training_request(plan, "honest", "a").selection
    assert (selection.subjects, selection.sessions, selection.sensors) == (("Anna",), ("monday",), ("wrist",))
    assert selection.labels == (_LUNGE, _SQUAT)


def test_without_a_choice_the_request_filters_nothing() -> None:
    assert training_request(_full_plan(2), "honest", "a").selection.model_dump(exclude_none=True) == {}


def test_when_persons_are_picked_what_is_of_nobody_is_left_out_and_said() -> None:
    plan = _plan(make_holding("squat"), make_holding("lunge", subject=None), choice=Choice(persons=frozenset({"Anna"})))
    assert plan.n_recordings == 3
    assert any("nobody known" in hint for hint in plan.hints)


def test_what_only_one_person_has_recorded_is_said_not_to_be_tested() -> None:
    documents = fake_training.make_holdings(("Anna", "Ben"), (("squat", None), ("lunge", None), ("rest", None)))
    plan = _plan(*documents, make_holding("jump"))
    assert plan.hints == ("jump: recorded by one person only, so learned but not tested.",)


def test_little_of_a_label_and_no_rest_are_said() -> None:
    hints = " ".join(_plan(make_holding("squat", minutes=0.4), make_holding("lunge")).hints)
    assert "less than half a minute of squat" in hints
    assert "what is no exercise" in hints


def test_a_test_is_usual_where_there_is_somebody_to_leave_out() -> None:
    assert possible_tests(_full_plan(2)) == (("honest", "thorough", "quick"), "")


def test_one_session_cannot_be_tested() -> None:
    tests, reason = possible_tests(_plan(make_holding("squat"), make_holding("lunge")))
    assert tests == ("quick",)
    assert "second person" in reason


def test_persons_who_did_different_things_cannot_be_tested() -> None:
    tests, reason = possible_tests(_plan(make_holding("squat"), make_holding("lunge", subject="Ben")))
    assert tests == ("quick",)
    assert "two persons have both recorded" in reason


@pytest.mark.parametrize(
    ("n_persons", "quick", "honest", "thorough"),
    [
        # 8 labels that are exercises, each left out once; then 1 on everything.
        (2, 1, 2 + 8 + 1, 2 + 8 + 2 + 1),
        (5, 1, 5 + 8 + 1, 5 + 8 + (5 + 5 + 5) + 1),
        (30, 1, 20 + 8 + 1, 20 + 8 + (20 + 5 + 5 + 5 + 5) + 1),
    ],
)
def test_the_networks_are_counted_as_the_trainer_does(n_persons: int, quick: int, honest: int, thorough: int) -> None:
    plan = _full_plan(n_persons)
    assert [n_networks(plan, how) for how in ("quick", "honest", "thorough")] == [quick, honest, thorough]


def test_with_two_labels_none_is_left_out() -> None:
    plan = _plan(*fake_training.make_holdings(("Anna", "Ben"), (("squat", None), ("lunge", None))))
    assert n_networks(plan, "honest") == 3


def test_the_kind_of_test_becomes_configuration_with_the_background() -> None:
    plan = _full_plan(2)
    flags = {
        how: training_request(plan, how, "a").configuration.evaluation.model_dump(exclude={"group_by"})
        for how in ("quick", "honest", "thorough")
    }
    assert flags == {
        "quick": {"leave_one_group_out": False, "unknown": False, "few_shot": False},
        "honest": {"leave_one_group_out": True, "unknown": True, "few_shot": False},
        "thorough": {"leave_one_group_out": True, "unknown": True, "few_shot": True},
    }
    assert training_request(plan, "quick", "a").configuration.background == (_REST,)


def test_a_duration_is_expected_from_the_newest_network_and_grows_with_the_work() -> None:
    plan = _full_plan(2)
    known = [Manifest.model_validate(make_manifest(version)) for version in (1, 2)]
    quick_s = expected_duration_s(plan, "quick", known)
    honest_s = expected_duration_s(plan, "honest", known)
    assert quick_s is not None
    assert honest_s is not None
    assert math.isclose(honest_s, quick_s * n_networks(plan, "honest"))
    assert expected_duration_s(plan, "quick", []) is None


@pytest.mark.parametrize(("name", "fits"), [("bodyweight", True), ("garden-2", True), ("Garden", False), ("", False)])
def test_names_of_models(name: str, fits: bool) -> None:  # noqa: FBT001
    assert is_model_name(name) is fits
