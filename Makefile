# Every target sets up what it needs; a second call does only what is new.
#   make demo        the example script, on a local cluster
#   make test        the test suite
#   make figures     the page of figures, measured anew for the backends of this machine
#   make dist        the sdist and the wheel, in dist/
#   make pictures    the pictures of README and docs, from what the commands print
#   make check       lint, types, imports, docs and the suite on the oldest of what we need

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
FLOOR_VENV := .venv-floor
CONSUMERS_VENV := .venv-consumers
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(SCRIPTS)
# The oldest that are supported: "dask>=2025.7.0" is dask==2025.7.0.
FLOORS := $(shell sed -n '/^dependencies/,/^]/s/.*"\(.*\)>=\(.*\)".*/\1==\2/p' pyproject.toml)
# What is not imported need not be compiled, which takes as long as the rest of an installation.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile
# $(1) the folder of scripts, $(2) what else. Python 3.11 to 3.13 bring a pip that knows no --group.
INSTALL = $(1)/python $(PIP_INSTALL) 'pip>=25.1' && $(1)/python $(PIP_INSTALL) -e . $(2)
# Windows has no signal for a timeout.
PYTEST_ARGS ?= $(if $(filter Windows_NT,$(OS)),--timeout-method=thread)
# More files at a time than cores, as most tests wait for processes.
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
BACKENDS := $(addprefix test-,$(notdir $(patsubst %/,%,$(wildcard tests/backends/*/))))

.PHONY: demo test $(BACKENDS) test-consumers test-floor test-python lint types imports docs dist pictures benchmarks trials figures check clean

demo: $(VENV)/.demo
	$(BIN)/python docs/examples/myscript.py

test: $(VENV)/.test test-consumers
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --ignore=tests/consumers $(PYTEST_ARGS)

# One backend alone, by its folder: make test-slurm, make test-mpi
$(BACKENDS): test-%: $(VENV)/.test
	$(BIN)/python -m pytest tests/backends/$* $(PYTEST_ARGS)

# What uses dask_ctl needs much, which would slow down or bend every other test.
test-consumers: $(CONSUMERS_VENV)/.test
	$(CONSUMERS_VENV)/$(SCRIPTS)/python -m pytest tests/consumers $(PYTEST_ARGS)

# What these look at does not depend on the versions of what we need.
APART_FROM_FLOORS := backends consumers faults \
	spec/test_properties.py test_packaging.py test_platform.py test_schedulers.py
test-floor: $(FLOOR_VENV)/.test
	$(FLOOR_VENV)/$(SCRIPTS)/python -m pytest tests $(addprefix --ignore=tests/,$(APART_FROM_FLOORS)) \
		--ignore-glob='*notebook*' $(SIDE_BY_SIDE) $(PYTEST_ARGS)

# What needs no service and no hours, on another Python: make test-python PY=3.13
PY ?= 3.14
PY_VENV := .venv-$(PY)
PYTHON_TESTS ?= tests
NEEDS_SERVICES := backends benchmarks consumers faults test_packaging.py spec/test_properties.py
test-python: $(PY_VENV)/.test
	$(PY_VENV)/$(SCRIPTS)/python -m pytest $(PYTHON_TESTS) $(addprefix --ignore=tests/,$(NEEDS_SERVICES)) \
		$(SIDE_BY_SIDE) $(PYTEST_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	for platform in linux darwin win32; do $(BIN)/mypy --platform $$platform || exit 1; done

imports: $(VENV)/.test
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --quiet \
		-b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

dist: $(VENV)/.test
	$(BIN)/python -m build --no-isolation

pictures: $(VENV)/.test
	$(BIN)/python docs/pictures.py

benchmarks: $(VENV)/.test
	$(BIN)/python -m tests.benchmarks

# Half an hour of commands that are killed at random moments: what is left of each, and is it named?
trials: $(VENV)/.test
	$(BIN)/python -m tests.trials kill 25
	$(BIN)/python -m tests.trials mixed
	$(BIN)/python -m tests.trials calls
	$(BIN)/python -m tests.trials ranks 20

figures: $(VENV)/.test
	$(BIN)/python -m pytest -m figures tests/backends $(PYTEST_ARGS)

check: lint types imports docs test-floor

clean:
	rm -rf $(VENV) $(VENV)-* dist docs/_build docs/api

%/pyvenv.cfg:
	$(PYTHON) -m venv $*

$(VENV)/.demo: pyproject.toml | $(VENV)/pyvenv.cfg
	$(BIN)/python $(PIP_INSTALL) -e .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/pyvenv.cfg
	$(call INSTALL,$(BIN),--group test --group backends)
	touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(VENV)/pyvenv.cfg
	$(call INSTALL,$(BIN),--group docs)
	touch $@ $(VENV)/.demo

$(CONSUMERS_VENV)/.test: pyproject.toml | $(CONSUMERS_VENV)/pyvenv.cfg
	$(call INSTALL,$(CONSUMERS_VENV)/$(SCRIPTS),--group test --group consumers)
	touch $@

$(PY_VENV)/.test: PYTHON := python$(PY)
$(PY_VENV)/.test: pyproject.toml | $(PY_VENV)/pyvenv.cfg
	$(call INSTALL,$(PY_VENV)/$(SCRIPTS),--group test)
	touch $@

$(FLOOR_VENV)/.test: pyproject.toml | $(FLOOR_VENV)/pyvenv.cfg
	$(call INSTALL,$(FLOOR_VENV)/$(SCRIPTS),--group test $(FLOORS))
	touch $@
