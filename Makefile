# Two commands set everything up on a fresh machine with Python 3.11+ and make:
#   make demo   the main job on a real person's scan (results in ./demo)
#   make test   every check that CI runs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT ?= demo
WORKERS ?= 2

.PHONY: help demo test lint types layers unit validate data clean

help:
	@echo "make demo      map the demo person into ./$(OUT) and write the report"
	@echo "make test      ruff, mypy, import-linter, pytest"
	@echo "make validate  the long tables and figures of docs/validation (hours)"
	@echo "make clean     remove the environment and caches made here"

$(BIN)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo]"
	touch $@

$(BIN)/.test: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,test]"
	touch $@ $(BIN)/.demo

demo: $(BIN)/.demo
	$(BIN)/actionloop data fetch demo
	$(BIN)/actionloop demo $(OUT)

data: $(BIN)/.test
	$(BIN)/actionloop data fetch

lint: $(BIN)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.test
	$(BIN)/mypy

layers: $(BIN)/.test
	$(BIN)/lint-imports

unit: data
	$(BIN)/pytest -n $(WORKERS)

test: lint types layers unit

validate: data
	$(BIN)/python -m benchmarks.lemon docs/validation
	$(BIN)/python -m benchmarks.contrast docs/validation
	$(BIN)/python -m benchmarks.realism docs/validation
	$(BIN)/python -m benchmarks.validate docs/validation
	$(BIN)/python -m benchmarks.methods docs/validation
	$(BIN)/python -m benchmarks.real docs/validation
	$(BIN)/python -m benchmarks.calibration docs/validation
	$(BIN)/python -m benchmarks.field docs/validation
	$(BIN)/python -m benchmarks.poses docs/validation
	$(BIN)/python -m benchmarks.lesions docs/validation
	$(BIN)/python -m benchmarks.overlap docs/validation
	$(BIN)/python -m benchmarks.tmseeg_cleaning docs/validation
	$(BIN)/python -m benchmarks.tmseeg_choice docs/validation
	$(BIN)/python -m benchmarks.trial_real docs/validation
	$(BIN)/python -m benchmarks.trial_simulation docs/validation

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
