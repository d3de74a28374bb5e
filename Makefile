# Two commands: `make demo` and `make test`. Everything is made under .venv/ and .local/.
.DEFAULT_GOAL := help
.PHONY: help demo test test-faults test-kubernetes check up kubernetes kube-apiserver down status bench bench-soak dashboards pictures lock

venv := .venv
python := $(venv)/bin/python
installed := $(venv)/.installed
workers ?= 2
MINUTES ?= 20

help: ## show the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(installed) ## the sample cluster's flows through real servers: which staged policy would break what
	@$(python) -m deploy.demo.run

test: check ## the whole suite, on real servers
	@$(python) -m pytest -n $(workers)

test-faults: $(installed) ## the tests of faults in full: 20 kills, servers away for long
	@$(python) -m pytest -n $(workers) tests/faults --full

test-kubernetes: kube-apiserver ## the tests on a real Kubernetes API
	@$(python) -m pytest -n $(workers) -m kubernetes

check: $(installed) ## ruff, mypy --strict, import-linter
	@$(python) -m ruff check
	@$(python) -m ruff format --check --quiet
	@$(python) -m mypy pipeline agents dashboards deploy tests
	@$(venv)/bin/lint-imports

up: $(installed) ## start Kafka and Elasticsearch in the background
	@$(python) -m deploy.local up

kubernetes: $(installed) ## build and start a Kubernetes API with Calico's resources, in the background
	@$(python) -m deploy.local kubernetes

kube-apiserver: $(installed) ## build the Kubernetes API server, where that was never done: some minutes
	@$(python) -m deploy.local.kubernetes_build

down: $(installed) ## stop them; their data stays
	@$(python) -m deploy.local down

status: $(installed) ## show what runs where
	@$(python) -m deploy.local status

bench: $(installed) ## the figures of BENCHMARKS.md
	@$(python) -m tests.benchmarks

bench-soak: $(installed) ## a worker under load without end, for MINUTES=20: throughput, memory, and every flow counted
	@$(python) -m tests.benchmarks.soak --minutes $(MINUTES)

dashboards: $(installed) ## compile dashboards/*.yaml and vega/*.json to dashboards/build/flowtier.ndjson
	@$(python) -m dashboards.compile

pictures: $(installed) ## draw docs/pictures: the graphs of the sample cluster and of a large one, in Chromium
	@$(python) -m tests.dashboards.graphs.pictures

lock: $(installed) ## pin again what pyproject.toml asks for
	@$(python) -m pip install --quiet pip-tools
	@CUSTOM_COMPILE_COMMAND="make lock" $(venv)/bin/pip-compile --quiet --extra dev --strip-extras --allow-unsafe \
		--generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--output-file requirements.lock pyproject.toml

# Made once, and again when the lock changes. Wheels only: no machine needs a compiler.
$(installed): requirements.lock pyproject.toml deploy/python.sh
	@python=$$(sh deploy/python.sh) && { test -x $(python) || $$python -m venv $(venv); }
	@echo "Installing the locked packages into $(venv) …"
	@$(python) -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	@$(python) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
