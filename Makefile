# The environment is made once and again only when its requirements change.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Wheels that no index has: tools/relaxed_wheels.py. requirements.txt names this folder, too.
WHEELS := build/wheels
INSTALL := -m pip install --quiet --disable-pip-version-check
EXAMPLES := examples/iris_model examples/delivery_model
# Processes that have no more tests take some of the others': the longest tests end about together.
PYTEST_ARGS ?= -n auto --dist worksteal
TESTS ?=
# What `make coverage` measures: whole commands and parts of the program. Property tests are too slow for it.
COVERED := tests/command_line tests/artefacts tests/unit/pipeline tests/unit/settings tests/unit/scoring tests/unit/schema
FASTEST := tests/unit tests/docs tests/values tests/artefacts
# What `make check` runs: tests that call functions, and those of the documentation; few start the whole command.
CHECKED ?= $(or $(wildcard tests/unit tests/docs),tests)

# Each engine has an environment of its own beside the other; mrjob wants Python 3.11 or 3.12.
ENGINES := beam kafka mapreduce
ENGINE_PYTHON ?= $(PYTHON)
ENGINE_TESTS = MODEL_ETL_PYTHON=$(abspath $(BIN))/python $(abspath $(VENV)-$*)/bin/python -m pytest -c engines/tests/pytest.ini

.PHONY: run check test test-fast test-fastest coverage minio lint format lock pin-images sbom bench clean help engines $(ENGINES) test-engines test-deploy $(ENGINES:%=test-%)

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed  ## score data/input.json into data/output.json with the iris model
	@$(BIN)/python model_etl/etl_job.py --input_file=data/input.json --output_file=data/output.json --verbose

check: lint  ## linters and the fastest tests, in under a minute
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m 'not slow and not s3' --ignore-glob='*s3*' $(CHECKED)

test: $(VENV)/.testing  ## run every test
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: $(VENV)/.testing  ## run every test that is not slow and needs no S3 server, or those of TESTS
	@$(BIN)/python -m pytest $(PYTEST_ARGS) -m 'not slow and not s3' --ignore-glob='*s3*' $(TESTS)

test-fastest: TESTS = $(FASTEST)
test-fastest: test-fast  ## run those that mostly call functions, as CI does on every Python

coverage: $(VENV)/.testing  ## measure the branch coverage of tests that are neither slow nor need a server; the floor is in pyproject.toml
	@COVERAGE_FILE=$(abspath .coverage) $(BIN)/python -m pytest $(PYTEST_ARGS) -m 'not slow and not s3' $(COVERED) --cov --cov-report=term

engines: $(ENGINES)  ## make the environments of all engines

$(ENGINES): %: $(VENV)-%/.installed

test-engines: $(ENGINES:%=test-%) test-deploy  ## run the tests of all engines; Java, mvn and Go are needed

test-beam: test-%: $(VENV)-%/.testing $(VENV)/.testing  ## ... of Beam, on Flink too
	@$(BIN)/python engines/tests/flink_cluster.py fetch
	@$(BIN)/python tests/helpers/minio_server.py build
	@$(PYTHON) engines/tests/loopback.py env $(ENGINE_TESTS) engines/tests/beam engines/tests/test_working_directory.py engines/tests/test_options.py

test-kafka: test-%: $(VENV)-%/.testing $(VENV)/.testing  ## ... of Kafka, with a broker
	@$(ENGINE_TESTS) engines/tests/kafka engines/tests/test_working_directory.py engines/tests/test_options.py

test-mapreduce: test-%: $(VENV)-%/.testing $(VENV)/.testing  ## ... of MapReduce, with Hadoop
	@$(ENGINE_TESTS) engines/tests/mapreduce engines/tests/test_working_directory.py engines/tests/test_options.py -rs

test-deploy: $(VENV)/.testing $(VENV)-beam/.installed $(VENV)-kafka/.installed  ## ... of what is in deploy/: builds, lints and runs it
	@$(BIN)/python tests/helpers/minio_server.py build
	@$(BIN)/python engines/tests/deploy_tools.py
	@$(BIN)/python engines/tests/flink_cluster.py fetch
	@$(BIN)/python engines/tests/kafka_broker.py fetch
	@$(BIN)/python engines/tests/loopback.py $(BIN)/python -m pytest -c engines/tests/pytest.ini engines/tests/deploy

minio: $(VENV)/.testing  ## start an S3 server for trying things by hand
	@$(BIN)/python tests/helpers/minio_server.py serve

lint: $(VENV)/.testing  ## check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.testing  ## put the code into the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

