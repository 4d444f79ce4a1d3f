# A finished run -> detections of its teacher -> numbers.


rule detect:
    input:
        f"{RUN}/model.pth",
        f"{SPLIT}/val.json",
    output:
        f"{RUN}/detections.npz",
    log:
        f"build/logs/detect/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.log",
    benchmark:
        f"build/benchmarks/detect/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: job("detect").threads
    resources:
        gpu=job("detect").gpu,
        mem_mb=job("detect").mem_mb,
        runtime=job("detect").runtime,
    params:
        scale=AT_SCALE,
    message:
        "detecting with {wildcards.row}, seed {wildcards.seed}, on {wildcards.task}"
    shell:
        "gbss detect --scale {params.scale:q} --row {wildcards.row} --seed {wildcards.seed}"
        " >> {log:q} 2> >(tee -a {log:q} >&2)"


# What figures need of a run besides its detections: pseudo labels, and logits on annotated boxes.
rule pseudo_labels:
    input:
        f"{RUN}/model.pth",
        f"{SPLIT}/unlabeled.json",
    output:
        f"{RUN}/pseudo_labels.npz",
    log:
        f"build/logs/pseudo-labels/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.log",
    benchmark:
        f"build/benchmarks/pseudo-labels/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: job("detect").threads
    resources:
        gpu=job("detect").gpu,
        mem_mb=job("detect").mem_mb,
        runtime=job("detect").runtime,
    params:
        scale=AT_SCALE,
    message:
        "writing pseudo labels with {wildcards.row}, seed {wildcards.seed}, on {wildcards.task}"
    shell:
        "gbss pseudo-labels --scale {params.scale:q} --row {wildcards.row} --seed {wildcards.seed}"
        " >> {log:q} 2> >(tee -a {log:q} >&2)"


rule class_logits:
    input:
        f"{RUN}/model.pth",
        f"{SPLIT}/val.json",
    output:
        f"{RUN}/class_logits.npz",
    log:
        f"build/logs/class-logits/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.log",
    benchmark:
        f"build/benchmarks/class-logits/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.tsv"
    conda:
        "../../environment.yml"
    threads: job("detect").threads
    resources:
        gpu=job("detect").gpu,
        mem_mb=job("detect").mem_mb,
        runtime=job("detect").runtime,
    params:
        scale=AT_SCALE,
    message:
        "writing class logits with {wildcards.row}, seed {wildcards.seed}, on {wildcards.task}"
    shell:
        "gbss class-logits --scale {params.scale:q} --row {wildcards.row} --seed {wildcards.seed}"
        " >> {log:q} 2> >(tee -a {log:q} >&2)"


rule evaluate:
    input:
        f"{RUN}/detections.npz",
        f"{SPLIT}/val.json",
    output:
        RECORD,
    log:
        f"build/logs/evaluate/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.log",
    benchmark:
        f"build/benchmarks/evaluate/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        groups=lambda wildcards: repr(tasks.get(wildcards.task).groups),
        protocol=lambda wildcards: tasks.get(wildcards.task).protocol,
        scale=AT_SCALE,
    message:
        "evaluating {wildcards.row}, seed {wildcards.seed}, on {wildcards.task}"
    shell:
        "gbss record --scale {params.scale:q} --row {wildcards.row} --seed {wildcards.seed}"
        " --output {output:q} > >(tee {log:q}) 2>&1"
