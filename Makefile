# Two commands on a fresh machine with Python, a C++17 compiler and make: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
# torch is for exporting and its tests only. Another build (a CPU one, a Jetson wheel): make test TORCH=path-or-name
TORCH ?= torch==2.13.0
OUT ?= out
CORE := $(wildcard cpp_ext/include/*/* cpp_ext/src/* cpp_ext/bindings/* cpp_ext/cuda/*) CMakeLists.txt setup.py pyproject.toml

.PHONY: fuzz help setup test test-all test-cpp test-sanitize lint demo soak bench clean

help:
	@echo "make demo           set up, build and show the main job, offline: INT8 export, poses, a fall and its alarm"
	@echo "make test           set up and run all tests"
	@echo "make test-all       the same for every model, in an hour or so"
	@echo "make test-sanitize  the C++ tests under AddressSanitizer and UBSan, then ThreadSanitizer"
	@echo "make fuzz           each decoder and suppression on raw bytes for SECONDS (60)"
	@echo "make lint           formatting, style and types"
	@echo "make soak           a live run over RTSP for SECONDS (600) with three kills of the server; CLIP=file to play"
	@echo "make bench          the kernels beside what one would write by hand"

# An editable install warns of folders that are named like the package: they are the package.
PIP := PYTHONWARNINGS="ignore:Editable installation" $(BIN)/pip install --quiet
$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip

# The environment of a user: the package and what it needs to run.
$(BIN)/edge-pose: $(CORE) | $(BIN)/pip
	$(PIP) --editable .
	touch $@

# The environment of a developer: also what builds, tests and exports. What builds stays installed here, and so does
# the build folder, so that an edit of one C++ file compiles that file.
BUILD := $(shell sed -n 's/^requires = \[\(.*\)\]$$/\1/p' pyproject.toml | tr , ' ')
$(VENV)/.test: $(CORE) | $(BIN)/pip
	$(PIP) $(BUILD) $(TORCH)
	$(PIP) --no-build-isolation --editable ".[test,export]"
	touch $(BIN)/edge-pose $@

setup: $(VENV)/.test

test: $(VENV)/.test test-cpp
	$(BIN)/python -m pytest

# Also what `make test` tries by examples only: every model, in every way.
test-all: $(VENV)/.test test-cpp
	$(BIN)/python -m pytest -m ""

test-cpp: $(VENV)/.test
	$(BIN)/cmake --preset test
	$(BIN)/cmake --build --preset test
	$(BIN)/ctest --preset test

test-sanitize: $(VENV)/.test
	for preset in asan tsan; do \
	  $(BIN)/cmake --preset $$preset && $(BIN)/cmake --build --preset $$preset && $(BIN)/ctest --preset $$preset || exit 1; \
	done

# mypy sees the installed tree: only there do the three source folders make one package.
lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $$(git ls-files 'cpp_ext/*.cpp' 'cpp_ext/*.hpp')
	rm -rf build/site build/lib.* build/bdist.*
	$(PIP) --no-deps --no-build-isolation --target build/site .
	cd build/site && ../../$(BIN)/python -m mypy --config-file ../../pyproject.toml -p edge_pose

demo: $(BIN)/edge-pose
	$(BIN)/edge-pose demo --output "$(OUT)"

# SECONDS for each target; clang with its fuzzer runtime is needed (Debian: clang libclang-rt-14-dev).
SECONDS ?= 60
CLANG ?= $(shell for name in clang++ clang++-19 clang++-16 clang++-14; do command -v $$name && break; done)
fuzz: $(VENV)/.test
	@test -n "$(CLANG)" || { echo "make fuzz needs clang++: apt-get install clang libclang-rt-14-dev"; exit 1; }
	$(BIN)/cmake --preset fuzz -DCMAKE_CXX_COMPILER=$(CLANG)
	$(BIN)/cmake --build --preset fuzz
	for target in build/fuzz/fuzz_*; do \
	  test -x $$target && test -f $$target || continue; \
	  mkdir -p build/corpus/$${target##*/}; \
	  $$target -max_total_time=$(SECONDS) -max_len=8192 -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix=build/ build/corpus/$${target##*/} cpp_ext/fuzz/corpus/$${target##*/} || exit 1; \
	done

# GStreamer's RTSP server is needed (Debian: gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{good,ugly}).
soak: SECONDS = 600
soak: $(VENV)/.test
	$(BIN)/python benchmarks/soak.py --seconds $(SECONDS) $(if $(CLIP),--clip $(CLIP))

bench: $(VENV)/.test
	$(BIN)/python benchmarks/kernels.py

clean:
	rm -rf build dist "$(OUT)" *.egg-info edge_pose/*.so $(VENV)/.test $(BIN)/edge-pose
