# A machine with Python 3.11 or later and make is enough: everything else goes into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST_ARGS ?=
SECONDS := 60
INPUTS := 1000000
BENCH_ARGS  ?=

.PHONY: help setup demo test check docs bench lowest fuzz million faults clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed, $(PYTHON) is " + sys.version.split()[0] + "; set PYTHON=")'
	@$(PYTHON) -c 'import ensurepip' || { echo 'Python lacks venv: on Debian, apt-get install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp a set of packages: the second run of a target installs nothing.
$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/test.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/demo.stamp

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/test.stamp $(VENV)/demo.stamp

$(VENV)/bench.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@ $(VENV)/demo.stamp

setup: $(VENV)/dev.stamp ## the environment with everything for development, in .venv

demo: $(VENV)/demo.stamp ## set up, write a small synthetic archive and open it: no network, nothing to configure
	$(BIN)/cvpilot demo --folder demo

test: $(VENV)/test.stamp ## set up and run the tests; ARGS of pytest in PYTEST_ARGS
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/dev.stamp ## ruff, format, mypy --strict, layers, pip check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pip check

docs: $(VENV)/dev.stamp ## the pages, in docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(VENV)/bench.stamp ## ratios to the bare tools on synthetic days, into benchmarks/results; ARGS in BENCH_ARGS
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

lowest: $(VENV)/dev.stamp ## the tests on the lowest version of each direct dependency
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venvs/lowest
	$(BIN)/uv pip install --quiet --python .venvs/lowest/bin/python --resolution lowest-direct --editable '.[test]'
	.venvs/lowest/bin/python .ci/floors.py
	.venvs/lowest/bin/python -m pytest $(PYTEST_ARGS)

fuzz: $(VENV)/dev.stamp ## look for bytes that crash or are miscounted, by coverage, for SECONDS=60
	$(BIN)/python tests/fuzz/fuzz_decode.py --seconds $(SECONDS)

million: $(VENV)/test.stamp ## the same with INPUTS=1000000 different altered records, without coverage
	$(BIN)/python tests/fuzz/million.py --inputs $(INPUTS)

faults: $(VENV)/test.stamp ## the fault tests and a scorecard; FULL=1 tries every point and the mutants (an hour)
	$(BIN)/python tests/faults/scorecard.py

clean: ## remove the environments and everything built
	rm -rf $(VENV) .venvs build dist docs/_build docs/jupyter_execute docs/tables demo .coverage .coverage.* \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis fuzz-findings
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
