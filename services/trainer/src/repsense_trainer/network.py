"""The network: two bidirectional LSTM layers over a window, with everything that prepares the input in its graph.

    samples (window_size, n_channels), SI units
      -> normalised                                      constants measured on the training windows
      -> change: minus the window's mean   level: as is  level only of channels without a changing offset
      -> BiLSTM -> dropout -> BiLSTM -> dropout -> softmax

Taking the window's mean away makes the network blind to a sensor's constant offset, rather than teaching it to be.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from repsense.channels import channel_indices
from repsense_trainer.augmentation import Augmentation, augment
from repsense_trainer.dataset import DatasetDescription, WindowSet

__all__ = ["Network", "NetworkConfiguration", "ProgressCallback", "train_network"]

_Step = Callable[[NDArray[np.float32], NDArray[np.float32]], float]

MIN_STEPS_PER_EPOCH = 20
"""With fewer, a few minutes of data would not move the weights far from where chance put them."""

ProgressCallback = Callable[[int, float], None]
"""Called after every epoch with its number from 1 and the mean loss in it."""


class NetworkConfiguration(BaseModel):
    """The network's size and how it is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    units: Annotated[int, Field(ge=1)] = 50
    """Per direction and layer, as in the research prototype."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    epochs: Annotated[int, Field(ge=1)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 256
    """At most; with little data a batch is smaller, so that an epoch has enough steps to learn something."""
    learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    """The highest; it rises over two epochs and then falls along a cosine."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    gradient_norm_limit: Annotated[float, Field(gt=0)] = 1.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    averaged_share: Annotated[float, Field(gt=0, le=1)] = 0.15
    """How far back the running average of the weights, which is what is kept, reaches: as a share of the training."""
    augmentation: Augmentation = Augmentation()

    def flat(self) -> dict[str, float | int | str | bool]:
        """The configuration without nesting, as the manifest holds it."""
        fields = self.model_dump()
        return {**{f"augmentation.{name}": value for name, value in fields.pop("augmentation").items()}, **fields}


@dataclass(frozen=True, slots=True)
class Network:
    """A network and the constants in its graph, which an export to another form needs.

    Attributes:
        model: Keras model, (n_windows, window_size, n_channels) float32 in SI units -> (n_windows, n_classes)
            float32 probabilities. Its layers "recurrent_1", "recurrent_2" and "probabilities" hold the weights.
        mean: (n_channels,) float32, SI units.
        deviation: (n_channels,) float32, SI units, positive.
        level_indices: Which channels' levels it sees.
    """

    model: Any
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    level_indices: tuple[int, ...]

    def classify(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, (n_windows, n_classes) float32, of windows as in `model`."""
        return np.asarray(self.model(windows, training=False), dtype=np.float32)


def train_network(
    windows: WindowSet,
    description: DatasetDescription,
    configuration: NetworkConfiguration,
    seed: int,
    on_epoch: ProgressCallback | None = None,
) -> Network:
    """Train a new network.

    Args:
        windows: What it learns from.
        description: The dataset's.
        configuration: Size and training.
        seed: Of the weights, of the order of the windows and of their augmentation.
        on_epoch: Told of the progress.
    """
    keras.utils.set_random_seed(seed)
    network = _build(windows, description, configuration)
    batch_size = max(1, min(configuration.batch_size, len(windows) // MIN_STEPS_PER_EPOCH))
    steps = len(windows) // batch_size
    optimizer = _optimizer(configuration, steps)
    step = _training_step(network.model, optimizer, configuration.label_smoothing)
    random = np.random.default_rng(seed)
    for epoch in range(1, configuration.epochs + 1):
        losses = [
            step(*batch) for batch in _batches(windows, description, configuration.augmentation, batch_size, random)
        ]
        if on_epoch is not None:
            on_epoch(epoch, float(np.mean(losses)))
    # Put the running average of the weights in the place of the weights.
    optimizer.finalize_variable_values(network.model.trainable_variables)
    return network


def _build(windows: WindowSet, description: DatasetDescription, configuration: NetworkConfiguration) -> Network:
    _, window_size, n_channels = windows.samples.shape
    mean = windows.samples.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    deviation = windows.samples.std(axis=(0, 1), dtype=np.float64).astype(np.float32)
    # A channel that never changes tells nothing, but must not divide by zero.
    deviation[deviation == 0] = 1
    level_indices = tuple(channel_indices(description.channels, description.level_channels))

    samples = keras.Input((window_size, n_channels), name="samples")
    normalised = layers.Rescaling(scale=(1 / deviation).tolist(), offset=(-mean / deviation).tolist())(samples)
    change = normalised - keras.ops.mean(normalised, axis=1, keepdims=True)
    level = keras.ops.take(normalised, level_indices, axis=-1)
    hidden = layers.Concatenate()([change, level])
    for number, is_last in ((1, False), (2, True)):
        # Unrolled: some five steps are faster as plain operations than in a loop, and need no loop when served.
        lstm = layers.LSTM(configuration.units, return_sequences=not is_last, unroll=True, use_cudnn=False)
        hidden = layers.Bidirectional(lstm, name=f"recurrent_{number}")(hidden)
        hidden = layers.Dropout(configuration.dropout)(hidden)
    n_classes = len(description.labels)
    probabilities = layers.Dense(n_classes, activation="softmax", name="probabilities")(hidden)
    return Network(keras.Model(samples, probabilities), mean, deviation, level_indices)


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


def _training_step(model: Any, optimizer: Any, label_smoothing: float) -> _Step:  # noqa: ANN401
    """One step of gradient descent as a TensorFlow function.

    Keras' own `fit` does the same, but takes 5 s to begin where this takes 2, and leaving one group out begins often.
    """
    loss_of = keras.losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(samples, truth):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - traced
        with tf.GradientTape() as tape:
            loss = loss_of(truth, model(samples, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return lambda samples, truth: float(step(tf.constant(samples), tf.constant(truth)))


def _batches(
    windows: WindowSet,
    description: DatasetDescription,
    augmentation: Augmentation,
    batch_size: int,
    random: np.random.Generator,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """The batches of one epoch, in a new order and newly augmented; a rest that fills none is left out."""
    order = random.permutation(len(windows))
    samples = augment(windows.samples[order], description.channels, augmentation, random)
    truth = np.eye(len(description.labels), dtype=np.float32)[windows.label_indices[order]]
    for start in range(0, len(windows) - batch_size + 1, batch_size):
        yield samples[start : start + batch_size], truth[start : start + batch_size]
