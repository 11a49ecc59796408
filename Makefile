# Everything runs in .venv, made on first use with nothing but Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

.PHONY: test test-slicer demo bench lint clean

# With SLICER_SOURCE=/path/to/a/checkout/of/Slicer the panel runs on Slicer's own Python in place of stand-ins.
ifdef SLICER_SOURCE
export SLICER_SOURCE
endif

test: $(VENV)/installed lint
	$(RUN)/python -m pytest

# In the application itself: make test-slicer SLICER=/path/to/Slicer, under xvfb-run where there is no display. Its
# Python needs pytest and the project's dependencies: PythonSlicer -m pip install pytest ".[training]"
test-slicer:
	@test -x "$(SLICER)" || { echo "Say which Slicer: make test-slicer SLICER=/path/to/Slicer"; exit 1; }
	rm -rf out/test-slicer
	"$(SLICER)" --no-splash --testing --additional-module-paths "$(CURDIR)/InvertibleFusion" \
	  --python-script "$(CURDIR)/Testing/Slicer/run_in_slicer.py"
	"$(SLICER)" --no-splash --no-main-window --python-script "$(CURDIR)/InvertibleFusionLib/training/headless.py" \
	  "$(CURDIR)/Testing/Slicer/two_batches.yaml" --out "$(CURDIR)/out/test-slicer/two-batches.safetensors"
	test -s out/test-slicer/two-batches.safetensors

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
