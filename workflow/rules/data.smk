# Embedded data: drawn from a seed, nothing is downloaded.


rule draw:
    output:
        train="build/data/{task}/train.json",
        val="build/data/{task}/val.json",
    log:
        "build/logs/draw/{task}.log",
    benchmark:
        "build/benchmarks/draw/{task}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        drawing=lambda wildcards: drawing_digest(wildcards.task),
    message:
        "drawing the embedded data of {wildcards.task}"
    shell:
        "gbss draw {wildcards.task} 2> >(tee {log:q} >&2)"
