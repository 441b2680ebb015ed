# The environment is made once and again only when its requirements change.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXAMPLES := examples/iris_model examples/delivery_model
PYTEST_ARGS ?= -n auto

.PHONY: run test minio lint format lock bench clean help

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed  ## score data/input.json into data/output.json with the iris model
	@$(BIN)/python model_etl/etl_job.py --input_file=data/input.json --output_file=data/output.json --verbose

test: $(VENV)/.testing  ## run every test
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

minio: $(VENV)/.testing  ## start an S3 server for trying things by hand
	@$(BIN)/python tests/minio_server.py serve

lint: $(VENV)/.testing  ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.testing  ## put the code into the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.testing  ## measure speed and memory, ours and its peers', and write docs/benchmarks.md; takes an hour
	@$(BIN)/python benchmarks/all.py $(BENCH_ARGS)

lock:  ## pin the newest versions that fit requirements.in and test_requirements.in
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	@for name in requirements test_requirements; do \
	  $(VENV)-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 --no-header $$name.in -o $$name.txt; \
	done; rm -rf $(VENV)-lock

clean:  ## remove the environment and what runs and tests left
	rm -rf $(VENV) build *.egg-info examples/*/*.egg-info examples/*/src/*.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	rm -f data/output* data/.output*.part

$(VENV)/.installed: requirements.txt pyproject.toml $(EXAMPLES:=/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "model_etl needs Python 3.10 or later: make PYTHON=python3.12 ...")'
	@echo "making the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . $(EXAMPLES:%=--editable %)
	@$(BIN)/python -m pip check
	@touch $@

$(VENV)/.testing: $(VENV)/.installed test_requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r test_requirements.txt
	@$(BIN)/python -m pip check
	@touch $@
