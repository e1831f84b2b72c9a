# Two commands from a bare machine with Python 3.11, pip and make:
#   make demo    train on real digits, export, sample from the SavedModel
#   make test    the quick tests
# and `make docs` for the site.
# Each fills .venv when it is missing or older than setup.py.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
WORKERS ?= 2
NOTEBOOKS ?= force

export TF_CPP_MIN_LOG_LEVEL ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-slow kills lint format typecheck ci clean
.NOTPARALLEL:

help:
	@echo "make demo       train an IWAE on digits, export it and sample it (out/demo)"
	@echo "make docs       execute the notebooks and build the site (out/site/index.html)"
	@echo "make test       quick tests, doctests and the README's code"
	@echo "make test-slow  the tests marked slow"
	@echo "make kills      kill and resume training 50 times, about 15 minutes"
	@echo "make lint       ruff: lint and format, changing nothing"
	@echo "make format     ruff: mend what it can"
	@echo "make typecheck  mypy over tfgen"
	@echo "make ci         lint, typecheck, test"
	@echo "make clean      remove .venv, caches and built files"

# A stamp is touched last, so an interrupted installation starts again.
$(VENV)/examples.stamp $(VENV)/docs.stamp $(VENV)/test.stamp: $(VENV)/%.stamp: setup.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	    { echo "tfgen needs Python 3.11 or 3.12: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[$*]"
	@touch $@

demo: $(VENV)/examples.stamp
	$(RUN) examples/train_vae.py --output_dir=out/demo --export_dir=out/demo/digits

# Warnings are errors. NOTEBOOKS=cache runs changed notebooks only, NOTEBOOKS=off none.
docs: $(VENV)/docs.stamp
	rm -rf docs/api/generated
	TFGEN_DOCS_NOTEBOOKS=$(NOTEBOOKS) \
	    $(RUN) -m sphinx -W --keep-going -q -b html docs out/site
	@echo "open out/site/index.html"

test: $(VENV)/test.stamp
	$(RUN) -m pytest -n $(WORKERS) -m "not slow"

test-slow: $(VENV)/test.stamp
	$(RUN) -m pytest -n $(WORKERS) -m slow

kills: $(VENV)/test.stamp
	$(RUN) -m tests.training.kills 50

lint: $(VENV)/test.stamp
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

format: $(VENV)/test.stamp
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

typecheck: $(VENV)/test.stamp
	$(RUN) -m mypy

ci: lint typecheck test

clean:
	rm -rf $(VENV) build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find tfgen tests examples -name __pycache__ -type d -prune -exec rm -rf {} +
