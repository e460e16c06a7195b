"""TensorFlow, loaded quietly and made repeatable."""

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["prepare_tensorflow"]


def prepare_tensorflow(seed: int) -> None:
    """Load TensorFlow for the CPU and seed every source of chance, so that the same seed gives the same network.

    Only the CPU, because a network of this size gains nothing from a GPU, and an LSTM that was trained on one may hold
    an operation (CudnnRNN) that TensorFlow Serving on a CPU refuses.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _native_stderr_hidden():
        import keras  # noqa: PLC0415 - takes seconds; whoever only made a typing mistake should not wait for it
        import tensorflow as tf  # noqa: PLC0415

        tf.config.set_visible_devices([], "GPU")
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def _native_stderr_hidden() -> Iterator[None]:
    """Hide what C++ writes to file descriptor 2; TensorFlow reports a missing GPU there whatever its log level.

    Python's exceptions are not touched: they are raised as ever.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
