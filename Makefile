# What a person does with this repository; `make help` lists it. Go is all that
# is needed, except for `make image`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Of GOARCH=arm; the other architectures do not look at it.
export GOARM := 7

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
ARCHES ?= amd64 arm64
HOST_ARCH := $(shell go env GOHOSTARCH)

# Outside the checkout: what is expensive to build and the same for each of them.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/k8s-await-election

GATE := bin/linux-$(HOST_ARCH)/k8s-await-election

# The race detector needs a C compiler; Go turns cgo off where there is none.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@echo "Targets:"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1	\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS=$$'\t' read -r target text; do \
		printf '  %-13s %s\n' "$$target" "$$text"; done
	@echo "Variables:"
	@echo "  LOCK=lease             demo: share a Lease on a real API server, not a file"
	@echo "  STORAGE_CLASS=…        demo-cluster: a storage class for ReadWriteMany; DEMO_ARGS=… more options"
	@echo "  SCHEDULES=100000       test-long: how many random schedules; TRACES=DIR keeps what finds each mutant"
	@echo "  FUZZ_TIME=20000x       fuzz: how many inputs each, or for how long (10m)"
	@echo "  BENCH_RUNS=10          bench: runs per figure; BENCH_ARGS=… more options"
	@echo "  SOAK=1h                soak: for how long"
	@echo "  SEED=… DURATION=60s    chaos: which faults, for how long, on how many; REPLICAS=5"
	@echo "  ACCEL=tcg KERNEL=…     clocks: without KVM; another kernel than apt's; CLOCKS=… which tests"
	@echo "  ENGINE=docker          image: docker, podman or buildah, if not the first found"
	@echo "  IMAGE=…  VERSION=…     image: its name and tag"
	@echo "  KUBEBUILDER_ASSETS=…   directory of kube-apiserver and etcd, if not built here"
	@echo "  KUBE_VERSION=1.34      test, cluster: which of the pinned versions of Kubernetes"

# ---------------------------------------------------------------- the binary

BUILDS := $(sort $(ARCHES:%=build-%) build-$(HOST_ARCH))
LDFLAGS := -s -w -X main.version=$(VERSION)

.PHONY: build build-all $(BUILDS)
build: build-$(HOST_ARCH) ## build the static binary for this machine, into bin/linux-ARCH
build-all: $(ARCHES:%=build-%) ## build it for every architecture of ARCHES
$(BUILDS): build-%:
	CGO_ENABLED=0 GOOS=linux GOARCH=$* go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' \
		-o bin/linux-$*/k8s-await-election ./cmd/k8s-await-election
	@chmod 0755 bin/linux-$*/k8s-await-election # whatever the umask: the image's user is not this one

# ------------------------------------------------------------------ the image

IMAGE ?= k8s-await-election

# A docker client without a daemon builds nothing, so asking for its version is
# not enough.
ENGINE ?= $(shell \
	if docker info >/dev/null 2>&1; then echo docker; \
	elif podman info >/dev/null 2>&1; then echo podman; \
	elif buildah info >/dev/null 2>&1; then echo buildah; fi)

.PHONY: image
image: build-all ## build the image with docker, podman or buildah, whichever is there
	@engine='$(ENGINE)'; \
	[ -n "$$engine" ] || { echo "make image needs docker (with its daemon running), podman or buildah" >&2; exit 1; }; \
	echo "Building $(IMAGE):$(VERSION) with $$engine"; \
	for arch in $(ARCHES); do \
		( set -x; "$$engine" build --platform "linux/$$arch" --build-arg "TARGETARCH=$$arch" --build-arg "VERSION=$(VERSION)" \
			--tag "$(IMAGE):$(VERSION)-$$arch" . ); \
	done; \
	if [ "$$engine" = docker ]; then \
		echo "Tagged $(ARCHES:%=$(IMAGE):$(VERSION)-%); docker joins them under one tag once they are pushed (docker manifest create)"; \
	else \
		"$$engine" manifest rm "$(IMAGE):$(VERSION)" >/dev/null 2>&1 || true; \
		"$$engine" manifest create "$(IMAGE):$(VERSION)" >/dev/null; \
		for arch in $(ARCHES); do "$$engine" manifest add "$(IMAGE):$(VERSION)" "$(IMAGE):$(VERSION)-$$arch" >/dev/null; done; \
		echo "Tagged $(IMAGE):$(VERSION), a list of $(ARCHES:%=$(IMAGE):$(VERSION)-%)"; \
	fi

