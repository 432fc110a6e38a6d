# s3-crypt-proxy: every target installs what it needs; a machine with Go, git
# and make is enough. `make` alone lists the targets.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO          ?= go
BIN         := $(CURDIR)/bin
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS     := -X main.version=$(VERSION)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4
MC          := github.com/minio/mc@v0.0.0-20250313080218-cf909e1063a9
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.44.0
MINIO       := github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
FUZZTIME    ?= 20s
PKGS        := ./server ./...  # the longest first, so that nothing waits for it in the end
DIR         ?=
BEGIN       := $(shell date +%s)
BASE        ?=
export S3CP_BIN := $(BIN)
export CLIENTS_CACHE := $(CURDIR)/.cache/clients

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the product into bin/: bin/s3-crypt-proxy
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

.PHONY: build-v3
build-v3: ## the same for x86-64-v3 alone (AVX2, BMI2, FMA; Haswell and later) into bin/v3; docs/profiling.md has what it gains
	GOAMD64=v3 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/v3/ ./cmd/...

.PHONY: rig
rig: build ## build what demo, tests and benchmarks start beside the product (a real S3 server, load tools)
	$(GO) build -trimpath -o $(BIN)/ ./bench/...
	cd bench/versitygw && $(GO) build -trimpath -o $(BIN)/versitygw .

.PHONY: passthrough
passthrough: ## build the proxy that DOES NOT SEAL, for the middle column of the benchmark alone
	$(GO) build -trimpath -tags passthrough -ldflags '$(LDFLAGS)' -o $(BIN)/s3-crypt-proxy-passthrough ./cmd/s3-crypt-proxy

.PHONY: demo
demo: rig ## send a real directory tree through the whole stack and compare every byte (DIR=path for another)
	DIR='$(DIR)' $(BIN)/demo demo

.PHONY: run
run: rig ## start the same stack, leave it running, print what to paste into PBS and curl
	@$(BIN)/demo run

.PHONY: test
test: ## unit tests of every package
	$(GO) test -count=1 $(PKGS)
	cd bench/versitygw && $(GO) test -count=1 ./...
	cd bench/conformance && $(GO) test -count=1 ./...
	cd bench/browser && $(GO) vet ./...

.PHONY: race
race: ## the same under the race detector
	$(GO) test -race -short -count=1 $(PKGS)

.PHONY: lint
lint: ## gofmt, vet, staticcheck, and govulncheck where its data base can be reached
	@out=$$(gofmt -l cmd server pipeline format keyagent bench); if [ -n "$$out" ]; then echo "gofmt: $$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags integration ./...
	$(GO) vet -tags passthrough ./cmd/s3-crypt-proxy ./server
	$(GO) run $(STATICCHECK) -tags integration ./...
	@.ci/vulncheck $(GO) $(GOVULNCHECK)

.PHONY: clients
clients: ## install the S3 clients that the tests run (Debian packages as root or with sudo, Go modules, npm)
	bench/clients/install $(GO) $(BIN) $(CLIENTS_CACHE) $(MC)

.PHONY: haproxy
haproxy: ## install HAProxy, which the tests put in front of two proxies (Debian package as root or with sudo)
	@.ci/debian haproxy=haproxy

.PHONY: minio
minio: ## build minio, the second backend of the tests
	@.ci/go-install $(GO) $(BIN) minio $(MINIO)

.PHONY: chromium
chromium: ## install the browser that the tests drive (a Debian package, as root or with sudo)
	@.ci/debian chromium=chromium

.PHONY: browser
browser: rig chromium ## the dashboard in a real browser: the light, the plot, phones, dark and light, nothing from elsewhere
	cd bench/browser && $(GO) test -count=1 -timeout 5m ./...

.PHONY: alerts
alerts: ## the alert rules in promtool, which it fetches: are they right, and do they fire when they should
	cd deploy/prometheus && promtool=$$(../../.ci/promtool $(CURDIR)/.cache/prometheus) && $$promtool check rules alerts.yml && $$promtool test rules alerts_test.yml

.PHONY: integration
integration: export WHERE_POSSIBLE := yes
integration: rig passthrough clients haproxy browser alerts packages ## acceptance tests through real processes: a strict PBS client, real S3 clients, TLS, a real S3 server, kills, a booted Debian
	$(GO) test -tags passthrough -count=1 -run '^TestPassthrough' ./cmd/s3-crypt-proxy
	S3SERVER_BIN=$(BIN)/versitygw $(GO) test -tags integration -count=1 -timeout 15m -parallel 6 ./bench/integration/... ./bench/clients ./bench/rig/... ./server/backend/...

.PHONY: integration-minio
integration-minio: rig clients minio ## the real S3 clients again, with minio as the backend
	CLIENTS_BACKEND=minio $(GO) test -tags integration -count=1 -timeout 15m ./bench/clients
	@echo "integration-minio: $$(( $$(date +%s) - $(BEGIN) )) s"

.PHONY: deb
deb: ## build the Debian package into dist/: static programs, units, man pages, completions, examples
	@deploy/debian/build $(GO) $(NFPM) $(VERSION)

.PHONY: packages
packages: rig deb ## install, deploy, update and remove the package on a real Debian 12 with systemd, as root or with sudo
	bench/packages/run $(GO) $(CURDIR)/.cache/packages "$$(ls $(CURDIR)/dist/s3-crypt-proxy_*.deb)"

.PHONY: conformance
conformance: rig ## versitygw's S3 tests through the whole product; the exceptions are in docs/s3-compatibility.md
	cd bench/conformance && $(GO) build -trimpath -o $(BIN)/conformance .
	$(MAKE) --no-print-directory -j2 --output-sync=target conformance-of-one-version conformance-of-versions

# The halves wait more than they compute: side by side they take little longer than one.
.PHONY: conformance-of-one-version conformance-of-versions
conformance-of-one-version:
	$(BIN)/conformance
conformance-of-versions:
	$(BIN)/conformance -versioning

.PHONY: recovery
recovery: ## the Python opener of docs/recovery against every vector
	.ci/recovery $(GO)

.PHONY: vectors
vectors: ## regenerate the format's vectors; a difference is a failure
	$(GO) test -count=1 -run TestVectors ./format -update
	git diff --exit-code -- format/testdata

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (20s)
	@for pkg in $$($(GO) list ./...); do \
	  for t in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz || true); do \
	    echo "== $$pkg $$t"; $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg; \
	  done; \
	done

.PHONY: bench
bench: rig passthrough clients ## all benchmarks, 20 minutes; rewrites the tables in BENCHMARKS.md
	$(BIN)/micro -write BENCHMARKS.md
	$(BIN)/micro -keys -count 5 -write BENCHMARKS.md
	$(BIN)/e2e -write BENCHMARKS.md
	$(BIN)/model -write BENCHMARKS.md
	$(BIN)/acceptance -write BENCHMARKS.md
	CLIENTS_LARGE_MIB=5120 $(GO) test -tags integration -count=1 -timeout 30m -run '^TestLargeUpload$$' ./bench/clients -write $(CURDIR)/BENCHMARKS.md

.PHONY: bench-quick
bench-quick: rig passthrough clients ## the end-to-end figures that tell most, 3 minutes; prints them
	$(BIN)/e2e -quick

.PHONY: bench-compare
bench-compare: ## every benchmark of this tree against another revision's, in turns; fails on a regression (BASE=revision)
	@test -n '$(BASE)' || { echo 'which revision? make bench-compare BASE=main'; exit 2; }
	$(GO) run ./bench/compare -base '$(BASE)'

.PHONY: clean
clean: ## remove what the targets built
	rm -rf $(BIN) .run .cache
