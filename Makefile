# Everything here needs only make and a Python >= 3.11 (another one: make PYTHON=python3.12 ...).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install run test check bench demo lock clean

help:
	@echo "make install   .venv with everything in it, from requirements.lock"
	@echo "make run       database, sample county, site and worker; prints the address"
	@echo "make demo      the main job once, then exits"
	@echo "make test      all tests (ARGS='-k ...' for some)"
	@echo "make check     lint, types, layers, translations, migrations"
	@echo "make bench     measures against the bounds in docs (ARGS='settle --events 1000000')"
	@echo "make lock      resolves the versions anew"
	@echo "make clean     removes what make made; never var/"

install: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1): make PYTHON=..." >&2; exit 1; }
	@echo "Installing the packages of requirements.lock into $(VENV) (once; a few minutes)."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-build-isolation --no-deps -e .
	@touch $@

run: install
	$(BIN)/market run $(ARGS)

demo: install
	$(BIN)/market demo $(ARGS)

bench: install
	$(BIN)/market bench $(or $(ARGS),settle --events 1000000)

test: install
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

check: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m market.checks.settings_page
	$(BIN)/python -m market.checks.translations
	$(BIN)/python -m market.checks.migrations

# uv is needed only here. The lock holds names, versions and hashes; never an address.
lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --python-version 3.11 --extra dev --quiet \
		pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
