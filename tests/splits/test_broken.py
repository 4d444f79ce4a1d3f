"""Kinds of broken annotation files. None is read, and every message helps."""

import gzip
import json

import pytest

from gbss import errors
from gbss.errors import GbssError
from gbss.splits.annotations import read

INF, NAN = float("inf"), float("nan")
BOX = "annotations[1] (id 3)"
IMAGE = "images[1] (id 7)"
CLASS = "categories[1] (id 2)"
WHOLE = ""


def at(part, number, **values):
    """Puts values into an entry; None takes the key away."""

    def change(content):
        for key, value in values.items():
            if value is None:
                del content[part][number][key]
            else:
                content[part][number][key] = value

    return change


def image(**values):
    return at("images", 1, **values)


def box(**values):
    return at("annotations", 1, **values)


def kind(**values):
    return at("categories", 1, **values)


def part(name, value):
    return lambda content: content.update({name: value})


def every_box(change):
    def change_all(content):
        for entry in content["annotations"]:
            entry["bbox"] = change(*entry["bbox"])

    return change_all


def address(value):
    def change(content):
        del content["images"][1]["file_name"]
        content["images"][1]["coco_url"] = value

    return change


def listed(value):
    """A list of classes known to be missing, in all images, and another one in the second."""

    def change(content):
        for entry in content["images"]:
            entry["neg_category_ids"] = [2]
        content["images"][1]["neg_category_ids"] = value
        if value is None:
            del content["images"][1]["neg_category_ids"]

    return change


