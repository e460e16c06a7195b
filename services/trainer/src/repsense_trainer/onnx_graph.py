"""The network as an ONNX graph, written by hand from the weights.

Keras' own export to ONNX unrolls the LSTM into hundreds of operations; ONNX has a bidirectional LSTM operator, which
ONNX Runtime computes in one go. What is written here mirrors `network`, `statistics` and `familiarity` step by step; a
test holds their numbers against each other.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from repsense.channels import Channel
from repsense_trainer.familiarity import BANDWIDTH_SQUARED, Familiarity
from repsense_trainer.network import LEAST_PROBABILITY, Network
from repsense_trainer.statistics import FLOORS, floors_of, sensor_indices

__all__ = ["build_onnx"]

OPSET_VERSION = 21
"""ONNX 1.16 (2024); every ONNX Runtime since 1.18 knows it."""
IR_VERSION = 10
"""The file format of the same release; the onnx package would write a newer one that older runtimes refuse."""


class _Graph:
    """Collects nodes and constants; a value is known by its name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:  # noqa: ANN401
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def mean(self, value: str, axis: int) -> str:
        return self.add("ReduceMean", value, self.integers(axis), keepdims=1)

    def reduced(self, operator: str, value: str, axis: int) -> str:
        return self.add(operator, value, self.integers(axis), keepdims=0)

    def square(self, value: str) -> str:
        return self.add("Mul", value, value)

    def cube(self, value: str) -> str:
        return self.add("Mul", self.square(value), value)


def build_onnx(network: Network, temperature: float, channels: Sequence[Channel]) -> onnx.ModelProto:
    """Build the graph: input "samples" and output "probabilities" as in the SavedModel's signature.

    Args:
        network: As it was trained.
        temperature: Divides its logits.
        channels: What its inputs are.
    """
    n_classes = network.model.output_shape[0][-1]
    graph = _Graph()
    statistics = _statistics(graph, channels, network)
    members = _recurrent_logits(graph, network), _statistics_logits(graph, statistics, network)
    mean = graph.add("Mean", *(graph.add("Softmax", logits, axis=-1) for logits in members))
    logits = graph.add("Log", graph.add("Add", mean, graph.constant(LEAST_PROBABILITY)))
    softmax = graph.add("Softmax", graph.add("Div", logits, graph.constant(temperature)), axis=-1)
    known = _known(graph, statistics, network.familiarity)
    graph.add("Mul", softmax, known, output="probabilities")
    return _model(graph, network.window_size, len(channels), n_classes)


def _recurrent_logits(graph: _Graph, network: Network) -> str:
    scaled = graph.add("Sub", "samples", graph.constant(network.mean))
    normalised = graph.add("Div", scaled, graph.constant(network.deviation))
    change = graph.add("Sub", normalised, graph.mean(normalised, 1))
    level = graph.add("Gather", normalised, graph.integers(*network.level_indices), axis=2)
    # ONNX's LSTM takes (time, batch, features) and gives (time, direction, batch, units).
    steps = graph.add("Transpose", graph.add("Concat", change, level, axis=2), perm=[1, 0, 2])
    by_direction = _lstm(graph, network, "recurrent_1", steps, is_last=False)
    by_batch = graph.add("Transpose", by_direction, perm=[0, 2, 1, 3])
    hidden = graph.add("Reshape", by_batch, graph.integers(0, 0, -1))
    # The last state of each direction is what Keras returns without sequences.
    last = graph.add("Transpose", _lstm(graph, network, "recurrent_2", hidden, is_last=True), perm=[1, 0, 2])
    return _dense(graph, network, "recurrent_logits", graph.add("Reshape", last, graph.integers(0, -1)))


def _statistics_logits(graph: _Graph, statistics: str, network: Network) -> str:
    centred = graph.add("Sub", statistics, graph.constant(network.statistics_mean))
    standardised = graph.add("Div", centred, graph.constant(network.statistics_deviation))
    hidden = graph.add("Relu", _dense(graph, network, "statistics_hidden", standardised))
    return _dense(graph, network, "statistics_logits", hidden)


