# Two commands from a bare machine with Python 3.11, pip and make:
#   make demo    train on real digits, export, sample from the SavedModel
#   make test    the quick tests
# and `make docs` for the site.
# Each creates .venv if it is missing, or older than setup.py.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
WORKERS ?= 2
NOTEBOOKS ?= force

export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-slow test-long test-newest test-oldest kills mutants coverage lint format typecheck ci clean
.NOTPARALLEL:

help:
	@echo "make demo       train an IWAE on digits, export it and sample it (out/demo)"
	@echo "make docs       execute the notebooks and build the site (out/site/index.html)"
	@echo "make test       quick tests, doctests and the README's code"
	@echo "make test-slow  the tests marked slow"
	@echo "make test-long  the tests marked long, which CI leaves out"
	@echo "make test-newest  some tests with the newest TensorFlow, Keras and TFP"
	@echo "make test-oldest  the same tests with the oldest ones"
	@echo "make kills      kill and resume training 50 times, about 15 minutes"
	@echo "make mutants    change the code in MUTANTS=60 places, and check that a test fails"
	@echo "make coverage   branch coverage of the quick tests"
	@echo "make lint       ruff: check the code, without changing it"
	@echo "make format     ruff: correct and format the code"
	@echo "make typecheck  mypy over tfgen"
	@echo "make ci         lint, typecheck, test, test-slow"
	@echo "make clean      remove .venv, caches and built files"

# The stamp is touched last, so that an interrupted installation is repeated.
$(VENV)/examples.stamp $(VENV)/docs.stamp $(VENV)/test.stamp: $(VENV)/%.stamp: setup.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	    { echo "tfgen needs Python 3.11 or 3.12: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[$*]"
	@touch $@

demo: $(VENV)/examples.stamp
	$(RUN) examples/train_vae.py --output_dir=out/demo --export_dir=out/demo/digits

# Warnings are errors. NOTEBOOKS=cache executes changed notebooks only, NOTEBOOKS=off none.
docs: $(VENV)/docs.stamp
	rm -rf docs/api/generated
	TFGEN_DOCS_NOTEBOOKS=$(NOTEBOOKS) \
	    $(RUN) -m sphinx -W --keep-going -q -b html docs out/site
	@echo "open out/site/index.html"

# Programs compiled by XLA stay in a process's memory: several runs need less of it at a time.
GROUPS := "tests/layers tests/losses" tests/models tests/training
PYTEST := $(RUN) -m pytest -n $(WORKERS)
define pytest_in_runs
	@status=0; apart=; \
	for group in $(GROUPS); do \
	    $(PYTEST) -m "$(1)" $$group || [ $$? = 5 ] || status=1; \
	    for folder in $$group; do apart="$$apart --ignore=$$folder"; done; \
	done; \
	$(PYTEST) -m "$(1)" $$apart || status=1; \
	exit $$status
endef

test: $(VENV)/test.stamp
	$(call pytest_in_runs,not slow)

test-slow: $(VENV)/test.stamp
	$(call pytest_in_runs,slow and not long)

test-long: $(VENV)/test.stamp
	$(RUN) -m pytest -m long

# Each has an environment of its own. The oldest releases are the lower ends of the ranges
# in setup.py; the newest may be outside these ranges, and pip then prints a warning.
CORE := tensorflow keras tensorflow-probability tf-keras
CORE_TESTS := tests/test_random.py tests/layers tests/losses tests/training

test-newest:
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/pip install --quiet -e ".[test]"
	.venv-newest/bin/pip install --quiet --upgrade $(CORE)
	.venv-newest/bin/python -m pytest -n $(WORKERS) -m "not slow" $(CORE_TESTS)

test-oldest:
	$(PYTHON) -m venv .venv-oldest
	sed -nE 's/^ +"([a-z-]+)>=([0-9.]+),.*/\1==\2.*/p' setup.py | \
	    grep -E '^(tensorflow|keras|tensorflow-probability|tf-keras|numpy)=' \
	    > .venv-oldest/constraints.txt
	.venv-oldest/bin/pip install --quiet -c .venv-oldest/constraints.txt -e ".[test]"
	.venv-oldest/bin/python -m pytest -n $(WORKERS) -m "not slow" $(CORE_TESTS)

kills: $(VENV)/test.stamp
	$(RUN) -m tests.training.kills 50

MUTANTS ?= 60
SEED ?= 0
mutants: $(VENV)/test.stamp
	$(RUN) -m tests.mutants $(MUTANTS) $(SEED)

coverage: $(VENV)/test.stamp
	$(RUN) -m pytest -n $(WORKERS) -m "not long" --cov=tfgen --cov-branch \
	    --cov-report=term-missing:skip-covered

lint: $(VENV)/test.stamp
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/test.stamp
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

typecheck: $(VENV)/test.stamp
	$(RUN) -m mypy

ci: lint typecheck test test-slow

clean:
	rm -rf $(VENV) build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find tfgen tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
