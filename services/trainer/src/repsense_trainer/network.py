"""The network: two members, and whether a window is like any that it was trained on.

    samples (window_size, n_channels), SI units
      -> normalised                                            constants measured on the training windows
           -> change: minus the window's mean, level: as is    level only of channels without a changing offset
           -> BiLSTM -> dropout -> BiLSTM -> dropout -> softmax
      -> statistics (see `statistics`), standardised -> dense -> dropout -> softmax
      -> mean of the two
      -> known (see `familiarity`)

The members err on different windows, so their mean errs on fewer than either. They are trained at once, but on windows
that are changed differently: the recurrence needs strong changes, or it learns each session's field by heart, and the
statistics weak ones. Taking the window's mean away makes the network blind to a sensor's constant offset, rather than
teaching it to be.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

from repsense.channels import channel_indices
from repsense.training import NetworkConfiguration, TrainingConfiguration
from repsense_trainer.augmentation import augment, weakened
from repsense_trainer.dataset import Dataset, WindowSet
from repsense_trainer.errors import ConfigurationError
from repsense_trainer.evaluation import Answer
from repsense_trainer.familiarity import Familiarity, fit_familiarity, guess_familiarity
from repsense_trainer.statistics import level_tolerances, n_compared, window_statistics

__all__ = ["LEAST_PROBABILITY", "Network", "train_network"]

_Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]

MIN_STEPS_PER_EPOCH = 20
"""With fewer, a few minutes of data would not move the weights far from where chance put them."""
MAX_UNROLLED_STEPS = 16
"""Longer windows go through the recurrence in a loop: unrolled, they would make a graph of thousands of operations."""
_WINDOWS_AT_ONCE = 1024
LEAST_PROBABILITY = 1e-12
"""So that the logarithm of a probability is finite."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network and the constants in its graph, which an export to another form needs.

    Attributes:
        model: Keras model, (n_windows, window_size, n_channels) float32 in SI units -> logits (n_windows, n_classes)
            and known (n_windows, 1), float32. Its layers "recurrent_1", "recurrent_2", "recurrent_logits",
            "statistics_hidden" and "statistics_logits" hold the weights.
        mean: (n_channels,) float32, SI units.
        deviation: (n_channels,) float32, SI units, positive.
        statistics_mean: (n_statistics,) float32.
        statistics_deviation: (n_statistics,) float32, positive.
        level_indices: Which channels' levels it sees.
        familiarity: None if there was too little to remember; everything is known then.
    """

    model: Any
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    statistics_mean: NDArray[np.float32]
    statistics_deviation: NDArray[np.float32]
    level_indices: tuple[int, ...]
    familiarity: Familiarity | None

    def answer(self, windows: NDArray[np.float32]) -> Answer:
        """What it says of windows, (n_windows, window_size, n_channels) float32 in SI units."""
        parts = np.array_split(windows, len(windows) // _WINDOWS_AT_ONCE + 1)
        answers = [self.model(part, training=False) for part in parts]
        logits, known = (
            np.concatenate([np.asarray(part, dtype=np.float32) for part in of]) for of in zip(*answers, strict=True)
        )
        return Answer(logits, known[:, 0])

    @property
    def window_size(self) -> int:
        """Samples per window."""
        return int(self.model.input_shape[1])


def train_network(
    dataset: Dataset, configuration: TrainingConfiguration, on_epoch: Callable[[int, float], None]
) -> Network:
    """Train a new network.

    Args:
        dataset: What it learns from.
        configuration: How it is made and trained; the same seed gives the same network.
        on_epoch: Called after every epoch with its number from 1 and the mean loss in it; it may raise to end it.

    Raises:
        DatasetError: If there are no windows.
        ConfigurationError: If the configuration speaks of a channel that the dataset does not have.
    """
    keras.utils.set_random_seed(configuration.seed)
    windows, of_network = dataset.windows(), configuration.network
    network, members = _build(windows, dataset, configuration)
    batch_size = max(1, min(of_network.batch_size, len(windows) // MIN_STEPS_PER_EPOCH))
    optimizer = _optimizer(of_network, len(windows) // batch_size)
    step = _training_step(network.model, members, optimizer, of_network.label_smoothing)
    random = np.random.default_rng(configuration.seed)
    for epoch in range(1, of_network.epochs + 1):
        batches = _batches(windows, dataset, configuration, batch_size, random)
        on_epoch(epoch, float(np.mean([step(batch) for batch in batches])))
    # Put the running average of the weights in the place of the weights.
    optimizer.finalize_variable_values(network.model.trainable_variables)
    return network


def _build(
    windows: WindowSet, dataset: Dataset, configuration: TrainingConfiguration
) -> tuple[Network, tuple[Any, Any]]:
    """The network, and its members as models that give logits."""
    _, window_size, n_channels = windows.samples.shape
    channels, of_network = dataset.cut.channels, configuration.network
    mean, deviation = _moments(windows.samples, axis=(0, 1))
    level_indices = _level_indices(dataset, of_network)
    statistics = np.asarray(window_statistics(windows.samples, channels, level_indices))
    statistics_mean, statistics_deviation = _moments(statistics, axis=0)
    n_familiar = n_compared(channels, level_indices)
    compared = statistics[:, :n_familiar]
    tolerances = level_tolerances(channels, level_indices)
    familiarity = fit_familiarity(compared, windows.label_indices, windows.groups, tolerances, configuration.seed)
    if familiarity is None:
        familiarity = guess_familiarity(
            compared, windows.label_indices, windows.recordings, tolerances, configuration.seed
        )

    samples = keras.Input((window_size, n_channels), name="samples")
    normalised = layers.Rescaling(scale=(1 / deviation).tolist(), offset=(-mean / deviation).tolist())(samples)
    change = normalised - ops.mean(normalised, axis=1, keepdims=True)
    hidden = layers.Concatenate()([change, ops.take(normalised, level_indices, axis=2)])
    for number, is_last in ((1, False), (2, True)):
        lstm = layers.LSTM(
            of_network.units,
            return_sequences=not is_last,
            unroll=window_size <= MAX_UNROLLED_STEPS,
            use_cudnn=False,
        )
        hidden = layers.Bidirectional(lstm, name=f"recurrent_{number}")(hidden)
        hidden = layers.Dropout(of_network.dropout)(hidden)
    recurrent = layers.Dense(len(dataset.labels), name="recurrent_logits")(hidden)

    of_window = window_statistics(samples, channels, level_indices)
    standardised = (of_window - statistics_mean) / statistics_deviation
    hidden = layers.Dense(of_network.statistics_units, activation="relu", name="statistics_hidden")(standardised)
    hidden = layers.Dropout(of_network.statistics_dropout)(hidden)
    statistical = layers.Dense(len(dataset.labels), name="statistics_logits")(hidden)

    probabilities = (ops.softmax(recurrent) + ops.softmax(statistical)) / 2
    logits = ops.log(probabilities + LEAST_PROBABILITY)
    known = ops.ones_like(logits[:, :1]) if familiarity is None else familiarity.known(of_window[:, :n_familiar])
    network = Network(
        keras.Model(samples, [logits, known]),
        mean,
        deviation,
        statistics_mean,
        statistics_deviation,
        level_indices,
        familiarity,
    )
    return network, (keras.Model(samples, recurrent), keras.Model(samples, statistical))


def _moments(
    values: NDArray[np.float32], axis: int | tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation; a value that never changes tells nothing, but must not divide by zero."""
    mean = values.mean(axis=axis, dtype=np.float64).astype(np.float32)
    deviation = values.std(axis=axis, dtype=np.float64).astype(np.float32)
    smallest = 1e-6
    return mean, np.where(deviation > smallest, deviation, np.float32(1))


