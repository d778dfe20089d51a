# Two commands are enough: make demo, make test. The rest is for people who change moodal.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Only this file and .ci/run know where real recordings lie; tests skip with a reason where they are not.
MOODAL_DATA ?= ../shared/data
ifneq ($(wildcard $(MOODAL_DATA)),)
export MOODAL_DATA := $(abspath $(MOODAL_DATA))
else
unexport MOODAL_DATA
endif

.PHONY: help demo test test-slow setup check bench clean

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/.runtime ## install, fetch the models, analyse the demo recording, print where its page is
	@$(BIN)/moodal models pull
	@$(BIN)/moodal demo --out demo

test: $(VENV)/.dev ## run the tests (LAB=0 leaves the lab out)
	@$(BIN)/moodal models pull > /dev/null
	@if [ "$(LAB)" = 0 ]; then echo "LAB=0: the lab and torch are left out"; fi
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/.dev ## run the tests that take minutes
	@$(BIN)/moodal models pull > /dev/null
	$(BIN)/python -m pytest -m slow

setup: $(VENV)/.dev ## make .venv with everything the tests and every command need

check: $(VENV)/.dev ## format, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## measure us beside the peers and write benchmarks/RESULTS.md
	$(BIN)/moodal models pull > /dev/null
	$(BIN)/python benchmarks/run.py

clean: ## remove what was made here (the models' cache stays)
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "moodal needs Python 3.11 to 3.13; set PYTHON=python3.12, say"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "this Python cannot make a virtual environment; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing moodal and its packages …"
	@$(BIN)/python tools/install.py '.[asr]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing moodal, its packages and the tools of its tests …"
	@$(BIN)/python tools/install.py '.[dev]'
	@touch $@ $(VENV)/.runtime
