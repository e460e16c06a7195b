#!/bin/sh
# Locks every dependency with its hashes and without addresses. Needs uv; arguments go to it (--upgrade, say).
#   requirements-dev.txt  everything: services, trainer, tests
#   requirements.txt      what `make up` needs, the same versions
set -eu
cd "$(dirname "$0")/.."
lock() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
    --no-annotate --no-emit-package repsense "$@" >/dev/null
}
native="requirements-native.in packages/repsense/pyproject.toml services/ble_gateway/pyproject.toml
  services/preprocessor/pyproject.toml services/inference/pyproject.toml services/dashboard/pyproject.toml
  services/trainer/pyproject.toml"
lock --extra tensorflow-serving --extra parquet "$@" -o requirements-dev.txt \
  $native requirements-dev.in
lock -c requirements-dev.txt -o requirements.txt $native
