import pytest

from gbss.errors import GbssError
from gbss.schema import check_schema, is_finite, read_yaml

CHOICE = {
    "oneOf": [
        {"type": "null"},
        {"type": "object", "required": ["file"], "properties": {"file": {}}}
        | {"additionalProperties": False},
        {
            "type": "object",
            "required": ["steps", "batch", "seed"],
            "properties": {"steps": {"type": "integer"}, "batch": {}, "seed": {}},
            "additionalProperties": False,
        },
    ]
}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: \xff", "can't decode byte 0xff"),
        (b"a: \x01", "special characters are not allowed"),
        (b"b: 2\na: {{ name }}", r"line 2(.|\n)*the key in brackets is no text"),
        (b"? [1, 2]\n: 3", "the key in brackets is no text"),
        (b"on: 1", "the key 'on' is no text; quotes make it one"),
        (b"a: {x: 1, 3: 2}", "the key '3' is no text"),
        (b"a: 2020-99-99", "month must be in 1..12"),
        (b"a: {b: 1, c: 2, b: 3}", "the key 'b' stands there twice"),
        (b"[" * 5000, "recursion depth"),
        (b"a: [1", r"line 1(.|\n)*expected ',' or ']'"),
    ],
)
def test_yaml_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(GbssError, match=message) as caught:
        read_yaml(path, what="scale")
    assert str(path) in str(caught.value)


def test_merge_keys(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n")
    assert read_yaml(path, what="scale")["b"] == {"x": 1, "y": 3}


def report(value, schema):
    with pytest.raises(GbssError) as caught:
        check_schema({"top": value}, {"properties": {"top": schema}}, source="a.yaml")
    return [(fault.where, fault.found, fault.expected) for fault in caught.value.faults]


def test_the_branch_that_fits_best_is_reported():
    missing, unknown = report({"steps": 3, "bach": 4, "seed": 5}, CHOICE)
    assert unknown == (
        "a.yaml: top",
        "the unknown key 'bach'",
        "did you mean 'batch'? known: batch, seed, steps",
    )
    assert missing[2] == "'batch' is a required property"
    (_, (_, found, expected)) = report({"fiel": "x"}, CHOICE)
    assert (found, expected) == ("the unknown key 'fiel'", "did you mean 'file'? known: file")
    ((where, found, _),) = report({"steps": "x", "batch": 4, "seed": 5}, CHOICE)
    assert (where, found) == ("a.yaml: top.steps", "'x'")
    assert report("x", CHOICE) == [("a.yaml: top", "'x'", "type null or object")]


def test_integers_and_finite_numbers():
    check_schema(3, {"type": "integer"}, source="a.yaml")
    for value in (3.0, True, "3"):
        assert report(value, {"type": "integer"})[0][1] == repr(value)
    for value in (float("nan"), float("-inf")):
        assert report(value, {"type": "number"})[0][1:] == ("NaN or infinity", "a finite number")
    assert [is_finite(value) for value in (2, 2.5, True, "2", float("inf"), 10**400)] == [
        *(True, True),
        *(False, False, False, False),
    ]