CONTENT = {
    # name: (change, where, found)
    "no images": (lambda content: content.pop("images"), WHOLE, "no 'images'"),
    "no annotations": (lambda content: content.pop("annotations"), WHOLE, "no 'annotations'"),
    "no categories": (lambda content: content.pop("categories"), WHOLE, "no 'categories'"),
    "images in a dict": (part("images", {"1": {}}), WHOLE, "'images' is a dict"),
    "annotations null": (part("annotations", None), WHOLE, "'annotations' is a NoneType"),
    "categories of text": (part("categories", "cat"), WHOLE, "'categories' is a str"),
    "image is a name": (part("images", ["a.jpg"]), "images[0]", "'a.jpg'"),
    "annotation null": (part("annotations", [None]), "annotations[0]", "None"),
    "class is a name": (part("categories", ["cat"]), "categories[0]", "'cat'"),
    "image without id": (image(id=None), "images[1] (without id)", "no 'id'"),
    "image id text": (image(id="7"), "images[1] (id '7')", "id: '7'"),
    "image id fraction": (image(id=7.5), "images[1] (id 7.5)", "id: 7.5"),
    "image id with point": (image(id=7.0), "images[1] (id 7.0)", "id: 7.0"),
    "image id bool": (image(id=True), "images[1] (id True)", "id: True"),
    "image id negative": (image(id=-7), "images[1] (id -7)", "id: -7"),
    "image id too long": (image(id=2**63), f"images[1] (id {2**63})", f"id: {2**63}"),
    "image id twice": (image(id=40), "images[1] (id 40)", "id 40, as in images[0] (id 40)"),
    "no file name": (image(file_name=None), IMAGE, "no 'file_name'"),
    "file name a number": (image(file_name=7), IMAGE, "file_name: 7"),
    "file name empty": (image(file_name=""), IMAGE, "file_name: ''"),
    "file name absolute": (image(file_name="/etc/x.jpg"), IMAGE, "file_name: '/etc/x.jpg'"),
    "file name above": (image(file_name="../x.jpg"), IMAGE, "file_name: '../x.jpg'"),
    "file name further above": (image(file_name="a/../../x"), IMAGE, "file_name: 'a/../../x'"),
    "file name of Windows": (image(file_name="a\\x.jpg"), IMAGE, "file_name: 'a\\\\x.jpg'"),
    "file name on a drive": (image(file_name="C:x.jpg"), IMAGE, "file_name: 'C:x.jpg'"),
    "file name of lines": (image(file_name="a\nb.jpg"), IMAGE, "file_name: 'a\\nb.jpg'"),
    "file name with a null": (image(file_name="a\0.jpg"), IMAGE, "file_name: 'a\\x00.jpg'"),
    "file name a folder": (image(file_name="a/"), IMAGE, "file_name: 'a/'"),
    "file name is address": (image(file_name="http://x/y"), IMAGE, "file_name: 'http://x/y'"),
    "file name no text": (image(file_name="\ud800.jpg"), IMAGE, "file_name: '\\ud800.jpg'"),
    "file name twice": (
        image(file_name="set/a.jpg"),
        IMAGE,
        "file_name 'set/a.jpg', as in images[0] (id 40)",
    ),
    "address above": (address("http://h/../x.jpg"), IMAGE, "coco_url: 'http://h/../x.jpg'"),
    "address a number": (address(5), IMAGE, "no 'file_name'"),
    "no width": (image(width=None), IMAGE, "no 'width'"),
    "width 0": (image(width=0), IMAGE, "width: 0"),
    "height negative": (image(height=-97), IMAGE, "height: -97"),
    "width text": (image(width="31"), IMAGE, "width: '31'"),
    "width endless": (image(width=INF), IMAGE, "width: inf"),
    "box without id": (box(id=None), "annotations[1] (without id)", "no 'id'"),
    "box id twice": (
        box(id=900100581904),
        "annotations[1] (id 900100581904)",
        "id 900100581904, as in annotations[0] (id 900100581904)",
    ),
    "box id text": (box(id="3"), "annotations[1] (id '3')", "id: '3'"),
    "unknown image": (box(image_id=41), "annotations (id 3)", "image_id: 41"),
    "image id as text": (box(image_id="7"), BOX, "image_id: '7'"),
    "unknown class": (box(category_id=6), "annotations (id 3)", "category_id: 6"),
    "no class": (box(category_id=None), BOX, "no 'category_id'"),
    "no bbox": (box(bbox=None), BOX, "no 'bbox'"),
    "bbox a dict": (box(bbox={"x": 1}), BOX, "bbox: {'x': 1}"),
    "bbox of three": (box(bbox=[1, 2, 3]), BOX, "bbox: [1, 2, 3], area: 15"),
    "bbox of five": (box(bbox=[1, 2, 3, 4, 5]), BOX, "bbox: [1, 2, 3, 4, 5], area: 15"),
    "bbox of text": (box(bbox=[1, 2, "3", 4]), BOX, "bbox: [1, 2, '3', 4], area: 15"),
    "bbox of lists": (box(bbox=[[1, 2], [3, 4], 1, 1]), BOX, "bbox: [[1, 2], [3, 4], 1, 1]"),
    "bbox NaN": (box(bbox=[1, NAN, 3, 4]), BOX, "bbox: [1, nan, 3, 4], area: 15"),
    "bbox endless": (box(bbox=[1, 2, INF, 4]), BOX, "bbox: [1, 2, inf, 4], area: 15"),
    "bbox a bool": (box(bbox=[1, 2, True, 4]), BOX, "bbox: [1, 2, True, 4], area: 15"),
    "width of box negative": (box(bbox=[9, 9, -3, 4]), BOX, "bbox: [9, 9, -3, 4], area: 15"),
    "height of box negative": (box(bbox=[9, 9, 3, -4]), BOX, "bbox: [9, 9, 3, -4], area: 15"),
    "no area": (box(area=None), BOX, "no 'area'"),
    "area negative": (box(area=-1.5), BOX, "bbox: [0, 0, 0.5, 30], area: -1.5"),
    "area NaN": (box(area=NAN), BOX, "bbox: [0, 0, 0.5, 30], area: nan"),
    "area text": (box(area="15"), BOX, "area: '15'"),
    "iscrowd 2": (box(iscrowd=2), BOX, "iscrowd: 2"),
    "iscrowd text": (box(iscrowd="no"), BOX, "iscrowd: 'no'"),
    "ignore negative": (box(ignore=-1), BOX, "ignore: -1"),
    "class without name": (kind(name=None), CLASS, "no 'name'"),
    "class name empty": (kind(name=" "), CLASS, "name: ' '"),
    "class name of lines": (kind(name="a\nb"), CLASS, "name: 'a\\nb'"),
    "class name twice": (kind(name="cat"), CLASS, "name 'cat', as in categories[0] (id 9)"),
    "class id twice": (kind(id=9), "categories[1] (id 9)", "id 9, as in categories[0] (id 9)"),
    "class id text": (kind(id="2"), "categories[1] (id '2')", "id: '2'"),
    "frequency of one class": (kind(frequency="c"), "categories[0] (id 9)", "frequency: None"),
    "list of unknown class": (listed([2, 4]), IMAGE, "neg_category_ids: 4"),
    "list missing": (listed(None), IMAGE, "no 'neg_category_ids'"),
    "list a number": (listed(2), IMAGE, "neg_category_ids: 2"),
    "list of names": (listed(["cat"]), IMAGE, "neg_category_ids: ['cat']"),
    "shares of the image": (
        every_box(lambda x, y, w, h: [x / 64, y / 48, w / 64, h / 48]),
        "annotations",
        "6 of 6 boxes are smaller than a pixel",
    ),
    "corners": (
        every_box(lambda x, y, w, h: [x + 30, y + 40, x + w + 30, y + h + 40]),
        "annotations",
        "4 of 6 boxes end more than 10% of its size outside of their image",
    ),
}