pin-images:  ## put the digest behind the tag of each image from a registry; docker and a network are needed
	@$(PYTHON) tools/pin_images.py

sbom: tools/sbom_requirements.txt  ## write build/sbom.cdx.json: all that is installed for a run, in the format of CycloneDX
	@$(PYTHON) -m venv --clear $(VENV)-sbom/run && $(PYTHON) -m venv --clear $(VENV)-sbom/tool
	@$(VENV)-sbom/run/bin/python tools/relaxed_wheels.py $(WHEELS) >/dev/null
	@$(VENV)-sbom/run/bin/python $(INSTALL) --require-hashes -r requirements.txt
	@$(VENV)-sbom/tool/bin/python $(INSTALL) --require-hashes -r $<
	@$(VENV)-sbom/tool/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --output-file build/sbom.cdx.json $(VENV)-sbom/run/bin/python
	@rm -rf $(VENV)-sbom && echo build/sbom.cdx.json

bench: $(VENV)/.testing  ## measure speed and memory, ours and its peers', and write docs/benchmarks.md; takes an hour
	@$(BIN)/python benchmarks/all.py $(BENCH_ARGS)

lock:  ## pin the newest versions that fit the requirements.in of the program, tests, engines and image, with hashes
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet uv
	@$(VENV)-lock/bin/python tools/relaxed_wheels.py $(WHEELS)
	@pin() { $(VENV)-lock/bin/uv pip compile --quiet --upgrade --universal --generate-hashes --find-links $(WHEELS) \
	    --custom-compile-command 'make lock' --python-version $$1 $$2.in -o $$2.txt $$3; }; \
	pin 3.10 requirements --emit-find-links && pin 3.10 test_requirements && pin 3.12 deploy/docker/requirements && \
	pin 3.10 tools/sbom_requirements && \
	for engine in $(ENGINES); do \
	  version=3.10; [ $$engine = mapreduce ] && version=3.11; \
	  pin $$version engines/$$engine/requirements && pin $$version engines/$$engine/test_requirements || exit 1; \
	done
	@rm -rf $(VENV)-lock

clean:  ## remove the environment and what runs and tests left
	rm -rf $(VENV) $(ENGINES:%=$(VENV)-%) build dist *.egg-info examples/*/*.egg-info examples/*/src/*.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage .coverage.*
	rm -f data/output* data/.output*.part

# What is downloaded has the hashes of the requirements; setuptools, which builds the packages of the checkout, is part
# of them, so that nothing else is fetched for the build. An environment that was made here before is made anew: what
# tests need in it may contradict the new requirements.
$(VENV)/.installed: requirements.txt pyproject.toml $(EXAMPLES:=/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "model_etl needs Python 3.10 or later: make PYTHON=python3.12 ...")'
	@echo "making the environment in $(VENV) ..."
	@$(PYTHON) -m venv $(if $(wildcard $@),--clear) $(VENV)
	@$(BIN)/python tools/relaxed_wheels.py $(WHEELS) >/dev/null
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements.txt
	@$(BIN)/python $(INSTALL) --no-deps --no-build-isolation --editable . $(EXAMPLES:%=--editable %)
	@$(BIN)/python -m pip check
	@touch $@

# Compiled here, since a test starts many commands, and PYTHONDONTWRITEBYTECODE may be set.
$(VENV)/.testing: $(VENV)/.installed test_requirements.txt
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements.txt -r test_requirements.txt
	@$(BIN)/python -m pip check
	@$(BIN)/python -m compileall -q model_etl graphs services engines/*.py engines/shared examples tests/models
	@touch $@

$(VENV)-%/.installed: engines/%/requirements.txt pyproject.toml $(EXAMPLES:=/pyproject.toml)
	@echo "making the environment of $* in $(VENV)-$* ..."
	@$(ENGINE_PYTHON) -m venv $(if $(wildcard $@),--clear) $(VENV)-$*
	@$(VENV)-$*/bin/python $(INSTALL) --require-hashes -r $<
	@$(VENV)-$*/bin/python $(INSTALL) --no-deps --no-build-isolation --editable . $(EXAMPLES:%=--editable %)
	@$(VENV)-$*/bin/python -m pip check
	@touch $@

$(VENV)-%/.testing: $(VENV)-%/.installed engines/%/test_requirements.txt
	@$(VENV)-$*/bin/python $(INSTALL) --require-hashes -r engines/$*/requirements.txt -r engines/$*/test_requirements.txt
	@$(VENV)-$*/bin/python -m pip check
	@touch $@
