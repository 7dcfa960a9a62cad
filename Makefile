# Everything here makes ready what it needs (tests/setup), caches what is slow and can be run again at any time.
# CLUSTER=current, with KUBECONFIG and REGISTRY=HOST:PORT, uses a cluster of your own instead of the throwaway one.
.PHONY: help demo test bench lint down
.DEFAULT_GOAL := help
# Arguments for pytest: make test PYTEST="tests/builder -k unpack"
PYTEST ?=
# Arguments for bench/run: make bench BENCH="--only a,e --rounds 5"
BENCH ?=

# The throwaway cluster needs more than a cluster of your own; where none can run, only its tests are left out.
NEEDED = $(if $(filter current,$(CLUSTER)),pod,$(shell tests/cluster/can >/dev/null && echo cluster || echo python))

SCRIPTS = .ci/run tests/setup tests/cluster/build tests/cluster/can tests/cluster/demo tests/cluster/down tests/cluster/install \
	tests/cluster/session tests/cluster/status tests/cluster/up tests/cluster/use $(wildcard tests/cluster/lib/*.sh)

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Bring up a cluster, install Yadokari, build an image, show its digest
	@tests/setup $(NEEDED)
	@tests/cluster/demo

test: ## Run all tests, on a cluster too where one can run
	@tests/setup $(NEEDED) servers
	@tests/cluster/session .venv/bin/pytest $(PYTEST)

bench: ## Measure builds beside those of buildah, and of other builders by BENCH="--peer COMMAND"
	@tests/setup pod
	@bench/run $(BENCH)

lint: ## Check style, types, imports and shell scripts
	@tests/setup lint
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports
	shellcheck --external-sources $(SCRIPTS)

down: ## Take the throwaway cluster down, or Yadokari off a cluster of your own
ifeq ($(CLUSTER),current)
	@tests/cluster/demo remove
else
	@tests/cluster/down
endif
