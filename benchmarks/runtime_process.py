"""One runtime in a process of its own, for `throughput`: `python -m benchmarks.runtime_process NAME TARGET`.

It answers, line by line, what it is asked: "time N_WINDOWS N_CALLS" with the seconds of each call, "write FILE" by
writing the probabilities of 256 windows, "memory" with its resident bytes. The first line, without being asked, is how
many seconds it took from its first import to its first answer.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from repsense.manifest import ModelManifest, load_manifest

_Classify = Callable[[NDArray[np.float32]], NDArray[np.float32]]

MAX_WINDOWS = 256


def main() -> None:
    """Load the runtime, then answer until standard input ends."""
    name, target, version_directory = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    windows = _windows(load_manifest(version_directory))
    began_s = time.perf_counter()
    classify = _OPEN[name](target)
    classify(windows[:1])
    _say(time.perf_counter() - began_s)
    for line in sys.stdin:
        match line.split():
            case ["time", n_windows, n_calls]:
                _say(_time(classify, windows[: int(n_windows)], int(n_calls)))
            case ["write", path]:
                np.save(path, classify(windows))
                _say(None)
            case ["memory"]:
                _say(psutil.Process().memory_info().rss)


def _time(classify: _Classify, windows: NDArray[np.float32], n_calls: int) -> list[float]:
    # Not timed: what a runtime prepares for a batch of another size.
    classify(windows)
    seconds = []
    for _ in range(n_calls):
        began_s = time.perf_counter()
        classify(windows)
        seconds.append(time.perf_counter() - began_s)
    return seconds


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def _windows(manifest: ModelManifest) -> NDArray[np.float32]:
    shape = (MAX_WINDOWS, manifest.window_size, len(manifest.channels))
    return np.random.default_rng(0).normal(scale=5, size=shape).astype(np.float32)


def _tensorflow(version_directory: str) -> _Classify:
    import tensorflow as tf  # noqa: PLC0415 - its import is part of what is measured

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    loaded = tf.saved_model.load(version_directory)
    signature = loaded.signatures["serving_default"]

    def classify(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        # It refers to `loaded`, whose variables would otherwise be gone.
        assert loaded is not None  # noqa: S101
        return np.asarray(signature(samples=tf.constant(windows))["probabilities"], dtype=np.float32)

    return classify


def _grpc(url: str) -> _Classify:
    from repsense.classifiers import open_classifier  # noqa: PLC0415 - its import is part of what is measured

    return open_classifier(url).classify


def _onnx(version_directory: str) -> _Classify:
    from repsense.classifiers.onnx import OnnxClassifier  # noqa: PLC0415 - its import is part of what is measured

    return OnnxClassifier.open_version(Path(version_directory)).classify


_OPEN: dict[str, Callable[[str], _Classify]] = {"tensorflow": _tensorflow, "grpc": _grpc, "onnx": _onnx}

if __name__ == "__main__":
    main()
