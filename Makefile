# Every target installs what it needs by itself; `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:

BIN := .venv/bin
DAFAB_HOME ?= $(CURDIR)/.dafab
export DAFAB_HOME
ITEMS ?= 100000

LOCK := $(BIN)/uv pip compile pyproject.toml --extra server --extra worker --extra argo --extra dev \
	--python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --quiet

.PHONY: help install demo up down status test check lint types layers unit integration e2e render benchmark-catalogue benchmark-load benchmark-meaning benchmark-workflows benchmark-eo models evaluate lock clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-20s\033[0m %s\n", $$1, $$2}'

install: ## Install what is missing (Debian packages, Python packages from the lock)
	@scripts/install.sh

demo: install ## The main job: a simulated scene becomes products in Rucio, found and fetched; leaves the site up
	@$(BIN)/rucio-dafab demo

up: install ## Start the site
	@$(BIN)/rucio-dafab up

down: ## Stop everything that `up` and `demo` started
	@if [[ -x $(BIN)/rucio-dafab ]]; then $(BIN)/rucio-dafab down; fi

status: ## Say what runs and where
	@$(BIN)/rucio-dafab status

test: install check ## Lint, types, layers, unit, integration and end-to-end tests
	@# Two halves of the same length side by side, each with sites of its own and told when it is done.
	@$(MAKE) --no-print-directory --jobs=2 --keep-going --output-sync=target catalogue-workflow-and-end-to-end-tests other-tests

.PHONY: catalogue-workflow-and-end-to-end-tests other-tests
catalogue-workflow-and-end-to-end-tests:
	@failed=0
	for folder in integration/catalogue integration/workflows e2e; do
		$(BIN)/pytest tests/$$folder || failed=1
	done
	exit $$failed

other-tests:
	@failed=0
	for folder in unit "integration --ignore=tests/integration/catalogue --ignore=tests/integration/workflows"; do
		$(BIN)/pytest tests/$$folder || failed=1
	done
	exit $$failed

check: lint types layers ## Everything that needs no test to run

lint: ## ruff, its formatter, and the drift of rendered files
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/python -m argo_templates.render --check

types: ## mypy, strict
	@$(BIN)/mypy

layers: ## import-linter: a room uses only those below it
	@$(BIN)/lint-imports

unit: ## Unit tests (no servers)
	@$(BIN)/pytest tests/unit

integration: ## Tests against real PostgreSQL, Rucio and FDB
	@$(BIN)/pytest tests/integration

e2e: ## The installed commands, as a user types them
	@$(BIN)/pytest tests/e2e

render: ## Render the Argo templates again
	@$(BIN)/python -m argo_templates.render

benchmark-catalogue: install ## Read speed of the catalogue beside stock Rucio and PostGIS (ITEMS=100000 or 1000000)
	@$(BIN)/python -m benchmarks.catalogue --items $(ITEMS)

benchmark-load: install ## Write speed of the catalogue beside pgstac
	@$(BIN)/python -m benchmarks.catalogue.load

benchmark-meaning: install ## What a class in a question and a publication of ten thousand classes cost
	@$(BIN)/python -m benchmarks.catalogue.meaning --items $(ITEMS)

benchmark-workflows: install ## What the local executor costs beyond the steps themselves
	@$(BIN)/python -m benchmarks.workflows

.PHONY: benchmark-kills
benchmark-kills: up ## Steps killed at random moments in 20 runs: what a rerun completes, and what is left
	@$(BIN)/python -m benchmarks.workflows.kills

.PHONY: benchmark-dasi
benchmark-dasi: install ## DASI over both backends: products beside the disk, chips, listings, first byte, memory
	@$(BIN)/python -m benchmarks.dasi --items $(ITEMS)

.PHONY: soak-dasi
soak-dasi: install ## Writers, readers, retention and kills on one rolling store for five minutes (SOAK_SECONDS=…), judged
	@$(BIN)/python -m benchmarks.dasi.soak $(SOAK_SECONDS)

benchmark-eo: install ## What a whole Sentinel-2 tile costs: inference, products, polygons, sizes (makes the tile first)
	@$(BIN)/python -m benchmarks.eo

models: ## Train the nets again (hours of one core), export and evaluate them; needs the real data
	@scripts/train.sh

evaluate: ## Measure the committed nets, print and store the figures, write their cards; needs the real data
	@for model in water water_radar fields; do $(BIN)/python -m models.$$model.evaluate || exit 1; done

.PHONY: images
images: ## Build the images of worker and server with podman (BASE=image, IMAGES="worker server")
	@$(BIN)/python scripts/images.py $(if $(BASE),--base $(BASE)) $(IMAGES)

lock: ## Resolve the dependencies anew
	@$(LOCK) --upgrade -o requirements.lock
	@$(BIN)/uv pip compile tests/live_client/requirements.in --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --quiet --upgrade -o tests/live_client/requirements.lock

clean: down ## Stop the site and remove its state
	@rm -rf "$(DAFAB_HOME)" out
