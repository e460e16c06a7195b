"""Hyper-parameter search: which window, network and augmentation do best on groups that were held out.

    recordings -> folds of groups -> questions        once, the same for every trial
    trial: values from the space -> per fold: train on the other groups, answer the fold's questions -> accuracy

How windows of different lengths compare. Accuracy per window favours long windows twice: they see more, and a recording
cut into longer ones loses its beginning, which is hard, from the count. So trials are not asked about their own windows
but about moments, which are the same for all: every `stride_s` of the untuned configuration, from the longest allowed
window's length after the start of a held-out recording to its end. Whatever window ended last before a moment answers
for it. That leaves that a longer window sees more, and answers later in use, which no accuracy shows: what is
acceptable is for the user to say, by the longest window allowed. For the same reason no stride is longer than the
untuned one.

The first trial is the untuned configuration, so the best one is never worse on these folds. Equal accuracies are
decided by the macro-F1 (mistakes that are spread over the labels are better than a label that is never recognised),
and then by who came first.

The search is kept in a journal. Chance is seeded anew for every trial, by how many are finished: a search that was
killed and goes on finds what it would have found otherwise.
"""

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution, distribution_to_json
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from repsense.channels import UNITS
from repsense.recordings import Recording, recording_id
from repsense.training import TrainingConfiguration
from repsense_trainer.configuration import ConfigurationFile
from repsense_trainer.dataset import Dataset, make_dataset
from repsense_trainer.errors import ConfigurationError, DatasetError
from repsense_trainer.evaluation import Classify
from repsense_trainer.trials import folds, group_trials

__all__ = [
    "SPACE",
    "Outcome",
    "Parameter",
    "Questions",
    "Train",
    "Tuning",
    "TuningProgress",
    "configured",
    "make_questions",
    "search_space",
]

OnEpoch = Callable[[int, float], None]


class Train(Protocol):
    """Trains one network; see `network.train_network`."""

    def __call__(self, dataset: Dataset, configuration: TrainingConfiguration, on_epoch: OnEpoch) -> Classify:
        """Train."""
        ...


