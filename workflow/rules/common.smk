# Paths and the questions that rules ask about the grid.

PLACE = Place(SCALE.scale, "{task}", "{row}", "{seed}")
RUN = str(PLACE.folder)
RECORD = str(PLACE.evaluated)
PUBLISHED = str(PLACE.record(Path(RESULTS)))
TABLE = f"{RESULTS}/tables/{SCALE.place}/{{table}}"
FIGURE = f"{RESULTS}/figures/{SCALE.place}/{{figure}}"
FIGURES = drawable(GRID, Path(RESULTS))
BACKBONE = f"build/{SCALE.scale}/backbone.pth"
SPLIT = "build/splits/{task}"
# What commands are told behind --scale.
AT_SCALE = [SCALE_NAME, "--task", TASK] if TASK else SCALE_NAME


def source(part):
    """Input function: a file of the task ("train" or "val") under its data root."""

    def path(wildcards):
        task = tasks.get(wildcards.task)
        return SCALE.require(task.name) / getattr(task.files, part)

    return path


def mapped_source(wildcards):
    """Input function: the second annotation file of a task; embedded ones come with the first."""
    task = tasks.get(wildcards.task)
    if task.mapped is None or task.drawing is not None:
        return []
    return SCALE.root(task.name) / task.mapped.train


def pool(wildcards):
    """Input function: unlabeled images of their own, listed in a file or all in a folder."""
    task = tasks.get(wildcards.task)
    if task.pool is None:
        return []
    return SCALE.root(task.name) / (task.pool.file or task.pool.images)


def public_tasks():
    """Tasks of this scale whose data can be fetched."""
    here = [tasks.get(name) for name in dict.fromkeys(SCALE.tasks.values())]
    return [task for task in here if task.sources]


def to_fetch():
    """Those of them whose data are not where they belong."""
    return [t.name for t in public_tasks() if t.missing(SCALE.root(t.name))]


def fetch_command(task):
    """The command that fetches the data of a task."""
    return f"gbss fetch {task} --root {shlex.quote(str(SCALE.root(task)))}"


def runs_of(rows):
    """What a target asks for that shows all runs of rows."""
    return GRID.asked(rows, Path(RESULTS))


def records_of_table(wildcards):
    """Records of all rows of a table, but for those that were published elsewhere."""
    return GRID.records(EXPERIMENTS.rows_of(wildcards.table), Path(RESULTS))


def kept_records(wildcards):
    """What tells when a record that was published elsewhere changes: the table is rendered anew."""
    here, results = GRID.places(EXPERIMENTS.rows_of(wildcards.table)), Path(RESULTS)
    kept = [place.record(results) for place in here if GRID.is_kept(place, results)]
    return [(str(path), sha256(path)) for path in kept]


def data_of_all(wildcards):
    """Input function: a look at the data of all runs; what is missing comes in one message."""
    tables = {}
    for name in GRID.tables():
        spec = EXPERIMENTS.tables[name]
        if not all(path.exists() for path in runs_of(EXPERIMENTS.rows_of(name))):
            tables.setdefault(SCALE.task_of(spec.task), []).append(name)
    faults, others = [], []
    for task, names in tables.items():
        try:
            SCALE.require(task)
            others += [f"table_{name}" for name in names]
        except GbssError as error:
            faults += error.faults
    if faults and others:
        fix = f"{faults[-1].fix}; to go on without: {', '.join(others)}"
        faults[-1] = replace(faults[-1], fix=fix)
    if faults:
        raise GbssError(*faults)
    return []


def drawing_digest(task):
    """What changes when the embedded data of a task do; None for data that are not drawn."""
    drawing = tasks.get(task).drawing if task else None
    return drawing.digest() if drawing else None


def crops_digest(name):
    """What changes when the crops do that a backbone learns from; None for one that is fetched."""
    if name is None:
        return None
    task = tasks.get(name)
    return task.drawing.without(task.recipe.minority).digest()


def job(rule):
    """What the scale says one job of a rule asks for."""
    return SCALE.resources[rule]


def method(wildcards):
    """What decides how a row is trained: another label or table does not train it again."""
    return EXPERIMENTS.rows[wildcards.row].method


def labeled_images(wildcards):
    """Input function: the annotations that a row is trained with."""
    everything = EXPERIMENTS.rows[wildcards.row].labels == "all"
    return f"{SPLIT}/{'all' if everything else 'labeled'}.json"


def first_stage(wildcards):
    """Input function: the finished run that a row starts from, if it does."""
    start = EXPERIMENTS.rows[wildcards.row].retrains
    if start is None:
        return []
    return f"{RUN}/model.pth".format(
        task=wildcards.task, row=start, seed=wildcards.seed
    )


def training(wildcards):
    """What of the scale decides how a row is trained."""
    return SCALE.training(EXPERIMENTS.rows[wildcards.row])


def train_resources():
    """What a training asks for. Counts are of one node in the scale, `gpu` of all here."""
    asked = job("train")
    found = {
        "gpu": asked.gpu * asked.nodes,
        "mem_mb": asked.mem_mb,
        "runtime": asked.runtime,
        "nodes": asked.nodes,
        "tasks": asked.nodes,
        # Slurm tells a training that its wall time is near: a checkpoint takes seconds.
        "slurm_extra": f"--signal=TERM@{min(180, 20 * asked.runtime)}",
    }
    if asked.nodes > 1:
        # The executor then leaves it to the command to call srun; of so many GPUs on each node.
        found["mpi"] = "srun"
        if asked.gpu:
            found["gres"] = f"gpu:{asked.gpu}"
    return found


def shown(wildcards):
    """What a table shows besides records: another label or note renders it again."""
    spec = EXPERIMENTS.tables[wildcards.table]
    rows = EXPERIMENTS.rows_of(spec.id)
    return [
        repr(spec),
        *(repr((row.id, row.label, row.paper.get(spec.id))) for row in rows),
    ]


def made_from(wildcards):
    """Input function: what a figure is made from."""
    return files_of(wildcards.figure, *FIGURES[wildcards.figure], GRID).inputs


def figure_of(name):
    """What a target asks for that shows a figure."""
    return files_of(name, *FIGURES[name], GRID).asked(GRID, Path(RESULTS))


def drawn(wildcards):
    """What a figure shows besides: another label draws it again."""
    figure, study = FIGURES[wildcards.figure]
    return [repr((row.id, row.label)) for row in study.rows]
