# Two commands on a fresh machine: `make demo` and `make test`. Everything lands in .venv, var and web/node_modules.
PYTHON ?= python3
BIN := .venv/bin
# A torch of your own choice (another CUDA, ROCm): make demo TORCH="torch==2.13.0 --index-url …"
TORCH ?= torch==2.13.0
# Two processes; who has nothing left to do takes over half of what the other has.
PYTEST := $(BIN)/pytest -n 2 --dist worksteal
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
GENERATED := web/openapi.json web/src/api-types.ts
WEB_SOURCES := $(filter-out $(GENERATED),$(shell find web -type f -not -path '*/node_modules/*'))
API_SOURCES := $(shell find cellgate/contract service -name '*.py')
.DEFAULT_GOAL := help
# Python compiles what it imports once, whatever the shell sets: each test process imports much.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install dashboard wheel browser demo up client test slow faults soak contract unit lint format docs clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1|/' | column -t -s '|'

# torch comes first and pinned: any range would pull gigabytes of another build.
.venv/.installed: pyproject.toml setup.py constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing torch and the rest into .venv (some minutes the first time)…"
	@$(BIN)/python -c "import torch" 2>/dev/null || $(PIP) $(TORCH)
	@$(PIP) -e ".[dev]"
	@touch $@

web/node_modules/.installed: web/package-lock.json | .venv/.installed
	@cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# What the dashboard's types are generated from; needs neither a server nor a database.
web/openapi.json: $(API_SOURCES) | .venv/.installed
	@$(BIN)/python -m service.commands.openapi > $@.new
	@mv $@.new $@

service/dashboard/static/.built: $(WEB_SOURCES) web/openapi.json web/node_modules/.installed
	@cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent build
	@touch $@

install: .venv/.installed  ## Install everything into .venv

dashboard: service/dashboard/static/.built  ## Build the dashboard

# Without the folder that an older build left: its modules would end up in the wheel.
wheel: .venv/.installed service/dashboard/static/.built  ## Build the wheel, dashboard included, into dist/
	@rm -rf build
	@$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps -w dist .

browser: | .venv/.installed  ## Make sure that there is a Chromium for the end-to-end tests
	@tests/e2e/get-browser.sh

demo: .venv/.installed service/dashboard/static/.built  ## Labelled functions to a decision, end to end (KEEP=1 leaves it running)
	@$(BIN)/python examples/demo.py $(if $(KEEP),--keep)

up: .venv/.installed service/dashboard/static/.built  ## API, worker and broker on this machine, until Ctrl-C
	@$(BIN)/cellgate up

# Its only voice is the build's: a banner about the next major version of MkDocs helps nobody here.
docs: export NO_MKDOCS_2_WARNING := 1
docs: .venv/.installed  ## Build the documentation as a site, into build/site (SERVE=1 shows it while you write)
	@$(BIN)/mkdocs $(if $(SERVE),serve,build --strict --quiet)

client: .venv/.installed  ## Generate the synchronous client from the asynchronous one
	@$(BIN)/python scripts/generate_client.py

test: .venv/.installed service/dashboard/static/.built browser  ## All tests but the slow ones
	@$(PYTEST) -m "not slow"

slow: .venv/.installed service/dashboard/static/.built browser  ## The tests that prove by repetition
	@$(PYTEST) -m slow

faults: .venv/.installed  ## Break it N times at random, on SQLite and on PostgreSQL (N=300 SEED=…)
	@for backend in sqlite postgres; do \
		$(BIN)/python -m tests.faults.storm --backend $$backend --faults $(or $(N),300) $(if $(SEED),--seed $(SEED)) || exit 1; \
	done

soak: .venv/.installed  ## Load and faults for MINUTES (30): nothing may grow (BACKEND=postgres SEED=…)
	@$(BIN)/python -m tests.faults.soak --minutes $(or $(MINUTES),30) --backend $(or $(BACKEND),sqlite) $(if $(SEED),--seed $(SEED))

contract: .venv/.installed  ## Send the API random requests, valid and invalid; every response must match the document (N=300 SEED=…)
	@$(BIN)/python -m tests.contract.fuzz --examples $(or $(N),300) $(if $(SEED),--seed $(SEED))

unit: .venv/.installed  ## The tests that need no server
	@$(PYTEST) -m "not slow" tests/unit

lint: .venv/.installed  ## ruff, mypy --strict, import directions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.installed  ## Format the sources
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:  ## Remove everything that was installed or made
	@rm -rf .venv var build dist web/node_modules $(GENERATED) service/dashboard/static .mypy_cache .ruff_cache .pytest_cache