N_STARTUP_TRIALS = 10
"""Drawn at random, before there is enough to draw conclusions from."""
N_TRIALS_BEFORE_PRUNING = 5
N_FOLDS_BEFORE_PRUNING = 2
"""The accuracy of one fold says too little."""
N_SIGNIFICANT_DIGITS = 3
"""Of a value that was searched: more would say nothing and be a burden to read."""
MIN_WINDOW_SIZE = 2
UNANSWERED = -1
_STUDY = "tuning"
_IDENTITY = "identity"
_MACRO_F1 = "macro_f1"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that is searched, and where. The untuned value is always inside: the bounds give way to it.

    Attributes:
        part: A field of `TrainingConfiguration`.
        field: A field of that.
        low: The smallest value.
        high: The largest value; None where it depends on the recordings or the user, see `search_space`.
        is_log: Whether it is the ratio of two values that counts, not their difference.
        is_whole: Whether it is a whole number.
        unit: Of the channels that it needs; None needs none.
    """

    part: str
    field: str
    low: float
    high: float | None
    is_log: bool = False
    is_whole: bool = False
    unit: str | None = None

    @property
    def name(self) -> str:
        """Its name as the configuration file has it."""
        return f"{self.part}.{self.field}"


_MIN_RATE_HZ = 10.0
"""With fewer samples movements are lost, and there is little to save."""
_MAX_RATE_HZ = 50.0
"""Twice what is taken without a wish, for whoever wants to know whether that is enough."""

SPACE = (
    Parameter("windows", "window_s", 0.5, None),
    Parameter("windows", "stride_s", 0.1, None, is_log=True),
    Parameter("windows", "sample_rate_hz", _MIN_RATE_HZ, None, is_log=True),
    Parameter("network", "units", 16, 128, is_log=True, is_whole=True),
    Parameter("network", "dropout", 0, 0.5),
    Parameter("network", "statistics_units", 16, 256, is_log=True, is_whole=True),
    Parameter("network", "statistics_dropout", 0, 0.5),
    Parameter("network", "epochs", 10, 40, is_log=True, is_whole=True),
    Parameter("network", "learning_rate", 5e-4, 2e-2, is_log=True),
    Parameter("network", "label_smoothing", 0, 0.2),
    Parameter("augmentation", "magnetic_field_offset_ut", 0, 20, unit="uT"),
    Parameter("augmentation", "magnetic_swing", 0, 1, unit="uT"),
    Parameter("augmentation", "rotation_rad", 0, 0.5),
    Parameter("augmentation", "gain", 0, 0.15),
    Parameter("augmentation", "acceleration_noise_m_s2", 0, 2, unit="m/s^2"),
    Parameter("augmentation", "angular_rate_noise_rad_s", 0, 0.8, unit="rad/s"),
    Parameter("augmentation", "magnetic_field_noise_ut", 0, 6, unit="uT"),
    Parameter("augmentation", "statistics_share", 0, 1),
    Parameter("augmentation", "duplicated_share", 0, 0.4),
    Parameter("augmentation", "interpolated_share", 0, 0.4),
)


def search_space(
    recordings: Sequence[Recording], base: ConfigurationFile, reference: Dataset, max_window_s: float
) -> dict[str, BaseDistribution]:
    """What can be searched with some recordings, by name; what could only have one value is left out.

    Args:
        recordings: Their slowest rate bounds the windows' one.
        base: The untuned configuration.
        reference: The recordings cut by it.
        max_window_s: The longest window allowed.
    """
    units = {UNITS[channel] for channel in reference.cut.channels}
    untuned = _values(base, reference)
    slowest_hz = min(recording.sample_rate_hz for recording in recordings)
    lowest_hz = min(_MIN_RATE_HZ, slowest_hz, reference.cut.sample_rate_hz)
    high = {
        "windows.window_s": max_window_s,
        "windows.stride_s": base.windows.stride_s,
        "windows.sample_rate_hz": min(slowest_hz, _MAX_RATE_HZ),
    }
    low = {"windows.window_s": MIN_WINDOW_SIZE / lowest_hz, "windows.stride_s": 1 / slowest_hz}
    space: dict[str, BaseDistribution] = {}
    for parameter in SPACE:
        name, value = parameter.name, untuned[parameter.name]
        lowest = max(parameter.low, low.get(name, 0))
        highest = high[name] if parameter.high is None else parameter.high
        if lowest >= highest or (parameter.unit is not None and parameter.unit not in units):
            continue
        lowest, highest = min(lowest, value), max(highest, value)
        if parameter.is_whole:
            space[name] = IntDistribution(int(lowest), int(highest), log=parameter.is_log)
        else:
            space[name] = FloatDistribution(float(lowest), float(highest), log=parameter.is_log)
    return space


def configured(base: ConfigurationFile, values: Mapping[str, float]) -> ConfigurationFile:
    """The untuned configuration with some values changed, by name; all else, such as `[data]`, stays as it is."""
    changes: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        part, field = name.split(".")
        changes.setdefault(part, {})[field] = float(f"{value:.{N_SIGNIFICANT_DIGITS}g}")
    window_s = changes.get("windows", {}).get("window_s", base.windows.window_s)
    if window_s < changes.get("windows", {}).get("stride_s", base.windows.stride_s):
        changes["windows"]["stride_s"] = window_s
    parts = {part: getattr(base, part) for part in changes}
    return base.model_copy(
        update={
            part: type(parts[part]).model_validate({**parts[part].model_dump(), **fields})
            for part, fields in changes.items()
        }
    )


@dataclass(frozen=True, slots=True)
class Questions:
    """What every trial is asked about one fold.

    Attributes:
        fold: The groups that are held out together.
        recordings: (n_questions,) int64, which of the dataset's recordings; ascending.
        moments_s: (n_questions,) float64, since the recording's start.
        label_indices: (n_questions,) int64, the right answers.
    """

    fold: tuple[str, ...]
    recordings: NDArray[np.int64]
    moments_s: NDArray[np.float64]
    label_indices: NDArray[np.int64]

    def answers(self, dataset: Dataset, train: Callable[[Dataset], Classify]) -> NDArray[np.int64]:
        """Train on the other groups and answer.

        Args:
            dataset: The same recordings, cut in whichever way.
            train: Trains one network.

        Returns:
            (n_questions,) int64, indices of the dataset's labels, or `UNANSWERED` where no window had ended.
        """
        answers = np.full(len(self.recordings), UNANSWERED, dtype=np.int64)
        activity_s = np.array([recording.activity_s for recording in dataset.recordings])
        # A window's length is rounded to whole samples, by up to a half.
        moments_s = self.moments_s + 0.5 / dataset.cut.sample_rate_hz
        for trial in group_trials(dataset, [self.fold]):
            windows = trial.test.windows()
            chosen = train(trial.training)(windows.samples).logits.argmax(axis=1)
            said = np.array([dataset.labels.index(label) for label in trial.training.labels])[chosen]
            recordings = trial.recordings[windows.recordings]
            ends_s = windows.seconds - activity_s[recordings]
            for recording in np.unique(recordings):
                asked, at = self.recordings == recording, recordings == recording
                n_before = np.searchsorted(ends_s[at], moments_s[asked], side="right")
                answers[asked] = np.where(n_before > 0, said[at][n_before - 1], UNANSWERED)
        return answers


def make_questions(dataset: Dataset, n_folds: int, longest_s: float, step_s: float) -> list[Questions]:
    """Ask about the same moments of held-out recordings, however they will be cut.

    Args:
        dataset: The recordings cut by the longest window.
        n_folds: At most; with fewer groups each is a fold.
        longest_s: The longest window; nothing is asked before it fits.
        step_s: From one moment to the next.

    Raises:
        DatasetError: If nothing can be asked: there is only one group, or the others lack its labels.
    """
    rate_hz = dataset.cut.sample_rate_hz
    questions = []
    for fold in folds(dataset, n_folds):
        for trial in group_trials(dataset, [fold]):
            durations_s = [len(dataset.recordings[index].samples) / rate_hz for index in trial.recordings]
            # The same tolerance as in `answers`: the longest window, too, is rounded to whole samples.
            counts = [max(1, 1 + int((duration_s - longest_s) / step_s + 1e-9)) for duration_s in durations_s]
            asked = np.repeat(trial.recordings, counts)
            label_indices = np.array([dataset.recordings[index].label_index for index in asked])
            moments_s = np.concatenate([longest_s + step_s * np.arange(count) for count in counts])
            questions.append(Questions(fold, asked, moments_s, label_indices))
    if not questions:
        msg = (
            f"nothing can be tried on a {dataset.group_by} that was held out: there must be two {dataset.group_by}s "
            "or more with the same activities"
        )
        raise DatasetError(msg)
    return questions


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished trial.

    Attributes:
        number: From 0, which is the untuned configuration, in the order in which they were finished.
        values: What was searched, by name.
        accuracy: Share of right answers; over the folds that were asked.
        macro_f1: Mean over the labels; None if it was pruned.
    """

    number: int
    values: Mapping[str, float]
    accuracy: float
    macro_f1: float | None

    @property
    def is_pruned(self) -> bool:
        """Whether it was given up after some folds, having been below the median of the others."""
        return self.macro_f1 is None