# --------------------------------------- Kubernetes, for the tests and the cluster

# KUBE_VERSION picks one of e2e/components/kubernetes-*; the exact versions of it
# and of its etcd are in the go.mod there.
KUBE_VERSION ?= 1.37
COMPONENTS := e2e/components
KUBERNETES_FOLDER := $(COMPONENTS)/kubernetes-$(KUBE_VERSION)
ifeq ($(wildcard $(KUBERNETES_FOLDER)/go.mod),)
$(error KUBE_VERSION=$(KUBE_VERSION) is not pinned here; there are $(patsubst $(COMPONENTS)/kubernetes-%,%,$(wildcard $(COMPONENTS)/kubernetes-*)))
endif

# The version of a module in the go.mod of a folder.
pinned = $(shell awk '{sub(/^require /, "")} $$1 == "$(2)" && $$2 ~ /^v/ {print $$2}' $(1)/go.mod)
KUBERNETES := $(call pinned,$(KUBERNETES_FOLDER),k8s.io/kubernetes)
CONTAINERD := $(call pinned,$(COMPONENTS)/containerd,github.com/containerd/containerd/v2)
COREDNS := $(call pinned,$(COMPONENTS)/coredns,github.com/coredns/coredns)

BUILT_ASSETS := $(CACHE)/$(KUBERNETES)
BUILT_CONTAINERD := $(CACHE)/containerd-$(CONTAINERD)
BUILT_COREDNS := $(CACHE)/coredns-$(COREDNS)
ASSETS := $(or $(KUBEBUILDER_ASSETS),$(BUILT_ASSETS))

.PHONY: assets
ifdef KUBEBUILDER_ASSETS
assets:
	@for name in kube-apiserver etcd; do \
		[ -x "$(ASSETS)/$$name" ] || { echo "KUBEBUILDER_ASSETS=$(ASSETS) has no $$name" >&2; exit 1; }; done
else
assets: $(BUILT_ASSETS)/etcd $(BUILT_ASSETS)/kube-apiserver ## build kube-apiserver and etcd, once, into the cache
endif

CLUSTER_PROGRAMS := \
	$(addprefix $(BUILT_ASSETS)/,etcd kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl) \
	$(addprefix $(BUILT_CONTAINERD)/,containerd containerd-shim-runc-v2 ctr) \
	$(BUILT_COREDNS)/coredns

# Unstamped, the server would call itself v0.0.0.
$(BUILT_ASSETS)/%: FOLDER = $(KUBERNETES_FOLDER)
$(BUILT_ASSETS)/%: PACKAGE = k8s.io/kubernetes/cmd/$*
$(BUILT_ASSETS)/%: FLAGS = -s -w \
	-X k8s.io/component-base/version.gitVersion=$(KUBERNETES) \
	-X k8s.io/component-base/version.gitMajor=$(word 1,$(subst ., ,$(KUBERNETES:v%=%))) \
	-X k8s.io/component-base/version.gitMinor=$(word 2,$(subst ., ,$(KUBERNETES:v%=%)))
