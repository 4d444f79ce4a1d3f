# The front door: which scale, which rows, which targets.
#
#   snakemake --profile workflow/profiles/demo all_tables    embedded data, on a laptop
#   snakemake --profile slurm all_tables                     the paper's scale, on a cluster
#   snakemake --profile workflow/profiles/local all_tables   the same on one machine with GPUs
#   snakemake --profile slurm fetch                          its public data, 20 GB and more
#
# A profile chooses the scale: `config: [scale=demo]` is workflow/config/demo.yaml.
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from snakemake_interface_executor_plugins.settings import ExecMode

from gbss import slurm, tasks
from gbss.errors import GbssError, fail, nearest
from gbss.experiments import load_experiments
from gbss.files import sha256
from gbss.grid import Grid, Place
from gbss.grid.place import results_of
from gbss.grid.targets import target_of
from gbss.reporting.figure import drawable
from gbss.reporting.figure_files import files_of
from gbss.scales import DEFAULT, load_scale, with_seeds

# Rules call `gbss` by name: without an activated environment, that of Snakemake's own Python.
SEARCHED = [os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)]
os.environ.update(PATH=os.pathsep.join(SEARCHED))

KEYS = ["scale", "task", "results", "seeds"]
for key in set(config) - {*KEYS}:
    raise fail(
        f"--config {key}",
        found="an unknown key",
        expected=nearest(key, KEYS),
        fix="correct the spelling; settings of a scale stand in workflow/config",
    )

SCALE_NAME = config.get("scale", DEFAULT)
# A task that takes the place of those of the scale: one of your own, for instance.
TASK = config.get("task")
SCALE = load_scale(SCALE_NAME, TASK)
# Some of its seeds, for a first look: `--config seeds=1`. More can follow; nothing is trained twice.
if "seeds" in config:
    SCALE = with_seeds(SCALE, config["seeds"])
# Where records and tables go. Under build/ unless `results=results` is asked for: a demo reproduces
# the published numbers beside them instead of replacing them.
RESULTS = config.get("results", str(results_of(SCALE.scale)))
EXPERIMENTS = load_experiments()
GRID = Grid(SCALE, EXPERIMENTS)


include: "workflow/rules/common.smk"


wildcard_constraints:
    task="|".join(tasks.names()),
    row="|".join(EXPERIMENTS.rows),
    table="|".join(EXPERIMENTS.tables),
    figure="|".join(FIGURES),
    seed=r"\d+",


include: "workflow/rules/data.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/publish.smk"
include: "workflow/rules/report.smk"


# Neither hook is for the jobs themselves, which start Snakemake, too.
onstart:
    if workflow.exec_mode == ExecMode.DEFAULT:
        slurm.alone_in(Path.cwd())
        if workflow.executor_plugin.name == "slurm":
            import snakemake_executor_plugin_slurm

            slurm.wait_for_controller(snakemake_executor_plugin_slurm)
            slurm.take_over(Path.cwd())


onerror:
    # The tables and the page wait for all runs; what there is can be seen in spite of one.
    if workflow.exec_mode == ExecMode.DEFAULT:
        where = [
            "--scale",
            SCALE_NAME,
            *(["--task", TASK] if TASK else []),
            "--results",
            RESULTS,
        ]
        shell(f"gbss report --tables {shlex.join(where)} >&2 || true")


rule all:
    default_target: True
    input:
        rules.report.input,
        rules.report.output,
