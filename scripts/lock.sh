#!/bin/sh
# Locks every dependency with its hashes and without addresses. Needs uv; arguments go to it (--upgrade, say).
#   requirements-dev.txt         everything: services, trainer, tests
#   requirements.txt             what `make up` needs, the same versions
#   services/*/requirements.txt  what the image of each service holds, the same versions
#   scripts/images/*.txt         what the builds of the images need beside that
#   …/requirements.txt           the embedded database's image, and the stand-ins of the tests
set -eu
cd "$(dirname "$0")/.."
lock() {
  uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
    --no-emit-package repsense "$@" >/dev/null
}
lock_image() {
  lock --python-version 3.13 -c requirements-dev.txt "$@"
}
native="requirements-native.in packages/repsense/pyproject.toml services/ble_gateway/pyproject.toml
  services/preprocessor/pyproject.toml services/inference/pyproject.toml services/dashboard/pyproject.toml
  services/trainer/pyproject.toml services/admin/pyproject.toml"
lock --python-version 3.11 --extra tensorflow-serving --extra parquet "$@" -o requirements-dev.txt \
  $native requirements-dev.in
lock --python-version 3.11 -c requirements-dev.txt -o requirements.txt $native

for service in ble_gateway dashboard admin; do
  lock_image -o "services/$service/requirements.txt" "services/$service/pyproject.toml"
done
for service in preprocessor inference; do
  lock_image --extra tensorflow-serving --excludes scripts/images/without-tensorflow.txt \
    -o "services/$service/requirements.txt" "services/$service/pyproject.toml"
done
lock_image "$@" --override scripts/images/trainer-overrides.txt -o services/trainer/requirements.txt \
  services/trainer/pyproject.toml scripts/images/trainer.in
lock_image -o scripts/images/build.txt scripts/images/build.in
lock_image --no-deps -c services/trainer/requirements.txt -o scripts/images/tensorflow-messages.txt \
  scripts/images/tensorflow-messages.in

for folder in tests/compose/stand_ins/nats tests/compose/stand_ins/mongo compose/embedded_database; do
  lock_image --prerelease if-necessary-or-explicit -o "$folder/requirements.txt" "$folder/requirements.in"
done
lock_image --no-deps -o tests/compose/stand_ins/tensorflow_serving/requirements.txt \
  tests/compose/stand_ins/tensorflow_serving/requirements.in
