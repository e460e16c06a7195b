import contextlib
import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution, IntDistribution
from typer.testing import CliRunner

from repsense.channels import Channel
from repsense.labels import Label
from repsense.recordings import Recording
from repsense.training import Augmentation, NetworkConfiguration, TrainingConfiguration, WindowConfiguration
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.dataset import Dataset, make_dataset
from repsense_trainer.errors import ConfigurationError, DatasetError
from repsense_trainer.evaluation import Answer, Classify
from repsense_trainer.tune_commands import tune
from repsense_trainer.tuning import (
    SPACE,
    UNANSWERED,
    OnEpoch,
    Outcome,
    Questions,
    Tuning,
    configured,
    make_questions,
    search_space,
)

WriteDataset = Callable[..., Path]

RATE_HZ = 2.0
LABELS = (Label(exercise="bow", form="deep"), Label(exercise="sway"))
BASE = ConfigurationFile(name="tiny", network=NetworkConfiguration(epochs=12), background=(LABELS[1],))


def recording(session: str, label_index: int, n_samples: int = 40, rate_hz: float = RATE_HZ) -> Recording:
    """Its ax is the label's index, its ay the time in seconds, its az another one in every session."""
    samples = np.zeros((n_samples, 3), dtype=np.float32)
    samples[:, 0] = label_index
    samples[:, 1] = np.arange(n_samples) / rate_hz
    samples[:, 2] = ord(session)
    return Recording(samples, (Channel.AX, Channel.AY, Channel.AZ), rate_hz, LABELS[label_index], session=session)


RECORDINGS = [recording(session, label_index) for session in "123456" for label_index in (0, 1)]


def fake_train(dataset: Dataset, configuration: TrainingConfiguration, on_epoch: OnEpoch) -> Classify:
    """A network that is the more often wrong the further its dropout is from 0.35."""
    on_epoch(1, 0.5)

    def classify(windows: NDArray[np.float32]) -> Answer:
        logits = np.eye(len(dataset.labels), dtype=np.float32)[windows[:, 0, 0].astype(int)]
        is_wrong = windows[:, 0, 1] / 20 < abs(configuration.network.dropout - 0.35)
        logits[is_wrong] = logits[is_wrong][:, ::-1]
        return Answer(logits, np.ones(len(windows), dtype=np.float32))

    return classify


class Silence:
    """Nobody watches."""

    def begin(self, number: int) -> None:
        pass

    def epoch(self, fold: int, n_folds: int, epoch: int, n_epochs: int) -> None:
        pass

    def end(self, outcome: Outcome) -> None:
        pass


class KilledDuring(Silence):
    """Killed in the last fold of a trial, which the journal then does not know the end of."""

    def __init__(self, number: int) -> None:
        self._killed_in = number
        self._number = -1

    def begin(self, number: int) -> None:
        self._number = number

    def epoch(self, fold: int, n_folds: int, epoch: int, n_epochs: int) -> None:  # noqa: ARG002
        if self._number == self._killed_in and fold == n_folds:
            raise KeyboardInterrupt


@contextlib.contextmanager
def opened(
    journal: Path,
    recordings: Sequence[Recording] = RECORDINGS,
    base: ConfigurationFile = BASE,
    *,
    n_folds: int = 4,
    seed: int = 0,
    max_window_s: float | None = None,
) -> Iterator[Tuning]:
    with contextlib.closing(
        Tuning(recordings, base, journal, n_folds=n_folds, seed=seed, max_window_s=max_window_s)
    ) as tuning:
        yield tuning


def outcomes(journal: Path, n_trials: int) -> list[Outcome]:
    with opened(journal) as tuning:
        tuning.run(fake_train, n_trials, Silence())
        return tuning.outcomes


