# Everything a contributor runs. `make` alone lists it; CONTRIBUTING.md says when to use what.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
INSTALLED := .venv/installed
# Set PYTHON to choose the interpreter of .venv; empty: the first suitable one.
PYTHON ?=
# More arguments for pytest, such as PYTEST_ARGS=--no-skips (a selection of tests fails the check of the coverage).
PYTEST_ARGS ?=
# `make demo KILL=0` leaves worker-1 alive.
KILL ?= 1
# `make lock` takes no release younger than this day; UPGRADE=1 renews all versions, not only what changed.
LOCK_DATE ?= 2026-11-16
UPGRADE ?=
# The packages whose every branch the fast tests must reach.
FULLY_COVERED := orchestrator/api/*,orchestrator/core/*,orchestrator/agent/decide.py
TRAVELLING := orchestrator/agent orchestrator/protocol orchestrator/train

KIND_NAME := tf-orchestrator
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' orchestrator/version.py)
# Of Debian: what a node of a cluster runs on.
E2E_PACKAGES := containerd runc containernetworking-plugins debootstrap busybox-static iproute2 iptables conntrack socat

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo test test-fast test-slow test-cluster test-e2e e2e-packages kind-up kind-down cluster-tools generate agent-zip lint fmt build clean lock bench

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with tfo, TensorFlow for the CPU and all tools

# Packages first, from the lock alone; then this project itself, editable, which needs no network.
$(INSTALLED): pyproject.toml requirements.lock
	@[ -x $(BIN)/python ] || { \
	  for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
	    if "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	      2>/dev/null; then "$$python" -m venv .venv && break; fi; \
	  done; \
	  [ -x $(BIN)/python ] || { echo "make: needs Python 3.11, 3.12 or 3.13 with its venv module (on Debian" \
	    "and Ubuntu: apt install python3-venv), or say which: make install PYTHON=/path/to/python3.12" >&2; \
	    exit 2; }; }
	@echo "Installing TensorFlow and the tools into .venv; the first time this takes a minute or two."
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $(INSTALLED)

demo: $(INSTALLED) ## Train a CNN on a chief and two workers and kill one on the way (KILL=0: do not)
	@$(BIN)/python examples/demo.py --kill=$(KILL)

test: ## Everything that must hold: lint, fast tests, slow tests, tests on a Kubernetes control plane
	@for part in install cluster-tools lint test-fast test-slow test-cluster; do \
	  SECONDS=0; $(MAKE) $$part || exit; took="$${took:-} $$part $$SECONDS s,"; \
	done; echo "make test:$${took%,}"

test-fast: $(INSTALLED) ## Tests that take milliseconds each, and the coverage that must be whole
	$(BIN)/python -m pytest -m 'not process and not cluster and not tensorflow and not e2e and not benchmark' --cov --cov-report= \
	  --durations=10 --durations-min=1 $(PYTEST_ARGS)
	$(BIN)/python -m coverage report --include='$(FULLY_COVERED)' --fail-under=100 --precision=2

test-slow: $(INSTALLED) ## Tests on real processes, TensorFlow and Prometheus
	$(BIN)/python -m pytest -m '(process or tensorflow) and not cluster and not e2e and not benchmark' \
	  --durations=20 --durations-min=5 $(PYTEST_ARGS)

test-cluster: cluster-tools ## Tests on a real Kubernetes control plane, without root and without a node
	$(BIN)/python -m pytest -m 'cluster and not e2e and not benchmark' --durations=10 --durations-min=5 $(PYTEST_ARGS)

test-e2e: cluster-tools e2e-packages ## Tests in the pods of a real cluster, made on this machine (root)
	@$(BIN)/python -m tests.cluster.images
	$(BIN)/python -m pytest -m 'e2e and not benchmark' --durations=10 --durations-min=5 $(PYTEST_ARGS)

# Only what is missing is installed, and nothing is removed for it (Docker brings a containerd of its own).
e2e-packages: ## Install the Debian packages that real nodes need (root)
	@[ "$$(dpkg-query --show --showformat='$${db:Status-Abbrev}\n' $(E2E_PACKAGES) 2>/dev/null | grep -c '^ii')" = \
	  $(words $(E2E_PACKAGES)) ] || { apt-get --quiet update >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes \
	  --no-remove --no-install-recommends install $(E2E_PACKAGES) >/dev/null; }

# Where there is Docker. TFO_TEST_KUBECONFIG=.kind.kubeconfig lets `make test-cluster` use it.
kind-up: ## A local cluster with kind and Docker, with our images, the CRD and the controller in it
	kind get clusters | grep -qx $(KIND_NAME) || kind create cluster --name $(KIND_NAME)
	kind get kubeconfig --name $(KIND_NAME) > .kind.kubeconfig
	for name in controller agent trainer; do \
	  docker build --quiet --file docker/$$name/Dockerfile --tag tf-orchestrator/$$name:$(VERSION) . && \
	  kind load docker-image --name $(KIND_NAME) tf-orchestrator/$$name:$(VERSION) || exit; \
	done
	kubectl --kubeconfig .kind.kubeconfig apply -f manifests/crd.yaml
	kubectl --kubeconfig .kind.kubeconfig apply -f manifests/controller.yaml

kind-down: ## Remove that cluster
	kind delete cluster --name $(KIND_NAME)
	rm -f .kind.kubeconfig

# Kubernetes, built from its Go modules into the cache, by version: minutes the first time, nothing after that.
cluster-tools: $(INSTALLED) ## Build the programs of the Kubernetes that tests run on (once)
	@$(BIN)/python -m tests.cluster.tools

generate: $(INSTALLED) ## Write what is made from the types: the CRD and the reference pages
	@$(BIN)/python -m orchestrator.api.crd > manifests/crd.yaml
	@$(BIN)/python -m orchestrator.api.reference > docs/reference/job.md
	@$(BIN)/python -m orchestrator.cli.reference > docs/reference/cli.md
	@$(BIN)/python -m orchestrator.cli.events_reference > docs/reference/events.md
	@$(BIN)/python -m orchestrator.metrics.reference > docs/reference/metrics.md
	@$(BIN)/python -m orchestrator.controller.reference > docs/reference/controller.md

agent-zip: $(INSTALLED) ## Write the agent that goes into pods: dist/orchestrator.agent.zip
	@$(BIN)/python docker/agent/build_zip.py

lint: $(INSTALLED) ## Style, formatting, types, import contracts, Python 3.9 where it must hold
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/vermin --quiet --no-tips --violations --target=3.9- $(TRAVELLING)

fmt: $(INSTALLED) ## Format the code and sort imports
	$(BIN)/ruff check --quiet --select I --fix .
	$(BIN)/ruff format .

build: $(INSTALLED) ## Wheel and source archive in dist/, without network
	$(BIN)/python -m hatchling build

bench: $(INSTALLED) ## Measure the figures of docs/explanation/figures.md (an hour on an idle machine; pods need root)
	$(BIN)/python -m benchmarks

lock: $(INSTALLED) ## Renew requirements.lock from pyproject.toml (LOCK_DATE=..., UPGRADE=1)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --exclude-newer $(LOCK_DATE) $(if $(UPGRADE),--upgrade) \
	  --quiet --output-file requirements.lock

clean: ## Remove .venv and everything else that make made (not your runs)
	rm -rf .venv .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