$(BUILT_ASSETS)/etcd: PACKAGE = go.etcd.io/etcd/server/v3
$(BUILT_CONTAINERD)/%: FOLDER = $(COMPONENTS)/containerd
$(BUILT_CONTAINERD)/%: PACKAGE = github.com/containerd/containerd/v2/cmd/$*
$(BUILT_CONTAINERD)/%: FLAGS = -s -w -X github.com/containerd/containerd/v2/version.Version=$(CONTAINERD)
$(BUILT_CONTAINERD)/%: TAGS = no_btrfs no_devmapper no_zfs
$(BUILT_COREDNS)/%: FOLDER = $(COMPONENTS)/coredns
$(BUILT_COREDNS)/%: PACKAGE = .
$(BUILT_COREDNS)/%: FLAGS = -s -w

# Built beside its place and renamed, so that it is whole where it exists. Of
# what go says, packages are counted and anything else is shown.
define build-component
@mkdir -p $(@D)
@echo "Building $(@F), this once, into $(@D): up to 5 minutes on two cores."
@partial=$$(mktemp -d $(@D)/.building.XXXXXX); trap 'rm -rf "$$partial"' EXIT; \
cd $(FOLDER); \
CGO_ENABLED=0 go build -v -trimpath -tags '$(TAGS)' -ldflags '$(FLAGS)' -o "$$partial/$(@F)" $(PACKAGE) 2>&1 | awk ' \
	/^go: downloading / {if (++modules % 50 == 0) {print "  " modules " modules downloaded"; fflush()} next} \
	/ / {print; fflush(); next} \
	++packages % 100 == 0 {print "  " packages " packages compiled"; fflush()}'; \
mv "$$partial/$(@F)" $@; \
echo "Built $@"
endef

$(BUILT_ASSETS)/%:
	$(build-component)
$(BUILT_CONTAINERD)/%:
	$(build-component)
$(BUILT_COREDNS)/%:
	$(build-component)

# ------------------------------------------------------------- tests and lint

.PHONY: test
test: assets build ## run all tests: unit, process, black-box, and against the real API server
	go test $(RACE) ./...
	$(if $(RACE),go test ./internal/simulation # more schedules: the race detector slows each down)
	cd e2e && KUBEBUILDER_ASSETS=$(abspath $(ASSETS)) go test $(RACE) -count=1 -timeout=30m ./...

SCHEDULES ?= 100000
TRACES ?=

# go test shows what a passing test prints only of a package that it runs in.
.PHONY: test-long
test-long: ## try the election on 100,000 random schedules, and find every mutant: some 10 minutes
	@cd internal/simulation && GOGC=400 go test -count=1 -timeout=6h -schedules=$(SCHEDULES) -mutants=all \
		$(if $(TRACES),-traces=$(abspath $(TRACES)))

# Counted, as Go now and then takes the end of a time for a failure of the test
# («context deadline exceeded»).
FUZZ_TIME ?= 20000x

# go test takes one fuzz test at a time.
.PHONY: fuzz
fuzz: ## fuzz every parser of what comes from outside; FUZZ_TIME=20000x, or a time, for each
	@grep -rho --include='*_test.go' '^func Fuzz[A-Za-z_]*' internal | sort | while read -r _ name; do \
		file=$$(grep -rl --include='*_test.go' "^func $$name(" internal); \
		echo "$$file: $$name"; \
		go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZ_TIME) "./$$(dirname "$$file")" || exit 1; \
	done

GOLANGCI_VERSION := v2.15.0
GOLANGCI_LINT ?= $(CACHE)/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint

$(CACHE)/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint:
	@echo "Building golangci-lint $(GOLANGCI_VERSION), once, into $(@D). This takes some minutes."
	@GOBIN=$(@D) CGO_ENABLED=0 go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)

.PHONY: lint
lint: $(GOLANGCI_LINT) ## check style: gofmt, go vet, golangci-lint, workflows, the chart's README
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted by gofmt:" $$unformatted >&2; exit 1; }
	go vet ./...
	cd e2e && go vet ./...
	$(GOLANGCI_LINT) run ./...
	cd e2e && $(abspath $(GOLANGCI_LINT)) run ./...
	"$$(.github/tools actionlint)/actionlint"
	@"$$(.github/tools helm-docs)/helm-docs" --chart-search-root charts --log-level warning --dry-run | \
		diff - charts/k8s-await-election/README.md || \
		{ echo "the chart's README is not that of its values; run $$(.github/tools helm-docs)/helm-docs --chart-search-root charts" >&2; exit 1; }