def test_the_untuned_configuration_comes_first_and_a_better_one_is_found(tmp_path: Path) -> None:
    with opened(tmp_path / "journal") as tuning:
        tuning.run(fake_train, 25, Silence())

        untuned, best = tuning.outcomes[0], tuning.best
        assert best is not None
        assert len(tuning.outcomes) == 25
        assert tuning.configuration(untuned) == BASE
        assert untuned.values["network.dropout"] == BASE.network.dropout
        assert untuned.accuracy < best.accuracy
        assert abs(tuning.configuration(best).network.dropout - 0.35) < 0.05


def test_if_nothing_is_better_it_stays_with_the_untuned_configuration(tmp_path: Path) -> None:
    base = BASE.model_copy(update={"network": NetworkConfiguration(dropout=0.35)})

    with opened(tmp_path / "journal", base=base) as tuning:
        tuning.run(fake_train, 8, Silence())

        assert tuning.best == tuning.outcomes[0]
        assert tuning.outcomes[0].accuracy == 1


def test_hopeless_trials_are_given_up_and_never_the_best(tmp_path: Path) -> None:
    n_trainings = 0

    def count(dataset: Dataset, configuration: TrainingConfiguration, on_epoch: OnEpoch) -> Classify:
        nonlocal n_trainings
        n_trainings += 1
        return fake_train(dataset, configuration, on_epoch)

    with opened(tmp_path / "journal") as tuning:
        tuning.run(count, 25, Silence())

        pruned = [outcome for outcome in tuning.outcomes if outcome.is_pruned]
        assert pruned
        assert not any(outcome.number < 5 for outcome in pruned)
        assert 25 * 2 < n_trainings < 25 * 4
        assert tuning.best not in pruned


@pytest.mark.parametrize("number", [0, 3, 14])
def test_a_killed_search_goes_on_and_finds_what_it_would_have_found(tmp_path: Path, number: int) -> None:
    journal = tmp_path / "journal"
    with opened(journal) as tuning, pytest.raises(KeyboardInterrupt):
        tuning.run(fake_train, 18, KilledDuring(number))
    # What a power cut leaves of a line.
    with journal.open("ab") as file:
        file.write(b'{"op_code":4,"wor')

    with opened(journal) as tuning:
        assert len(tuning.outcomes) == number

    assert outcomes(journal, 18) == outcomes(tmp_path / "other", 18)


def test_trials_of_earlier_runs_count(tmp_path: Path) -> None:
    assert outcomes(tmp_path / "journal", 4) == outcomes(tmp_path / "journal", 3)
    assert [outcome.number for outcome in outcomes(tmp_path / "journal", 6)] == [0, 1, 2, 3, 4, 5]


def test_after_the_timeout_no_trial_begins(tmp_path: Path) -> None:
    with opened(tmp_path / "journal") as tuning:
        tuning.run(fake_train, 3, Silence(), timeout_s=0)

        assert tuning.outcomes == []
        assert tuning.best is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recordings": [*RECORDINGS[:-1], replace(RECORDINGS[-1], subject="B")]}, "the recordings changed"),
        ({"base": BASE.model_copy(update={"seed": 3})}, "the configuration changed"),
        ({"max_window_s": 4.0}, "the search space changed"),
        ({"n_folds": 3, "seed": 1}, "the number of folds, the seed changed"),
    ],
)
def test_trials_that_cannot_be_compared_are_refused(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    outcomes(tmp_path / "journal", 2)

    with pytest.raises(ConfigurationError, match=words), opened(tmp_path / "journal", **changes):  # type: ignore[arg-type]
        pass

    assert len(outcomes(tmp_path / "journal", 2)) == 2


def test_a_journal_belongs_to_one_search_at_a_time(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "journal"),
        pytest.raises(ConfigurationError, match="in use: another search is under way"),
        opened(tmp_path / "journal"),
    ):
        pass


