# Every target sets up what it needs in .venv; PYTHON names the interpreter to make it with.
PYTHON ?= python3
BIN := .venv/bin
# One thread per process: tests train on as many processes as there are processors.
FAST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 8 -m "not slow and not gpu"

.PHONY: demo test test-all check wheel clean

demo: .venv/.ready
	$(BIN)/mixopt demo

test: .venv/.ready-test
	$(FAST)

test-all: .venv/.ready-test
	$(BIN)/pytest

check: .venv/.ready-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(FAST)

wheel: .venv/.ready-dev
	$(BIN)/python -m build --wheel --outdir dist

clean:
	rm -rf .venv dist mixopt-demo

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.ready: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

.venv/.ready-test: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable ".[test]"
	touch $@ .venv/.ready

.venv/.ready-dev: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ .venv/.ready-test .venv/.ready
