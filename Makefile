# The front door: `make help`. Every target is one line and is also what CI calls.
SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export CLUSTER
STAMP := node_modules/.weir-installed

.PHONY: help install demo test unit lint format check gen bench chaos install-yaml rocksdb chart image cluster-up cluster-down kind-up kind-down e2e clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## Install the pinned Node and every dependency
$(STAMP): package.json package-lock.json scripts/install.sh
	@bash scripts/install.sh && touch $(STAMP)

demo: install ## Run the quickstart on the embedded cluster (KEEP=1 leaves it running)
	@node src/main/cli.ts demo $(if $(KEEP),--keep)

test: install ## Everything: checks, unit, property, integration and short chaos tiers
	@node scripts/test.ts

unit: install ## The quick tiers only: checks and unit tests
	@node scripts/test.ts checks unit

lint: install ## Type-check, lint, formatting
	@node scripts/test.ts checks

format: install ## Format the sources
	@prettier --write --log-level warn .

gen: install ## Regenerate crds/, the chart's generated files and the reference pages
	@node scripts/gen.ts

install-yaml: install ## Render the chart into config/default (needs Helm, built with Go), then gen
	@node scripts/gen.ts && node scripts/install-yaml.ts && node scripts/gen.ts

bench: install ## Measure beside a real Flink (FLINK=0: without); prints tables, never a pass or fail
	@node --max-old-space-size=6000 bench/run.ts
	@$(if $(ONLY),,node --max-old-space-size=6000 bench/in-process.ts)

chaos: install ## The long forms of the fault-injection and property tests (hours)
	@WEIR_LONG=1 node scripts/test.ts chaos property long-forms

rocksdb: install ## Build the addon for state.backend RocksDB (Debian: librocksdb-dev and g++)
	@bash scripts/rocksdb/build.sh >/dev/null

chart: install ## Package the Helm chart into dist/ (Helm, built with Go)
	@"$$(bash scripts/servers/build-go.sh helm)" package charts/weir --destination dist

image: install ## Build the image into dist/weir.tar (docker, podman, or buildah without an image registry)
	@bash scripts/image/build.sh

cluster-up: ## Bring up a real Kubernetes with one node (root; CLUSTER=0…49)
	@bash scripts/cluster/cluster.sh up

cluster-down: ## End it; nothing is left (CLUSTER=0…49)
	@bash scripts/cluster/cluster.sh down

kind-up: image ## Bring up KinD with the image loaded (needs Docker and kind)
	@bash scripts/cluster/kind.sh up

kind-down: ## End it
	@bash scripts/cluster/kind.sh down

e2e: install ## The tests on a real node (CLUSTER=kind: on KinD; CLUSTER=3: on your own of cluster-up)
	@node scripts/test.ts e2e

clean: ## Remove what the build and the demo left in this folder
	@rm -rf node_modules dist .weir coverage
