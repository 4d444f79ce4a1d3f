import json
import os
import re
import shutil
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gbss.experiments import load_experiments
from gbss.grid import Grid, Place
from gbss.reporting.report import write_report
from gbss.scales import load_scale


@pytest.fixture
def grid():
    scale = replace(load_scale("demo"), tasks={"coco-split1": "mini-coco"})
    return Grid(scale, load_experiments())


@pytest.fixture
def write(grid, repository, tmp_path, monkeypatch):
    """Writes the report of a checkout that has the published records of two rows."""
    monkeypatch.chdir(tmp_path)
    for row in ("gbss", "soft-teacher-rfs"):
        folder = f"results/runs/demo/mini-coco/{row}"
        shutil.copytree(repository / folder, folder)
    shutil.copytree(repository / "splits/mini-coco", "splits/mini-coco")
    results = Path("results")
    return lambda: write_report(grid, results, results, Path("splits")).read_text()


class Page(HTMLParser):
    """Texts of cells, and addresses of everything that a browser would load or follow."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.links, self.loaded = [], [], []
        self.in_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("td", "th"):
            self.cells.append("")
            self.in_cell = True
        if tag == "a":
            self.links.append(given["href"])
        elif "src" in given or "href" in given:
            self.loaded.append(given.get("src") or given["href"])
        assert tag not in {"script", "iframe", "link"}

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.in_cell = False

    def handle_data(self, data):
        if self.in_cell:
            self.cells[-1] += data.strip()


def test_numbers_are_those_of_the_tables(write, repository):
    cells = Page(write()).cells
    published = (repository / "results/tables/demo/solver.md").read_text()
    row = next(line for line in published.splitlines() if line.startswith("| GbSS |"))
    expected = [text.strip() for text in row.strip("|").split("|")]
    width = len(expected)
    assert expected in [cells[k : k + width] for k in range(len(cells))]
    assert "missing" in cells


def test_every_run_is_listed_and_every_link_leads_somewhere(write, tmp_path):
    text = write()
    page = Page(text)
    assert text.count("published</td>") == 6
    assert 'aria-label="record: gbss, seed 2, on mini-coco"' in text
    assert text.count('<tr><th scope="row">') == text.count("<tr>") - text.count("<thead><tr>")
    folder = tmp_path / "results/report/demo"
    addresses = [link for link in page.links if not link.startswith("#")]
    assert "../../runs/demo/mini-coco/gbss/seed-2.json" in addresses
    assert all((folder / link).exists() for link in addresses)
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(re.findall(r'id="([^"]+)"', text))


def test_the_loss_of_a_run_whose_log_is_here_is_drawn(write):
    place = Place("demo", "mini-coco", "gbss", 2)
    log = place.folder / "1/vis_data/scalars.json"
    log.parent.mkdir(parents=True)
    losses = {20: 9.0, 200: 4.0, 800: 1.0, 1200: 3.0}
    lines = [json.dumps({"iter": step, "loss": loss}) for step, loss in losses.items()]
    log.write_text("\n".join([*lines, json.dumps({"iter": 1220, "lr": 0.1}), '{"iter": 1240, "l']))
    text = write()
    # 120 wide for 1,600 iterations, 24 high for the highest but for those of the start.
    assert re.findall(r'<polyline points="([^"]+)"', text) == [
        "1.5,0.0 15.0,0.0 60.0,18.0 90.0,6.0"
    ]
    cells = text.split('aria-label="loss, from 9 to 3"')
    assert len(cells) == 2
    assert cells[0].rsplit("<tr>", 1)[1].startswith('<th scope="row">GbSS</th>')

    place.manifest.write_text(json.dumps({"settings": {"beta": 0.25}}))
    assert "<polyline" not in write()


def test_the_ap_of_a_run_at_work_names_its_iteration(write):
    place = Place("demo", "mini-coco", "gbss", 2)
    place.folder.mkdir(parents=True)
    told = {"state": "training", "time": time.time(), "iteration": 1010, "total": 1600}
    place.progress.write_text(json.dumps(told | {"ap": 0.4312, "ap_iteration": 1000}))
    assert '<td class="number">1,010</td><td class="number">43.1 at 1,000</td>' in write()


def test_pictures_are_part_of_the_page(write):
    drawn = Path("results/figures/demo")
    drawn.mkdir(parents=True)
    (drawn / "class_weights.png").write_bytes(b"\x89PNG, as it were")
    page = Page(write())
    # And the split's, which the page itself draws.
    assert len(page.loaded) == 2
    assert page.loaded[0].startswith("data:image/png;base64,iVBORywg")


def test_a_split_is_told_and_drawn_anew_when_it_has_changed(write):
    text = write()
    assert "104 labeled images, of them 19 few-shot ones with minority objects; 2,896 unl" in text
    drawn = Path("results/figures/splits/class-distribution-mini-coco.png")
    before = drawn.read_bytes()
    counts = Path("splits/mini-coco/counts.csv")
    counts.write_text(counts.read_text().replace(",majority,22,", ",majority,222,"))
    os.utime(counts, (drawn.stat().st_mtime + 5,) * 2)
    write()
    assert drawn.read_bytes() != before


def test_figures_come_in_the_paper_s_order(write):
    drawn = Path("results/figures/demo")
    drawn.mkdir(parents=True)
    names = [
        "gradient-norms",  # the paper's third
        "prediction-scores",
        "class-logits",
        "class-logits-cone",
        "learning-curves",
        "a-picture-of-somebody-else",
    ]
    for name in names:
        (drawn / f"{name}.png").write_bytes(b"")
    text = write()
    assert re.findall(r'<section id="figure-([^"]+)"', text) == names
    section = text.split('id="figure-gradient-norms"')[1].split("</section>")[0]
    assert "Gradient norms of the groups over training" in section
    assert "Figure 3 of the paper. The baseline has RFS, as ours has; the paper shows" in section
    assert text.count("Not a figure of the paper.") == 1


def test_a_figure_that_is_missing_is_named_with_its_target(write):
    drawn = Path("results/figures/demo")
    drawn.mkdir(parents=True)
    (drawn / "learning-curves.png").write_bytes(b"")
    section = write().split('id="figures"')[1].split('id="splits"')[0]
    expected = "Class weights over training: <code>figure_class_weights_over_training</code>"
    assert f"<li>{expected}</li>" in section
    assert "figure_learning_curves" not in section
    # Its task has no place at this scale.
    assert "figure_qualitative_lvis" not in section


def test_what_failed_stands_first_with_its_reason(write):
    place = Place("demo", "mini-coco", "gbss-gamma-1", 3)
    place.folder.mkdir(parents=True)
    place.failure.write_text(json.dumps({"error": "loss < 0 & not finite", "iteration": 44}))
    text = write()
    assert "<pre>loss &lt; 0 &amp; not finite</pre>" in text
    assert text.index('id="failed"') < text.index('id="tables"')
    assert "gbss-gamma-1, seed 3, on mini-coco" in text


def test_a_table_that_cannot_be_made_says_why(write):
    path = Path("results/runs/demo/mini-coco/gbss/seed-2.json")
    record = json.loads(path.read_text())
    record["groups"]["all"]["ap"] = 0.9
    path.write_text(json.dumps(record))
    text = write()
    assert "seed-2.json" in text[: text.index('id="figures"')]
    assert 'id="table-sampling"' in text


def test_the_same_files_give_the_same_page(write):
    assert write() == write()
