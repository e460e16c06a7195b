# RepSense. `make` lists what it can do; PYTHON=python3.12 chooses another Python.
PYTHON ?= python3
# Of the tests that do not need the machine for themselves: processes at once. They wait half of the time.
WORKERS ?= 3
# Brokers, databases, a browser and containers run beside the tests: what fails is tried once more, and both tries are shown.
AGAIN := --reruns 1 --rerun-show-tracebacks
MEMBERS := $(wildcard packages/*/pyproject.toml services/*/pyproject.toml)
CODE := packages services scripts tests benchmarks

.PHONY: help up gateway secrets gateway-access backup restore images sbom audit check test test-compose format benchmark screenshots lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/native ## start everything natively: broker, database, services, a simulated sensor
	@.venv/bin/python scripts/up.py

gateway: .venv/native ## bring the Bluetooth sensors of your configuration to the broker
	@if [ -f gateway.env ]; then set -a; . ./gateway.env; fi; exec .venv/bin/repsense-gateway run

secrets: ## passwords and certificates for the containers: make what is missing, show what a person needs
	@scripts/secrets.sh create

gateway-access: ## let a gateway send to the containers: NAME=home SENSORS="wrist ankle" [HOST=gym.local]
	@scripts/secrets.sh gateway $(if $(HOST),--host $(HOST)) $(OPTIONS) $(NAME) $(SENSORS)

backup: ## everything that is stored, and the models, into one archive: [FILE=before.tar.gz]
	@$(PYTHON) scripts/backup.py backup $(FILE)

restore: ## an archive into an empty database: FILE=before.tar.gz [OPTIONS=--replace]
	@$(PYTHON) scripts/backup.py restore $(FILE) $(OPTIONS)

images: ## build the images of all services
	eval "$$(scripts/docker-engine.sh env)" && docker compose --profile demo build

sbom: .venv/dev ## what each image is made of, as CycloneDX; into build/sbom
	.venv/bin/python scripts/dependencies.py sbom build/sbom

audit: .venv/dev ## known weaknesses of what is locked; asks on the network
	.venv/bin/python scripts/dependencies.py audit

check: .venv/dev ## lint, type-check, and look for known weaknesses of what is locked
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/mypy $(CODE)
	.venv/bin/hadolint services/*/Dockerfile
	.venv/bin/python scripts/dependencies.py audit --if-possible

test: .venv/dev ## run every test
	.venv/bin/pytest $(AGAIN) -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone" tests services packages --ignore tests/compose
	.venv/bin/pytest $(AGAIN) -m alone tests services --ignore tests/compose

test-compose: .venv/dev ## run the stack of docker-compose.yml and break it; brings an engine where there is none
	scripts/docker-engine.sh up
	scripts/docker-engine.sh third-party
	eval "$$(scripts/docker-engine.sh env)" && .venv/bin/pytest $(AGAIN) tests/compose

format: .venv/dev ## format the code
	.venv/bin/ruff check --fix $(CODE)
	.venv/bin/ruff format $(CODE)

benchmark: .venv/dev ## measure delay, load, memory and start-up; prints tables
	PYTHONPATH=tests .venv/bin/python -m benchmarks

screenshots: .venv/dev ## pictures of every page: desktop and phone, light and dark; into build/screenshots
	PYTHONPATH=tests .venv/bin/python -m services.dashboard.tests.screenshots build/screenshots

lock: ## resolve the dependencies anew (needs uv)
	scripts/lock.sh --upgrade

clean: ## remove the environment and the caches; data/ stays
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/native: requirements.txt $(MEMBERS)
	@scripts/environment.sh native $(PYTHON)

.venv/dev: requirements-dev.txt requirements.txt $(MEMBERS)
	@scripts/environment.sh dev $(PYTHON)
