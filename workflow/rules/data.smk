# Data: embedded ones are drawn from a seed, public ones are fetched.


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


# Fetching is asked for (`snakemake fetch`), never part of another target: a root with a wrong name
# would cost 20 GB. The rule has no outputs, as Snakemake deletes the outputs of a job that failed.
# It runs where Snakemake does: compute nodes seldom have a network.
if to_fetch():

    rule fetch:
        log:
            f"build/logs/fetch/{SCALE.scale}.log",
        # Whoever starts it again, on or off the network, knows best when.
        retries: 0
        localrule: True
        conda:
            "../../environment.yml"
        params:
            commands=" && ".join(fetch_command(task) for task in to_fetch()),
        message:
            f"fetching public data of the scale {SCALE.scale}: {', '.join(to_fetch())}"
        shell:
            "({params.commands}) > >(tee {log:q}) 2>&1"

else:

    rule fetch:
        input:
            [SCALE.root(task.name) / task.files.train for task in public_tasks()],
        localrule: True
        message:
            f"the public data of the scale {SCALE.scale} are there"