# SEED is the commit, unless it is given, so that each commit is hurt in another
# way, and the same way again.
SEED ?= $(shell printf %d 0x$$(git rev-parse --short=8 HEAD 2>/dev/null || date +%Y%m%d))
DURATION ?= 60s
REPLICAS ?= 5
CHAOS := $(abspath bin/chaos)

# In a mount namespace: the small file systems of a run that is killed go with it.
.PHONY: chaos
chaos: build assets ## hurt replicas in every way and prove that never two ran at once (root; DURATION=60s)
	@[ "$$(id -u)" = 0 ] || { echo "make chaos needs root, for namespaces and small file systems; run it by sudo" >&2; exit 1; }
	@cd e2e/chaos && KUBEBUILDER_ASSETS=$(abspath $(ASSETS)) unshare --mount \
		go test -count=1 -timeout=0 -run='^TestChaos$$' -gate=$(abspath $(GATE)) \
		-seed=$(SEED) -duration=$(DURATION) -replicas=$(REPLICAS) -keep=$(CHAOS)

KERNEL ?=
ACCEL ?=
CLOCKS ?= StepOfTheWallClock|TestSuspend|TestPause

.PHONY: clocks
clocks: build assets ## set the clock, suspend and pause, in a virtual machine (qemu; KVM if there is one)
	@mkdir -p bin/tools
	@CGO_ENABLED=0 go -C e2e build -trimpath -ldflags '-s -w' -o ../bin/tools/ ./machine ./gate/stage/actor
	@CGO_ENABLED=0 go -C e2e test -c -trimpath -ldflags '-s -w' -o ../bin/tools/gate.test ./gate
	@kernel='$(KERNEL)'; kernel=$${kernel:-$$(e2e/machine/kernel $(CACHE)/machine)}; \
	bin/tools/machine -kernel "$$kernel" -accel '$(ACCEL)' \
		$(addprefix -file ,$(GATE) bin/tools/actor bin/tools/gate.test $(ASSETS)/kube-apiserver $(ASSETS)/etcd) \
		env KUBEBUILDER_ASSETS=/ /gate.test -test.v '-test.run=$(CLOCKS)' \
		-gate=/$(notdir $(GATE)) -actor=/actor -machine=/dev/ttyS1

# ------------------------------------------------------------- a real cluster

.PHONY: bin/tools/cluster
bin/tools/cluster:
	@mkdir -p bin/tools
	@CGO_ENABLED=0 go -C e2e build -trimpath -ldflags '-s -w' -o ../bin/tools/ ./cmd/cluster ./cmd/pause

.PHONY: cluster-check cluster cluster-down
cluster-check: bin/tools/cluster
	@bin/tools/cluster check
# The check comes first, before minutes are spent on building.
cluster: cluster-check $(CLUSTER_PROGRAMS) ## bring up a real cluster of two nodes on this machine (root; KUBE_VERSION=1.34)
	@bin/tools/cluster up $(BUILT_ASSETS) $(BUILT_CONTAINERD) $(BUILT_COREDNS) $(abspath bin/tools)
cluster-down: bin/tools/cluster ## take it down; nothing is left
	@bin/tools/cluster down

.PHONY: images
images: build ## build the images of the examples and the end-to-end tests (root, buildah, mmdebstrap)
	@e2e/images/build bin/images

# How many scenarios run side by side.
E2E_PARALLEL ?= 6

# With KUBECONFIG set that cluster is used, and its nodes must have the images.
.PHONY: e2e
e2e: $(if $(KUBECONFIG),,images cluster) ## try the chart and the gate on a real cluster: KUBECONFIG's, or one of this machine
	cd e2e && go test -count=1 -timeout=40m -parallel=$(E2E_PARALLEL) ./scenarios -cluster $(E2E_ARGS)

