# One door for developers. `make demo` and `make test` work in a fresh clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLE := examples/astronaut-512.png
UPSCALED := examples/astronaut-512-x2.png

.PHONY: demo test check fix docs smoke clean

# The demo needs only the program itself; tests and training add torch.
$(VENV)/.demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[cpu]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[cpu,train,dev]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/facesr-cli upscale $(EXAMPLE) --existing overwrite
	@echo
	@echo "The command was:  $(BIN)/facesr-cli upscale $(EXAMPLE) --existing overwrite"
	@echo "The result is:    $(UPSCALED) (1024x1024), beside $(EXAMPLE) (512x512)"

test: $(VENV)/.dev
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=85

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev
	$(BIN)/python docs/help_blocks.py --write

# What a user gets: the wheel, in an environment with nothing else.
smoke: $(VENV)/.dev
	rm -rf dist .venv-wheel
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --constraint constraints.txt "$$(ls dist/*.whl)[cpu]"
	cd dist && ../.venv-wheel/bin/facesr-cli doctor
	cd dist && ../.venv-wheel/bin/facesr-cli upscale ../$(EXAMPLE) --output astronaut-x2.png
	rm -rf .venv-wheel

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
