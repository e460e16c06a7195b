"""Export: a network as a version directory of TensorFlow Serving.

saved_model.pb, variables/     signatures "serving_default" and "manifest"
assets.extra/model.json        the manifest
assets.extra/model.onnx        the same network for ONNX Runtime

What is exported gives probabilities that add up to at most 1: softmax(logits / temperature) * known.
"""

from pathlib import Path

import keras
import tensorflow as tf

from repsense.manifest import ModelManifest, manifest_path, onnx_path
from repsense_trainer.network import Network
from repsense_trainer.onnx_graph import build_onnx

__all__ = ["write_network"]


def write_network(network: Network, temperature: float, manifest: ModelManifest, directory: Path) -> None:
    """Write a network and its manifest.

    Args:
        network: As it was trained.
        temperature: Divides its logits.
        manifest: Of the version.
        directory: An empty one; see `registry.ModelRegistry.add`.

    Raises:
        OSError: If it cannot be written.
    """
    text = manifest.model_dump_json(indent=2) + "\n"
    _write_saved_model(network, temperature, manifest, text, directory)
    manifest_path(directory).parent.mkdir()
    manifest_path(directory).write_text(text, encoding="utf-8")
    onnx_path(directory).write_bytes(
        build_onnx(network, temperature, manifest.channels).SerializeToString(deterministic=True)
    )


def _write_saved_model(
    network: Network, temperature: float, manifest: ModelManifest, text: str, directory: Path
) -> None:
    window_shape = (None, manifest.window_size, len(manifest.channels))

    @tf.function(input_signature=[tf.TensorSpec(window_shape, tf.float32, name="samples")])
    def classify(samples):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - traced, not called
        logits, known = network.model(samples, training=False)
        return {"probabilities": keras.ops.softmax(logits / temperature) * known}

    # The input gives the number of rows: where TensorFlow Serving batches requests, input and output must agree in it.
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32, name="rows")])
    def describe(rows):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        return {"manifest": tf.fill(tf.shape(rows), text)}

    module = tf.Module()
    # What the module holds is saved; the Keras model itself would bring its training state along.
    module.weights = [weight.value for weight in network.model.weights]
    tf.saved_model.save(module, str(directory), signatures={"serving_default": classify, "manifest": describe})
