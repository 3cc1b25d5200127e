# Two commands on a fresh machine: `make demo` and `make test`. They need Python 3.11 or newer, make and PyPI, keep all
# they install in .venv, and install again only when pyproject.toml or constraints.txt changed.

PYTHON ?= python3
VENV ?= .venv
VIDEOS ?= sample_videos/films
SITE ?= demo-site
DETECTOR ?= shipped
RUN := $(VENV)/bin/python

.PHONY: help demo test lint clean
.DEFAULT_GOAL := help

help:
	@echo "make demo [VIDEOS=DIR] [DETECTOR=FILE.onnx] [SITE=DIR]   footage -> people, tracks, tracklets, a contact sheet"
	@echo "make test                                               all tests"
	@echo "make lint                                               ruff and mypy"
	@echo "make clean                                              remove .venv, the demo site and its picture"

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

test: $(VENV)/installed
	@echo "== All tests"
	$(RUN) -m pytest

lint: $(VENV)/installed
	@echo "== ruff and mypy"
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

clean:
	rm -rf "$(VENV)" demo-site demo-site.png
