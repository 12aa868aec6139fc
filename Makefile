# Targets for people; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv/bin
UV_VERSION := 0.13.9
# Test processes side by side: more than cores, since tests mostly wait (azcopy alone ends only
# on a tick of two seconds).
TEST_WORKERS ?= 4
# Extra arguments for pytest, e.g. make test ARGS="-k prune -x"
ARGS ?=
# How many random walks, and from which one on.
WALKS ?= 5000
SEED ?= 0
FAST_TESTS := $(wildcard tests/core tests/config tests/test_house.py)
CODE := $(wildcard datalake_syncd tests demo benchmarks tools)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: ## make .venv and .tools (azcopy, Azurite); quick when nothing changed
	@tools/setup.sh

.PHONY: check
check: setup ## format, lint, types, fast tests: under a minute
	$(VENV)/ruff format --check $(CODE)
	$(VENV)/ruff check $(CODE)
	$(VENV)/mypy
	$(VENV)/pytest -q -m "not azurite and not slow and not home" $(FAST_TESTS) $(ARGS)

.PHONY: format
format: setup ## write the code in the one format, mend what lint can mend
	$(VENV)/ruff format $(CODE)
	$(VENV)/ruff check --fix $(CODE)

.PHONY: test
test: setup ## every test, with the real azcopy and Azurite; prints what is slow
	$(VENV)/pytest -n $(TEST_WORKERS) --dist worksteal --durations=15 --durations-min=2 $(ARGS)

.PHONY: test-large
test-large: setup ## a run of 150,000 files, end to end: over half an hour
	$(VENV)/pytest -m large -s $(ARGS)

.PHONY: test-model
test-model: setup ## random walks with the laws of the service: make test-model WALKS=20000 SEED=1
	WALKS=$(WALKS) SEED=$(SEED) $(VENV)/pytest tests/model $(ARGS)

.PHONY: test-home
test-home: setup ## what needs big tools: real systemd, images, a browser, other shells; as root
	@tools/home.sh
	CI=true $(VENV)/pytest -m home --durations=10 $(ARGS)

.PHONY: faults-doc
faults-doc: setup ## docs/faults.md anew, by a run of its tests; or XML="..." of earlier runs
ifeq ($(strip $(XML)),)
	@mkdir -p build
	@status=0; \
	$(VENV)/pytest -n $(TEST_WORKERS) --dist worksteal \
		--junitxml=build/faults.xml $$($(VENV)/python tools/faults.py tests) $(ARGS) || status=$$?; \
	$(VENV)/python tools/faults.py write build/faults.xml; exit $$status
else
	$(VENV)/python tools/faults.py write $(XML)
endif

.PHONY: bench
bench: setup ## measure it beside azcopy, rclone, the old scripts: 15 min; QUICK=1, OUT=folder
	@$(VENV)/python -m benchmarks $(if $(QUICK),--quick) $(if $(OUT),--out "$(OUT)") $(ARGS)

.PHONY: demo
demo: setup ## show a whole run on this machine: instrument, lake, proof, pruning
	@$(VENV)/python -m demo

.PHONY: man
man: setup ## the manual pages, from the commands and the configuration: build/man/
	$(VENV)/python tools/manual.py build/man

.PHONY: completions
completions: setup ## what TAB completes in bash, zsh and fish: build/completions/
	@tools/completions.sh build/completions

.PHONY: run
run: ## run the daemon in the foreground: make run CONFIG=path/to/config.toml
ifeq ($(strip $(CONFIG)),)
	@echo "make run needs a configuration: make run CONFIG=path/to/config.toml" >&2
	@echo "To get one to start from: datalake-syncd config init > config.toml" >&2
	@exit 2
else
	@tools/setup.sh
	@exec $(VENV)/datalake-syncd --config "$(CONFIG)" run
endif

# --- for the VM; each script tells more at its top ---------------------------------------------

.PHONY: build
build: ## an image of this commit, IMAGE:HASH; BUILDER=docker|podman|buildah, ALLOW_DIRTY=1
	@tools/image.sh build

.PHONY: tag
tag: ## give this commit's image another tag, without TAG=... its version
	@tools/image.sh tag

.PHONY: push
push: ## push this commit's image: make push REGISTRY=host/path [TAG=...]
	@tools/image.sh push

.PHONY: wrapper
wrapper: ## the script datalake-syncd-docker COMMAND... that runs the image; [REGISTRY=host/path]
	@tools/wrapper.sh

.PHONY: deploy
deploy: ## wrapper, unit, templates to a VM with Docker: make deploy VM=user@host [DRY_RUN=1]
	@tools/deploy.sh

.PHONY: install
install: ## on a machine without Docker: to PREFIX (/opt/datalake-syncd); DESTDIR for packages
	@tools/install.sh install

.PHONY: uninstall
uninstall: ## take it away again; configuration, state and logs stay
	@tools/install.sh uninstall

.PHONY: deb
deb: ## a Debian package of the same, in dist/
	@tools/deb.sh

.PHONY: image-check
image-check: setup ## build the image and try it with a real run, as root, with buildah
	@docker/check.sh

# --- for development ---------------------------------------------------------------------------

.PHONY: lock
lock: ## pin all packages again with hashes; make lock UPGRADE=1 takes newer versions
	@test -x $(VENV)/python || tools/setup.sh  # set-up refuses packages that are not locked yet
	@tools/lock.sh $(UV_VERSION) $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## remove .venv, .tools and caches; nothing else
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -path ./.git -prune -o -name __pycache__ -type d -exec rm -rf {} +
