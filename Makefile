# The two commands of a newcomer are `make demo` and `make test`; everything lives in .venv.
PYTHON ?= python3
BIN := .venv/bin
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# The tests wait on databases and pages as much as they compute: two for each core, at most eight.
WORKERS ?= $(shell echo $$(( $(CORES) > 4 ? 8 : $(CORES) * 2 )))
INSTALLED := .venv/.installed

.PHONY: demo test test-long mutants rows lint browser bench clean

demo: $(INSTALLED)
	@$(BIN)/farthing demo $(ARGS)

# `make test ARGS="tests/x.py -k y"` runs just that, without the checks of `make lint`.
test: $(if $(ARGS),,lint) browser
	@$(BIN)/python -m pytest $(or $(ARGS),-n $(WORKERS) --dist worksteal)

test-long: export FARTHING_TEST_LONG = 1
test-long: test

# `make mutants ARGS='"a key is looked up" --json'` tries just that one.
mutants: $(INSTALLED)
	@$(BIN)/python -m tests.mutants $(ARGS)

rows: $(INSTALLED)
	@$(BIN)/python -m tests.rows

lint: $(INSTALLED)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/pyright
	@$(BIN)/pyright -p tests
	@$(BIN)/lint-imports --no-logo

browser: $(INSTALLED)
	@$(BIN)/python -m tests.browser

# All goals take an hour and rewrite docs/benchmarks.md; `make bench ARGS="F1 F2 --json"` measures just those.
bench: $(INSTALLED)
	@$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Farthing needs Python 3.11 or newer as \"$(PYTHON)\"; another one can be named: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "This Python cannot make a virtual environment. On Debian and Ubuntu: apt-get install -y python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv .venv
	@printf 'Installing into .venv, a minute or two the first time '
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[postgres,server,dev]' >.venv/install.log 2>&1 & pip=$$!; \
	trap 'kill $$pip; exit 130' INT TERM; \
	while kill -0 $$pip 2>/dev/null; do printf .; sleep 1; done; \
	wait $$pip || { echo; cat .venv/install.log >&2; exit 1; }
	@echo ' done'
	@touch $@