class TuningProgress(Protocol):
    """Told how far a search is; any call may raise to end it."""

    def begin(self, number: int) -> None:
        """Begin a trial."""
        ...

    def epoch(self, fold: int, n_folds: int, epoch: int, n_epochs: int) -> None:
        """Say that an epoch of a fold's training, both counted from 1, is done."""
        ...

    def end(self, outcome: Outcome) -> None:
        """Say what became of the trial."""
        ...


class Tuning:
    """One search, in a journal; the journal is locked until it is closed."""

    def __init__(
        self,
        recordings: Sequence[Recording],
        base: ConfigurationFile,
        journal: Path,
        *,
        n_folds: int,
        seed: int,
        max_window_s: float | None = None,
    ) -> None:
        """Begin a search, or open one to go on with it.

        Args:
            recordings: What it is tried on.
            base: The untuned configuration.
            journal: It is created if it does not exist.
            n_folds: At most; with fewer groups each is held out by itself.
            seed: Of the search; that of the networks is the configuration's, the same in all trials.
            max_window_s: The longest window allowed; None is the configuration's.

        Raises:
            DatasetError: If the recordings do not allow it.
            ConfigurationError: If the journal is of another search, is in use, or cannot be used.
        """
        self._recordings = recordings
        self._base = base
        max_window_s = max_window_s or base.windows.window_s
        if max_window_s < base.windows.window_s:
            msg = f"the longest window is shorter than the configuration's, which is {base.windows.window_s:g} s"
            raise ConfigurationError(msg)
        longest = base.windows.model_copy(update={"window_s": max_window_s})
        reference = make_dataset(recordings, longest, base.evaluation.group_by)
        self.group_by = reference.group_by
        self.questions = make_questions(reference, n_folds, max_window_s, base.windows.stride_s)
        self.space = search_space(recordings, base, reference, max_window_s)
        self._untuned = {name: value for name, value in _values(base, reference).items() if name in self.space}
        identity = {
            "the recordings": hashlib.sha256("".join(map(recording_id, recordings)).encode()).hexdigest(),
            "the configuration": base.model_dump_json(),
            "the search space": json.dumps({name: distribution_to_json(d) for name, d in self.space.items()}),
            "the number of folds": n_folds,
            "the seed": seed,
        }
        self._seed = seed
        self._locked = _lock(journal)
        try:
            self._study = _study(journal, identity)
        except BaseException:
            self._locked.close()
            raise

    def close(self) -> None:
        """Let go of the journal."""
        self._locked.close()

    @property
    def outcomes(self) -> list[Outcome]:
        """The finished trials, those of earlier runs too."""
        return [
            Outcome(number, trial.params, trial.value or 0.0, trial.user_attrs.get(_MACRO_F1))
            for number, trial in enumerate(self._finished())
        ]

    @property
    def best(self) -> Outcome | None:
        """The best trial that was not pruned; None before the first."""
        finished = [outcome for outcome in self.outcomes if not outcome.is_pruned]
        return max(finished, key=lambda o: (o.accuracy, o.macro_f1 or 0.0, -o.number), default=None)

    def configuration(self, outcome: Outcome) -> ConfigurationFile:
        """What was tried."""
        return configured(self._base, outcome.values) if outcome.number else self._base

    def run(self, train: Train, n_trials: int, progress: TuningProgress, timeout_s: float | None = None) -> None:
        """Go on until so many trials are finished, with those of earlier runs.

        Args:
            train: Trains one network.
            n_trials: In all.
            progress: Told how it goes.
            timeout_s: No trial begins later than this after now.
        """
        began_s = time.monotonic()
        while (number := len(self._finished())) < n_trials:
            if timeout_s is not None and time.monotonic() - began_s >= timeout_s:
                return
            progress.begin(number)
            self._try(number, train, progress)
            progress.end(self.outcomes[-1])

    def _try(self, number: int, train: Train, progress: TuningProgress) -> None:
        (seed,) = np.random.SeedSequence((self._seed, number)).generate_state(1)
        self._study.sampler = TPESampler(n_startup_trials=N_STARTUP_TRIALS, seed=int(seed))
        if number == 0 and not self._study.get_trials(states=[TrialState.WAITING]):
            self._study.enqueue_trial(self._untuned)
        trial = self._study.ask(self.space)
        configuration = configured(self._base, trial.params) if number else self._base
        dataset = make_dataset(self._recordings, configuration.windows, self._base.evaluation.group_by)
        # One more column, the last, for what is unanswered.
        confusion = np.zeros((len(dataset.labels), len(dataset.labels) + 1), dtype=np.int64)
        n_folds = len(self.questions)
        for fold, questions in enumerate(self.questions, start=1):

            def on_epoch(epoch: int, _loss: float, fold: int = fold) -> None:
                progress.epoch(fold, n_folds, epoch, configuration.network.epochs)

            train_fold = partial(train, configuration=configuration.training(), on_epoch=on_epoch)
            answers = questions.answers(dataset, train_fold)
            np.add.at(confusion, (questions.label_indices, answers), 1)
            trial.report(float(confusion.trace() / confusion.sum()), fold)
            if fold < n_folds and trial.should_prune():
                self._study.tell(trial, state=TrialState.PRUNED)
                return
        trial.set_user_attr(_MACRO_F1, _macro_f1(confusion))
        self._study.tell(trial, float(confusion.trace() / confusion.sum()))

    def _finished(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])


