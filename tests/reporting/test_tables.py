import csv
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gbss.errors import GbssError
from gbss.reporting.tables import Table, build_table, write_table

DEMO = "demo scale, embedded data; not comparable with the paper's numbers"


@pytest.fixture
def build(spec, rows, task):
    def build(records: Any, *, seeds=(1, 2, 4), **changes: Any) -> Table:
        scale = {"scale": "demo", "summary": DEMO, "task": task, "planned_seeds": seeds, **changes}
        return build_table(spec, rows, records, **scale)

    return build


@pytest.fixture
def three(make_record):
    """Minority 10, 16, 16 %; majority 50, 56, 62 %."""
    return [
        make_record(0.10, 0.50, seed=1),
        make_record(0.16, 0.56, seed=2),
        make_record(0.16, 0.62, seed=4),
    ]


def test_mean_and_sample_deviation_in_percent(build, three) -> None:
    row = build({"plain": three}).rows[0]
    assert row.seeds == (1, 2, 4)
    assert row.cells["minority"].mean == pytest.approx(14.0)
    assert row.cells["minority"].std == pytest.approx(12**0.5)  # sqrt((16 + 4 + 4) / 2)
    assert row.cells["majority"].mean == pytest.approx(56.0)
    assert row.cells["majority"].std == pytest.approx(6.0)  # sqrt((36 + 0 + 36) / 2)
    # (3 majority + 1 minority) / 4: 40, 46, 50.5
    assert row.cells["all"].mean == pytest.approx(45.5)
    assert row.cells["all"].std == pytest.approx(27.75**0.5)


def test_markdown(build, three) -> None:
    assert build({"plain": three}).markdown() == (
        "**Main results, here mini.** mini (embedded, 4 classes); demo scale, embedded data; not "
        "comparable with the paper's numbers; AP of the teacher after 700 iterations, mean "
        "± standard deviation over the seeds.\n"
        "\n"
        "| Method | all | maj | min | seeds | paper all | paper maj | paper min |\n"
        "| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| Soft Teacher | 45.5 ± 5.3 | 56.0 ± 6.0 | 14.0 ± 3.5 | 3 | 25.5 | 30.9 | 9.4 |\n"
        "| Ours_β\\|100 % | missing | missing | missing | 0 of 3 | – | – | – |\n"  # noqa: RUF001
        "\n"
        "- Printed 22.3, computed 22.8.\n"
        "- The paper's numbers: supplement, Table 3 (task coco-split1, not mini).\n"
        "- No run published yet: Ours_β\\|100 %.\n"
    )


def test_a_single_seed_has_no_deviation_and_too_few_are_said(build, three) -> None:
    table = build({"plain": three[1:2]})
    assert "| Soft Teacher | 46.0 | 56.0 | 16.0 | 1 of 3 |" in table.markdown()
    assert "Soft Teacher: only 1 of 3 planned seeds, missing 1, 4." in table.notes


def test_seeds_that_were_not_planned_are_shown_and_said(build, three) -> None:
    table = build({"plain": three}, seeds=(1, 2))
    assert table.rows[0].seeds == (1, 2, 4)
    assert "Soft Teacher: includes seeds that are not planned: 4." in table.notes


def test_no_runs_at_all(build) -> None:
    table = build({})
    assert table.context.endswith("; no runs yet.")
    assert "No run published yet: Soft Teacher, Ours_β|100 %." in table.notes
    assert "0.0" not in table.markdown()


def test_a_group_without_ground_truth_is_not_zero(build, make_record) -> None:
    table = build({"plain": [make_record(None, 0.4, seed=1), make_record(None, 0.5, seed=2)]})
    assert "| Soft Teacher | 45.0 ± 7.1 | 45.0 ± 7.1 | n/a | 2 of 3 |" in table.markdown()
    assert ",,,9.4,\n" in table.csv()


def test_differences_only_at_the_papers_scale_and_task(build, three, rows, make_record) -> None:
    paper = SimpleNamespace(name="coco-split1", title="COCO split 1")
    run = {"scale": "paper", "task": "coco-split1", "seed": 1}
    records = {"plain": [make_record(0.0939, 0.302, **run)]}
    table = build(records, scale="paper", task=paper, summary="paper scale")
    cells = table.rows[0].cells
    assert cells["majority"].difference == pytest.approx(-0.7)
    assert cells["all"].difference == pytest.approx(-0.5025)
    assert "| 25.5 | 30.9 | 9.4 | −0.5 | −0.7 | +0.0 |" in table.markdown()  # noqa: RUF001
    assert "The paper's numbers: supplement, Table 3." in table.notes

    demo = build({"plain": three})
    assert {cell.difference for cell in demo.rows[0].cells.values()} == {None}
    replaced = build(
        {"plain": [make_record(0.1, 0.3, scale="paper", seed=1)]}, scale="paper", summary=""
    )
    assert not replaced.comparable


def test_a_table_without_paper_numbers_keeps_the_columns(build, three, rows) -> None:
    rows[0].paper.clear()
    table = build({"plain": three})
    assert "| 3 | – | – | – |" in table.markdown()  # noqa: RUF001
    assert "The paper's numbers for this table are not available." in table.notes


