# Every target does its own set-up: a fresh machine needs python3, git and make, nothing else.
# uv does the work; packaging/bootstrap.py is uv where uv is installed, and fetches it where it is not.

PYTHON ?= python3
UV = $(PYTHON) packaging/bootstrap.py
RUN = $(UV) run --frozen --no-sync
SERVERS = PYTHONPATH=tests $(RUN) python -m servers.install

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test servers lint docs reference bench screenshots walk clean sync interpreter

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: interpreter ## Show homeiq at work with a simulated home; ARGS="--seconds 5" is handed on
	@$(UV) sync --frozen --no-default-groups --inexact --quiet
	@$(RUN) homeiq demo $(ARGS)

test: sync servers lint ## Run every check and test, with real servers; ARGS="-k name" is handed on
	@$(RUN) pytest -n 2 --dist worksteal $(ARGS)

servers: sync ## Install the real servers of the tests, once for all clones
	@$(SERVERS)

lint: sync ## Check style and types
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy --strict recorder replayer connectors storage doctor commands cli.py cli_log.py cli_setup.py __main__.py

docs: sync ## Build the documentation's site into site/, without network; a dead link ends it
	@NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --quiet --strict

reference: sync ## Write the pages of the documentation that are made from the code
	@PYTHONPATH=packaging $(RUN) python -m reference

bench: sync ## Measure; ARGS are handed on
	@$(RUN) python benchmarks/run.py $(ARGS)

screenshots: sync ## Make the pictures of the status page in docs/images anew, with Chromium
	@$(RUN) pytest -q tests/end_to_end/test_status_page.py -k pictures --screenshots=docs/images $(ARGS)

walk: sync servers ## Make docs/walk.md and its pictures anew: from nothing to a repaired home, with real servers
	@$(RUN) pytest -q tests/end_to_end/test_walk.py --walk=docs/walk.md $(ARGS)

clean: ## Remove what was built here; the user's cache stays
	rm -rf .venv build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

sync: interpreter
	@$(UV) sync --frozen --quiet

# uv takes any Python that pyproject.toml allows, and fetches one where there is none; that needs more of the network.
interpreter:
	@$(UV) python find >/dev/null 2>&1 || $(UV) python install || \
		{ echo "homeiq needs Python 3.11 or newer; none is here, and uv could fetch none: install one" >&2; exit 1; }
