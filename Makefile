# Each of these works alone on a fresh Debian 12, as root or with sudo: it installs what is missing, builds, does its job.
#   make build        build/release/gantry
#   make quickstart   a controller with its first Apps, until Ctrl-C   (ARGS=--exit-when-ready: ends by itself)
#   make test         every test
#   make bench        the bench table (docs/bench.md)
#   make fuzz         each fuzz target for MINUTES (10) under AddressSanitizer; TARGETS="http patch apply": only these
.PHONY: build quickstart test bench fuzz format lint clean
MAKEFLAGS += --no-print-directory
ARGS ?=

build:
	@.ci/install build
	@cmake --preset release -DGANTRY_TESTS=OFF >/dev/null
	@cmake --build build/release --target gantry

quickstart: build
	@build/release/gantry quickstart $(ARGS)

test:
	@.ci/install build test
	@cmake --preset release -DGANTRY_TESTS=ON >/dev/null
	@cmake --build build/release
	@ctest --preset release --output-on-failure -j2

bench:
	@.ci/install build bench
	@cmake --preset bench >/dev/null
	@cmake --build build/bench
	@bench/run build/bench $(ARGS)

fuzz:
	@.ci/install build
	@tests/fuzz/run $(or $(MINUTES),10) $(TARGETS)

format:
	@.ci/install lint
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format-19 -i

lint:
	@.ci/install build test lint
	@cmake --preset dev >/dev/null && cmake --build build/dev
	@git ls-files '*.cpp' | xargs -P2 -n8 clang-tidy-19 --quiet -p build/dev

clean:
	@rm -rf build