def half(text):
    return text[: len(text) // 2]


def replaced(old, new):
    def change(text):
        assert old in text
        return text.replace(old, new, 1)

    return change


TEXT = {
    "empty": lambda _: b"",
    "blank": lambda _: b" \n ",
    "half": half,
    "without its end": lambda text: text[:-1],
    "zeros at the end": lambda text: half(text) + bytes(999),
    "twice": lambda text: text + text,
    "more behind": lambda text: text + b"x",
    "lines of JSON": lambda _: b'{"id": 1}\n{"id": 2}\n',
    "a list": lambda text: b"[" + text + b"]",
    "a text": lambda _: b'"annotations"',
    "a number": lambda _: b"12",
    "compressed": gzip.compress,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "byte-order mark": lambda text: b"\xef\xbb\xbf" + text,
    "Latin-1": lambda text: text.decode().replace("😀", "").encode("latin-1"),
    "Latin-1 in a text that is skipped": replaced(b'"town"', b'"\xe9"'),
    "Python's quotes": lambda text: text.replace(b'"', b"'"),
    "Python's words": replaced(b"null", b"None"),
    "comment": replaced(b'"images"', b'// all\n"images"'),
    "comma before the end of a list": replaced(b'"ant"}]', b'"ant"},]'),
    "comma before the end of an entry": replaced(b'"ant"}', b'"ant",}'),
    "no comma between entries": replaced(b'}, {"id": 2', b'} {"id": 2'),
    "no colon": replaced(b'"images":', b'"images"'),
    "key without quotes": replaced(b'"bbox"', b"bbox"),
    "word cut": replaced(b"null", b"nul"),
    "number with a zero before": replaced(b'"year": 2017', b'"year": 02017'),
    "number without end": replaced(b'"year": 2017', b'"year": 2017.'),
    "control character": replaced(b"Z\xc3\xbcrich", b"Z\x01rich"),
    "unknown escape": replaced(b"Z\xc3\xbcrich", b"Z\\urich"),
    "part twice": replaced(b'"info"', b'"images": [], "info"'),
    "part twice, no list": replaced(b'"info"', b'"categories": 1, "info"'),
    "lists in lists": replaced(b"1.5}", b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "endless number": replaced(b'"year": 2017', b'"year": ' + b"7" * 9999),
}


def faults(path):
    with pytest.raises(GbssError) as caught:
        read(path)
    for fault in caught.value.faults:
        assert fault.where.startswith(str(path))
        assert fault.found
        assert fault.expected
        assert fault.fix
        assert len(str(fault)) < 800
    return caught.value.faults


@pytest.mark.parametrize(("change", "where", "found"), CONTENT.values(), ids=CONTENT)
def test_content(small, blocks_of, tmp_path, change, where, found):
    content = small()
    change(content)
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    listed = faults(path)
    place = f"{path}: {where}" if where else str(path)
    assert any(fault.where == place and fault.found.startswith(found) for fault in listed)
    with blocks_of(64):
        assert faults(path) == listed


@pytest.mark.parametrize("change", TEXT.values(), ids=TEXT)
def test_text(small, blocks_of, tmp_path, change):
    path = tmp_path / "file.json"
    path.write_bytes(change(json.dumps(small(), ensure_ascii=False).encode()))
    listed = faults(path)
    with blocks_of(64):
        assert faults(path) == listed


def test_what_is_no_json_is_named_by_line_and_column(small, tmp_path):
    path = tmp_path / "file.json"
    text = json.dumps(small(), indent=1, ensure_ascii=False)
    line = text[: text.index('"bbox"')].count("\n") + 1
    path.write_text(text.replace('"bbox": ', '"bbox": x', 1))
    (fault,) = faults(path)
    assert fault.where == f"{path}: line {line}, column 12"
    assert fault.found == "Expecting value (truncated or not JSON)"
    assert fault.fix == "make or fetch the file again"


def test_a_folder_is_no_file(tmp_path):
    (fault,) = faults(tmp_path)
    assert fault.found == "Is a directory"


def test_thousands_of_faults_are_counted_and_not_kept(small, write, monkeypatch):
    monkeypatch.setattr(errors, "KEPT_FAULTS", 50)
    content = small()
    content["annotations"] *= 60
    for entry in content["annotations"][:410]:
        content["annotations"] += [entry | {"area": -1}]
    with pytest.raises(GbssError) as caught:
        read(write(content))
    assert len(caught.value.faults) == 50
    # 410 areas, and 823 of 830 ids that were there before.
    assert str(caught.value).endswith("... and 1,213 more")
