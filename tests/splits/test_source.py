import pytest

from gbss.errors import GbssError
from gbss.splits.build import build_split
from gbss.splits.source import choose_split


def test_a_split_without_unlabeled_images_is_refused(annotations, recipe, tmp_path):
    few_shot = set(build_split(annotations, recipe).few_shot.tolist())
    path = tmp_path / "all.txt"
    lines = [f"{i} {'few-shot' if i in few_shot else 'base'}\n" for i in annotations.image_ids]
    path.write_text("".join(lines))
    with pytest.raises(GbssError, match="no unlabeled image"):
        choose_split(
            annotations, recipe, tmp_path / "lists", files={"labeled": path}, factor=None
        )
