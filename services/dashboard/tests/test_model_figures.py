"""A model's figures in words, and two models beside each other."""

import pytest
from services.dashboard.tests.fake_training import LABELS, make_evaluation, make_manifest

from repsense_dashboard.api.training import Evaluation, Manifest
from repsense_dashboard.model_figures import (
    compare,
    group_name,
    group_noun,
    groups_tested,
    interval_words,
    mistakes,
    verdict,
)


def _manifest(version: int = 1, *, skill: float = 1.0, **changes: object) -> Manifest:
    document = make_manifest(version, evaluation=make_evaluation(skill=skill))
    return Manifest.model_validate(document | changes)


def _evaluation(**changes: object) -> Evaluation:
    return Evaluation.model_validate(make_evaluation() | changes)


def test_the_verdict_says_on_whom() -> None:
    assert verdict(_evaluation()).endswith("of people whom the network had never seen.")
    by_session = _evaluation(group_by="session")
    assert "of sessions that" in verdict(by_session)
    assert group_noun(by_session) == "session"


def test_the_interval_is_said_or_why_there_is_none() -> None:
    said = interval_words(_evaluation(accuracy_interval=[0.9, 0.95])).replace("\u00a0", " ")
    assert "between 90 % and 95 %" in said
    assert "5 persons are too few" in interval_words(_evaluation(accuracy_interval=None))


def test_groups_are_named_as_people_write_them() -> None:
    assert group_name("Anna/monday") == "Anna, monday"
    assert groups_tested(_evaluation()) == "5 persons (Anna, Ben, Chris and 2 more)"


def test_the_commonest_mistakes_come_first() -> None:
    first, *rest = mistakes(_manifest())
    assert (first.label, first.said) == ("squat (incorrect)", "squat (correct)")
    assert first.share == pytest.approx(14 / 120)
    assert len(rest) == 2
    assert all(mistake.share <= first.share for mistake in rest)


def test_without_figures_there_are_no_mistakes() -> None:
    assert mistakes(_manifest(evaluation=None)) == ()
    assert mistakes(_manifest(skill=100.0)) == ()


def test_models_of_the_same_recordings_are_compared_without_caution() -> None:
    fingerprint = {"dataset_fingerprint": "f" * 64}
    old, new = _manifest(1), _manifest(2, skill=2.0)
    old, new = (one.model_copy(update={"training": one.training.model_copy(update=fingerprint)}) for one in (old, new))
    comparison = compare(new, old)
    assert comparison.caution == ""
    assert comparison.gain is not None
    assert comparison.gain > 0
    gains = {one.label: one.gain for one in comparison.labels}
    assert len(gains) == len(LABELS)
    squat, rest = gains["squat (incorrect)"], gains["rest"]
    assert squat is not None
    assert squat > 0.05
    assert rest == 0.0


def test_models_of_different_recordings_are_compared_with_caution() -> None:
    comparison = compare(_manifest(2), _manifest(1))
    assert comparison.gain == 0.0
    assert "its own recordings" in comparison.caution


def test_persons_are_harder_than_sessions() -> None:
    old = Manifest.model_validate(make_manifest(1, evaluation=make_evaluation(group_by="session")))
    assert "version 2 was tested on persons" in compare(_manifest(2), old).caution
    assert "version 2 was tested on persons" in compare(old, _manifest(2)).caution


def test_labels_that_only_one_knows_are_said() -> None:
    labels = [*LABELS[1:], ("burpee", None)]
    new = Manifest.model_validate(make_manifest(2, labels=labels, evaluation=make_evaluation(labels)))
    comparison = compare(new, _manifest(1))
    assert (comparison.added, comparison.dropped) == (("burpee",), ("jumping jack",))
    by_label = {one.label: one for one in comparison.labels}
    assert by_label["burpee"].current is None
    assert by_label["burpee"].gain is None
    assert by_label["jumping jack"].candidate is None


@pytest.mark.parametrize(
    ("untested", "said"), [((2,), "version 2 was never"), ((1, 2), "version 2 and version 1 were never")]
)
def test_what_was_not_tested_cannot_be_compared(untested: tuple[int, ...], said: str) -> None:
    new, old = (
        _manifest(version).model_copy(update={"evaluation": None} if version in untested else {}) for version in (2, 1)
    )
    comparison = compare(new, old)
    assert comparison.gain is None
    assert said in comparison.caution
    assert len(comparison.labels) == len(LABELS)


def test_models_of_different_things_cannot_be_compared() -> None:
    labels = [("digging", None), ("raking", None)]
    new = Manifest.model_validate(make_manifest(2, labels=labels, evaluation=make_evaluation(labels)))
    comparison = compare(new, _manifest(1))
    assert comparison.gain is None
    assert "no activity that both know" in comparison.caution