E2E_BENCH_JSON ?= bin/e2e-bench.json
E2E_BENCH_RUNS ?= 5

.PHONY: e2e-bench
e2e-bench: images cluster ## measure on the cluster for how long a Service does not answer; E2E_BENCH_RUNS=5 of each
	@cd e2e/scenarios && go test -count=1 -timeout=30m -cluster -run='^TestFigures$$' \
		-figures=$(abspath $(E2E_BENCH_JSON)) -figure-runs=$(E2E_BENCH_RUNS)

STORAGE_CLASS ?=
DEMO_ARGS ?=
DEMO_IMAGES := bin/images/gate.tar bin/images/redis.tar

# With KUBECONFIG the images may have been built elsewhere: for them it takes
# root and Debian's tools. Without, this machine has both.
.PHONY: demo-cluster demo-images
demo-images: build
ifdef KUBECONFIG
	@$(foreach image,$(DEMO_IMAGES),[ -e $(image) ] || e2e/images/build bin/images $(basename $(notdir $(image)));)
else
	@e2e/images/build bin/images $(basename $(notdir $(DEMO_IMAGES)))
endif

demo-cluster: $(if $(KUBECONFIG),,cluster-check $(CLUSTER_PROGRAMS)) demo-images ## watch redis fail over on KUBECONFIG's cluster, or on one that is brought up for it (root)
	@CGO_ENABLED=0 go -C e2e build -trimpath -ldflags '-s -w' -o ../bin/tools/ ./cmd/demo-cluster
	@bin/tools/demo-cluster -storage-class '$(STORAGE_CLASS)' $(DEMO_ARGS) \
		$(if $(KUBECONFIG),,$(BUILT_ASSETS) $(BUILT_CONTAINERD) $(BUILT_COREDNS) $(abspath bin/tools))

# ------------------------------------------------------------- demo and bench

LOCK ?= file

.PHONY: demo
demo: build $(if $(filter lease,$(LOCK)),assets) ## watch three replicas pass on the leadership (LOCK=lease: on a real API server)
	@mkdir -p bin/tools
	@CGO_ENABLED=0 go build -o bin/tools/ ./examples/demo ./examples/httpserver
ifeq ($(LOCK),lease)
	@CGO_ENABLED=0 go -C e2e build -o ../bin/tools/ ./cmd/with-apiserver
	@KUBEBUILDER_ASSETS=$(abspath $(ASSETS)) bin/tools/with-apiserver \
		bin/tools/demo -lock lease -gate $(GATE) -server bin/tools/httpserver
else
	@bin/tools/demo -lock $(LOCK) -gate $(GATE) -server bin/tools/httpserver
endif

BENCH_RUNS ?= 10
BENCH_JSON ?= bin/bench.json
BENCH_SVG ?= bin/bench.svg
BENCH_ARGS ?=

.PHONY: bench
bench: build assets ## measure the hand-over times on a real API server; BENCH_RUNS=10 of each
	@mkdir -p bin/tools
	@CGO_ENABLED=0 go -C e2e build -o ../bin/tools/ ./cmd/bench ./cmd/recorder
	@KUBEBUILDER_ASSETS=$(abspath $(ASSETS)) bin/tools/bench -gate $(abspath $(GATE)) -recorder $(abspath bin/tools/recorder) \
		-runs $(BENCH_RUNS) -json $(BENCH_JSON) $(if $(BENCH_SVG),-svg $(BENCH_SVG)) $(BENCH_ARGS)

SOAK ?= 1h

# It may share the machine: nothing is timed.
.PHONY: soak
soak: ## hand the leadership around for an hour, and see that the gates come to use no more (SOAK=1h)
	@$(MAKE) bench BENCH_JSON=bin/soak.json BENCH_SVG= BENCH_ARGS='-only soak -soak $(SOAK)'

.PHONY: clean
clean: ## remove what was built here (not the cache in ~/.cache)
	rm -rf bin