@pytest.mark.parametrize("content", ["hello\n", '{"hello": 1}\n', "[]\n"])
def test_another_file_is_not_taken_for_a_journal(tmp_path: Path, content: str) -> None:
    (tmp_path / "journal").write_text(content)

    with pytest.raises(ConfigurationError, match="is no journal of a search"), opened(tmp_path / "journal"):
        pass


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot write .*nowhere"), opened(tmp_path / "nowhere" / "journal"):
        pass


def test_a_longest_window_below_the_configuration_s_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"shorter than the configuration's, which is 2\.5 s"),
        opened(tmp_path / "journal", max_window_s=2.0),
    ):
        pass


def test_one_session_is_not_enough(tmp_path: Path) -> None:
    with (
        pytest.raises(DatasetError, match="two sessions or more with the same activities"),
        opened(tmp_path / "journal", RECORDINGS[:2]),
    ):
        pass


def cut(window_s: float, stride_s: float = 0.5) -> Dataset:
    return make_dataset(RECORDINGS, WindowConfiguration(window_s=window_s, stride_s=stride_s))


def first_sample_s(dataset: Dataset, questions: Questions) -> list[float]:
    """For each question about the first recording when the window that answers it begins: told by a network."""
    begins_s: list[float] = []

    def train(training: Dataset) -> Classify:
        assert not {*training.groups} & {*questions.fold}

        def classify(windows: NDArray[np.float32]) -> Answer:
            begins_s.extend(windows[:, 0, 1].tolist())
            return Answer(
                np.zeros((len(windows), len(LABELS)), dtype=np.float32), np.ones(len(windows), dtype=np.float32)
            )

        return classify

    questions.answers(dataset, train)
    return begins_s


def test_windows_of_every_length_are_asked_about_the_same_moments() -> None:
    # seconds   0   1   2   3   4   5  …  20
    # longest   |-----------|                      asked from here on, every stride: ?
    #                       ?   ?   ?  …   ?
    # short         |-------|                      the last that has ended by then
    (questions,) = make_questions(cut(3.0), 1000, longest_s=3.0, step_s=1.0)[:1]

    of_first = questions.moments_s[questions.recordings == questions.recordings[0]]
    np.testing.assert_allclose(of_first, np.arange(3.0, 21.0))
    assert questions.fold == ("1",)
    for dataset in (cut(3.0), cut(2.0), cut(1.0, 1.0)):
        answers = questions.answers(dataset, lambda training: fake_train(training, BASE, lambda *_: None))
        assert answers.shape == questions.label_indices.shape
        assert UNANSWERED not in answers
    assert first_sample_s(cut(2.0), questions)[:3] == [0.0, 0.5, 1.0]


