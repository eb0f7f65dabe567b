# Python 3.11 or newer and make are all a fresh machine needs. `make` alone lists the targets.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# More than cores: many tests wait for a clock, a process or a disk. WORKERS= runs them in one process, in order.
WORKERS ?= -n 3 --dist worksteal

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1
export PIP_ROOT_USER_ACTION = ignore
# Tests start daemons by the hundred: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test test-long replay bench lint format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

venv: $(STAMP) ## make the virtual environment, with every version pinned

$(STAMP): pyproject.toml deploy/constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: $(PYTHON) is not installed. Everstock needs Python 3.11 or newer." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $$($(PYTHON) --version) is too old. Everstock needs Python 3.11 or newer:" >&2; \
	  echo "      make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make virtual environments. On Debian: apt install python3-venv" >&2; exit 1; }
	@echo "make: installing into $(VENV) (once, and again when the pins change)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint deploy/constraints.txt
	@touch $(STAMP)

demo: $(STAMP) ## start a sample chain: hub, office and three shops; Ctrl-C ends it
	@$(BIN)/python -m deploy.demo

test: lint ## everything but the long tests: lint, types, import rules, tests
	@$(BIN)/python -m pytest $(WORKERS) -m "not slow"

test-long: $(STAMP) ## the tests marked slow, with many more examples per property
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-long} $(BIN)/python -m pytest $(WORKERS) -m slow

replay: $(STAMP) ## replay the real data beside the checkout through real processes
	@$(BIN)/python -m tests.data.replay

bench: $(STAMP) ## measure beside the raw floors; BENCH="A1 B" chooses cases, RECORD=1 keeps the figures
	@$(BIN)/python -m tests.bench $(BENCH) $(if $(RECORD),--record)

lint: $(STAMP) ## format, lint, types, import rules, spelling; changes nothing
	@$(BIN)/ruff format --check --quiet . || { echo "make: run make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

format: $(STAMP) ## rewrite the code in the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove the virtual environment and the tools' caches
	@rm -rf $(VENV) build dist htmlcov .coverage .hypothesis .import_linter_cache \
	  .mypy_cache .pytest_cache .ruff_cache
