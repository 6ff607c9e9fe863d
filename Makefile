# Two commands set everything up on a fresh machine with Python 3.11 or newer:
#   make demo   trains the example networks and prints where to look
#   make test   runs the tests on TensorFlow and JAX, and on torch where it is installed in .venv
# And `make docs` builds the documentation's pages into site/.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# TensorFlow's CPU build is a third of the size; it exists for Linux on x86-64 only.
TENSORFLOW ?= $(if $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m)),tensorflow-cpu,tensorflow)
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
# What does not depend on the backend has been tested on TensorFlow.
ONCE := -m "not slow and not any_backend"
export TF_CPP_MIN_LOG_LEVEL ?= 3
# Two test processes share the cores; OpenMP's spinning threads would fight over them.
test: export OMP_NUM_THREADS ?= 1

.PHONY: demo test docs check versions clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.examples: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet "$(TENSORFLOW)>=2.18" -e ".[examples]"
	touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet "$(TENSORFLOW)>=2.18" -e ".[test]"
	touch $@

$(VENV)/.docs: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[docs]"
	touch $@

demo: $(VENV)/.examples
	KERAS_BACKEND=tensorflow $(BIN)/python examples/vanishing_gradients.py

test: $(VENV)/.test
	KERAS_BACKEND=tensorflow $(PYTEST)
	KERAS_BACKEND=jax $(PYTEST) $(ONCE)
	@if $(BIN)/python -c "import torch" 2>/dev/null; then \
		echo KERAS_BACKEND=torch $(PYTEST); KERAS_BACKEND=torch $(PYTEST) $(ONCE); \
	else \
		echo "torch is not installed in $(VENV): the tests on torch were left out."; \
	fi

# Silences the theme's notice about the next major version of MkDocs.
docs: export NO_MKDOCS_2_WARNING ?= 1
docs: $(VENV)/.docs
	$(BIN)/python -m mkdocs build --strict

check: $(VENV)/.test docs
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

# The oldest and the newest libraries, on each Python that is found: an hour and many downloads.
versions:
	$(PYTHON) tools/versions.py

clean:
	rm -rf $(VENV) .versions build site *.egg-info .pytest_cache .ruff_cache .mypy_cache
