# Everything a developer does here. Needs Python 3.11 or newer, gcc, make and a package registry.

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# Two, however many cores there are: each worker has a database of its own to fill.
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run test format-check lint types imports tests node chaos guards simulate fuzz bench docs schemas format deps venv clean

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

# Killing make stops the house too: it is told its parent, and the kernel watches that for it.
run: venv ## Run everything on this machine; PORT=8000 and GUICHET_HOME=.guichet may be set
	@GUICHET_DIE_WITH_PARENT=$$PPID exec $(VENV_PYTHON) guichet.py run

test: format-check lint types imports tests ## Check and test everything

format-check: venv ## Check the formatting
	$(VENV_PYTHON) -m ruff format --check .

lint: venv ## Check the style
	$(VENV_PYTHON) -m ruff check .

types: venv ## Check the types
	$(VENV_PYTHON) -m mypy .

imports: venv ## Check who imports whom
	$(VENV_PYTHON) -c 'from importlinter.cli import lint_imports_command as c; c()'

tests: venv node ## Run the tests
	$(VENV_PYTHON) -m pytest -n $(TEST_WORKERS) --dist loadgroup

node: venv # The providers' own packages, which some tests ask; no work when they are there.
	@$(PYTHON) -m scripts.node_packages

# SEED=0 throws the dice; what fails prints its round, which ROUNDS=1 FIRST=its number repeats.
FIRST ?= 1
chaos: ROUNDS = 300
chaos: venv ## Hurt a running service; ROUNDS=300 SEED=0 FIRST=1 may be set
	$(VENV_PYTHON) -m tests.faults.chaos --rounds $(ROUNDS) --seed $(SEED) --first $(FIRST)

guards: venv ## Remove each guard in a copy and see its test fail; GUARDS="seats. key.once" for some
	$(VENV_PYTHON) -m scripts.guards --lanes $(TEST_WORKERS) $(GUARDS)

# A seed that fails prints how to see it again: SEEDS=1 SEED=its number.
SEEDS ?= 2000
SEED ?= 0
simulate: venv ## Simulate hostile worlds; SEEDS=10000 SEED=0 may be set
	$(VENV_PYTHON) -m tests.simulation --seeds $(SEEDS) --first $(SEED)

# SEED=0 throws the dice; what fails prints its seed. Then the calls of the interface's description.
COUNT ?= 300000
CALLS ?= 100
fuzz: venv ## Send notices with one thing wrong; COUNT=300000 SEED=0 may be set, CALLS=100 per operation
	$(VENV_PYTHON) -m tests.hostile.fuzz --count $(COUNT) --seed $(SEED)
	GUICHET_SCHEMA_CALLS=$(CALLS) GUICHET_SCHEMA_SEED=$(SEED) $(VENV_PYTHON) -m pytest -s tests/hostile/test_hostile_schema.py

# About a quarter of an hour; leave the machine alone meanwhile. Some cases alone: ONLY="create settle".
ROUNDS ?= 5
SECONDS ?= 5
ONLY ?=
bench: venv ## Measure, beside pgbench, and write docs/performance.md; ROUNDS=5 SECONDS=5 ONLY= may be set
	$(VENV_PYTHON) -m bench --rounds $(ROUNDS) --seconds $(SECONDS) --only "$(ONLY)"

docs: schemas ## Draw the documents that are made from code
	$(VENV_PYTHON) -m scripts.order_states
	$(VENV_PYTHON) scripts/generate_env_examples.py

schemas: venv ## Write contracts/schemas from the structs
	$(VENV_PYTHON) -m scripts.schemas

format: venv ## Format everything and repair what can be repaired
	$(VENV_PYTHON) -m ruff format .
	$(VENV_PYTHON) -m ruff check --fix .

deps: ## Install the Debian packages that some tests need (root only)
	@scripts/install-debian-packages.sh

venv: # The dependencies; next to no work when they are there.
	@$(PYTHON) -m scripts.bootstrap

clean: ## Remove everything that was installed or cached; data stays
	rm -rf .venv .boot tests/node/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
