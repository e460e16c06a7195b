"""The network as an ONNX graph, written by hand from the weights.

Keras' own export to ONNX unrolls the LSTM into hundreds of operations; ONNX has a bidirectional LSTM operator, which
ONNX Runtime computes in one go.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from repsense_trainer.network import Network

__all__ = ["build_onnx"]

OPSET_VERSION = 21
"""ONNX 1.16 (2024); every ONNX Runtime since 1.18 knows it."""
IR_VERSION = 10
"""The file format of the same release; the onnx package would write a newer one that older runtimes refuse."""


def build_onnx(network: Network) -> onnx.ModelProto:
    """Build the graph: input "samples" and output "probabilities" as in the SavedModel's signature."""
    _, window_size, n_channels = network.model.input_shape
    n_classes = network.model.output_shape[-1]
    first, second = (_lstm_weights(network.model.get_layer(name)) for name in ("recurrent_1", "recurrent_2"))
    kernel, bias = network.model.get_layer("probabilities").get_weights()
    constants = {
        "mean": network.mean,
        "deviation": network.deviation,
        "level_indices": np.array(network.level_indices, dtype=np.int64),
        "time_axis": np.array([1], dtype=np.int64),
        "keep_keep_join": np.array([0, 0, -1], dtype=np.int64),
        "keep_join": np.array([0, -1], dtype=np.int64),
        **{f"recurrent_1_{name}": weights for name, weights in first.items()},
        **{f"recurrent_2_{name}": weights for name, weights in second.items()},
        "kernel": kernel,
        "bias": bias,
    }
    nodes = [
        helper.make_node("Sub", ["samples", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "deviation"], ["normalised"]),
        helper.make_node("ReduceMean", ["normalised", "time_axis"], ["window_mean"], keepdims=1),
        helper.make_node("Sub", ["normalised", "window_mean"], ["change"]),
        helper.make_node("Gather", ["normalised", "level_indices"], ["level"], axis=2),
        helper.make_node("Concat", ["change", "level"], ["features"], axis=2),
        # ONNX's LSTM takes (time, batch, features) and gives (time, direction, batch, units).
        helper.make_node("Transpose", ["features"], ["steps"], perm=[1, 0, 2]),
        _lstm_node("recurrent_1", "steps", ["by_direction"], first),
        helper.make_node("Transpose", ["by_direction"], ["by_batch"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["by_batch", "keep_keep_join"], ["hidden"]),
        # The last state of each direction is what Keras returns without sequences.
        _lstm_node("recurrent_2", "hidden", ["", "last_by_direction"], second),
        helper.make_node("Transpose", ["last_by_direction"], ["last"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["last", "keep_join"], ["summary"]),
        helper.make_node("Gemm", ["summary", "kernel", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "repsense",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["n_windows", window_size, n_channels])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n_windows", n_classes])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET_VERSION)], ir_version=IR_VERSION, producer_name="repsense"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _lstm_node(name: str, source: str, outputs: list[str], weights: dict[str, NDArray[np.float32]]) -> onnx.NodeProto:
    inputs = [source, *(f"{name}_{part}" for part in weights)]
    return helper.make_node("LSTM", inputs, outputs, direction="bidirectional", hidden_size=weights["r"].shape[-1])


def _lstm_weights(bidirectional: Any) -> dict[str, NDArray[np.float32]]:  # noqa: ANN401 - Keras has no types
    """The weights of a bidirectional layer as ONNX's inputs W, R and B, in this order, forward direction first."""
    kernel, recurrent, bias = zip(
        *(layer.cell.get_weights() for layer in (bidirectional.forward_layer, bidirectional.backward_layer)),
        strict=True,
    )
    biases = [np.concatenate([_gates(b), np.zeros_like(b)]) for b in bias]
    return {
        "w": np.stack([_gates(w) for w in kernel]),
        "r": np.stack([_gates(r) for r in recurrent]),
        # Keras has one bias per gate, ONNX two that it adds.
        "b": np.stack(biases),
    }


def _gates(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """From Keras' order of gates (input, forget, cell, output; last axis) to ONNX's (i, o, f, c; first axis)."""
    input_gate, forget_gate, cell, output_gate = np.split(weights, 4, axis=-1)
    return np.concatenate([input_gate, output_gate, forget_gate, cell], axis=-1).T
