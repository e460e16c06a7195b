# RepSense. `make` lists what it can do; PYTHON=python3.12 chooses another Python.
PYTHON ?= python3
MEMBERS := $(wildcard packages/*/pyproject.toml services/*/pyproject.toml)
CODE := packages services scripts tests benchmarks

.PHONY: help up gateway check test format benchmark lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

up: .venv/native ## start everything natively: broker, database, services, a simulated sensor
	@.venv/bin/python scripts/up.py

gateway: .venv/native ## bring the Bluetooth sensors of your configuration to the broker
	@.venv/bin/repsense-gateway run

check: .venv/dev ## lint and type-check
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/mypy $(CODE)

test: .venv/dev ## run every test
	.venv/bin/pytest packages services tests

format: .venv/dev ## format the code
	.venv/bin/ruff check --fix $(CODE)
	.venv/bin/ruff format $(CODE)

benchmark: .venv/dev ## measure delay, load, memory and start-up; prints tables
	PYTHONPATH=tests .venv/bin/python -m benchmarks

lock: ## resolve the dependencies anew (needs uv)
	scripts/lock.sh --upgrade

clean: ## remove the environment and the caches; data/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/native: requirements.txt $(MEMBERS)
	@scripts/environment.sh native $(PYTHON)

.venv/dev: requirements-dev.txt requirements.txt $(MEMBERS)
	@scripts/environment.sh dev $(PYTHON)
