# osssync. `make demo` shows it at work, `make test` tests it; both need Go
# and nothing else.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
DATE    ?= $(if $(COMMIT),$(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null))
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
DIST    ?= dist
# The race detector needs a C compiler; without one the tests run all the same.
RACE    := $(if $(shell command -v $$($(GO) env CC)),-race)

.PHONY: build packages release test-packages test-packages-linux test-packages-windows demo test vet lint bench test-conformance fuzz clean

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
	$(GO) test -run NONE -bench 'Events$$/^creating' -benchtime 5x ./internal/watch | grep creates
	$(GO) test -run NONE -bench 'WriterOpen$$' -benchtime 20x ./internal/upload | grep WriterOpen

# The sandbox's parser and signature check, a minute in all.
fuzz:
	$(GO) test -run NONE -fuzz '^FuzzRequest$$' -fuzztime 30s -fuzzminimizetime 1s ./test/sandbox/oss
	$(GO) test -run NONE -fuzz '^FuzzSignature$$' -fuzztime 30s -fuzzminimizetime 1s ./test/sandbox/oss

# The sandbox, tried with clients that others wrote. Needs node, npm and, for
# network namespaces, iproute2 and root.
test-conformance:
	test/conformance/run

# deb, rpm, apk, MSI, tar.gz and zip in dist. The first three need nfpm 2.45.2:
# go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
packages:
	rm -rf $(DIST)
	$(GO) run ./packaging/build -out $(DIST)
	$(GO) run ./packaging/build -sums $(DIST)

# The same from a commit as it is, so that everybody gets the same bytes.
release:
	@test -z "$$(git status --porcelain)" || { echo "make release: the working tree is not clean" >&2; exit 1; }
	$(MAKE) packages

# The packages, installed and run as on Linux and as on Windows.
test-packages: test-packages-linux test-packages-windows

# On machines that boot a real systemd. Needs root and what test/packages/tools
# installs, and says what it leaves out without: from within the directory, for
# go test shows that of a single package only. The machines wait more than they
# compute, so all run at once.
test-packages-linux:
	cd test/packages && $(GO) test -count=1 -timeout 30m -parallel 8 -machines

# The unit tests on Windows, which here is Wine, and the MSI, installed, run,
# upgraded and removed there. Needs root and what test/packages/windows/tools
# installs, and says what it leaves out without.
test-packages-windows:
	cd test/packages/windows && $(GO) test -count=1 -timeout 30m -parallel 3 -wine

clean:
	rm -rf bin dist