def _statistics(graph: _Graph, channels: Sequence[Channel], network: Network) -> str:
    """See `statistics.window_statistics`: the same, in the same order."""
    window_size, floors = network.window_size, graph.constant(floors_of(channels))
    change = graph.add("Sub", "samples", graph.mean("samples", 1))
    later = graph.add("Slice", change, graph.integers(1), graph.integers(window_size), graph.integers(1))
    earlier = graph.add("Slice", change, graph.integers(0), graph.integers(window_size - 1), graph.integers(1))
    level = graph.add("Gather", "samples", graph.integers(*network.level_indices), axis=2)
    deviation = graph.add("Add", graph.add("Sqrt", graph.reduced("ReduceMean", graph.square(change), 1)), floors)
    mean_step = graph.reduced("ReduceMean", graph.add("Abs", graph.add("Sub", later, earlier)), 1)
    norms = []
    for unit, indices in sensor_indices(channels):
        of_sensor = graph.add("Gather", change, graph.integers(*indices), axis=2)
        squares, floor = graph.reduced("ReduceSum", graph.square(of_sensor), 2), graph.constant(FLOORS[unit])
        for reduction in ("ReduceMean", "ReduceMax"):
            root = graph.add("Sqrt", graph.add(reduction, squares, graph.integers(1), keepdims=1))
            norms.append(graph.add("Log", graph.add("Add", root, floor)))
    return graph.add(
        "Concat",
        graph.reduced("ReduceMean", level, 1),
        graph.add("Log", deviation),
        *norms,
        graph.reduced("ReduceMin", level, 1),
        graph.reduced("ReduceMax", level, 1),
        deviation,
        graph.reduced("ReduceMean", graph.add("Abs", change), 1),
        graph.add("Div", graph.reduced("ReduceMean", graph.cube(change), 1), graph.cube(deviation)),
        graph.add("Log", graph.add("Add", mean_step, floors)),
        axis=1,
    )


def _known(graph: _Graph, statistics: str, familiarity: Familiarity | None) -> str:
    """See `familiarity.Familiarity.known`."""
    if familiarity is None:
        return graph.constant(1.0)
    memory = familiarity.memory
    compared = graph.add("Slice", statistics, graph.integers(0), graph.integers(memory.shape[1]), graph.integers(1))
    weighted = graph.add("Mul", compared, graph.constant(familiarity.weights))
    squares = graph.add("ReduceSum", graph.square(weighted), graph.integers(1), keepdims=1)
    both = graph.add("Add", squares, graph.constant(np.square(memory).sum(axis=1)))
    squared = graph.add("Sub", both, graph.add("MatMul", weighted, graph.constant(2 * memory.T)))
    zero = graph.constant(0.0)
    exponents = graph.add("Mul", graph.add("Max", squared, zero), graph.constant(-0.5 / BANDWIDTH_SQUARED))
    log_sum = graph.add("ReduceLogSumExp", exponents, graph.integers(1), keepdims=1)
    log_mean = graph.add("Sub", graph.constant(np.log(len(memory))), log_sum)
    distance_squared = graph.add("Max", graph.add("Mul", log_mean, graph.constant(2 * BANDWIDTH_SQUARED)), zero)
    scaled = graph.add("Mul", graph.add("Sqrt", distance_squared), graph.constant(familiarity.slope))
    return graph.add("Sigmoid", graph.add("Add", scaled, graph.constant(familiarity.intercept)))


def _dense(graph: _Graph, network: Network, name: str, source: str) -> str:
    kernel, bias = network.model.get_layer(name).get_weights()
    return graph.add("Gemm", source, graph.constant(kernel), graph.constant(bias))


def _lstm(graph: _Graph, network: Network, name: str, source: str, *, is_last: bool) -> str:
    """A bidirectional layer: what it returns at every step, or only its last state."""
    layer = network.model.get_layer(name)
    kernel, recurrent, bias = zip(
        *(one.cell.get_weights() for one in (layer.forward_layer, layer.backward_layer)), strict=True
    )
    weights = [np.stack([_gates(value) for value in values]) for values in (kernel, recurrent)]
    # Keras has one bias per gate, ONNX two that it adds.
    biases = np.stack([np.concatenate([_gates(value), np.zeros_like(value)]) for value in bias])
    output = f"{name}_output"
    graph.nodes.append(
        helper.make_node(
            "LSTM",
            [source, *map(graph.constant, weights), graph.constant(biases)],
            ["", output] if is_last else [output],
            direction="bidirectional",
            hidden_size=recurrent[0].shape[0],
        )
    )
    return output


def _gates(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """From Keras' order of gates (input, forget, cell, output; last axis) to ONNX's (i, o, f, c; first axis)."""
    input_gate, forget_gate, cell, output_gate = np.split(weights, 4, axis=-1)
    return np.concatenate([input_gate, output_gate, forget_gate, cell], axis=-1).T


def _model(graph: _Graph, window_size: int, n_channels: int, n_classes: int) -> onnx.ModelProto:
    described = helper.make_graph(
        graph.nodes,
        "repsense",
        [helper.make_tensor_value_info("samples", TensorProto.FLOAT, ["n_windows", window_size, n_channels])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n_windows", n_classes])],
        graph.constants,
    )
    model = helper.make_model(
        described,
        opset_imports=[helper.make_opsetid("", OPSET_VERSION)],
        ir_version=IR_VERSION,
        producer_name="repsense",
    )
    onnx.checker.check_model(model, full_check=True)
    return model
