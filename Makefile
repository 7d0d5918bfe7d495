# `make study` and `make test` set up everything they need by themselves.
#
#   make study                              the fourteen heuristics on the embedded task
#   make study STUDY=nb201-small            another study: see `supernet study list`
#   make study STUDY=nb201-paper DEVICE=cuda
#   make compare                            search algorithms by the clock, on the embedded task
PYTHON ?= python3
VENV ?= .venv
STUDY ?= quick
DEVICE ?= cpu
BIN := $(VENV)/bin

.PHONY: study compare test lint bench bench-gpu lock clean

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

study: $(VENV)/ready
	$(BIN)/supernet study run $(STUDY) --device $(DEVICE)

compare: $(VENV)/ready
	$(BIN)/supernet search --dataset digits --algorithms random,spos,darts,gaea-darts-erm,gdas --budget 40w \
	    --seeds 3 --rate 50 --name compare-quick --device $(DEVICE)

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
