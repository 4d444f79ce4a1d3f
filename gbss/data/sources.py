"""Public data sets: where their archives are, what they leave under a data root, how to check it.

Sizes and SHA-256 are those in the checksum files of TensorFlow Datasets for COCO and LVIS. Nothing
trustworthy is published for Objects365, so its files are held against its own annotation file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Part:
    """A folder of images or an annotation file that an archive leaves under the data root.

    Attributes:
        path: Where it belongs, relative to the data root.
        member: What it is in the archive: a file, or a folder with its closing slash.
        images: How many images a folder holds; 0 for an annotation file.
    """

    path: str
    member: str
    images: int = 0


@dataclass(frozen=True)
class Archive:
    """A public zip archive.

    Attributes:
        url: Its address; the last part is its name.
        size: Bytes.
        sha256: Published checksum, 64 hexadecimal digits.
        unpacked: What its parts take at most, in bytes; an archive that claims more is refused.
        parts: What is kept of it. The rest is not unpacked.
    """

    url: str
    size: int
    sha256: str
    unpacked: int
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """The file name."""
        return self.url.rsplit("/", 1)[-1]

    def under(self, folder: str) -> Archive:
        """The same archive for a data root that has this data set in a folder of its own."""
        parts = (replace(part, path=f"{folder}/{part.path}") for part in self.parts)
        return replace(self, parts=tuple(parts))


@dataclass(frozen=True)
class Patches:
    """Images in numbered folders and their annotation file, which only a login gives.

    Attributes:
        title: Name for messages.
        page: Where to log in.
        annotations: The annotation file, relative to the data root.
        images: Folder of ``patch0``, ``patch1``, ..., relative to the data root.
        count: How many such folders there are.
        absent: Images that the annotation file lists and the public release does not have.
    """

    title: str
    page: str
    annotations: str
    images: str
    count: int
    absent: frozenset[str] = frozenset()

    def under(self, folder: str) -> Patches:
        """The same files for a data root that has this data set in a folder of its own."""
        return replace(
            self, annotations=f"{folder}/{self.annotations}", images=f"{folder}/{self.images}"
        )


Source = Archive | Patches

# Images come first: where an annotation file stands that was fetched, so do its images.
COCO_IMAGES = (
    Archive(
        url="http://images.cocodataset.org/zips/train2017.zip",
        size=19_336_861_798,
        sha256="69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        unpacked=21_000_000_000,
        parts=(Part("train2017", "train2017/", images=118_287),),
    ),
    Archive(
        url="http://images.cocodataset.org/zips/val2017.zip",
        size=815_585_330,
        sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        unpacked=1_000_000_000,
        parts=(Part("val2017", "val2017/", images=5_000),),
    ),
)
COCO_ANNOTATIONS = Archive(
    url="http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
    size=252_907_541,
    sha256="113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
    unpacked=1_000_000_000,
    parts=tuple(
        Part(f"annotations/{name}", f"annotations/{name}")
        for name in ("instances_train2017.json", "instances_val2017.json")
    ),
)
COCO: tuple[Source, ...] = (*COCO_IMAGES, COCO_ANNOTATIONS)

# LVIS annotates COCO's images, so both share a root. Its val set has images of train2017, too.
LVIS: tuple[Source, ...] = (
    *COCO_IMAGES,
    Archive(
        url="https://dl.fbaipublicfiles.com/LVIS/lvis_v1_train.json.zip",
        size=350_264_821,
        sha256="334a4caa374030a7817cf050364525e910f7960f9b6968cef47cffbf3893f8ba",
        unpacked=2_000_000_000,
        parts=(Part("annotations/lvis_v1_train.json", "lvis_v1_train.json"),),
    ),
    Archive(
        url="https://dl.fbaipublicfiles.com/LVIS/lvis_v1_val.json.zip",
        size=64_026_968,
        sha256="5cae9a3c79aadb667550c2b5dcf7f4d86e059a41ec91ef690225b667e28e9ba5",
        unpacked=350_000_000,
        parts=(Part("annotations/lvis_v1_val.json", "lvis_v1_val.json"),),
    ),
)

# The three absent images: the released code, and mmdet's Objects365V2Dataset.
OBJECTS365: tuple[Source, ...] = (
    Patches(
        title="Objects365 v2 train",
        page="https://www.objects365.org",
        annotations="annotations/zhiyuan_objv2_train.json",
        images="train",
        count=51,
        absent=frozenset(
            {
                "patch6/objects365_v1_00320532.jpg",
                "patch6/objects365_v1_00320534.jpg",
                "patch16/objects365_v2_00908726.jpg",
            }
        ),
    ),
    Patches(
        title="Objects365 v2 val",
        page="https://www.objects365.org",
        annotations="annotations/zhiyuan_objv2_val.json",
        images="val",
        count=44,
    ),
)

COCO_OBJECTS365: tuple[Source, ...] = (
    *(source.under("coco") for source in COCO),
    *(source.under("objects365") for source in OBJECTS365),
)
