# Published records -> tables; what runs left -> figures; both -> the page.


rule table:
    input:
        records_of_table,
    output:
        f"{TABLE}.md",
        report(
            f"{TABLE}.csv",
            category="Tables",
            labels={"table": "{table}", "scale": SCALE.scale},
        ),
        f"{TABLE}.tex",
    log:
        f"build/logs/table/{SCALE.place}/{{table}}.log",
    benchmark:
        f"build/benchmarks/table/{SCALE.place}/{{table}}.tsv"
    localrule: True
    conda:
        "../../environment.yml"
    params:
        shown=shown,
        kept=kept_records,
        summary=SCALE.summary,
        results=Path(RESULTS),
        scale=AT_SCALE,
    message:
        f"rendering the table {{wildcards.table}} at the scale {SCALE.scale}"
    shell:
        "gbss table {wildcards.table} --scale {params.scale:q} --results {params.results:q}"
        " >> {log:q} 2> >(tee -a {log:q} >&2)"


for name in GRID.tables():

    rule:
        name:
            f"table_{name}"
        input:
            multiext(TABLE.format(table=name), ".md", ".csv", ".tex"),
            # A table that was rendered before all of its runs were there is not up to date.
            runs_of(EXPERIMENTS.rows_of(name)),
        localrule: True
        message:
            f"the table {name} is up to date: {TABLE.format(table=name)}.md"


for row in GRID.rows():

    rule:
        name:
            target_of("row", row.id)
        input:
            runs_of([row]),
        localrule: True
        message:
            f"the runs of the row {row.id} are up to date"


rule all_tables:
    input:
        data_of_all,
        runs_of(GRID.rows()),
        [
            multiext(TABLE.format(table=name), ".md", ".csv", ".tex")
            for name in GRID.tables()
        ],
    localrule: True
    message:
        f"all tables of the scale {SCALE.scale} are up to date: {Path(TABLE).parent}/*.md"


# Its numbers, the csv, are no output: Snakemake deletes outputs before it makes them anew, and a
# figure whose runs are elsewhere is drawn again from its numbers.
rule figure:
    input:
        made_from,
    output:
        f"{FIGURE}.pdf",
        report(
            f"{FIGURE}.png",
            category="Figures",
            labels={"figure": "{figure}", "scale": SCALE.scale},
        ),
    log:
        f"build/logs/figure/{SCALE.place}/{{figure}}.log",
    benchmark:
        f"build/benchmarks/figure/{SCALE.place}/{{figure}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        drawn=drawn,
        results=Path(RESULTS),
        scale=AT_SCALE,
    message:
        f"drawing the figure {{wildcards.figure}} at the scale {SCALE.scale}"
    shell:
        "gbss figure {wildcards.figure} --scale {params.scale:q} --results {params.results:q}"
        " >> {log:q} 2> >(tee -a {log:q} >&2)"


for name in FIGURES:

    rule:
        name:
            target_of("figure", name)
        input:
            figure_of(name),
        localrule: True
        message:
            f"the figure {name} is up to date"


rule all_figures:
    input:
        data_of_all,
        [figure_of(name) for name in FIGURES],
    localrule: True
    message:
        f"all figures of the scale {SCALE.scale} are up to date"


rule report:
    input:
        rules.all_tables.input,
        rules.all_figures.input,
    output:
        report(
            f"{RESULTS}/report/{SCALE.place}/index.html",
            category="Report",
            labels={"page": "everything", "scale": SCALE.scale},
        ),
    log:
        f"build/logs/report/{SCALE.place}.log",
    localrule: True
    conda:
        "../../environment.yml"
    params:
        results=Path(RESULTS),
        scale=AT_SCALE,
    message:
        f"writing the report of the scale {SCALE.scale}"
    shell:
        "gbss report --scale {params.scale:q} --results {params.results:q} > >(tee {log:q}) 2>&1"
