import logging
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from support.models import MEAN_LABELS, mean_manifest, write_mean_model, write_mean_version

from repsense.classifiers import Classifier, open_classifier
from repsense.classifiers.following import ModelFollower
from repsense.errors import ClassifierError, ManifestError
from repsense.manifest import ModelManifest, manifest_path, onnx_path
from repsense.registry import ModelRegistry


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A directory of models with version 1 of the mean model in use."""
    write_mean_model(tmp_path / "mean")
    return tmp_path


@pytest.fixture
def in_hand(models: Path) -> Iterator[Classifier]:
    with closing(open_classifier(f"onnx:{models / 'mean'}")) as classifier:
        yield classifier


@pytest.fixture
def follower(models: Path) -> Iterator[ModelFollower]:
    with closing(ModelFollower(f"onnx:{models / 'mean'}")) as follower:
        yield follower


def test_nothing_changes_while_nothing_changes(follower: ModelFollower, in_hand: Classifier) -> None:
    assert follower.choose(in_hand) is in_hand
    assert follower.refusal is None


def test_a_promoted_version_is_handed_over_and_so_is_the_one_before_after_a_rollback(
    models: Path, follower: ModelFollower, in_hand: Classifier
) -> None:
    registry = ModelRegistry(models)
    registry.add("mean", 2, lambda directory: write_mean_version(directory, mean_manifest(version=2)))
    assert follower.choose(in_hand) is in_hand

    registry.promote("mean", 2)
    second = follower.choose(in_hand)
    assert second.manifest.version == 2
    assert second.classify(np.zeros((1, 5, 6), np.float32)).shape == (1, 3)
    assert follower.choose(second) is second

    registry.rollback("mean")
    third = follower.choose(second)
    assert third.manifest.version == 1
    assert follower.choose(third) is third


def _write_misfit(models: Path, how: str) -> None:
    version_directory = models / "mean" / "3"
    manifest = mean_manifest(version=3)
    match how:
        case "nothing in it":
            version_directory.mkdir()
        case "other version":
            write_mean_version(version_directory, mean_manifest(version=2))
        case "other name":
            write_mean_version(version_directory, mean_manifest(version=3, name="other"))
        case "other labels":
            write_mean_version(version_directory, manifest, network=mean_manifest(labels=MEAN_LABELS[:2]))
        case "other channels":
            write_mean_version(version_directory, manifest, network=mean_manifest(window_size=7))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("nothing in it", "cannot read"),
        ("other version", "speaks of version 2: the model was copied to a wrong place"),
        ("other name", "its manifest speaks of other, not of mean"),
        ("other labels", "the output ['n', 2]"),
        ("other channels", "the input ['n', 7, 6]"),
    ],
)
def test_a_misfit_is_refused_once_in_a_sentence_until_its_files_change(
    models: Path,
    follower: ModelFollower,
    in_hand: Classifier,
    *,
    caplog: pytest.LogCaptureFixture,
    how: str,
    reason: str,
) -> None:
    _write_misfit(models, how)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert follower.choose(in_hand) is in_hand

    (message,) = caplog.messages
    assert message.startswith("version 3 of mean is not used: ")
    assert reason in message
    assert follower.refusal is not None
    assert (follower.refusal.version, follower.refusal.reason) == (3, message)

    shutil.rmtree(models / "mean" / "3")
    write_mean_model(models / "mean", mean_manifest(version=3))
    assert follower.choose(in_hand).manifest.version == 3
    assert follower.refusal is None


def test_a_misfit_is_not_loaded_again_and_again(
    models: Path, follower: ModelFollower, in_hand: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mean_model(models / "mean", mean_manifest(version=3))
    onnx_path(models / "mean" / "3").write_bytes(b"not a network")
    follower.choose(in_hand)
    monkeypatch.setattr("repsense.classifiers.onnx.load_manifest", lambda _: pytest.fail("it was loaded again"))

    assert follower.choose(in_hand) is in_hand


def test_a_refusal_is_forgotten_when_the_version_goes_away(
    models: Path, follower: ModelFollower, in_hand: Classifier
) -> None:
    (models / "mean" / "3").mkdir()
    follower.choose(in_hand)
    (models / "mean" / "3").rmdir()

    assert follower.choose(in_hand) is in_hand
    assert follower.refusal is None


def test_without_any_version_the_one_in_hand_goes_on(
    models: Path, follower: ModelFollower, in_hand: Classifier
) -> None:
    shutil.rmtree(models / "mean")

    assert follower.choose(in_hand) is in_hand
    assert follower.refusal is not None
    assert follower.refusal.reason.startswith("the newest version of mean is not used: no model in")


def test_who_uses_a_model_may_refuse_it_for_as_long_as_that_holds(
    models: Path, follower: ModelFollower, in_hand: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    write_mean_model(models / "mean", mean_manifest(version=2))
    reasons: list[str | None] = ["the wrist is too slow", "the wrist is too slow", None]
    asked: list[ModelManifest] = []

    def misfit(manifest: ModelManifest) -> str | None:
        asked.append(manifest)
        return reasons[len(asked) - 1]

    assert follower.choose(in_hand, misfit) is in_hand
    assert follower.choose(in_hand, misfit) is in_hand
    assert caplog.messages == ["version 2 of mean is not used: the wrist is too slow"]
    assert follower.choose(in_hand, misfit).manifest.version == 2
    assert follower.refusal is None
    assert [manifest.version for manifest in asked] == [2, 2, 2]


def test_a_version_that_waits_for_consent_gives_way_to_the_next(
    models: Path, follower: ModelFollower, in_hand: Classifier
) -> None:
    write_mean_model(models / "mean", mean_manifest(version=2))
    assert follower.choose(in_hand, lambda _: "not now") is in_hand
    write_mean_model(models / "mean", mean_manifest(version=3))

    assert follower.choose(in_hand).manifest.version == 3


def test_numbers_that_are_no_probabilities_are_refused(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def logits(*_: object) -> list[np.ndarray[tuple[int, int], np.dtype[np.float32]]]:
        return [np.full((2, 3), 2.0, np.float32)]

    monkeypatch.setattr("onnxruntime.InferenceSession.run", logits)

    with pytest.raises(ClassifierError, match="numbers that are no probabilities"):
        open_classifier(f"onnx:{models / 'mean'}")


def test_a_version_in_a_directory_of_another_number_is_refused(models: Path) -> None:
    shutil.copytree(models / "mean" / "1", models / "mean" / "2")

    with pytest.raises(ManifestError, match=f"{manifest_path(models / 'mean' / '2')} speaks of version 1"):
        open_classifier(f"onnx:{models / 'mean'}")
