# `make study` and `make test` set up everything they need by themselves.
#
#   make study                              six changes of a recipe on the embedded task
#   make study STUDY=nb201-small            another study: see `supernet study list`
#   make study STUDY=nb201-paper DEVICE=cuda
#   make compare                            search algorithms under one clock, on the embedded task
#   make bench-gpu                          what a GPU does here, in about two minutes: docs/gpu.md
#   make docs                               the documentation, in site/index.html
#   make study TORCH_INDEX=https://download.pytorch.org/whl/cpu     a CPU build of torch
PYTHON ?= python3
VENV ?= .venv
STUDY ?= quick
DEVICE ?= cpu
TORCH_INDEX ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet

.PHONY: study compare docs test test-all test-kernels lint bench bench-gpu lock clean

# What studies need. torch alone has no hashes in the lock, so that a CPU build can take its place.
$(VENV)/ready: requirements.lock constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --no-deps --requirement requirements.lock
	$(PIP) --requirement constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(PIP) --no-deps --editable .
	touch $@

# What tests, checks of the code and the documentation need beside that.
$(VENV)/dev: $(VENV)/ready requirements-dev.lock
	$(PIP) --require-hashes --no-deps --requirement requirements-dev.lock
	touch $@

study: $(VENV)/ready
	$(BIN)/supernet study run $(STUDY) --device $(DEVICE)

compare: $(VENV)/ready
	$(BIN)/supernet search --space nb201-topology --dataset digits --algorithms random,bohb,spos,darts,gaea-darts-erm \
	    --warm-start live-params --set network.channels=16 --set evaluation.images=250 --rate 50 --budget 40s --seeds 8 \
	    --name compare-quick --device $(DEVICE)

docs: $(VENV)/dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

test: $(VENV)/dev
	$(BIN)/python -m pytest

# Also the tests that are marked as long.
test-all: $(VENV)/dev
	$(BIN)/python -m pytest -m "long or not long"

# Triton comes with CUDA builds of torch. Beside a CPU build it is 700 MB that only these tests need.
test-kernels: $(VENV)/dev
	$(PIP) 'triton>=3.3'
	$(BIN)/python -m pytest tests/harness/supernet/kernels

bench: $(VENV)/dev
	$(BIN)/python tests/bench/bench.py

bench-gpu: $(VENV)/dev
	$(BIN)/python tests/bench/gpu.py --out results/gpu

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Locks for Python 3.10 to 3.13: what studies need, and what development needs. The CUDA libraries are left to the
# torch wheel that pip picks, which pins its own.
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.10 --no-header --no-annotate --quiet \
    --upgrade --generate-hashes --constraint constraints.txt
WITHOUT_TORCH := awk '/^[a-z]/ { keep = !/^(torch|nvidia-|cuda-|triton)/ } keep'

lock:
	$(COMPILE) --all-extras | $(WITHOUT_TORCH) > requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock | $(WITHOUT_TORCH) > requirements.lock

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache
