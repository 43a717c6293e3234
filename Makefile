# make demo   install if needed, then watch the events of a few articles arrive on a Kafka topic
# make test   lint, types and all tests
# make soak   every article of ../shared/feeds through the coder, a million inputs to the decoder,
#             and every fault at length
# make lint   lint and types only
# make schemas  write docs/schemas anew from the record types
# make metrics  write docs/metrics.md anew from what is counted
# make clean  remove what was made here
#
# PYTHON=python3.12        the interpreter, 3.11 or newer
# TORCH_BACKEND=cpu        torch without CUDA; auto: for this machine's GPU; index: as the package
#                          index has it, which on Linux brings 2.5 GB of CUDA libraries
# PROCESSES=3              that run the tests, each with brokers of its own; three take 7 GB
# FEED="my articles.jsonl" what the demo replays; - is stdin

PYTHON ?= python3
TORCH_BACKEND ?= cpu
PROCESSES ?= 3
export FEED ?=

BIN := .venv/bin
UV := $(BIN)/uv --quiet
RUNTIME := --extra export --extra sink --extra replay
EXTRAS := $(RUNTIME) --extra train --extra dev

.PHONY: demo test soak lint schemas metrics constraints clean FORCE
.DELETE_ON_ERROR:

demo: .venv/compiled
	@$(BIN)/eventwire demo $${FEED:+"$$FEED"}

# Tests wait more than they compute, so there are more processes than cores. What they import is
# compiled once, not by each of the hundreds of processes that they start; and OpenMP's threads do
# not spin while they wait for each other, which for two at once on two cores took six times as long.
test: lint .venv/compiled
	@PYTHONDONTWRITEBYTECODE= OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest \
		-n $(PROCESSES) --dist loadfile --no-loadscope-reorder

soak: .venv/installed .venv/tools
	@$(BIN)/python -m pytest -m soak tests/test_offsets.py tests/test_fuzz_decoder.py tests/test_faults*.py

lint: .venv/installed .venv/tools
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

schemas: .venv/installed
	@$(BIN)/eventwire schema --write docs/schemas/v1

metrics: .venv/installed
	@$(BIN)/python -m eventwire.streams.metrics_page docs/metrics.md

# All versions are chosen together, for every platform and Python: faust-streaming caps click, which
# holds back huggingface-hub, which holds back transformers.
constraints: .venv/installed
	@$(UV) pip compile pyproject.toml $(EXTRAS) --universal --python-version 3.11 --upgrade \
		--custom-compile-command "make constraints" --annotation-style line --output-file constraints.txt

# The package is linked file by file (strict mode is what type checkers follow), so it is installed
# again when a file comes or goes.
.venv/installed: .venv/dependencies .venv/files
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation \
		--config-settings editable_mode=strict --editable .
	@touch $@

.venv/files: .venv/dependencies FORCE
	@find models streams -type f ! -path '*/__pycache__/*' | LC_ALL=C sort > $@.now
	@cmp -s $@.now $@ || cp $@.now $@

# uv leaves the compiling of Python to whoever imports first, and where PYTHONDONTWRITEBYTECODE is
# set to everyone, who then waits twice as long for the first event: so it is done here, of what
# the demo imports.
.venv/compiled: .venv/dependencies | .venv/installed
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c \
		'import eventwire.models.coder, eventwire.streams.demo, eventwire.streams.worker'
	@touch $@

.venv/dependencies: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("eventwire needs Python 3.11 or newer, and $(PYTHON) is %d.%d: set PYTHON" % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip --quiet --disable-pip-version-check install -c constraints.txt uv
	@TORCH_BACKEND="$(TORCH_BACKEND)" UV="$(UV)" sh deploy/install-dependencies.sh $(BIN)/python $(RUNTIME) "setuptools>=77"
	@touch $@

# What the demo does without. torch is there, wherever it came from.
.venv/tools: .venv/dependencies
	@echo "Installing what the tests need" >&2
	@$(UV) pip install --python $(BIN)/python --requirements pyproject.toml $(EXTRAS) --constraints constraints.txt
	@touch $@

clean:
	rm -rf .venv build dist eventwire.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find models streams tests -type d -name __pycache__ -prune -exec rm -rf {} +
