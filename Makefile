# osssync. `make demo` shows it at work, `make test` tests it; both need Go
# and nothing else.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
# The race detector needs a C compiler; without one the tests run all the same.
RACE    := $(if $(shell command -v $$($(GO) env CC)),-race)

.PHONY: build demo test vet lint bench test-conformance fuzz clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/osssync ./cmd/osssync

demo:
	$(GO) run ./test/demo

test:
	@test -n "$(RACE)" || echo "make test: no C compiler found, so without the race detector" >&2
	$(if $(RACE),CGO_ENABLED=1) $(GO) test $(RACE) ./...

# Every platform that is supported, whatever this one is.
vet:
	GOOS=linux $(GO) vet ./...
	GOOS=windows $(GO) vet ./...

lint: vet
	test -z "$$(gofmt -l cmd internal test)"
	GOOS=linux staticcheck ./...
	GOOS=windows staticcheck ./...

# Ratios in one run: osssync beside what people would use instead.
bench:
	$(GO) run ./test/bench
	$(GO) test -run NONE -bench 'Put/^4KiB$$' -benchtime 15x ./test/sandbox/oss | grep ratio

# The sandbox's parser and signature check, a minute in all.
fuzz:
	$(GO) test -run NONE -fuzz '^FuzzRequest$$' -fuzztime 30s -fuzzminimizetime 1s ./test/sandbox/oss
	$(GO) test -run NONE -fuzz '^FuzzSignature$$' -fuzztime 30s -fuzzminimizetime 1s ./test/sandbox/oss

# The sandbox, tried with clients that others wrote. Needs node, npm and, for
# network namespaces, iproute2 and root.
test-conformance:
	test/conformance/run

clean:
	rm -rf bin dist
