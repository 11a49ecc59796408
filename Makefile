# Everything runs in .venv, made on first use with nothing but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: test demo bench lint clean

test: $(VENV)/installed lint
	$(RUN)/python -m pytest

demo: $(VENV)/installed
	$(RUN)/invertible-fusion demo --out out/demo

bench: $(VENV)/installed
	$(RUN)/invertible-fusion benchmark --size 24 240 240 --floors Testing/performance_floors.json

lint: $(VENV)/installed
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) out
