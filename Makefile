# Everything lives in .venv. uv is used where it is installed; pip alone does as well.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Bytecode is kept even where the machine says otherwise: compiling the tests takes each worker 15 s.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -q

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-again soak test-all check format docs clean

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/installed ## Set up and run the default suite on this machine
	@echo "measuring six benchmarks, cold and warm: 1 to 2 minutes on two processors"
	$(BIN)/sebsx run benchmark --size test --repetitions 30

# Stores are synced to the disk when they are made and closed, which the quick tests do thousands of times: in memory,
# where there is enough of it and programs may be executed there, they wait for none of it.
MEMORY = $(shell $(BIN)/python -c 'import os; at = os.statvfs("/dev/shm"); \
  print("/dev/shm" * (at.f_bavail * at.f_frsize > 4 << 30 and not at.f_flag & os.ST_NOEXEC))' 2>/dev/null)

test: $(VENV)/installed-dev ## Set up and pass the quick tests
	$(if $(MEMORY),PYTEST_DEBUG_TEMPROOT=$(MEMORY)) $(PYTEST) -o tmp_path_retention_policy=failed -n 2 --dist worksteal -m "not slow and not docker and not network and not postgresql and not cloud and not soak"

# Three processes: many of these wait for a time limit, a server or a keep-alive most of the time.
test-slow: $(VENV)/installed-dev ## The tests that need a package registry, a server or more time
	$(PYTEST) -n 3 --dist worksteal -m "(slow or docker or network or postgresql) and not cloud and not soak"

test-again: $(VENV)/installed-dev ## Those that failed last, one at a time: what measures time wants the machine alone
	$(PYTEST) -m "" --last-failed --last-failed-no-failures none

soak: $(VENV)/installed-dev ## Kill, fuzz and measure for tens of minutes, on demand
	$(PYTEST) -n 2 --dist worksteal -m soak --timeout 5400

test-all: check test test-slow ## Everything that CI runs

check: $(VENV)/installed-dev ## Lint, format, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

format: $(VENV)/installed-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/installed-docs ## Build the documentation into docs/_build
	$(BIN)/sphinx-build -q -W -b html docs docs/_build

clean: ## Remove the environment and everything built
	rm -rf $(VENV) build dist docs/_build docs/_generated .mypy_cache .pytest_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "sebsx needs Python 3.11 or newer: make PYTHON=python3.12"; exit 1; }
	@if command -v uv >/dev/null; then uv venv -q --python $(PYTHON) $(VENV); else \
	  $(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }; fi

comma := ,

# One stamp for each set of extras, made again when the project's metadata changes. What was installed is compiled on all
# processors, without the tests of packages: pip compiles on one, and that takes as long as the rest.
define install
	@echo "setting up $(VENV) with sebsx$(1): once, less than a minute on two processors"
	@if command -v uv >/dev/null; then uv pip install -q --compile-bytecode --python $(BIN)/python -e '.$(1)'; \
	  else $(BIN)/python -m pip install -q --disable-pip-version-check --no-compile -e '.$(1)'; fi
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib sebsx platforms plugins || true
	@touch $@
endef

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(call install,[fast$(comma)report])

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	$(call install,[dev])

$(VENV)/installed-docs: pyproject.toml | $(VENV)/bin/python
	$(call install,[dev$(comma)docs])
