# Every target first brings the environment up to date (nothing to do: well under a second).
#   make PYTHON=python3.12 ...      make the environment with another Python
#   make VENV=$CONDA_PREFIX ...     use an active conda environment (see environment.yml)
#   make tables TABLES=all_tables   every table, with the methods compared with
#   make demo SEEDS=1,2,3           with the third seed, too; as well for `make tables`
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

VENV ?= .venv
find_python = for python in $(VENV)/bin/python python3.11 python3; do \
    $$python -c '' 2>/dev/null && echo $$python && break; done
PYTHON ?= $(shell $(find_python))
# Rules and tests call `gbss`, `snakemake` and `ninja` by name.
export PATH := $(abspath $(VENV))/bin:$(PATH)

DEMO := snakemake --profile workflow/profiles/demo
HEADLINE := table_headline figure_learning_curves figure_class_weights_over_training
TABLES := table_components table_beta table_gamma table_sampling table_solver
SEEDS := 1,2
OF_SEEDS := $(DEMO) --config scale=demo seeds=$(SEEDS) --
REPORT := echo "tables, figures and runs on one page:"; gbss report --scale demo --results build/demo/results
PUBLISHED := $(DEMO) --config scale=demo results=results
WITH_SETUP := demo tables smoke publish render test check lint bench
.PHONY: help setup clean $(WITH_SETUP)
.DEFAULT_GOAL := help

help: ## Say what the targets do
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' Makefile

setup: ## Make the environment; the first time compiles mmcv (6 to 20 min on 2 cores)
	@$(or $(PYTHON),$(error found no python3 on PATH: install Python 3.11)) workflow/scripts/install.py --env $(VENV)

$(WITH_SETUP): setup

demo: ## The headline comparison on this machine: train, evaluate, tabulate, draw (up to half an hour)
	@$(OF_SEEDS) $(HEADLINE)
	@cat build/demo/results/tables/demo/headline.md
	@$(REPORT)

tables: ## The same for the paper's ablation tables, two seeds (one hour to 100 minutes)
	@$(OF_SEEDS) $(TABLES)
	@cat build/demo/results/tables/demo/*.md
	@$(REPORT)

smoke: ## The same rules at the smallest scale: does everything run?
	@snakemake --profile workflow/profiles/smoke $(HEADLINE)

publish: ## Copy the records of the demo to results/ (training what is missing), tables and figures
	@$(PUBLISHED) -- all_tables all_figures
	@gbss readme

render: ## Render the tables in results/ anew, after a change of gbss/reporting; trains nothing
	@for file in results/tables/demo/*.md; do \
	    gbss table $$(basename $$file .md) --scale demo --results results; done
	@gbss readme

test: ## Run the tests, as many at a time as there are cores
	@OMP_NUM_THREADS=1 pytest -q -n auto --dist worksteal

lint: ## Check style, types, layers and the workflow
	ruff check
	ruff format --check
	mypy
	lint-imports
	snakefmt --check Snakefile workflow
	for profile in slurm workflow/profiles/*; do snakemake --profile $$profile --lint; done

check: lint test ## lint, then test

bench: ## Measure speed, ours beside a reference in one run
	@for file in benchmarks/*.py; do echo "$$file"; python $$file; done

clean: ## Remove caches and what a laptop remakes in an hour; keeps results/, splits/, build/paper
	rm -rf build/{data,splits,demo,smoke,logs,benchmarks,mypy,pytest} .snakemake .ruff_cache .hypothesis .import_linter_cache
	find gbss tests workflow benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
