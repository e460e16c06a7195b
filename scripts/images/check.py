"""Use what `slim.py` left of the packages as the services do: `check.py MODEL`, a model in ONNX.

Run by the image's Python before its own code is there; ends with 1 if something does not work. What is not installed is
passed over.
"""

import importlib
import importlib.util
import io
import sys
from typing import Any

import numpy as np

_MODULES = {
    "numpy": ["fft", "lib.format", "linalg", "ma", "polynomial", "random", "testing"],
    "onnxruntime": ["capi.onnxruntime_pybind11_state"],
    "pandas": ["api.types", "io.api", "testing"],
    "pyarrow": ["compute", "csv", "dataset", "feather", "fs", "ipc", "json", "parquet", "types"],
}
"""By package, all that a service, or a package that it has, imports of it."""


def main(model: str) -> None:
    """Try each package that is there."""
    for package, modules in _MODULES.items():
        if _is_here(package):
            for module in modules:
                importlib.import_module(f"{package}.{module}")
    _check_numpy()
    if _is_here("onnxruntime"):
        _check_onnxruntime(model)
    if _is_here("pyarrow"):
        _check_parquet()
    if _is_here("pandas"):
        _check_table_for_browser()
    if _is_here("tensorflow"):
        _check_tensorflow()


def _is_here(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _check_numpy() -> None:
    matrix = np.array([[2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(np.linalg.solve(matrix, matrix @ [4.0, 5.0]), [4.0, 5.0])
    np.testing.assert_allclose(np.fft.irfft(np.fft.rfft([1.0, 2.0, 3.0, 4.0])), [1.0, 2.0, 3.0, 4.0], atol=1e-12)


def _check_onnxruntime(model: str) -> None:
    import onnxruntime  # noqa: PLC0415 - only where the lock names it, as all of these

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (wanted,) = session.get_inputs()
    shape = [size if isinstance(size, int) else 3 for size in wanted.shape]
    (answer,) = session.run(None, {wanted.name: np.ones(shape, dtype=np.float32)})
    if len(answer) != shape[0] or not np.all((answer >= 0) & (answer <= 1)):
        sys.exit(f"onnxruntime answers with what are no probabilities: {answer}")


def _check_parquet() -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    fields: list[pa.Field[Any]] = [pa.field("row", pa.int64()), pa.field("ax", pa.float32())]
    schema = pa.schema(fields, metadata={b"key": b"value"})
    empty = pa.nulls(1000, pa.float32())
    full = pa.array(np.linspace(0, 1, 1000, dtype=np.float32))
    tables = [pa.Table.from_arrays([pa.array(np.arange(1000)), column], schema=schema) for column in (full, empty)]
    for compression in ("none", "snappy", "gzip", "brotli", "lz4", "zstd"):
        file = io.BytesIO()
        with pq.ParquetWriter(
            file, schema, compression=compression, use_dictionary=False, use_byte_stream_split=["ax"]
        ) as writer:
            writer.write_table(pa.concat_tables(tables))
        file.seek(0)
        with pq.ParquetFile(file) as opened:
            read = opened.read()
            if not read.equals(pa.concat_tables(tables)) or opened.schema_arrow.metadata[b"key"] != b"value":
                sys.exit(f"pyarrow does not read what it wrote with {compression}")
        read.column("ax").cast(pa.float64()).to_numpy()


def _check_table_for_browser() -> None:
    import pandas as pd  # type: ignore[import-untyped]  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    frame = pd.DataFrame({"exercise": ["squat", "push-up"], "n": [3, 4], "at": pd.to_datetime([0, 1], utc=True)})
    table = pa.Table.from_pandas(frame)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    back = pa.ipc.open_stream(sink.getvalue()).read_all().to_pandas()
    pd.testing.assert_frame_equal(back, frame)


def _check_tensorflow() -> None:
    import keras  # noqa: PLC0415

    recurrence = keras.layers.Bidirectional(keras.layers.LSTM(3))
    network = keras.Sequential([keras.Input((4, 2)), recurrence, keras.layers.Dense(1)])
    network.compile(loss="mse")
    network.fit(np.ones((8, 4, 2)), np.ones(8), verbose=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
