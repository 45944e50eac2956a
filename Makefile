# make demo      see it work              make lint   format, types, floors, fresh pictures: everything but tests
# make test      tests, in five minutes   make check  `make lint` and `make test`
# make test-all  and those that take longer: on the wire, under load, and the laws with many more examples
# make soak      the laws with more examples than CI has time for, and mutants of the engine, for an hour and more
# make fix       format, and mend what can be mended
# make draw      pictures, notebooks      make bench  time it beside a hand-written loop
#
# Everything is set up by itself in .venv; nothing is installed elsewhere but system packages, and those only where allowed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= auto
# Some tests take minutes: who is done with its own takes from the others.
SIDE_BY_SIDE := -n $(JOBS) --dist worksteal
# The laws that `make soak` holds with 20 times as many examples as CI, and processes killed ten times as often.
SOAKED := tests/laws/test_endings.py tests/stores/test_leases.py

# What takes longer than a newcomer wants to wait.
LONGER := wire or load or long

.PHONY: demo test test-all soak check lint fix draw bench setup setup-dev setup-wire setup-mermaid setup-postgres setup-bench clean

demo: $(VENV)/.installed
	@$(BIN)/agentgraph demo

test: setup-dev setup-mermaid setup-postgres
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest $(SIDE_BY_SIDE) -q -m "not ($(LONGER))"
	@echo "These were the tests that are quick. make test-all adds those on the wire and under load, and the laws with many more examples."

test-all: test setup-wire
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -q -m "$(LONGER) or hypothesis"

soak: setup-dev
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest $(SIDE_BY_SIDE) $(SOAKED)
	$(BIN)/python -m tests.mutants --sample 40 --floor 0.7

check: lint test

lint: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m diagrams --check
	$(BIN)/python -m notebooks --check
	$(BIN)/agentgraph docs README.md --check

fix: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

draw: setup-dev
	$(BIN)/python -m diagrams
	$(BIN)/python -m notebooks
	$(BIN)/agentgraph docs README.md

bench: setup-dev setup-bench
	$(BIN)/python -m benchmarks

setup-dev: $(VENV)/.installed-dev
setup-bench: .tools/bench/.installed
setup-wire:
	@sh tests/e2e/install_server.sh
setup-mermaid: setup-dev
	@sh tests/pictures/install_mermaid.sh
setup-postgres:
	@sh tests/stores/install_postgres.sh

# `pip install -e` needs a pip that knows pyproject.toml well; the venv brings one.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "agentgraph needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "No virtual environment could be made; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	@echo "Installing agentgraph and litellm into $(VENV) (once; about a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[litellm]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[all]" $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"])')
	@touch $@

# The frameworks that `make bench` measures too, apart from ours. One that cannot be installed keeps no other from being measured.
.tools/bench/.installed: benchmarks/peers/requirements.txt
	@echo "Installing other frameworks into .tools/bench/venv (once; about two minutes) ..."
	@$(PYTHON) -m venv .tools/bench/venv
	@missing=; for peer in $$(grep -v '^#' $<); do \
		.tools/bench/venv/bin/python -m pip install -q --disable-pip-version-check "$$peer" || missing="$$missing $$peer"; \
	done; if [ -z "$$missing" ]; then touch $@; else echo "Not installed, and their columns will say so:$$missing"; fi

clean:
	rm -rf $(VENV) .tools
