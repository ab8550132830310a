# Gaikei. On a fresh machine Go and make are enough: `make run` shows it, `make test` tests it.

GO      ?= go
BIN     := bin/gaikei
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 10s
PREFIX  ?= /usr/local

.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the one static binary, bin/gaikei
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.release=$(VERSION)' -o $(BIN) ./cmd/gaikei

.PHONY: install
install: build ## Install bin/gaikei and its manual page below PREFIX (/usr/local), in DESTDIR
	$(BIN) man > $(BIN).1
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/share/man/man1'
	install -m 755 $(BIN) '$(DESTDIR)$(PREFIX)/bin/gaikei'
	install -m 644 $(BIN).1 '$(DESTDIR)$(PREFIX)/share/man/man1/gaikei.1'

.PHONY: run
run: build ## Build and start the demo: http://127.0.0.1:8080
	$(BIN) demo

.PHONY: test
test: ## Run every test, with the race detector where there is a C compiler
	@GO='$(GO)' sh .ci/test.sh

.PHONY: lint
lint: ## Check format, vet and staticcheck
	@out=$$($(GO) tool gofumpt -l .); if [ -n "$$out" ]; then echo "not formatted by gofumpt:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags chaos,collector ./...
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags chaos ./cmd/gaikei
	$(GO) tool staticcheck -tags collector ./sli/export/otlp

.PHONY: bench
bench: ## Run the benchmarks and print the promised ratios
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 2h ./...

.PHONY: fuzz
fuzz: ## Fuzz every decoder for FUZZTIME (10s) each
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' sh .ci/fuzz.sh

.PHONY: chaos
chaos: ## Break everything for CHAOS (5m), as drawn from SEED, and compare every slot
	PATH="$$PATH:/usr/sbin" $(GO) test -count 1 -timeout 0 -tags chaos -run '^TestChaos$$' -v ./cmd/gaikei

.PHONY: otlp
otlp: ## Send to the receiver of an OpenTelemetry Collector, built for it (minutes)
	$(GO) test -count 1 -timeout 20m -tags collector -run '^TestCollector$$' -v ./sli/export/otlp

.PHONY: generate
generate: ## Generate the protobuf code again (needs protoc)
	$(GO) generate ./...
