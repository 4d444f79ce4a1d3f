import random

import numpy as np
import pytest
from mmengine.dataset import BaseDataset
from PIL import Image

from gbss.detection.dataset import LoadImage, MixedDataset
from gbss.errors import GbssError


class Noise(BaseDataset):
    """A dataset whose images depend on the global random states alone."""

    def load_data_list(self):
        return [{}, {}, {}]

    def __getitem__(self, index):
        return index, random.random(), np.random.random()  # noqa: NPY002


def test_loading_is_repeated_by_its_seed():
    dataset = MixedDataset([Noise(), Noise()])
    first = dataset[4, 77]
    assert dataset[4, 78] != first
    assert dataset[4, 77] == first
    assert first[0] == 1  # the second image of the second source


@pytest.mark.parametrize("content", [None, b"", b"no image", "truncated"])
def test_images_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "7.png"
    if content == "truncated":
        Image.fromarray(np.arange(3000, dtype=np.uint8).reshape(50, 20, 3)).save(path)
        path.write_bytes(path.read_bytes()[:40])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(GbssError) as caught:
        LoadImage().transform({"img_path": str(path), "img_id": 7})
    assert f"{path} (image id 7)" in str(caught.value)
    assert "fetch the file again" in str(caught.value)


def test_a_good_image_is_loaded(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = LoadImage().transform({"img_path": str(tmp_path / "a.png"), "img_id": 3})
    assert np.array_equal(found["img"][:, :, ::-1], pixels)
