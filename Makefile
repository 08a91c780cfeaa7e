# Two commands for a start: `make demo` and `make test`; each sets up everything it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
# A package whose hash is not in constraints.txt is refused. For an index with other builds of the packages:
# make setup HASHES=--no-verify-hashes
HASHES ?= --require-hashes
# Many containers set it. Every job would then recompile all modules that it imports, which doubles its start-up time.
unexport PYTHONDONTWRITEBYTECODE

IMPORTED := import torch, pandas, pyarrow.parquet, scipy.optimize, matplotlib.pyplot, pydantic, snakemake.cli; \
	from diffusers import StableDiffusionPipeline; from transformers import CLIPModel

.PHONY: setup demo test test-slurm test-storage browser check docs hashes licenses site gallery screenshot format clean

setup: .venv/.ready

.venv/.ready: requirements.txt constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14) and "Distillery needs Python 3.11 to 3.14; set PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing 7 GB of packages into .venv, once: this takes minutes, most of them for the download."
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(HASHES) -r requirements.txt -c constraints.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -c '$(IMPORTED)'  # compiles them to bytecode once, also for runs of Snakemake without make
	touch $@

# one process per core, at most four; all tests of a file run in one process
test: setup
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# tests with a real Slurm on this machine: installs Debian's packages as root, starts Slurm's daemons and stops them
test-slurm: .venv/.cluster
	which slurmctld munged >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge)
	DISTILLERY_CLUSTER=1 $(BIN)/python -m pytest -v tests/cluster/test_slurm.py

# tests with the study's files in an object store, as on Kubernetes
test-storage: .venv/.cluster
	DISTILLERY_CLUSTER=1 $(BIN)/python -m pytest -v tests/cluster/test_object_storage.py

.venv/.cluster: .venv/.ready requirements-cluster.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(HASHES) -r requirements-cluster.txt -c constraints.txt
	touch $@

# Installs a browser, as root, on Debian and Ubuntu, unless there is one. Tests of the page and of browser windows are
# skipped without a browser.
browser:
	(which chromium && which chromedriver && which Xvfb) || (apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver xvfb)

demo: setup
	$(BIN)/snakemake --directory demo --cores all

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --lint --directory demo

# after a changed version in constraints.txt: writes the hashes of each version's files, for all operating systems
hashes:
	sed -i.old 's/ *\\$$//; /^ *--hash/d' constraints.txt && rm constraints.txt.old
	$(BIN)/uv pip compile --quiet --no-deps --universal --python-version 3.12 --generate-hashes --no-header --no-annotate --output-file constraints.txt constraints.txt

# writes docs/licenses.md
licenses: setup
	$(BIN)/python -m distillery.licenses requirements.txt docs/licenses.md

# writes docs/configuration.md and the configuration's JSON schema from the models of the configuration
docs: setup
	$(BIN)/python -m distillery.config.reference docs/configuration.md workflow/schemas/config.schema.yaml

# builds README and docs as a website: open site/index.html
site: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

.venv/.docs: .venv/.ready requirements-docs.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(HASHES) -r requirements-docs.txt -c constraints.txt
	touch $@

# writes docs/gallery.md and its figures from the finished study in studies/real
gallery: setup
	$(BIN)/python -m distillery.page.docs_gallery studies/real/results docs

# takes README's screenshot of the page of the finished demonstration
screenshot: setup browser
	$(BIN)/python -m distillery.page.screenshot demo/results/report.html docs/page.png

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile workflow/rules

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis
