"""The same version of a model by TensorFlow, by a model server over gRPC, and by ONNX Runtime, side by side."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from support.servers import ROOT, Server, free_port

from benchmarks.tables import print_table
from repsense.manifest import latest_version

_CALLS = {1: 40, 32: 10, 256: 4}
"""How often in a row a batch of each size is classified before it is another runtime's turn."""
_ROUNDS = 15
_REFERENCE, _TENSORFLOW = "ONNX Runtime, in process", "TensorFlow, in process"


@dataclass
class _Runtime:
    """A process that answers for one runtime, and the server that it may need; see `runtime_process`."""

    process: subprocess.Popen[str]
    log: Path
    server: Server | None = None
    load_s: float = 0.0
    round_s: dict[int, list[float]] = field(default_factory=lambda: {n_windows: [] for n_windows in _CALLS})
    """By size of the batch, the median call of each round."""

    def answer(self) -> Any:  # noqa: ANN401 - JSON
        assert self.process.stdout is not None  # noqa: S101 - for the type checker
        line = self.process.stdout.readline()
        if not line:
            message = f"a runtime ended:\n{self.log.read_text()[-2000:]}"
            raise RuntimeError(message)
        return json.loads(line)

    def ask(self, question: str) -> Any:  # noqa: ANN401 - JSON
        assert self.process.stdin is not None  # noqa: S101 - for the type checker
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return self.answer()


def run(folder: Path) -> None:
    """Let the runtimes take turns, so that other work on the machine hits all alike."""
    folder.mkdir(parents=True)
    version = latest_version(ROOT / "models" / "bodyweight")
    with contextlib.ExitStack() as running:
        runtimes = {
            _TENSORFLOW: running.enter_context(_runtime("tensorflow", str(version), folder, version)),
            **{name: running.enter_context(_served(name, folder, version)) for name in _servers()},
            _REFERENCE: running.enter_context(_runtime("onnx", str(version), folder, version)),
        }
        for _ in range(_ROUNDS):
            for n_windows, n_calls in _CALLS.items():
                for runtime in runtimes.values():
                    seconds = runtime.ask(f"time {n_windows} {n_calls}")
                    runtime.round_s[n_windows].append(float(np.median(seconds)))
        outputs = {name: _outputs(runtime, folder / f"{runtime.process.pid}.npy") for name, runtime in runtimes.items()}
        rows = [
            [
                name,
                f"{np.median(runtime.round_s[1]) * 1e3:.3f} ms",
                *(_rate(runtime, n_windows) for n_windows in _CALLS),
                f"{runtime.load_s:.2f} s",
                _memory(runtime),
                f"{np.abs(outputs[name] - outputs[_TENSORFLOW]).max():.0e}",
            ]
            for name, runtime in runtimes.items()
        ]
        ratios = [
            [name, *(f"{_ratio(runtime, runtimes[_REFERENCE], n_windows):.2f}" for n_windows in _CALLS)]
            for name, runtime in runtimes.items()
        ]
    sizes = [f"batch of {n_windows}" for n_windows in _CALLS]
    print_table(
        f"Runtimes, {version.parent.name} version {version.name}, one thread but for the server's; medians, in turns",
        ["", "1 window", *(f"windows/s, {size}" for size in sizes), "load", "resident", "largest difference"],
        rows,
    )
    print_table(f"Time of a call as a multiple of {_REFERENCE}", ["", *sizes], ratios)


def _servers() -> dict[str, list[str]]:
    """Commands of the model servers that are there, without port and model."""
    stand_in = {"stand-in for TensorFlow Serving, gRPC": [sys.executable, "-m", "support.tensorflow_serving"]}
    real = shutil.which("tensorflow_model_server")
    return stand_in | ({"TensorFlow Serving, gRPC": [real]} if real else {})


@contextlib.contextmanager
def _served(name: str, folder: Path, version: Path) -> Iterator[_Runtime]:
    port, model = free_port(), version.parent
    command = _servers()[name]
    if "support.tensorflow_serving" in command:
        command += ["--port", str(port), "--model", f"{model.name}={model}"]
    else:
        command += [f"--port={port}", f"--model_name={model.name}", f"--model_base_path={model}"]
    server = Server(command, {"PYTHONPATH": str(ROOT / "tests")}, folder / f"{port}.log", port)
    server.start()
    try:
        with _runtime("grpc", f"grpc://127.0.0.1:{port}/{model.name}", folder, version) as runtime:
            runtime.server = server
            yield runtime
    finally:
        server.kill()


@contextlib.contextmanager
def _runtime(name: str, target: str, folder: Path, version: Path) -> Iterator[_Runtime]:
    command = [sys.executable, "-m", "benchmarks.runtime_process", name, target, str(version)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    pipe = subprocess.PIPE
    with (
        # TensorFlow's chatter would stand between the tables.
        (folder / f"{name}.log").open("w") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=log, text=True) as process,
    ):
        try:
            runtime = _Runtime(process, Path(log.name))
            runtime.load_s = runtime.answer()
            yield runtime
        finally:
            process.kill()


def _outputs(runtime: _Runtime, path: Path) -> NDArray[np.float32]:
    runtime.ask(f"write {path}")
    outputs: NDArray[np.float32] = np.load(path)
    return outputs


def _rate(runtime: _Runtime, n_windows: int) -> str:
    return f"{n_windows / np.median(runtime.round_s[n_windows]):,.0f}"


def _ratio(runtime: _Runtime, reference: _Runtime, n_windows: int) -> float:
    """Of each round by itself: what slows one of its calls down slows the next runtime's, too."""
    rounds = zip(runtime.round_s[n_windows], reference.round_s[n_windows], strict=True)
    return float(np.median([seconds / reference_s for seconds, reference_s in rounds]))


def _memory(runtime: _Runtime) -> str:
    megabytes = f"{runtime.ask('memory') / 1e6:.0f} MB"
    if runtime.server is None or runtime.server.popen is None:
        return megabytes
    return f"{megabytes} + server {psutil.Process(runtime.server.popen.pid).memory_info().rss / 1e6:.0f} MB"