def _level_indices(dataset: Dataset, configuration: NetworkConfiguration) -> tuple[int, ...]:
    channels = dataset.cut.channels
    try:
        return tuple(channel_indices(channels, configuration.level_channels or channels))
    except KeyError as error:
        msg = f"network.level_channels names {error.args[0]}, which is not among the channels {', '.join(channels)}"
        raise ConfigurationError(msg) from error


def _optimizer(configuration: NetworkConfiguration, steps_per_epoch: int) -> Any:  # noqa: ANN401 - Keras has no types
    warmup_steps = 2 * steps_per_epoch
    n_steps = configuration.epochs * steps_per_epoch
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=configuration.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(1, n_steps - warmup_steps),
        alpha=0.02,
    )
    return keras.optimizers.AdamW(
        schedule,
        weight_decay=configuration.weight_decay,
        clipnorm=configuration.gradient_norm_limit,
        use_ema=True,
        ema_momentum=max(0.0, 1 - 1 / (configuration.averaged_share * n_steps)),
    )


def _training_step(
    model: Any,  # noqa: ANN401 - Keras has no types
    members: tuple[Any, Any],
    optimizer: Any,  # noqa: ANN401
    label_smoothing: float,
) -> Callable[[_Batch], float]:
    """One step of gradient descent as a TensorFlow function.

    Keras' own `fit` does the same, but takes 5 s to begin where this takes 2, and leaving one group out begins often.
    """
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
    variables = model.trainable_variables
    optimizer.build(variables)
    recurrent, statistical = members

    @tf.function(reduce_retracing=True)
    def step(strongly_changed, weakly_changed, truth):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - traced
        with tf.GradientTape() as tape:
            # The members share no weight, so the sum of their losses is a training of each.
            loss = loss_of(truth, recurrent(strongly_changed, training=True))
            loss += loss_of(truth, statistical(weakly_changed, training=True))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss / 2

    return lambda batch: float(step(*map(tf.constant, batch)))


def _batches(
    windows: WindowSet,
    dataset: Dataset,
    configuration: TrainingConfiguration,
    batch_size: int,
    random: np.random.Generator,
) -> Iterator[_Batch]:
    """The batches of one epoch, in a new order and newly augmented; a rest that fills none is left out."""
    order = random.permutation(len(windows))
    samples, channels = windows.samples[order], dataset.cut.channels
    strong = configuration.augmentation
    changed = [
        augment(samples, channels, strength, random) for strength in (strong, weakened(strong, strong.statistics_share))
    ]
    truth = np.eye(len(dataset.labels), dtype=np.float32)[windows.label_indices[order]]
    for start in range(0, len(windows) - batch_size + 1, batch_size):
        rows = slice(start, start + batch_size)
        yield changed[0][rows], changed[1][rows], truth[rows]
