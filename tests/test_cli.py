import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from gbss.cli import main
from gbss.evaluation.detections import read_detections, write_columns
from gbss.experiments import WORKFLOW, load_experiments
from gbss.splits.recipe import Target


def fails(capsys, *arguments):
    """Runs a command that must end with an error of ours, and returns what it said."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "to do:" in said
    return said


@pytest.fixture
def files(tmp_path):
    """A small ground truth with gaps in its ids and an image without boxes, and detections."""
    truth = {
        "images": [
            {"id": id_, "file_name": f"{id_}.png", "width": 50, "height": 40} for id_ in (3, 8, 11)
        ],
        "categories": [{"id": 2, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [
            {"id": 5, "image_id": 3, "category_id": 7, "bbox": [4, 5, 20, 10], "area": 200},
            {"id": 9, "image_id": 11, "category_id": 2, "bbox": [1, 2, 8, 30], "area": 240},
        ],
    }
    found = [
        {"image_id": 3, "category_id": 7, "bbox": [4, 5, 20, 10], "score": 0.8},
        {"image_id": 8, "category_id": 2, "bbox": [1, 2, 8, 30], "score": 0.6},
    ]
    for name, content in (("truth.json", truth), ("found.json", found)):
        (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def change(path, function):
    content = json.loads(path.read_text())
    function(content)
    path.write_text(json.dumps(content))


def evaluate(files):
    return "evaluate", "--annotations", files / "truth.json", "--detections", files / "found.json"


def test_evaluate_prints_the_numbers(files, capsys):
    assert main(list(map(str, evaluate(files)))) == 0
    said = capsys.readouterr().out
    assert re.search(r"dog +1 +1\.000", said)  # found
    assert re.search(r"cat +1 +0\.000", said)  # found in the wrong image


def test_evaluate_takes_columns_and_export_gives_back_the_list(files, capsys):
    columns, export = files / "found.npz", files / "exported.json"
    write_columns(columns, read_detections(files / "found.json"))
    assert main(["export", "--detections", str(columns), "--output", str(export)]) == 0
    assert json.loads(export.read_text()) == json.loads((files / "found.json").read_text())
    assert main(list(map(str, evaluate(files)))) == 0
    said = capsys.readouterr().out
    for path in (columns, export):
        arguments = ["evaluate", "--annotations", str(files / "truth.json"), "--detections"]
        assert main([*arguments, str(path), "--evaluator", "official"]) == 0
        assert capsys.readouterr().out in said


def test_compare_says_what_is_more_than_noise(files, capsys):
    truth, found = files / "truth.json", files / "found.json"
    (files / "none.json").write_text("[]")
    command = ["compare", "--annotations", str(truth), "--resamples", "50", "--detections"]
    assert main([*command, str(found), str(files / "none.json")]) == 0
    said = capsys.readouterr().out
    assert re.search(r"group +one +other +difference +95% interval +more than noise\n", said)
    assert re.search(r"all +50.0 +0.0 +\+50.0 +\S+ to \S+", said)
    assert main([*command, str(found), str(found)]) == 0
    assert re.search(r"all +50.0 +50.0 +\+0.0 +\+0.0 to \+0.0 +no\n", capsys.readouterr().out)


def test_odd_detections_are_noted(files, capsys):
    change(files / "found.json", lambda found: found.append(found[0]))
    assert main(list(map(str, evaluate(files)))) == 0
    assert "note: " in capsys.readouterr().err


def test_detections_for_unknown_images_are_named(files, capsys):
    change(files / "found.json", lambda found: found[1].update(image_id=4711))
    assert "4711" in fails(capsys, *evaluate(files))


def test_every_fault_of_an_annotation_file_is_named(files, capsys):
    def spoil(truth):
        truth["annotations"][0]["bbox"][2] = -20
        truth["annotations"][1]["category_id"] = 3

    change(files / "truth.json", spoil)
    said = fails(capsys, *evaluate(files))
    assert "(id 5)" in said
    assert "-20" in said
    assert "category_id: 3" in said


@pytest.mark.parametrize("text", ['{"images": [', "[]", '{"info": 3}'])
def test_a_file_that_is_truncated_or_not_coco(files, capsys, text):
    (files / "truth.json").write_text(text)
    assert str(files / "truth.json") in fails(capsys, *evaluate(files))


def test_classes_of_another_data_set_are_refused(files, capsys):
    said = fails(capsys, *evaluate(files), "--task", "mini-coco")
    assert "no class 'horizontal disc'" in said


def test_names_that_do_not_exist_name_the_nearest(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    assert "did you mean 'mini-coco'" in fails(capsys, "draw", "mini-koko")
    assert "an embedded task" in fails(capsys, "draw", "coco-split1")
    assert "did you mean 'demo'" in fails(capsys, "pretrain", "--scale", "demmo")
    train = ("train", "--scale", "demo", "--seed", 1, "--row")
    assert "did you mean 'soft-teacher'" in fails(capsys, *train, "soft-techer")
    assert "did you mean 'main_coco'" in fails(capsys, "table", "main_koko", "--scale", "demo")
    nowhere = files / "nowhere.yaml"
    demo = (WORKFLOW / "config/demo.yaml").read_text()
    demo = demo.replace("scale: demo", "scale: nowhere").replace(
        "{coco-split1: mini", "{coco-split2: mini"
    )
    nowhere.write_text(demo)
    said = fails(capsys, "table", "main_coco", "--scale", nowhere)
    assert "the task 'coco-split1', which has no place at the scale 'nowhere'" in said
    assert not (files / "build").exists()
    assert not (files / "results").exists()


def test_a_broken_annotation_file_leaves_no_split(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    (files / "train.json").write_text((files / "truth.json").read_text())
    fails(capsys, "split", "mini-coco", "--root", files)
    fails(capsys, "split", "mini-coco", "--root", files / "nowhere")
    assert not (files / "splits").exists()
    assert not (files / "build").exists()


def test_verify_opens_every_image(tmp_path, capsys, monkeypatch, repository, tiny_task):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gbss.tasks.get", lambda name: tiny_task)
    assert main(["draw", "mini-coco"]) == 0
    assert main(["split", "mini-coco"]) == 0
    assert main(["verify", "mini-coco", "--images"]) == 0
    assert main(["labels", "mini-coco"]) == 0
    assert "60 images with all their labels" in capsys.readouterr().out
    first, second, *_ = sorted((tmp_path / "build/data/mini-coco/train").iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:90])
    said = fails(capsys, "verify", "mini-coco", "--images")
    assert re.search(f"{first.name}: image {int(first.stem)}\n    found:    no such file", said)
    assert re.search(f"{second.name}: image {int(second.stem)}\n    found:    unreadable", said)
    assert main(["verify", "mini-coco"]) == 0


def test_without_a_root_the_papers_scale_says_where_the_data_are(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in ("split", "verify"):
        said = fails(capsys, command, "coco-split2")
        assert "data/coco: the data of coco-split2, named under 'roots' of the scale" in said
        assert "`gbss fetch coco-split2 --root data/coco`" in said
    # Without images there is no such message: a split needs annotations only.
    (tmp_path / "data/coco/annotations").mkdir(parents=True)
    (tmp_path / "data/coco/annotations/instances_train2017.json").write_text("{}")
    said = fails(capsys, "split", "coco-split2")
    assert said.startswith("error: data/coco/annotations/instances_train2017.json")


def test_fetch_names_what_is_there_but_not_whole(tmp_path, capsys):
    (tmp_path / "val2017").mkdir()
    (tmp_path / "val2017/000000000139.jpg").touch()
    said = fails(capsys, "fetch", "coco-split1", "--root", tmp_path)
    assert f"{tmp_path / 'val2017'}\n" in said
    assert "1 images\n    expected: a folder with 5,000 images" in said


def test_embedded_data_are_not_fetched(tmp_path, capsys):
    said = fails(capsys, "fetch", "mini-coco", "--root", tmp_path)
    assert "expected: a task with public data: coco-split1" in said
    assert "to do:    gbss draw mini-coco" in said
    assert not list(tmp_path.iterdir())


def test_a_table_without_records_shows_its_rows_as_missing(tmp_path, capsys):
    arguments = ["table", "main_coco", "--scale", "demo", "--results", str(tmp_path)]
    assert main(arguments) == 0
    assert "missing" in capsys.readouterr().out
    assert {path.suffix for path in (tmp_path / "tables/demo").iterdir()} == {
        ".md",
        ".csv",
        ".tex",
    }


def test_errors_of_the_operating_system(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    said = fails(capsys, "draw", "mini-coco", "--root", "file")
    assert re.match(r"error: file\S*\n    found:    (Not a directory|File exists)\n", said)
    assert "error: file" in fails(
        capsys, "table", "main_coco", "--scale", "demo", "--results", "file"
    )
    assert "error: README.md\n    found:    No such file" in fails(capsys, "readme")


@pytest.fixture
def drawn(tmp_path, monkeypatch, tiny_task):
    """A folder with the data of a tiny task and its split."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gbss.tasks.get", lambda name: tiny_task)
    assert main(["draw", "mini-coco"]) == 0
    assert main(["split", "mini-coco"]) == 0
    return tmp_path


