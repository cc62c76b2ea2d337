# The only recipe: what a person or CI does here is a target below. Needs make and Python >= 3.11, nothing else.
# Kept to POSIX sh and GNU make 3.81, which is what a Mac has.

VENV  = .venv
BIN   = $(VENV)/bin
STAMP = $(VENV)/.set-up
DEMO  = $(BIN)/alexctl ablate relu-vs-tanh-demo
ARGS  =
DATA  = cifar10
# What the test of the page in a browser needs besides Chromium; the second brings axe-core with it.
SLURM = slurmctld slurmd slurm-client munge
PAGE_TOOLS = playwright==1.65.2 axe-playwright-python==0.1.8

# The first of these that is new enough and can make a virtual environment; or say make PYTHON=/path/to/python3
PYTHON = python3.13 python3.12 python3.11 python3.14 python3 python

# The stamp holds the folder it was made in: a set-up that was broken off, moved, or lost its Python starts afresh.
AFRESH := $(shell test "`cat '$(STAMP)' 2>/dev/null`" = "`pwd -P`" && '$(BIN)/python' -c '' 2>/dev/null || echo afresh)

# torch is thousands of files; where this is set, Python would compile them anew at every start, 20 s of it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test slow smoke page-test docs pictures test-exports test-slurm chaos lint format calibrate reference readme performance scale ranks gpu-check clean afresh

help: ## list what make can do (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make .venv and install alexctl into it; the targets below do it by themselves

demo: setup ## run the Figure 1 comparison on the built-in images; ends with the verdict, and the command for act two
	$(DEMO)

test: setup ## run the tests; ARGS go to pytest: make test ARGS='-k doctor'
	$(BIN)/python -m pytest -n 2 $(ARGS)

slow: setup ## run the tests that take long each: real processes that are slow or stopped, every setting that ships
	$(BIN)/python -m pytest -m slow -n 2 $(ARGS)

smoke: setup ## run every ablation that ships with --smoke, on the built-in images; some minutes
	$(BIN)/python -m pytest -m smoke --durations 0 tests/smoke $(ARGS)

chaos: setup ## break alexctl in every way we know, minutes of it; ends with a table: faults tried, survived, lost
	$(BIN)/python -m pytest -m chaos -n 2 --dist loadfile tests/chaos $(ARGS)

page-test: docs ## open the report's page and the site in Chromium (on Debian as root it is installed), check them; ends with where the screenshots are
	@if [ -z "$$ALEXCTL_CHROMIUM" ] && ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then \
	  if command -v apt-get >/dev/null && [ "`id -u`" = 0 ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	  else \
	    echo "page-test: no Chromium here. On Debian: apt-get install chromium; or name one: ALEXCTL_CHROMIUM=/path make page-test" >&2; \
	    exit 1; \
	  fi; \
	fi
	@if [ -x $(BIN)/uv ]; then $(BIN)/uv pip install --quiet --python $(BIN)/python $(PAGE_TOOLS); \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PAGE_TOOLS); fi
	ALEXCTL_PAGE_TEST=1 ALEXCTL_SCREENSHOTS="$${ALEXCTL_SCREENSHOTS:-`mktemp -d`}" \
	  $(BIN)/python -m pytest -m browser -s tests/report/test_browser.py tests/tools/test_site_browser.py $(ARGS)

docs: setup ## make the site of docs/ in build/docs/site: search, dark mode, no network; a broken link fails
	@if [ -x $(BIN)/uv ]; then $(BIN)/uv pip install --quiet --python $(BIN)/python --group docs -c constraints.txt; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  `$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["docs"])'`; fi
	$(BIN)/python -m tools.site

pictures: setup ## do what docs/tutorial.md says and make its pictures anew, ten minutes of it; needs tmux and Chromium
	$(BIN)/python -m tools.pictures

