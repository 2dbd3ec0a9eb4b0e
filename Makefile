# Thin: each target calls cargo or one script, which can be called by hand as well.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
RELEASE = $(or $(CARGO_TARGET_DIR),target)/release

.PHONY: help build demo test bench install uninstall

help:            ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build:           ## both programs, in release mode
	$(CARGO) build --release -p vswitchd -p ofctl

demo:            ## a small network around the switch: real traffic, and what the switch saw of it
	@dist/install-deps demo
	@$(MAKE) --no-print-directory build
	@demo/run

test:            ## everything that CI runs: format, lints, unit, dummy, system and interop tests
	@tests/run

bench:           ## the benchmarks; PEERS=1 runs Open vSwitch and the Linux bridge in turn with the switch
	@dist/install-deps $(if $(PEERS),peers,bench)
	@PEERS=$(PEERS) benches/run

install: build   ## programs, pktgen, man pages, completions and systemd unit, below PREFIX (/usr/local)
	$(CARGO) build --release -p switch-benches --bin pktgen
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" BUILT="$(RELEASE)" dist/install

uninstall:       ## what `make install` put there
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" dist/install --remove
