# `make` alone lists the targets. Each sets up in .venv what it needs, once.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed

export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo page test test-all check clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: $(STAMP) ## create .venv and install the apps and their tools; PYTHON=python3.12 chooses the Python

demo: $(STAMP) ## every app answers on its samples
	@$(RUN) -m apps demo

page: $(STAMP) ## the same on a web page, http://127.0.0.1:7860; HOST=0.0.0.0 and PORT=8000 change that
	@$(RUN) -m apps page $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))

test: $(STAMP) ## the tests, without the slow ones
	@$(RUN) -m pytest -n 2 --dist loadfile -m "not slow"

test-all: $(STAMP) ## all tests
	@$(RUN) -m pytest -n 2 --dist loadfile

check: $(STAMP) ## lint, and check the format
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

clean: ## remove .venv and what building and testing left; models and runs stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
	find apps common tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): setup.cfg pyproject.toml | $(RUN)
	@echo "Installing into $(VENV): about 3 GB, a few minutes" >&2
	@$(RUN) -m pip install --quiet --editable ".[dev,page]"
	@touch $@

$(RUN):
	$(call need,import sys; sys.exit(not (3$(comma) 10) <= sys.version_info < (3$(comma) 14)),Python 3.10 to 3.13 is needed. \
	Received: PYTHON=$(PYTHON)$(comma) $(or $(wordlist 1,2,$(shell { $(PYTHON) --version; } 2>/dev/null)),which was not found). \
	Name another: make setup PYTHON=python3.12)
	$(call need,import ensurepip$(comma) venv,$(PYTHON) lacks the venv module. \
	On Debian and Ubuntu: apt install python3-venv)
	@$(PYTHON) -m venv --clear $(VENV)

# $(call need,STATEMENT,MESSAGE): stops with one line, the message, where the Python fails at the statement.
comma := ,
need = $(if $(shell { $(PYTHON) -c '$(1)' && echo yes; } 2>/dev/null),,$(error $(2)))
