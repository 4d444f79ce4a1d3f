# Published records -> tables.


def shown(wildcards):
    """What a table shows besides records: another label or note renders it again."""
    spec = EXPERIMENTS.tables[wildcards.table]
    rows = EXPERIMENTS.rows_of(spec.id)
    return [repr(spec), *(repr((row.id, row.label, row.paper.get(spec.id))) for row in rows)]


rule table:
    message:
        f"rendering the table {{wildcards.table}} at the scale {SCALE.scale}"
    input:
        records_of_table,
    output:
        multiext(TABLE, ".md", ".csv", ".tex"),
    log:
        f"build/logs/table/{SCALE.scale}/{{table}}.log",
    localrule: True
    params:
        shown=shown,
        summary=SCALE.summary,
        results=RESULTS,
        scale=config.get("scale", "paper"),
    conda:
        "../../environment.yml"
    shell:
        "gbss table {wildcards.table} --scale {params.scale} --results {params.results}"
        " > {log} 2> >(tee -a {log} >&2)"


for name in planned_tables():

    rule:
        name:
            f"table_{name}"
        message:
            f"the table {name} is up to date"
        input:
            multiext(TABLE.format(table=name), ".md", ".csv", ".tex"),
        localrule: True


for row in planned_rows():

    rule:
        name:
            f"row_{row.id.replace('-', '_')}"
        message:
            f"the runs of the row {row.id} are up to date"
        input:
            runs_of([row]),
        localrule: True


rule all_tables:
    message:
        f"all tables of the scale {SCALE.scale} are up to date"
    input:
        [multiext(TABLE.format(table=name), ".md", ".csv", ".tex") for name in planned_tables()],
    localrule: True
