import shutil

import numpy as np
import pytest
from PIL import Image

from gbss.errors import GbssError
from gbss.splits.annotations import ORIENTATION, check_images
from gbss.splits.folder import read_folder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pool"
    for number, name in enumerate(("b.jpg", "deep/er/a.PNG", "deep/c.tif", ".hidden.jpg", ".x/d.png")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + number, 10)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    return folder


def test_images_of_all_folders_in_the_order_of_their_names(folder):
    said = []
    found = read_folder(folder, said.append)
    assert found.file_names == ("b.jpg", "deep/c.tif", "deep/er/a.PNG")
    assert found.image_ids.tolist() == [1, 2, 3]
    assert found.widths.tolist() == [20, 22, 21]
    assert found.heights.tolist() == [10, 10, 10]
    assert len(found.box_ids) == 0
    assert not said


def test_the_checksum_is_that_of_names_and_sizes(folder, tmp_path):
    first = read_folder(folder, print).digest
    shutil.copytree(folder, tmp_path / "copy")
    assert read_folder(tmp_path / "copy", print).digest == first
    (folder / "b.jpg").rename(folder / "e.jpg")
    assert read_folder(folder, print).digest != first


def test_an_image_that_was_taken_sideways_has_the_size_that_training_sees(folder):
    image = Image.new("RGB", (30, 10))
    exif = image.getexif()
    exif[ORIENTATION] = 6
    image.save(folder / "b.jpg", exif=exif)
    found = read_folder(folder, print)
    assert (found.widths[0], found.heights[0]) == (10, 30)
    check_images(found, folder)


def test_unreadable_images_are_left_out_and_counted(folder):
    (folder / "a.jpg").write_bytes(b"not at all")
    (folder / "deep/z.png").touch()
    (folder / "back\\slash.png").write_bytes((folder / "deep/er/a.PNG").read_bytes())
    said = []
    found = read_folder(folder, said.append)
    assert len(found.file_names) == 3
    assert np.array_equal(found.image_ids, [1, 2, 3])
    (line,) = said
    assert "left out 3 unreadable images, the first is 'a.jpg': cannot identify" in line


def test_folders_without_images(folder, tmp_path):
    with pytest.raises(GbssError, match="no such folder"):
        read_folder(tmp_path / "nowhere", print)
    with pytest.raises(GbssError, match="a file"):
        read_folder(folder / "notes.txt", print)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/a.jpg").touch()
    with pytest.raises(GbssError, match="1 files that look like images, none of them readable"):
        read_folder(tmp_path / "empty", print)
