# Every target sets up what it needs; a second call does only what is new.
#   make demo        the example script, on a local cluster
#   make test        the test suite
#   make figures     the page of figures, measured anew for the backends of this machine
#   make check       lint, types, imports, docs and the suite on the oldest supported dask

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
FLOOR_VENV := .venv-floor
CONSUMERS_VENV := .venv-consumers
BIN := $(VENV)/bin
FLOOR := $(shell sed -n 's/.*"dask>=\([0-9.]*\)".*/\1/p' pyproject.toml)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
PYTEST_ARGS ?=
BACKENDS := $(addprefix test-,$(notdir $(patsubst %/,%,$(wildcard tests/backends/*/))))

.PHONY: demo test $(BACKENDS) test-consumers test-floor lint types imports docs benchmarks figures check clean

demo: $(VENV)/.demo
	$(BIN)/python docs/examples/myscript.py

test: $(VENV)/.test test-consumers
	$(BIN)/python -m pytest --ignore=tests/consumers $(PYTEST_ARGS)

# One backend alone, by its folder: make test-slurm, make test-mpi
$(BACKENDS): test-%: $(VENV)/.test
	$(BIN)/python -m pytest tests/backends/$* $(PYTEST_ARGS)

# What uses dask_ctl needs much, which would slow down or bend every other test.
test-consumers: $(CONSUMERS_VENV)/.test
	$(CONSUMERS_VENV)/bin/python -m pytest tests/consumers $(PYTEST_ARGS)

# What these look at does not depend on the version of dask.
APART_FROM_DASK := backends consumers faults cli/test_completion.py hosts/test_record.py \
	test_packaging.py test_platform.py test_schedulers.py
test-floor: $(FLOOR_VENV)/.test-$(FLOOR)
	$(FLOOR_VENV)/bin/python -m pytest tests $(addprefix --ignore=tests/,$(APART_FROM_DASK)) \
		--ignore-glob='*notebook*' $(PYTEST_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

imports: $(VENV)/.test
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --quiet \
		-b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

benchmarks: $(VENV)/.test
	$(BIN)/python -m tests.benchmarks

figures: $(VENV)/.test
	$(BIN)/python -m pytest -m figures tests/backends $(PYTEST_ARGS)

check: lint types imports docs test-floor

clean:
	rm -rf $(VENV) $(FLOOR_VENV) $(CONSUMERS_VENV) dist docs/_build docs/api

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP_INSTALL) -e .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP_INSTALL) -e '.[test,backends]'
	touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python $(PIP_INSTALL) -e '.[docs]'
	touch $@ $(VENV)/.demo

$(CONSUMERS_VENV)/bin/python:
	$(PYTHON) -m venv $(CONSUMERS_VENV)

$(CONSUMERS_VENV)/.test: pyproject.toml | $(CONSUMERS_VENV)/bin/python
	$(CONSUMERS_VENV)/bin/python $(PIP_INSTALL) -e '.[test,consumers]'
	touch $@

$(FLOOR_VENV)/bin/python:
	$(PYTHON) -m venv $(FLOOR_VENV)

$(FLOOR_VENV)/.test-$(FLOOR): pyproject.toml | $(FLOOR_VENV)/bin/python
	$(FLOOR_VENV)/bin/python $(PIP_INSTALL) -e '.[test]' dask==$(FLOOR) distributed==$(FLOOR)
	touch $@
