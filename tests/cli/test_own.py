import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from gbss import tasks
from gbss.cli import main
from gbss.errors import GbssError
from gbss.scales import load_scale

FILE = Path("workflow/tasks/zoo.yaml")


def fails(capsys, arguments):
    capsys.readouterr()
    assert main(arguments) == 1
    return capsys.readouterr().err


def without(arguments, *options):
    """Arguments without some options and their values."""
    places = [arguments.index(option) for option in options]
    return [a for n, a in enumerate(arguments) if n not in places and n - 1 not in places]


def change(path, function):
    content = json.loads(path.read_text())
    function(content)
    path.write_text(json.dumps(content))


def test_what_was_understood_is_said_and_written(own_data, own_init, capsys):
    assert main(own_init) == 0
    said = capsys.readouterr().out
    assert "zoo (4 classes): 6 labeled images, 4 unlabeled, 2 for validation" in said
    assert re.search(r"majority +2 +8 +3\nminority +2 +4 +2\n", said)
    assert "note: 1 labeled images without a box" in said
    assert "4 labeled + 4 unlabeled images a batch, 1,600 iterations, learning rate 0.02" in said
    smoke = (
        "snakemake table_headline --profile workflow/profiles/demo --config scale=smoke task=zoo"
    )
    assert smoke in said
    text = FILE.read_text()
    assert "    'no': minority  # 1 images, 2 boxes\n" in text
    assert "    tit, great: majority  # 3 images, 3 boxes\n" in text
    assert max(map(len, text.splitlines())) <= 110
    task = tasks.get("zoo")
    assert task.classes == ("owl", "wren", "tit, great", "no")
    assert task.groups["minority"] == ("wren", "no")
    scale = load_scale("zoo")
    assert scale.tasks == {"coco-split1": "zoo"}
    assert scale.require("zoo") == Path()


def test_from_a_task_to_split_figure_and_table(own_data, own_init, capsys):
    assert main(own_init) == 0
    assert main(["split", "zoo"]) == 0
    assert "zoo: 6 labeled images (0 of them few-shot), 4 unlabeled" in capsys.readouterr().out
    assert main(["verify", "zoo", "--images"]) == 0
    assert main(["figure", "class-distribution", "--task", "zoo"]) == 0
    assert "minority: 2 classes, 1 to 2 labeled images, others unknown" in capsys.readouterr().out
    assert main(["table", "main_coco", "--scale", "zoo"]) == 0
    assert "Main results on COCO, here zoo" in Path("results/tables/zoo/main_coco.md").read_text()
    # Beside the table of the task that the scale has.
    assert main(["table", "main_coco", "--scale", "smoke", "--task", "zoo"]) == 0
    assert Path("results/tables/smoke/zoo/main_coco.md").is_file()
    assert not Path("results/tables/smoke/main_coco.md").exists()


def test_images_of_both_folders_are_opened(own_data, own_init, capsys):
    assert main(own_init) == 0
    assert main(["split", "zoo"]) == 0
    for name in ("data/labeled/8.png", "data/pool/a.jpg"):
        Path(name).write_bytes(Path(name).read_bytes()[:45])
    said = fails(capsys, ["verify", "zoo", "--images"])
    assert "data/labeled/8.png: image 8" in said
    # What has no readable size is no image of the pool any more.
    assert "data/pool" in fails(capsys, ["verify", "zoo"])


def test_one_file_is_drawn_from(own_data, own_init, capsys):
    lone = [
        *own_init[:5],
        "--percent",
        "50",
        "--shots",
        "2",
        "--minority",
        "no",
        "--minority",
        "wren",
    ]
    lone += ["--train", "data/labeled.json", "--train-images", "data/labeled", *own_init[-4:]]
    assert main(lone) == 0
    said = capsys.readouterr().out
    assert "zoo (4 classes): 5 labeled images (3 of them few-shot), 1 unlabeled" in said
    written = yaml.safe_load(FILE.read_text())["task"]
    assert written["recipe"] == {"share": 0.5, "shots": 2, "seed": 0}
    assert main(["split", "zoo"]) == 0
    assert main(["verify", "zoo"]) == 0
    assert "(3 of them few-shot), 1 unlabeled" in capsys.readouterr().out


def test_three_groups_are_those_of_lvis(own_data, own_init, capsys):
    bounds = [*without(own_init, "--minority-below"), "--bounds", "1,3"]
    assert main(bounds) == 0
    assert re.search(r"rare +1 .*\ncommon +2 .*\nfrequent +1 ", capsys.readouterr().out)
    assert load_scale("zoo").tasks == {"lvis": "zoo"}


def test_all_that_is_wrong_at_once(own_data, own_init, capsys):
    def spoil(content):
        content["categories"][0]["name"] = "owlet"
        content["images"][0]["file_name"] = "gone.png"

    change(Path("data/val.json"), spoil)
    Path("data/labeled/8.png").unlink()
    shutil.rmtree("data/pool")
    own_init[own_init.index("3")] = "99"
    said = fails(capsys, own_init)
    assert "data/val.json: category 30" in said
    assert "found:    'owlet'" in said
    assert "1 of 2 files are missing, the first is data/val/gone.png" in said
    assert "name the folder of the images with --labeled-images" in said
    assert "no majority class" in said
    assert "data/pool\n    found:    no such folder" in said
    assert not FILE.exists()


def test_options_that_do_not_belong_together(own_data, own_init, capsys):
    said = fails(capsys, [*own_init, "--train", "data/val.json", "--seed", "-1", "--percent", "0"])
    assert "the training images" in said
    assert "--seed\n    found:    -1" in said
    assert "--percent\n    found:    0" in said
    assert "the training images" in fails(capsys, without(own_init, "--unlabeled"))
    assert "0 ways to group" in fails(capsys, without(own_init, "--minority-below"))


@pytest.mark.parametrize("name", ["mini-coco", "smoke", "My zoo", "lvis"])
def test_names_that_are_taken_or_none(own_data, own_init, capsys, name):
    own_init[2] = name
    assert f"NAME\n    found:    '{name}'" in fails(capsys, own_init)


def test_nothing_is_overwritten(own_data, own_init, capsys):
    assert main(own_init) == 0
    assert main(own_init) == 0  # the same again
    FILE.write_text(FILE.read_text().replace("seeds: [1]", "seeds: [1, 2]"))
    said = fails(capsys, own_init)
    assert "maybe changed by you" in said
    assert load_scale("zoo").seeds == (1, 2)


def test_files_that_are_gone_later_are_named_with_the_task(own_data, own_init, capsys):
    assert main(own_init) == 0
    shutil.rmtree("data/pool")
    with pytest.raises(GbssError, match=r"zoo\.yaml: task\.files\n +found: +no data/pool\n"):
        load_scale("zoo").require("zoo")


def test_images_that_are_listed_in_a_file(own_data, own_init, capsys):
    content = json.loads(Path("data/val.json").read_text())
    content["images"] = [
        {"id": n, "file_name": f"deep/{name}", "width": 20, "height": 10}
        for n, name in ((3, "c.jpeg"), (8, "er/b.PNG"))
    ]
    del content["annotations"]
    Path("data/more.json").write_text(json.dumps(content))
    own_init[own_init.index("--unlabeled") + 1] = "data/more.json"
    assert "--unlabeled-images" in fails(capsys, own_init)
    assert main([*own_init, "--unlabeled-images", "data/pool"]) == 0
    assert main(["split", "zoo"]) == 0
    assert "6 labeled images (0 of them few-shot), 2 unlabeled" in capsys.readouterr().out
    assert tasks.get("zoo").pool.file == "data/more.json"
