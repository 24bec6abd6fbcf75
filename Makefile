# Two commands matter: `make demo` (a three-server cluster on throw-away machines) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := $(VENV)/lock
STAMP := $(VENV)/.installed
DEMO := .demo
TIME ?= 600
CORES := $(shell nproc)
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
unexport PYTHONDONTWRITEBYTECODE  # the tests start Python thousands of times; it compiles once

.PHONY: demo demo-down test test-unit test-lab real vm lint format types docs screen bench bench-quick mutants fuzz lab-deps test-deps lab-trees constraints clean

demo: $(STAMP) lab-deps  ## Boot three fresh Debian nodes here and make them a cluster
	$(BIN)/python -m tests.doubles.k3s.build $(DEMO)/k3s
	$(ROOT) $(BIN)/picluster lab up --name demo --nodes 3 --servers 3 --serve $(DEMO)/k3s --output $(DEMO)/cluster.yaml
	$(ROOT) $(BIN)/picluster up --file $(DEMO)/cluster.yaml
	@echo "Try:  $(ROOT) $(BIN)/picluster validate -f $(DEMO)/cluster.yaml;  then  make demo-down"

demo-down: $(STAMP)  ## Throw the demo's nodes away
	$(ROOT) $(BIN)/picluster lab down --name demo

test:  ## Everything that CI runs
	$(MAKE) --jobs=$(CORES) --output-sync=target lab-trees types lint test-deps
	$(MAKE) test-unit test-lab

# Much of both is waiting, for a time-out or a node, so that there are more workers than cores.
test-unit: $(STAMP)  ## Pure and local tests; needs no root
	$(BIN)/pytest tests/unit -n $(shell expr 2 \* $(CORES))

test-lab: $(STAMP) test-deps lab-trees  ## Tests on real nodes: systemd, sshd, apt (needs root)
	$(ROOT) env PICLUSTER_LAB=required $(BIN)/pytest tests/lab tests/contract -n 5 --dist loadfile --no-loadscope-reorder

real: $(STAMP) lab-deps  ## A real K3s on lab nodes: `make real RELEASE=dir [NEXT=dir]` (docs/testing.md)
	$(ROOT) env PICLUSTER_LAB=required $(BIN)/pytest tests/contract tests/real -x --timeout 2400 --release $(RELEASE) $(if $(NEXT),--next $(NEXT))

vm: $(STAMP)  ## An emulated arm64 Debian with its own kernel, by hand and nightly (docs/testing.md)
	$(ROOT) $(BIN)/python -m tests.vm.requirements --install
	$(ROOT) $(BIN)/pytest tests/vm --vm -x -s --timeout 7200

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	find src tests benchmarks -name '*.sh' -exec $(BIN)/shellcheck {} +

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)  ## Make docs/configuration.md from the model, docs/causes.md from the tables
	$(BIN)/python -m picluster.ui.reference_page docs/configuration.md
	$(BIN)/python -m picluster.ui.causes_page docs/causes.md

screen: $(STAMP) lab-deps test-deps  ## Record the README's picture anew, in the lab
	$(ROOT) $(BIN)/python -m tests.record_screen docs/screen.svg

bench: $(STAMP)  ## Measure, into docs/performance.*; SECTIONS="seven light" for some; see benchmarks/README.md
	$(ROOT) $(BIN)/python -m benchmarks $(SECTIONS)

bench-quick: $(STAMP)  ## Compare three nodes with the committed figures, by count and by ratio
	$(ROOT) $(BIN)/python -m benchmarks quick

mutants: $(STAMP)  ## Plant faults with a name; every one has to fail a unit test
	$(BIN)/python -m tests.mutants --named

fuzz: $(STAMP)  ## Every parser of outside text under a coverage-guided fuzzer: `make fuzz TIME=600` seconds in all
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz --seconds $(TIME)

lab-deps: $(STAMP)  ## The Debian packages that the lab needs; installs only what is missing
	$(ROOT) $(BIN)/python -m picluster.lab.requirements --install

test-deps: $(STAMP) lab-deps  ## The Debian packages that only tests need: a browser, a terminal
	$(ROOT) $(BIN)/python -m tests.requirements --install

lab-trees: $(STAMP) lab-deps  ## The Debian of the lab's nodes, which tests would wait for
	$(ROOT) $(BIN)/python -m tests.lab.trees

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "python3-venv is missing: $(ROOT) apt-get install python3-venv"; \
	  [ -n "$(ROOT)" ] || { apt-get update -qq && apt-get install -y -qq python3-venv; }; }
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

constraints: $(STAMP)  ## Pin what is installed now, and write requirements.txt: the same for users, with hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,fuzz]'
	$(BIN)/python -m pip freeze --exclude-editable | grep -E '^[A-Za-z0-9_.-]+==' >constraints.txt
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/python -m pip install --quiet --disable-pip-version-check pip-tools
	$(LOCK)/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --build-deps-for wheel \
	  --no-header --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  -c constraints.txt -o $(LOCK)/all.txt pyproject.toml
	{ head -n 1 requirements.txt; grep -E '^([a-zA-Z0-9]| +--hash=)' $(LOCK)/all.txt; } >$(LOCK)/pinned.txt
	mv $(LOCK)/pinned.txt requirements.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
