# Everything runs in .venv, which these targets make; nothing else on the system is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PIP := $(BIN)/python $(INSTALL)
# mmcv and mmsegmentation live in an environment of their own: they want an old setuptools.
MMLAB := .venv-openmmlab
MMLAB_PIP := $(MMLAB)/bin/python $(INSTALL)
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
MANIFESTS := pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
# Tests run in parallel, so each process computes with one thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist worksteal

.PHONY: help demo test test-gpu test-openmmlab browser check clean

help: ## Show the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/run.stamp ## Install, then segment real frames, and segment and score synthetic scenes.
	@echo "== real frames"
	$(BIN)/bddseg infer swiftnet_lite plugins/bddseg-lite/frames -o demo-output/real \
		--device cpu --format mask,overlay --overwrite
	$(BIN)/bddseg vis grid -i demo-output/real/overlays -o demo-output/real.jpg \
		--columns 2 --width 480 --overwrite
	@echo "== synthetic scenes with ground truth"
	$(BIN)/bddseg demo -o demo-output

test: $(VENV)/dev.stamp ## Install, then run all tests that need no GPU.
	@echo "== tests"
	$(PYTEST) -m "not gpu"

test-gpu: $(VENV)/dev.stamp ## Install, then run what needs a CUDA GPU, in less than ten minutes.
	@echo "== tests on a GPU"
	$(BIN)/python -m pytest -m gpu -rP tests/gpu

browser: ## Install Debian's Chromium, as root, for the tests of reports.
	@command -v chromium chromedriver >/dev/null || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
		chromium chromium-driver; } >/dev/null

check: $(VENV)/dev.stamp ## Install, then check format, style, types, layers and words.
	@echo "== format and style"
	$(BIN)/ruff format --check bddseg plugins tests
	$(BIN)/ruff check bddseg plugins tests
	@echo "== types"
	$(BIN)/mypy
	@echo "== layers"
	$(BIN)/lint-imports
	@echo "== words"
	$(BIN)/python tests/check_words.py

test-openmmlab: $(MMLAB)/stamp ## Build mmcv-full (a quarter of an hour), then run that plugin's tests.
	@echo "== tests of bddseg-openmmlab"
	$(MMLAB)/bin/python -m pytest plugins/bddseg-openmmlab

clean: ## Remove the environments and the demo's output.
	rm -rf $(VENV) $(MMLAB) demo-output

$(BIN)/python:
	@echo "== making $(VENV) with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bddseg needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(BIN)/python $(MANIFESTS)
	@echo "== installing bddseg (torch is large: this can take minutes)"
	$(PIP) --editable . --editable plugins/bddseg-lite
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp
	@echo "== installing the tools, the official evaluator and the plugins"
	$(PIP) --editable '.[bdd100k,check,heic,quantize,report,test,video]' $(PLUGINS:%=--editable %)
	@touch $@

$(MMLAB)/stamp: $(MANIFESTS)
	@echo "== making $(MMLAB): mmcv-full takes about 16 minutes on two cores"
	$(PYTHON) -m venv $(MMLAB)
	$(MMLAB_PIP) torch
	$(MMLAB_PIP) 'setuptools<70' wheel ninja
	MMCV_WITH_OPS=1 $(MMLAB_PIP) --no-build-isolation mmcv-full==1.7.2
	$(MMLAB_PIP) --no-build-isolation mmsegmentation==0.30.0
	$(MMLAB_PIP) --editable '.[test]' --editable plugins/bddseg-openmmlab
	@touch $@
