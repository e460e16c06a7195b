"""Export: a network as a version directory of TensorFlow Serving.

<output>/<name>/<version>/saved_model.pb, variables/     signatures "serving_default" and "manifest"
                          assets.extra/model.json        the manifest
                          assets.extra/model.onnx        the same network for ONNX Runtime

The directory is written under another name and moved into place whole, so that a model server that watches the model's
directory never sees half of it.
"""

import shutil
from pathlib import Path

import tensorflow as tf

from repsense.manifest import ModelManifest, manifest_path, onnx_path
from repsense_trainer.errors import ExportError
from repsense_trainer.network import Network
from repsense_trainer.onnx_graph import build_onnx
from repsense_trainer.training import TrainedModel

__all__ = ["write_version"]


def write_version(trained: TrainedModel, target: Path, *, replace: bool) -> None:
    """Write a model version.

    Args:
        trained: The network and its manifest.
        target: The version's directory.
        replace: Whether a version that is already there is replaced.

    Raises:
        ExportError: If the version exists and is not to be replaced, or the directory cannot be written.
    """
    # Neither name is a number, so TensorFlow Serving and `manifest.latest_version` pass them over.
    partial = target.with_name(f".{target.name}.partial")
    replaced = target.with_name(f".{target.name}.replaced")
    try:
        for leftover in (partial, replaced):
            if leftover.exists():
                shutil.rmtree(leftover)
        partial.mkdir(parents=True)
        _write_saved_model(trained.network, trained.manifest, partial)
        manifest_path(partial).parent.mkdir()
        manifest_path(partial).write_text(_encoded(trained.manifest), encoding="utf-8")
        onnx_path(partial).write_bytes(build_onnx(trained.network).SerializeToString(deterministic=True))
        if target.exists():
            if not replace:
                msg = f"{target} appeared while the network was trained; give another --version, or --force"
                raise ExportError(msg)
            target.rename(replaced)
        partial.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        msg = f"cannot write {target}: {error.strerror or error}"
        raise ExportError(msg) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _encoded(manifest: ModelManifest) -> str:
    return manifest.model_dump_json(indent=2) + "\n"


def _write_saved_model(network: Network, manifest: ModelManifest, directory: Path) -> None:
    text = _encoded(manifest)
    window_shape = (None, manifest.window_size, len(manifest.channels))

    @tf.function(input_signature=[tf.TensorSpec(window_shape, tf.float32, name="samples")])
    def classify(samples):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - traced, not called
        return {"probabilities": network.model(samples, training=False)}

    # The input gives the number of rows: where TensorFlow Serving batches requests, input and output must agree in it.
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int32, name="rows")])
    def describe(rows):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        return {"manifest": tf.fill(tf.shape(rows), text)}

    module = tf.Module()
    # What the module holds is saved; the Keras model itself would bring its training state along.
    module.weights = [weight.value for weight in network.model.weights]
    tf.saved_model.save(module, str(directory), signatures={"serving_default": classify, "manifest": describe})
