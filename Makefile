# `make demo` and `make test` set up everything they need, in .venv, from pinned and hashed requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_FLAGS ?=
# Several processes, each with a stack of servers (tests/conftest.py). Files stay together, for what they share.
PYTEST_FLAGS ?= -n logical --dist loadfile --no-loadscope-reorder
BENCH_FLAGS ?=
SEED ?= 1
MINUTES ?= 2
CHAOS_FLAGS ?=
# Hundreds of processes import the same modules: they are compiled once, also where the environment forbids it.
export PYTHONDONTWRITEBYTECODE :=

# Beside the wheel: a Python that has it first in its path uses it.
SIMD := .pillow-simd
SECOND_S3 := .second-s3
TSC := node_modules/.bin/tsc
TSC_STAMP := node_modules/.installed

.PHONY: demo test unit long chaos corpus coverage bench simd s3-second dist lint page-types types fmt check full lock clean help

help: ## What there is to make
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

demo: $(STAMP) ## A gallery through everything, on embedded parts; then stop it all
	@$(BIN)/gallery demo $(DEMO_FLAGS)

test: $(STAMP) ## All tests, on a real PostgreSQL, S3 server, Prefect server and worker
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

unit: $(STAMP) ## The tests that need no servers, in one to two minutes
	$(BIN)/python -m pytest -m "not servers" --ignore=tests/e2e $(PYTEST_FLAGS)

chaos: $(STAMP) ## Galleries while parts are killed, frozen and cut off, and what must hold; SEED=1 MINUTES=30
	@$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) $(CHAOS_FLAGS)

bench: $(STAMP) ## What the pipeline costs beside other ways to do the same work; BENCH_FLAGS="--images 1361"
	@$(BIN)/python -m bench --out .gallery/bench/results $(BENCH_FLAGS)

corpus: $(STAMP) ## Compare what becomes of a folder of images with libvips and exiftool: make corpus DIR=photos
	@$(BIN)/python -m bench.corpus $(DIR) --out .gallery/corpus

coverage: $(STAMP) ## All tests, and how much of the product they run, in all its processes
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST_FLAGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

simd: $(STAMP) ## Compile Pillow-SIMD into .pillow-simd, for its test and for: PYTHONPATH=$PWD/.pillow-simd make bench
	bash deployments/build_pillow_simd.sh $(SIMD) $(BIN)/python

s3-second: $(STAMP) ## Storage and a whole gallery on another S3 server: Ceph's radosgw, unpacked into .second-s3
	bash tests/second_s3/install.sh $(SECOND_S3)
	$(BIN)/python -m pytest --s3 radosgw tests/storage tests/second_s3

dist: $(STAMP) ## Wheel and source distribution in dist/; the wheel is tried in an empty environment
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	bash deployments/try_wheel.sh $(PYTHON) dist/*.whl tests/photos/seeding.jpg

lint: $(STAMP) ## Style, common mistakes, spelling, who may import whom, and the types of the page's JavaScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	git ls-files -z | xargs -0 $(BIN)/codespell
	@$(MAKE) --silent page-types

page-types:
	@if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then \
		$(MAKE) --silent $(TSC_STAMP) && echo $(TSC) && $(TSC) && $(TSC) --project tests/page; \
	else \
		echo "The types of the page's JavaScript were not checked: Node.js 20 or newer with npm is not installed." >&2; \
	fi

$(TSC_STAMP): package.json package-lock.json
	@npm ci --loglevel=error --ignore-scripts --no-audit --no-fund >/dev/null
	@touch $@

types: $(STAMP) ## Strict type checking
	$(BIN)/mypy

fmt: $(STAMP) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint types test ## All that is checked before a change lands

long: $(STAMP) ## The tests that take too long for each change
	$(BIN)/python -m pytest -m full

full: simd check long s3-second dist demo ## That, with what takes too long for each change; see CONTRIBUTING.md

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing what is needed into $(VENV) (once) ..." >&2
	@# The lock is complete. Older versions of pip would look for newer versions of what is asked for with extras.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check --quiet --disable-pip-version-check
	@touch $@

lock: ## Pin what pyproject.toml asks for; needs uv
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		pyproject.toml --output-file requirements/production.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--no-emit-package gallery-ingest --extra local --extra dev pyproject.toml --output-file requirements/dev.txt

clean: ## Remove what was installed and made, but not the local stack's state
	rm -rf $(VENV) $(SIMD) $(SECOND_S3) node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
