# Embedded data: drawn from a seed, nothing is downloaded.


def drawing_digest(wildcards):
    drawing = tasks.get(wildcards.task).drawing
    return drawing.digest() if drawing else None


rule draw:
    message:
        "drawing the embedded data of {wildcards.task}"
    output:
        train="build/data/{task}/train.json",
        val="build/data/{task}/val.json",
    log:
        "build/logs/draw/{task}.log",
    benchmark:
        "build/benchmarks/draw/{task}.tsv"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        drawing=drawing_digest,
    conda:
        "../../environment.yml"
    shell:
        "gbss draw {wildcards.task} 2> >(tee {log} >&2)"
