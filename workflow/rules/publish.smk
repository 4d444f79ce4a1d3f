# Records that are kept: tables are made from them alone, with no build/ folder and without torch.


rule publish:
    input:
        RECORD,
    output:
        PUBLISHED,
    log:
        f"build/logs/publish/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.log",
    benchmark:
        f"build/benchmarks/publish/{SCALE.scale}/{{task}}/{{row}}/seed-{{seed}}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    message:
        "publishing the record of {wildcards.row}, seed {wildcards.seed}, on {wildcards.task}"
    shell:
        "(cp {input:q} {output:q}.part && mv {output:q}.part {output:q}) 2> {log:q}"
