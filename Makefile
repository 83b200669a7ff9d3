# One virtual environment, made from nothing: `make test` works in a bare checkout.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Compiled modules are kept, as where it is installed: thousands of commands would each compile them again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: test demo lint bench soak fuzz docs dist clean

test: $(READY)
	$(BIN)/pytest -n 3 --dist worksteal

demo: $(READY)
	PATH="$(abspath $(BIN)):$$PATH" bash sample_data/demo.sh

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python benchmarks/profiles.py
	$(BIN)/python benchmarks/run.py

soak: $(READY)
	$(BIN)/pytest -m soak --timeout 3600 -s
	MPLP_TRACE_EXAMPLES=10 $(BIN)/pytest -m "hypothesis and not soak" --timeout 3600 -n 3 --dist worksteal

fuzz: $(READY)
	$(BIN)/pytest -m soak --timeout 3600 -s tests/soak/test_fuzz.py

docs: $(READY)
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/picture.py

# Packed for release: the same bytes from the same commit, wherever it is made.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz .import_linter_cache

# What the guides analyse with lies beside: DuckDB imports a pandas that it finds, which each test would pay for.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "uv>=0.8"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable . --group dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(VENV)/guides --group guides
	touch $(READY)