def test_a_given_split_is_taken_and_kept(drawn, capsys, monkeypatch):
    theirs = drawn / "build/splits/mini-coco/labeled.json"
    lists = drawn / "splits/mini-coco"
    before = (lists / "labeled.txt").read_text(), theirs.read_bytes()
    # Another source is another split, even of the same images.
    said = fails(capsys, "split", "mini-coco", "--labeled", theirs)
    assert "a committed split that differs" in said
    (drawn / "other").mkdir()
    monkeypatch.chdir(drawn / "other")
    root = ["--root", str(drawn / "build/data/mini-coco")]
    assert main(["split", "mini-coco", *root, "--labeled", str(theirs)]) == 0
    given = drawn / "other/splits/mini-coco"
    assert ", as given in labeled.json;" in capsys.readouterr().out
    assert "source: given" in (given / "recipe.yaml").read_text()
    assert (given / "labeled.txt").read_text() == before[0]
    ours = drawn / "other/build/splits/mini-coco/labeled.json"
    assert ours.read_bytes() == before[1]
    # From now on the committed lists count.
    assert main(["verify", "mini-coco", *root]) == 0
    ours.unlink()
    assert main(["split", "mini-coco", *root]) == 0
    assert ours.read_bytes() == before[1]


def test_a_factor_is_for_stated_counts(drawn, capsys, tiny_task, monkeypatch):
    said = fails(capsys, "split", "mini-coco", "--factor", 0.5)
    assert "a task whose recipe takes a share" in said
    said = fails(capsys, "split", "mini-coco", "--factor", 0.5, "--unlabeled", "list.txt")
    assert "leave one of them out" in said
    names = tiny_task.classes
    targets = {name: Target(30, 50) for name in names}
    stated = replace(tiny_task, recipe=replace(tiny_task.recipe, labeled=600, targets=targets))
    monkeypatch.setattr("gbss.tasks.get", lambda name: stated)
    assert "found:    1.5" in fails(capsys, "split", "mini-coco", "--factor", 1.5)
    shutil.rmtree(drawn / "splits")
    assert "--factor" in fails(capsys, "split", "mini-coco")
    assert main(["split", "mini-coco", "--factor", "0.05"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"30 labeled images .* at 0\.05 of the stated counts, for trying", said)
    assert re.search(r"horizontal disc +minority +2 +2 +\+0", said)
    assert "minority: 4 of 4 classes at their number of images" in said
    assert main(["split", "mini-coco"]) == 0
    assert main(["verify", "mini-coco"]) == 0


def test_whoever_reads_may_have_seen_enough(repository):
    command = f"{sys.executable} -m gbss rows --scale demo"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"],
        capture_output=True,
        text=True,
        cwd=repository,
    )
    assert (done.returncode, done.stderr) == (141, "")


def test_the_grid_without_a_scale_is_the_paper_s(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    said = {}
    for scale in ((), ("--scale", "paper")):
        for command in ("rows", "status"):
            assert main([command, *scale]) == 0
        said[scale] = capsys.readouterr().out
    assert said[()] == said["--scale", "paper"]
    runs = 3 * len(load_experiments().rows)
    assert f"{runs} runs: {runs} missing" in said[()]


def test_overlap_and_class_distribution(drawn, capsys):
    assert main(["overlap"]) == 0
    assert "mini-coco     100.0 %" in capsys.readouterr().out
    assert (drawn / "splits/overlap.csv").read_text().count("\n") == 2
    assert main(["figure", "class-distribution", "--task", "mini-coco"]) == 0
    said = capsys.readouterr().out
    assert "minority: 4 classes" in said
    figures = drawn / "results/figures/splits"
    assert {path.suffix for path in figures.iterdir()} == {".pdf", ".png", ".csv"}
    shutil.rmtree(drawn / "splits")
    assert "gbss split mini-coco" in fails(
        capsys, "figure", "class-distribution", "--task", "mini-coco"
    )
    assert "no split" in fails(capsys, "overlap")
