# Two commands on a fresh machine: `make demo` and `make test`. They need Python 3.11 or newer, make and PyPI, and install
# again only when the lists of what they need changed. `make demo` keeps the little that a camera machine needs in
# .venv-runtime, which has no torch; `make test` keeps all in .venv.

PYTHON ?= python3
VENV ?= .venv
RUNTIME ?= .venv-runtime
VIDEOS ?= sample_videos/films
SITE ?= demo-site
DETECTOR ?= shipped
ifeq ($(VIDEOS),sample_videos/films)
STILL ?= sample_videos/walk/still.jpg
PERSON ?= 1
endif
RUN := $(VENV)/bin/python
DEMO := $(RUNTIME)/bin/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11) and "Sightline needs Python 3.11 or newer: make PYTHON=python3.12")

.PHONY: help demo test lint docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo [VIDEOS=DIR] [STILL=PICTURE] [DETECTOR=FILE.onnx] [SITE=DIR]   footage -> tracklets -> people -> a search"
	@echo "make test                                                               all tests"
	@echo "make lint                                                               ruff and mypy"
	@echo "make docs                                                               the pages of docs/ as HTML, in build/docs"
	@echo "make clean                                                              remove .venv, .venv-runtime, the demo site, its pictures"

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "== Installing Sightline and what it needs into $(VENV) (a few minutes the first time)"
	@$(PYTHON) -c '$(IS_NEW_ENOUGH)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) $(PIP_INSTALL) -e '.[test]'
	@touch $@

$(RUNTIME)/installed: pyproject.toml constraints.txt deploy/runtime.txt
	@echo "== Installing Sightline and what it needs without torch into $(RUNTIME) (a minute the first time)"
	@$(PYTHON) -c '$(IS_NEW_ENOUGH)'
	$(PYTHON) -m venv $(RUNTIME)
	$(DEMO) $(PIP_INSTALL) -r deploy/runtime.txt
	$(DEMO) $(PIP_INSTALL) --no-deps -e .
	@touch $@

demo: $(RUNTIME)/installed
	@test -e "$(VIDEOS)" || { echo "There is no footage at $(VIDEOS): name a folder of videos with make demo VIDEOS=DIR."; exit 2; }
	@echo "== Ingesting $(VIDEOS) into $(SITE): detecting, tracking and cutting tracklets"
	$(DEMO) -m app.ingest "$(VIDEOS)" --site "$(SITE)" --detector "$(DETECTOR)"
	@echo "== What is in the site"
	$(DEMO) -m app.site --site "$(SITE)"
	@echo "== A contact sheet: each row should be one person"
	$(DEMO) -m app.contact_sheet "$(SITE).png" --site "$(SITE)"
	@echo "== Tracklets joined into people"
	$(DEMO) -m app.merge --site "$(SITE)"
ifneq ($(STILL),)
	@echo "== Where else was the person in $(STILL)? See $(SITE)-found.html and $(SITE)-found.png"
	$(DEMO) -m app.query "$(STILL)" --site "$(SITE)" $(if $(PERSON),--person $(PERSON)) --top 8 --report "$(SITE)-found.html" --sheet "$(SITE)-found.png"
endif

test: $(VENV)/installed
	@echo "== All tests"
	$(RUN) -m pytest

lint: $(VENV)/installed
	@echo "== ruff and mypy"
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/installed
	@echo "== The reference of all commands, and the pages as HTML in build/docs"
	PYTHONPATH=. $(RUN) docs/make_cli.py
	$(RUN) -m mkdocs build

clean:
	rm -rf "$(VENV)" "$(RUNTIME)" demo-site demo-site.png demo-site-found.png demo-site-found.html
