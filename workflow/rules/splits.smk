# Annotation files -> labeled and unlabeled images. The lists under splits/ are committed: a build
# that would give others stops, so they are no outputs that Snakemake may delete. A split that was
# made by hand (`gbss split TASK --labeled FILE`, docs/data.md) is kept in the same way.


rule split:
    input:
        source("train"),
        source("val"),
        mapped_source,
        pool,
    output:
        labeled=f"{SPLIT}/labeled.json",
        unlabeled=f"{SPLIT}/unlabeled.json",
        hidden=f"{SPLIT}/unlabeled_hidden.json",
        val=f"{SPLIT}/val.json",
    log:
        "build/logs/split/{task}.log",
    benchmark:
        "build/benchmarks/split/{task}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        recipe=lambda wildcards: tasks.get(wildcards.task).division,
        root=lambda wildcards: SCALE.root(wildcards.task),
    message:
        "splitting {wildcards.task} into labeled and unlabeled images"
    shell:
        "gbss split {wildcards.task} --root {params.root:q} > >(tee {log:q}) 2>&1"


# What a row with `labels: all` is trained with: an upper bound, not a split.
rule labels:
    input:
        source("train"),
        mapped_source,
    output:
        f"{SPLIT}/all.json",
    log:
        "build/logs/labels/{task}.log",
    benchmark:
        "build/benchmarks/labels/{task}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        root=lambda wildcards: SCALE.root(wildcards.task),
    message:
        "writing all labels of {wildcards.task}"
    shell:
        "gbss labels {wildcards.task} --root {params.root:q} > >(tee {log:q}) 2>&1"