def test_the_last_window_before_a_moment_answers_for_it() -> None:
    (questions,) = make_questions(cut(3.0), 1000, longest_s=3.0, step_s=0.5)[:1]
    dataset = cut(2.0, 2.0)

    def train(_: Dataset) -> Classify:
        def classify(windows: NDArray[np.float32]) -> Answer:
            # Windows begin after 0, 2, 4 … s: every second one says the other label.
            said = (windows[:, 0, 1] // 2 % 2).astype(int)
            return Answer(np.eye(2, dtype=np.float32)[said], np.ones(len(windows), dtype=np.float32))

        return classify

    answers = questions.answers(dataset, train)[questions.recordings == questions.recordings[0]]

    # Asked after     3.0 3.5 4.0 4.5 5.0 5.5 6.0 s
    # answered by the window of
    #                 0-2 0-2 2-4 2-4 2-4 2-4 4-6 s
    assert answers[:7].tolist() == [0, 0, 1, 1, 1, 1, 0]


def test_every_strength_of_augmentation_is_searched() -> None:
    assert {p.field for p in SPACE if p.part == "augmentation"} == {*Augmentation.model_fields}


def test_only_what_makes_a_difference_is_searched() -> None:
    space = search_space(RECORDINGS, BASE, cut(2.5), 2.5)

    # 2 Hz: a stride is one sample, and a lower rate is out of the question.
    assert not {"windows.stride_s", "windows.sample_rate_hz"} & {*space}
    assert not [name for name in space if "magnetic" in name or "angular" in name]
    assert space["windows.window_s"] == FloatDistribution(1.0, 2.5)
    assert space["network.units"] == IntDistribution(16, 128, log=True)


def test_fast_recordings_can_be_slowed_down() -> None:
    recordings = [recording(session, index, 400, 20.0) for session in "12" for index in (0, 1)]

    space = search_space(recordings, BASE, make_dataset(recordings, BASE.windows), 4.0)

    assert space["windows.sample_rate_hz"] == FloatDistribution(10.0, 20.0, log=True)
    assert space["windows.stride_s"] == FloatDistribution(0.1, 0.5, log=True)
    assert space["windows.window_s"] == FloatDistribution(0.5, 4.0)


def test_bounds_give_way_to_the_untuned_value() -> None:
    base = BASE.model_copy(update={"network": NetworkConfiguration(epochs=1, units=400)})

    space = search_space(RECORDINGS, base, cut(2.5), 2.5)

    assert space["network.epochs"] == IntDistribution(1, 40, log=True)
    assert space["network.units"] == IntDistribution(16, 400, log=True)


def test_values_are_rounded_and_all_else_is_taken_over() -> None:
    values = {"network.dropout": 0.123456, "network.units": 37, "windows.window_s": 0.3}

    tuned = configured(BASE, values)

    assert tuned.network == BASE.network.model_copy(update={"dropout": 0.123, "units": 37})
    assert tuned.windows == WindowConfiguration(window_s=0.3, stride_s=0.3)
    assert (tuned.name, tuned.background, tuned.augmentation) == (BASE.name, BASE.background, BASE.augmentation)


def command(path: Path, *options: str) -> list[str]:
    return [str(path.parent), "--config", str(path), "--output", str(path.parent / "tuned.toml"), *options]


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(tune)
    return app


@pytest.mark.timeout(300)  # Four trainings, which take long to begin on a busy machine.
def test_the_command_finds_a_configuration_that_training_takes(write_dataset: WriteDataset, app: typer.Typer) -> None:
    path = write_dataset()
    # Short windows, since what takes time is to unroll the recurrence, once per training.
    text = path.read_text(encoding="utf-8").replace("window_s = 2.0", "window_s = 1.5")
    path.write_text(text + "epochs = 1\n", encoding="utf-8")
    output = path.parent / "tuned.toml"

    result = CliRunner().invoke(app, command(path, "--trials", "1", "--folds", "2"))
    assert result.exit_code == 0, result.output
    assert "trial 0: untuned" in result.output
    assert "optimistic" in result.output

    result = CliRunner().invoke(app, command(path, "--trials", "2", "--folds", "2", "--json"))
    assert result.exit_code == 0, result.output
    assert "Going on after 1 trial" in result.stderr
    found = json.loads(result.stdout)
    assert found["trials"] == 2
    assert found["accuracy"] >= found["untuned_accuracy"]
    base, tuned = ConfigurationFile.load(path), ConfigurationFile.load(output)
    assert (tuned.name, tuned.data, tuned.background) == (base.name, base.data, base.background)
    assert tuned.network.dropout == found["values"]["network.dropout"]
    first_line = output.read_text(encoding="utf-8").splitlines()[0]
    assert first_line.startswith(f"# Trial {found['best_trial']} of 2 of `repsense-train tune`")
    assert tomllib.loads(output.read_text(encoding="utf-8"))["name"] == "tiny"


def test_a_file_of_the_user_s_is_not_overwritten(write_dataset: WriteDataset, app: typer.Typer) -> None:
    path = write_dataset()
    (path.parent / "tuned.toml").write_text("precious = true\n")

    result = CliRunner().invoke(app, command(path))

    assert result.exit_code == 2
    assert "exists and is no result of a search" in result.stderr
    assert (path.parent / "tuned.toml").read_text() == "precious = true\n"
