# make run: install, run the test tier on the embedded model, say where the figures are.   make test: all tests.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: run test install vllm-cpu lint lock clean

run: install
	$(BIN)/snakemake
	@echo "Figures:  results/test/embedded/*/figures/*.png"
	@echo "Report:   results/test/report.html"

test: $(VENV)/tests-installed
	$(BIN)/python -m pytest -m "not gpu and not network"

install: $(VENV)/installed

$(VENV)/installed: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	touch $@

$(VENV)/tests-installed: requirements-test.lock $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.lock
	touch $@

lint: $(VENV)/tests-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
