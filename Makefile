# Everything a newcomer needs: `make demo` and `make test` do all their own set-up in .venv.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
OUT ?= t2m-runs/demo
# More arguments for pip, e.g. an index with CPU builds of torch.
PIP_ARGS ?=

.PHONY: demo test precision lint types install install-dev system-libs clean

demo: system-libs install
	$(PY) -m t2m_bench run --method talk2me --dataset demo --out "$(OUT)"

test: system-libs install-dev
	$(PY) -m pytest

precision: system-libs install-dev
	$(PY) -m pytest -q tests/metrics tests/tracking --precision-page docs/precision.md

lint: install-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: install-dev
	$(PY) -m mypy

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

system-libs:
	@sh tools/system-libs.sh

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "t2m-bench needs Python 3.10 or newer; name one with: make demo PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python cannot make a virtual environment; on Debian: apt-get install -y python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.created pyproject.toml
	$(PY) -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -e '.[dev]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV)