class _NoLock(JournalFileOpenLock):
    """The journal is locked by `_lock` for as long as it is open; Optuna's own lock outlives a killed process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _study(journal: Path, identity: Mapping[str, Any]) -> optuna.Study:
    """Raises ConfigurationError if the journal is of another search or cannot be read."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal), _NoLock(str(journal)))),
            study_name=_STUDY,
            direction="maximize",
            load_if_exists=True,
            pruner=MedianPruner(N_TRIALS_BEFORE_PRUNING, N_FOLDS_BEFORE_PRUNING),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{journal} is no journal of a search: choose another output, or delete it"
        raise ConfigurationError(msg) from error
    known = study.user_attrs.get(_IDENTITY)
    if known is None:
        study.set_user_attr(_IDENTITY, identity)
    elif changed := [name for name, value in identity.items() if known.get(name) != value]:
        msg = (
            f"{journal} is of another search, with which trials cannot be compared: {', '.join(changed)} changed; "
            "choose another output, or delete it to begin anew"
        )
        raise ConfigurationError(msg)
    # Nobody else has the journal, so these were killed.
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _lock(journal: Path) -> BinaryIO:
    """Have a journal for oneself, cut back to its last whole line, until the file is closed or the process ends."""
    try:
        file = journal.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
        except BaseException:
            file.close()
            raise
    except BlockingIOError as error:
        msg = f"{journal} is in use: another search is under way"
        raise ConfigurationError(msg) from error
    except OSError as error:
        msg = f"cannot write {journal}: {error.strerror}"
        raise ConfigurationError(msg) from error
    return file


def _values(configuration: ConfigurationFile, dataset: Dataset) -> dict[str, float]:
    """What a configuration says of everything that can be searched, by name."""
    values = {p.name: getattr(getattr(configuration, p.part), p.field) for p in SPACE}
    return values | {"windows.sample_rate_hz": dataset.cut.sample_rate_hz}


def _macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean over the labels that were asked about.

    Args:
        confusion: (n_labels, n_labels + 1) int64, questions by right answer (rows) and answer.
    """
    is_asked = confusion.sum(axis=1) > 0
    f1 = 2 * confusion.diagonal() / np.maximum(1, confusion.sum(axis=0)[:-1] + confusion.sum(axis=1))
    return float(f1[is_asked].mean())