test-exports: setup ## test the exports to TensorBoard, MLflow and W&B with their own packages, which this installs
	@if [ -x $(BIN)/uv ]; then $(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[tensorboard,mlflow,wandb]' -c constraints.txt; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[tensorboard,mlflow,wandb]' -c constraints.txt; fi
	ALEXCTL_EXPORTS_TEST=1 $(BIN)/python -m pytest tests/report/test_exports.py $(ARGS)

test-slurm: setup ## run campaigns on a real Slurm, in a folder of its own (on Debian as root it is installed), and stop it; under 4 minutes
	@if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null || ! command -v sbatch >/dev/null; then \
	  if command -v apt-get >/dev/null && [ "`id -u`" = 0 ]; then \
	    apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SLURM); \
	  else \
	    echo "test-slurm: no Slurm here, which root starts. On Debian as root: apt-get install $(SLURM)" >&2; \
	    exit 1; \
	  fi; \
	fi
	ALEXCTL_SLURM_TEST=1 $(BIN)/python -m pytest -m slurm --durations 0 tests/slurm $(ARGS)

lint: setup ## check style and format, change nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

calibrate: setup ## measure how often the verdicts are wrong, 40 minutes of it; writes docs/statistics.md and its CSVs
	$(BIN)/python -m tools.calibration
	$(BIN)/python -m tools.calibration pipeline

reference: setup ## run what results/reference lacks, after saying how long that takes; ARGS='--dry-run --data-root PATH'
	$(BIN)/python -m tools.reference $(ARGS)

readme: setup ## write anew all that is made of results/reference and of the code: tables, figures, README, docs
	$(BIN)/python -m tools.derived

performance: setup ## measure how fast it is here and what every file costs, ten minutes of it; writes docs and CSVs
	$(BIN)/alexctl bench --results results/reference
	$(BIN)/python -m tools.upkeep
	$(BIN)/python -m tools.two_ranks
	$(BIN)/python -m tools.costs_table
	$(BIN)/python -m tools.derived

scale: setup ## measure how far one shared folder goes with 10,000 faked trials, half an hour of it; writes docs and a CSV
	$(BIN)/python -m tools.scale $(ARGS)
	$(BIN)/python -m tools.derived

ranks: setup ## measure a step on two CPU ranks against one, two minutes of it; writes docs/performance.md and its CSV
	$(BIN)/python -m tools.two_ranks
	$(BIN)/python -m tools.derived

gpu-check: setup ## on a GPU: lanes against the numbers and speeds they should have, under 8 minutes; DATA=cifar10, or imagefolder:PATH
	$(BIN)/python -m tools.gpu_check --data $(DATA) $(ARGS)

clean: ## remove .venv and all caches; results stay
	@if [ -e $(VENV) ] && [ ! -e $(VENV)/.made-by-make ]; then echo "clean: $(VENV) was not made by make, so it stays"; \
	else rm -rf $(VENV); fi
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find alexctl tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# uv first: it takes torch and torchvision as a pair from the registry, where a pip configured on the machine may not.
# A set-up that did not reach its last line leaves no stamp, and the next starts afresh. The old pip that comes with a
# Python knows no dependency groups, hence dev.txt.
$(STAMP): pyproject.toml constraints.txt alexctl/__init__.py $(AFRESH)
	@set -e; \
	if [ -n "$(AFRESH)" ]; then \
	  python=; \
	  for name in $(PYTHON); do \
	    if "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	      python=$$name; break; \
	    fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    echo "setup: no Python >= 3.11 with its venv module among: $(PYTHON)." \
	      "Install one (on Debian or Ubuntu also python3-venv), or say: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  if [ -e $(VENV) ] && [ ! -e $(VENV)/.made-by-make ]; then \
	    echo "setup: $(VENV) was not made by make. Remove it, or say: make VENV=another-folder" >&2; \
	    exit 1; \
	  fi; \
	  echo "setup: $$("$$python" --version) -> $(VENV)"; \
	  rm -rf $(VENV); \
	  mkdir $(VENV); \
	  touch $(VENV)/.made-by-make; \
	  "$$python" -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true; \
	fi; \
	rm -f $(STAMP); \
	echo "setup: installing alexctl and what it needs (torch is large: minutes on a slow line)"; \
	if [ ! -x $(BIN)/uv ] || ! $(BIN)/uv pip install --python $(BIN)/python -e . --group dev -c constraints.txt; then \
	  echo "setup: not with uv; trying pip" >&2; \
	  $(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' \
	    > $(VENV)/dev.txt; \
	  $(BIN)/python -m pip install --disable-pip-version-check -e . -r $(VENV)/dev.txt -c constraints.txt; \
	fi; \
	pwd -P > $(STAMP); \
	echo "setup: done"
