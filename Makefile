# Two commands are enough: make demo, make test. The rest is for people who change moodal.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Only this file and .ci/run know where real recordings lie; tests skip with a reason where they are not.
MOODAL_DATA ?= ../shared/data
ifneq ($(wildcard $(MOODAL_DATA)/.),)
export MOODAL_DATA := $(abspath $(MOODAL_DATA))
else
unexport MOODAL_DATA
endif

# LAB=0 leaves torch and scikit-learn, and all that needs them, out.
LAB ?= 1
DEV := $(if $(filter 0,$(LAB)),.dev,.lab)

.PHONY: help demo test test-slow setup check bench peers clean

help: ## say what each target does
	@sed -nE 's/^([a-z-]+):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/.runtime ## install, fetch the models, analyse the demo recording, print where its page is
	@$(BIN)/moodal models pull > /dev/null
	@$(BIN)/moodal demo --out demo
	@echo "moodal-research is installed too, and this result used its bundles: for research alone, not for commercial use"
	@echo "(research/LICENSE); moodal analyze --commercial refuses them"

test: $(VENV)/$(DEV) ## run the tests (LAB=0 leaves the lab out)
	@if [ "$(LAB)" = 0 ]; then echo "LAB=0: the lab and torch are left out; its tests are skipped"; fi
	@$(BIN)/moodal models pull > /dev/null || echo "models are not all here: what needs them is skipped"
	$(BIN)/python -m pytest -m "not slow"

test-slow: $(VENV)/$(DEV) ## run the tests that take minutes
	@$(BIN)/moodal models pull > /dev/null || echo "models are not all here: what needs them is skipped"
	$(BIN)/python -m pytest -m slow

setup: $(VENV)/$(DEV) ## make .venv with everything the tests and every command need

check: $(VENV)/$(DEV) ## format, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/$(DEV) $(VENV)/peers/.ready ## measure moodal beside its peers: benchmarks/RESULTS.md
	@$(BIN)/moodal models pull > /dev/null
	$(BIN)/python benchmarks/run.py

# Peers pin old versions (NumPy 1, hence the old pyarrow) and have licences of their own, so they live apart.
peers: $(VENV)/peers/.ready ## install what make bench compares with (openSMILE: research licence)

clean: ## remove what was made here (the models' cache stays)
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "moodal needs Python 3.11 to 3.13: make PYTHON=python3.12 $(MAKECMDGOALS), say"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "this Python cannot make a virtual environment; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml research/pyproject.toml constraints.txt
	@echo "installing moodal and its packages …"
	@$(BIN)/python tools/install.py '.[asr]' ./research
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml research/pyproject.toml constraints.txt
	@echo "installing moodal, its packages and the tools of its tests …"
	@$(BIN)/python tools/install.py '.[dev]' ./research
	@touch $@ $(VENV)/.runtime

$(VENV)/.lab: $(VENV)/bin/python pyproject.toml research/pyproject.toml constraints.txt
	@echo "installing moodal, its packages, the tools of its tests and the lab's (torch is large) …"
	@$(BIN)/python tools/install.py '.[dev,lab]' ./research
	@touch $@ $(VENV)/.dev $(VENV)/.runtime

$(VENV)/peers/.ready: $(VENV)/bin/python
	$(BIN)/python -m venv $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet mediapipe==0.10.21 opensmile==2.6.0 'pyarrow<20'
	$(BIN)/python -m venv $(VENV)/mmsa
	$(VENV)/mmsa/bin/python -m pip install --quiet torch==2.13.0 'transformers<6' easydict 'pandas<3' scikit-learn tqdm nvidia-ml-py3
	$(VENV)/mmsa/bin/python -m pip install --quiet --no-deps MMSA==2.2.1
	$(BIN)/python -m venv $(VENV)/torcheeg
	$(VENV)/torcheeg/bin/python -m pip install --quiet torcheeg==1.1.3 scipy==1.10.1 numpy==1.26.4 torch==2.13.0
	@touch $@