def test_csv_has_full_precision_and_empty_cells(build, three) -> None:
    lines = list(csv.DictReader(build({"plain": three[:2]}).csv().splitlines()))
    assert [line["row"] for line in lines] == ["plain", "ours"]
    assert (lines[0]["seeds"], lines[0]["planned_seeds"]) == ("2", "3")
    assert float(lines[0]["minority_mean"]) == pytest.approx(13.0, abs=1e-12)
    assert float(lines[0]["minority_std"]) == pytest.approx(18**0.5, abs=1e-12)
    assert lines[0]["minority_paper"] == "9.4"
    assert lines[0]["minority_difference"] == ""
    assert lines[1]["label"] == "Ours_β|100 %"
    assert {lines[1][f"{group}_mean"] for group in ("all", "majority", "minority")} == {""}


def test_tex(build, three, spec) -> None:
    text = build({"plain": three}).tex()
    assert r"\begin{tabular}{lrrrrrrr}" in text
    assert r" & \multicolumn{4}{c}{ours} & \multicolumn{3}{c}{paper} \\" in text
    assert r"\cmidrule(lr){2-5} \cmidrule(lr){6-8}" in text
    assert r"Soft Teacher & 45.5 $\pm$ 5.3 & 56.0 $\pm$ 6.0 & 14.0 $\pm$ 3.5 & 3 & 25.5" in text
    assert r"Ours\_$\beta$$|$100 \% & missing & missing & missing & 0 of 3 & -- & --" in text
    assert r"\label{tab:demo-main_coco}" in text


def test_a_wide_table_is_set_smaller(build, three) -> None:
    paper = SimpleNamespace(name="coco-split1", title="COCO split 1")
    smaller = r"\footnotesize\setlength{\tabcolsep}{3pt}"
    assert smaller not in build({"plain": three}).tex()
    wide = build({}, scale="paper", task=paper, summary="paper scale").tex()
    assert r"\begin{tabular}{lrrrrrrrrrr}" in wide
    assert smaller in wide


def test_tex_sets_commands_and_quotations(build, three, rows) -> None:
    rows[0].label = 'a "small" `gbss`'
    assert r"a ``small'' \texttt{gbss} & 45.5" in build({"plain": three}).tex()


def test_tex_escapes_every_special_character(build, three, rows) -> None:
    rows[0].label = "\\ & % $ # _ { } ~ ^ < →\nλ"
    assert (
        r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{} $<$ $\to$"
        r" $\lambda$ & 45.5"
    ) in build({"plain": three}).tex()


def test_markdown_cannot_break_out_of_a_readme_block(build, three, rows) -> None:
    rows[0].label = "a\n<!-- end -->"
    assert "| a &lt;!-- end --&gt; |" in build({"plain": three}).markdown()


def test_iterations_and_inputs_that_differ_are_said(build, make_record) -> None:
    records = [
        make_record(0.1, 0.5, seed=1, iterations=1400),
        make_record(0.1, 0.5, seed=2, iterations=700, labeled="b"),
    ]
    table = build({"plain": records})
    assert "AP of the teacher after 700 to 1,400 iterations, mean ± " in table.context
    assert (
        "The runs used 2 different versions of build/splits/mini/labeled.json; "
        "compare rows with care."
    ) in table.notes


def test_inputs_that_a_row_chooses_may_differ(build, make_record) -> None:
    records = [make_record(0.1, 0.5, seed=seed) for seed in (1, 2)]
    for record in records:
        record["inputs"] = {"labeled": "a", "start": f"{record['run']['seed']}"}
    records[1]["inputs"]["labeled"] = "all of them"
    records[1]["settings"] = {"method": {"labels": "all"}}
    assert not any("versions" in note for note in build({"plain": records}).notes)
    records[1]["settings"] = {"method": {}}
    assert any(
        "2 different versions of labeled" in note for note in build({"plain": records}).notes
    )


def test_refuses_records_that_do_not_fit(build, make_record) -> None:
    records = [
        make_record(0.1, 0.5, seed=1),
        make_record(0.1, 0.5, seed=1),
        make_record(0.1, 0.5, seed=2, row="ours"),
        make_record(0.1, 0.5, seed=4, scale="smoke"),
    ]
    with pytest.raises(GbssError) as caught:
        build({"plain": records})
    assert [(fault.where, fault.found) for fault in caught.value.faults] == [
        ("record of demo/mini/plain, seed 1", "a second record of seed 1"),
        ("record of demo/mini/ours, seed 2", "a run of another scale, task or row"),
        ("record of smoke/mini/plain, seed 4", "a run of another scale, task or row"),
    ]


def test_refuses_a_column_that_records_lack(spec, rows, task, three) -> None:
    wider = replace(spec, columns=("all", "rare"))
    with pytest.raises(GbssError, match="no group rare"):
        build_table(
            wider,
            rows,
            {"plain": three},
            scale="demo",
            summary=DEMO,
            task=task,
            planned_seeds=(1,),
        )


def test_writes_all_three_forms(build, three, tmp_path) -> None:
    table = build({"plain": three})
    write_table(table, tmp_path / "demo")
    texts = {path.name: path.read_text() for path in (tmp_path / "demo").iterdir()}
    assert texts == {
        "main_coco.md": table.markdown(),
        "main_coco.csv": table.csv(),
        "main_coco.tex": table.tex(),
    }
