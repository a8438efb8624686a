# make demo: the main job on an embedded cluster, from nothing to an answered prediction.
# make test: what a newcomer runs; needs Python 3.10 or later and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-all soak hadoop check bench bench-fleet bench-relaunch bench-hadoop bench-update bundle clean

help:
	@sed -n 's/^# make/make/p' Makefile
	@echo "make test-all: every tier of tests that this machine can run"
	@echo "make soak: the fault tests with hundreds of seeds (SOAK_SEEDS=10000 for a night of the simulation)"
	@echo "make hadoop: a real Hadoop in the foreground, with what to export (HADOOP=3.1.4 and others; needs Java, Maven)"
	@echo "make check: lint, types, imports"
	@echo "make bench: the benchmarks, each beside its peer"
	@echo "make bench-fleet: how many replicas one core watches (two cores; three minutes)"
	@echo "make bench-relaunch: hung and dying servers, with the supervisor and under YARN alone (a quarter of an hour)"
	@echo "make bench-hadoop: status and sync beside Hadoop's own command line, on a real cluster (needs Java, Maven, curl)"
	@echo "make bench-update: a new version to eight replicas, and what callers notice (needs Java, Maven, wrk; five minutes)"
	@echo "make bundle: an archive with a Python of its own, for hosts without a recent one (docker/README.md)"
	@echo "make clean: remove the virtual environment and all caches"

# The stamp makes the second run quick; it is older than setup.cfg when the dependencies may have changed.
$(VENV)/.sandbox: setup.cfg pyproject.toml
	@echo "Setting up $(VENV) with $$($(PYTHON) --version); the first time takes about a minute and downloads packages"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "yarnserve needs Python 3.10 or later: make PYTHON=python3.11 ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[sandbox]'
	@touch $@

$(VENV)/.test: $(VENV)/.sandbox
	@echo "Adding the test tools to $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[sandbox,test]'
	@touch $@

# Most of the tests' time is waiting for processes, so there are three workers for each core.
WORKERS = $$($(BIN)/python -c 'import os; print(3 * (os.cpu_count() or 1))')

demo: $(VENV)/.sandbox
	@$(BIN)/yarnserve sandbox -- $(BIN)/python examples/digits/demo.py

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-all: $(VENV)/.test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --all-tiers

HADOOP ?= 3.3.6

hadoop: $(VENV)/.test
	@$(BIN)/python -m tests.hadoop --version $(HADOOP)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# 500 seeds of the simulation take a quarter of an hour on two cores, 10,000 five.
SOAK_SEEDS ?= 500

soak: $(VENV)/.test
	$(BIN)/python -m pytest -n auto --require-tier soak -m soak --soak-seeds $(SOAK_SEEDS)

bench: $(VENV)/.sandbox
	$(BIN)/python benchmarks/cli.py
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/status.py
	$(BIN)/python benchmarks/judging.py

bench-fleet: $(VENV)/.sandbox
	$(BIN)/python benchmarks/fleet.py $(FLEET)

bench-relaunch: $(VENV)/.sandbox
	$(BIN)/python benchmarks/relaunch.py $(RELAUNCH)

bench-hadoop: $(VENV)/.test
	PYTHONPATH=. $(BIN)/python benchmarks/yarn_cli.py $(STATUS)
	PYTHONPATH=. $(BIN)/python benchmarks/sync.py $(SYNC)

bench-update: $(VENV)/.test
	PYTHONPATH=. $(BIN)/python benchmarks/hot_update.py $(UPDATE)

# Named when it is made: the name holds the version, and the machine's kind.
bundle:
	@set -e; name=yarnserve-$$($(PYTHON) -c 'import yarnserve; print(yarnserve.__version__)')-linux-$$(uname -m); \
	scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; mkdir -p dist; \
	docker/bundle.sh --python $(PYTHON) $(if $(WHEELHOUSE),--wheelhouse $(WHEELHOUSE)) "$$scratch/$$name" .; \
	tar -C "$$scratch" --owner=0 --group=0 -czf "dist/$$name.tar.gz" "$$name"; \
	echo "dist/$$name.tar.gz"

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
