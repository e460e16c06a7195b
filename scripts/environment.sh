#!/bin/sh
# Makes the virtual environment .venv from the lock: environment.sh native|dev [python]
#   native  what `make up` needs
#   dev     everything: checks, tests, benchmarks too
set -eu
cd "$(dirname "$0")/.."
kind=$1
python=${2:-python3}
lock=requirements.txt
members="packages/repsense services/ble_gateway services/preprocessor services/inference services/dashboard services/trainer services/admin"
if [ "$kind" = dev ]; then
  lock=requirements-dev.txt
fi

fail() {
  echo "RepSense: $1" >&2
  exit 1
}

command -v "$python" >/dev/null 2>&1 || fail "$python is not installed; it takes Python 3.11 or newer (make ... PYTHON=python3.12 names one)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old; it takes Python 3.11 or newer (make ... PYTHON=python3.12 names one)"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "$python lacks its venv module; install it first (on Debian and Ubuntu: apt install python3-venv)"

mkdir -p .venv 2>/dev/null || fail "cannot write to $(pwd)/.venv"
log=.venv/install.log
echo "RepSense: installing what $lock names into .venv (once; takes a minute or two) ..."
[ -x .venv/bin/pip ] || "$python" -m venv .venv >"$log" 2>&1 || fail "cannot make the virtual environment; see $log"
.venv/bin/pip install --disable-pip-version-check --require-hashes -r "$lock" >"$log" 2>&1 ||
  fail "the installation failed; the reason is at the end of $log"
editable=""
for member in $members; do editable="$editable -e $member"; done
# shellcheck disable=SC2086 # one word per member
.venv/bin/pip install --disable-pip-version-check --no-deps --no-build-isolation $editable >>"$log" 2>&1 ||
  fail "the installation failed; the reason is at the end of $log"
touch .venv/native
[ "$kind" = native ] || touch .venv/dev
