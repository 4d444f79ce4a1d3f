# Pre-training, once per scale, and one training run for each row and seed.


rule pretrain:
    output:
        BACKBONE,
    log:
        f"build/logs/pretrain/{SCALE.scale}.log",
    benchmark:
        f"build/benchmarks/pretrain/{SCALE.scale}.tsv"
    # A checkpoint is fetched where Snakemake runs: compute nodes seldom have a network.
    localrule: "checkpoint" in SCALE.pretraining
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=dict(SCALE.pretraining),
        drawing=crops_digest(SCALE.pretraining.get("task")),
        scale=SCALE_NAME,
    message:
        f"pre-training the backbone that all rows of the scale {SCALE.scale} start from"
    shell:
        "gbss pretrain --scale {params.scale:q} > >(tee {log:q}) 2>&1"


# The checkpoints lie in a folder that is no output: Snakemake deletes the outputs of a job that
# failed, and a job that is started again goes on from the newest of them. `exec` and `trap`: a
# signal to all processes of a job reaches the training, and what it says then is still heard.
rule train:
    input:
        labeled=labeled_images,
        unlabeled=f"{SPLIT}/unlabeled.json",
        val=f"{SPLIT}/val.json",
        backbone=BACKBONE,
        start=first_stage,
    output:
        f"{RUN}/model.pth",
    log:
        f"build/logs/train/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.log",
    benchmark:
        f"build/benchmarks/train/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: job("train").threads
    resources:
        **train_resources(),
    params:
        method=method,
        training=training,
        scale=AT_SCALE,
    message:
        f"training {{wildcards.row}} on {{wildcards.task}}, seed {{wildcards.seed}}, scale {SCALE.scale}"
    shell:
        "exec gbss train --scale {params.scale:q} --row {wildcards.row} --seed {wildcards.seed}"
        " --gpus {resources.gpu} >> {log:q}"
        " 2> >(trap '' INT TERM USR1; exec tee -a {log:q} >&2)"
