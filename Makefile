# Two commands matter: `make run` starts everything, `make test` proves it.
# The rest of what they need (a Python environment, system packages) they bring themselves.

STAMP := .venv/ready-$(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test check bench bench-large fuzz soak soak-pollers soak-sources soak-wall lock clean

help:
	@echo "make run     start the operations centre with its sample province"
	@echo "make test    every test, on SQLite and PostgreSQL and in Chromium (ARGS='-k name' narrows)"
	@echo "make check   lint, format, import contracts, types"
	@echo "make bench   our figures, each beside its floor"
	@echo "make bench-large  at 82 million observations beside 8 million; says first what it needs"
	@echo "make soak    eight hours of polling in forty minutes, with faults, against the truth"
	@echo "make soak-pollers  two pollers on one store for ten minutes, killed and frozen"
	@echo "make soak-sources  every source at its own pace for ten minutes, then each system stopped in turn"
	@echo "make soak-wall  a wall screen for hours in half an hour: memory, elements, overlapping questions"
	@echo "make fuzz  ten thousand requests by the OpenAPI document, what it allows and what it does not"
	@echo "make lock    resolve requirements.lock again (needs uv)"
	@echo "make clean   remove the environment and caches, never data"

# Starts even where the environment is ready: a few milliseconds, no network.
run: $(STAMP)
	@exec $(BIN)/ioc run

test: $(STAMP)
	@.ci/packages
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-large: $(STAMP)
	$(BIN)/python -m tests.benchmarks.large $(ARGS)

soak: $(STAMP)
	$(BIN)/python -m tests.soak $(ARGS)

soak-pollers: $(STAMP)
	$(BIN)/python -m tests.soak.pollers --minutes 10 $(ARGS)

soak-sources: $(STAMP)
	$(BIN)/python -m tests.soak.sources --minutes 10 $(ARGS)

soak-wall: $(STAMP)
	@.ci/packages
	$(BIN)/python -m tests.soak.wall --minutes 30 $(ARGS)

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzzapi --requests 10000 $(ARGS)

# Named by what it was made from, so a checkout that only changes dates installs nothing.
$(STAMP):
	@.ci/environment
	@touch $@

# Keeps the pinned versions where they still fit; `make lock ARGS=--upgrade` moves all of them.
lock:
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --output-file requirements.lock $(ARGS)

clean:
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache *.egg-info
