# `make study` and `make test` set up everything they need by themselves.
#
#   make study                              parameter count against every ground-truth table at hand
#   make study STUDY=nb201-small            a study: see `supernet study list`
#   make study STUDY=nb201-paper DEVICE=cuda
PYTHON ?= python3
VENV ?= .venv
DEVICE ?= cpu
BIN := $(VENV)/bin

.PHONY: study test lint bench bench-gpu lock clean

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

study: $(VENV)/ready
ifdef STUDY
	$(BIN)/supernet study run $(STUDY) --device $(DEVICE)
else
	$(BIN)/supernet baselines --out results/baselines
endif

test: $(VENV)/ready
	$(BIN)/python -m pytest

bench: $(VENV)/ready
	$(BIN)/python tests/bench/bench.py

bench-gpu: $(VENV)/ready
	$(BIN)/python tests/bench/gpu.py --out results/gpu

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One lock for Python 3.10 to 3.13. The CUDA libraries are left to the torch wheel that pip picks, which
# pins its own, so that the same lock installs a CPU build where one is offered.
lock:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.10 --no-header --no-annotate \
	    --quiet --upgrade --constraint constraints.txt | grep -v -E '^(nvidia-|cuda-|triton)' > requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
