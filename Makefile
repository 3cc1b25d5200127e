# Two commands on a fresh machine: `make demo` and `make test`. They need Python 3.11 or newer, make and PyPI, keep all
# they install in .venv, and install again only when pyproject.toml or constraints.txt changed.

PYTHON ?= python3
VENV ?= .venv
VIDEOS ?= sample_videos/films
SITE ?= demo-site
DETECTOR ?= shipped
ifeq ($(VIDEOS),sample_videos/films)
STILL ?= sample_videos/walk/still.jpg
PERSON ?= 1
endif
RUN := $(VENV)/bin/python

.PHONY: help demo test lint docs clean
.DEFAULT_GOAL := help

help:
	@echo "make demo [VIDEOS=DIR] [STILL=PICTURE] [DETECTOR=FILE.onnx] [SITE=DIR]   footage -> tracklets -> people -> a search"
	@echo "make test                                                               all tests"
	@echo "make lint                                                               ruff and mypy"
	@echo "make docs                                                               the pages of docs/ as HTML, in build/docs"
	@echo "make clean                                                              remove .venv, the demo site, its pictures"

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "== Installing Sightline and what it needs into $(VENV) (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sightline needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: $(VENV)/installed
	@test -e "$(VIDEOS)" || { echo "There is no footage at $(VIDEOS): name a folder of videos with make demo VIDEOS=DIR."; exit 2; }
	@echo "== Ingesting $(VIDEOS) into $(SITE): detecting, tracking and cutting tracklets"
	$(RUN) -m app.ingest "$(VIDEOS)" --site "$(SITE)" --detector "$(DETECTOR)"
	@echo "== What is in the site"
	$(RUN) -m app.site --site "$(SITE)"
	@echo "== A contact sheet: each row should be one person"
	$(RUN) -m app.contact_sheet "$(SITE).png" --site "$(SITE)"
	@echo "== Tracklets joined into people"
	$(RUN) -m app.merge --site "$(SITE)"
ifneq ($(STILL),)
	@echo "== Where else was the person in $(STILL)? See $(SITE)-found.html and $(SITE)-found.png"
	$(RUN) -m app.query "$(STILL)" --site "$(SITE)" $(if $(PERSON),--person $(PERSON)) --top 8 --report "$(SITE)-found.html" --sheet "$(SITE)-found.png"
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
	rm -rf "$(VENV)" demo-site demo-site.png demo-site-found.png demo-site-found.html
