# Everything one does here, one word each. `make` alone lists the targets.
#
# The Python environment in .venv is made on first need, from the hashed lock files only, and
# brought up to date whenever they change. Needed of the machine: make, and Python 3.11 or newer
# with its venv module.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# The files say what of the environment is installed: enough to run, or to work on the code too.
TO_RUN := $(VENV)/installed-to-run
TO_WORK := $(VENV)/installed-to-work
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCKER := uv==0.13.8

# Two test processes a core, since many tests wait, but no more than the test server has room for.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 4 ? 8 : 2 * n)))
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal
# Each of those processes would compile all tests anew where Python is told to keep nothing.
unexport PYTHONDONTWRITEBYTECODE

##@ Use

.PHONY: demo
demo: $(TO_RUN) ## Run a shop's year of purchases through everything; ONCE=1 ends after the summary
	@exec $(BIN)/pointmaster demo $(if $(ONCE),--once)

.PHONY: serve
serve: $(TO_RUN) ## Run the service as pointmaster.toml says
	@exec $(BIN)/pointmaster serve

##@ Work

.PHONY: test
test: $(TO_WORK) ## Run all tests on PostgreSQL 18, then those that touch the database on 16
	POINTMASTER_TEST_POSTGRES=18 $(PYTEST) -m "not soak"
	POINTMASTER_TEST_POSTGRES=16 $(PYTEST) -m "database and not any_postgres and not soak" \
	  --ignore tests/unit

.PHONY: bench
bench: $(TO_WORK) ## Measure, each question beside its control; NAME=… asks one, SIZE=0.1 a tenth
	@$(BIN)/python -m benchmarks $(NAME) $(if $(SIZE),--size $(SIZE))

.PHONY: bench-quick
bench-quick: $(TO_WORK) ## The same, small: in three minutes, and a failure where a goal is missed
	@$(BIN)/python -m benchmarks $(NAME) --quick

# Repeats a run; a new one by default.
SEED ?=
AGAIN = $(if $(SEED),--seed $(SEED))

.PHONY: simulate
simulate: $(TO_WORK) ## Live a history of crashes and compare with the model; STEPS=… long, SEED=… again
	@$(BIN)/python -m tests.simulation.run $(AGAIN) $(if $(STEPS),--steps $(STEPS))

.PHONY: soak
soak: $(TO_WORK) ## Hold for an hour or more what takes long; SOAK_MINUTES=… of hammering, SEED=… again
	@$(BIN)/python -m tests.soak $(AGAIN) $(if $(SOAK_MINUTES),--minutes $(SOAK_MINUTES)) \
	  $(if $(STEPS),--steps $(STEPS)) $(if $(EVENTS),--events $(EVENTS))

.PHONY: mutation
mutation: $(TO_WORK) ## Count the mistakes in the rules that no test would notice; SAMPLE=… draws so many
	@$(BIN)/python -m tests.mutation.run $(AGAIN) $(if $(SAMPLE),--sample $(SAMPLE))

.PHONY: check
check: $(TO_WORK) ## Look for mistakes without running anything: lint, format, types
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --no-error-summary
	@echo "Nothing to object to."

.PHONY: format
format: $(TO_WORK) ## Let the formatter and the safe corrections of the linter loose
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format --quiet

.PHONY: revision
revision: $(TO_WORK) ## Draft the next database revision from the table definitions; MESSAGE="what it does"
	@$(if $(MESSAGE),,echo 'Say what it does: make revision MESSAGE="…"' >&2; exit 2)
	$(BIN)/python -m migrations "$(MESSAGE)"

.PHONY: lock
lock: ## Lock the dependencies anew by name, version and hash; UPGRADE=1 takes the newest
	@$(MAKE) $(VENV)/bin/python
	@$(BIN)/python -m venv --clear $(VENV)/locking
	@$(VENV)/locking/bin/python -m pip --disable-pip-version-check --quiet install $(LOCKER)
	@$(call compile,--group build,requirements.lock)
	@$(call compile,--extra kafka --extra parquet --extra sftp --group build --group test --group lint,requirements-dev.lock)
	@rm -rf $(VENV)/locking

.PHONY: clean
clean: ## Remove what was made here, the environment and all caches; never the data in var/
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help:
	@sed -n -E \
	  -e 's/^##@ (.*)/\n\1:/p' \
	  -e 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' Makefile | expand -t 19

# The lock holds for every supported Python and names no package index.
define compile
$(VENV)/locking/bin/uv pip compile --quiet pyproject.toml $(1) -o $(2) \
	--universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url $(if $(UPGRADE),--upgrade)
endef

$(TO_WORK): requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing what it takes to work on the code …" >&2
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $(TO_RUN) $@

$(TO_RUN): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what it takes to run …" >&2
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    if "$$python" -m venv --clear $(VENV); then exit 0; fi; \
	    rm -rf $(VENV); \
	    echo "$$python can't make a virtual environment; on Debian and Ubuntu install python3-venv." >&2; \
	    exit 1; \
	  fi; \
	done; \
	echo "Python 3.11 or newer is needed, and none was found as python3 or python3.11 to python3.14." >&2; \
	echo "If it goes by another name: make PYTHON=/path/to/python …" >&2; \
	exit 1
