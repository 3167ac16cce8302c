# Everything starts here. On a machine with only Python >= 3.11, pip and make:
#
#   make demo    separate the song that the project ships, with numbers and a picture
#   make test    lint and the whole test suite
#
# Both set up .venv with the versions pinned in constraints.txt, once; another interpreter
# is chosen by `make PYTHON=python3.13 ...`. The demo does not install torch.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INSTALL := $(PIP) install --quiet --disable-pip-version-check --constraint constraints.txt
SETUP_FILES := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check docs app man lint format setup setup-dev assets clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

demo: setup  ## separate the shipped song; prints paths, dB and speed, and draws a picture
	$(BIN)/python -m isolde demo

# Side by side, a file with all its tests in one process: what a module makes, it makes once. Each
# process imports torch; the tests of sound in real time come after them, alone. Bytecode is kept, for
# the hundreds of processes that tests start.
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# The inner loop ends with a list of those that should carry the marker `slow`, seen on an idle machine.
QUICK := --durations 10 --durations-min 1.5

test check: export PYTHONDONTWRITEBYTECODE :=
test: lint  ## lint, then every test
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --ignore tests/live
	$(BIN)/python -m pytest tests/live

check: lint  ## lint, types and the quick tests: the inner loop
	$(BIN)/python -m pytest -q -m "not slow" $(QUICK) $(SIDE_BY_SIDE)

docs: setup-dev  ## the pages and the API reference, in build/site; links are checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

man: setup-dev  ## the man page, docs/isolde.1, from the command line itself
	PYTHONPATH=src:tools $(BIN)/python -m man_page

# In a venv of its own, so that nothing but the runtime dependencies gets in.
app: build/app/isolde  ## one program file that needs no Python, in build/app
build/app/isolde: $(shell find src tools/app -type f -not -name '*.pyc') $(SETUP_FILES)
	$(PYTHON) -m venv --clear build/app-venv
	build/app-venv/bin/pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt . pyinstaller
	build/app-venv/bin/pyinstaller --onefile --noconfirm --clean --log-level WARN --name isolde \
	  --distpath build/app --workpath build/app-work --specpath build/app-work \
	  --collect-submodules isolde --collect-submodules av --collect-submodules shellingham \
	  --collect-data isolde \
	  --collect-data swift_f0 \
	  --recursive-copy-metadata isolde \
	  --exclude-module tkinter tools/app/program.py

lint: setup-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup-dev  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/runtime.stamp  ## .venv with what the demo needs
setup-dev: $(VENV)/dev.stamp  ## .venv with every extra and the test tools

# --without-pip is for systems whose venv module cannot install pip (Debian without python3-venv):
# there the system's own pip puts one in.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "isolde needs Python 3.11 or newer, this is " + sys.version.split()[0] + \
	  ": make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }

# The build tool comes first and pinned, so that nothing is built with an unpinned one.
$(VENV)/runtime.stamp: $(SETUP_FILES) | $(BIN)/python
	@echo "installing isolde and what it needs into $(VENV), once: some minutes on a slow line"
	$(INSTALL) setuptools
	$(INSTALL) --no-build-isolation --editable '.[figures]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp
	$(INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $@

# The studio's page has two libraries, which are in the repository: nobody needs npm but for this. Of the
# stretching one only the WebAssembly and its loader are taken: its own node loses samples where two
# buffers meet.
VENDOR := src/isolde/studio/page/vendor
STRETCH := signalsmith-stretch@1.3.2
WAVESURFER := wavesurfer.js@7.12.12

assets:  ## fetch the libraries of the studio's page again and check them (needs npm)
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  (cd "$$folder" && mkdir stretch wavesurfer && \
	    tar -xzf "$$(npm pack --silent $(STRETCH))" -C stretch && \
	    tar -xzf "$$(npm pack --silent $(WAVESURFER))" -C wavesurfer) && \
	  sed '/^function registerWorkletProcessor/,$$d' "$$folder/stretch/package/SignalsmithStretch.mjs" \
	    > $(VENDOR)/stretch.mjs && echo 'export default SignalsmithStretch;' >> $(VENDOR)/stretch.mjs && \
	  cp "$$folder/wavesurfer/package/dist/wavesurfer.esm.js" $(VENDOR)/wavesurfer.mjs && \
	  cp "$$folder/wavesurfer/package/dist/plugins/regions.esm.js" $(VENDOR)/regions.mjs && \
	  cp "$$folder/wavesurfer/package/LICENSE" $(VENDOR)/LICENSE-wavesurfer.txt && \
	  cd $(VENDOR) && sha256sum --check SHA256SUMS

clean:  ## remove .venv and everything that was made by building or testing
	rm -rf $(VENV) build dist demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -prune -exec rm -rf {} +
	rm -rf src/*.egg-info
