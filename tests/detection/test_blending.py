from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import InstanceData

from gbss.detection import blending
from gbss.losses.daso import Daso

# What the classifier says, and where a region looks to, by the first coordinate of its box.
PROBABILITIES = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
FEATURES = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])


class Head:
    """An RoI head that knows four regions."""

    def __init__(self):
        self.bbox_head = SimpleNamespace(foreground=lambda found: PROBABILITIES[self.seen])
        self.train_cfg = SimpleNamespace(sampler=SimpleNamespace(num=1))

    def describe(self, x, boxes):
        self.seen = torch.cat(list(boxes))[:, 0].long()
        return FEATURES[self.seen]


@pytest.fixture
def daso():
    """Class 0 looks right, class 1 up; of three pseudo labels two were of class 0, one of 2."""
    found = Daso(3, 2, warmup=0, temperature=0.05)
    found.observe(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    found.note(torch.tensor([0, 2, 0]))
    found.step()
    return found


def image(*detections):
    places, scores, labels = zip(*detections, strict=True) if detections else ((), (), ())
    return InstanceData(
        bboxes=torch.tensor([[p, 0.0, 1, 1] for p in places]).reshape(-1, 4),
        scores=torch.tensor(scores),
        labels=torch.tensor(labels, dtype=torch.long),
    )


def test_a_detection_takes_the_label_and_the_score_of_its_blend(daso):
    first, second = image((0, 0.54, 0), (1, 0.7, 1), (2, 0.05, 1)), image((3, 0.3, 2))
    nobody = image()
    blending.relabel(daso, Head(), None, [first, nobody, second])
    # Class 0, v = 1: all q, which is class 1; of 0.54 as 0.6 · 0.9 the 0.9 is foreground.
    # Class 1, v = 0: as it was. The third is the first box as another class: as it was.
    assert first.labels.tolist() == [1, 1, 1]
    assert first.scores.tolist() == pytest.approx([0.9, 0.7, 0.05], abs=1e-4)
    # Class 2, v = 1/2: (0.2 + 1) / 2 of class 0 against 0.6 / 2; foreground 0.3 / 0.6.
    assert second.labels.tolist() == [0]
    assert second.scores.tolist() == pytest.approx([0.5 * 0.6], abs=1e-4)
    assert len(nobody) == 0
    assert nobody.semantics.shape == (0, 3)
    torch.testing.assert_close(second.semantics.exp(), torch.tensor([[1.0, 0, 0]]))
    # Filtering keeps them together.
    assert first[first.scores > 0.1].semantics.shape == (2, 3)


def test_where_hardly_anything_is_blended_scores_hardly_change(daso):
    """The score of a region may be above what the classifier says of the refined box."""
    daso.counts[:, 1] = 1e-4 * daso.counts.sum() / len(daso.counts)
    one = image((1, 0.95, 1))
    assert PROBABILITIES[1, 1] < 0.95
    blending.relabel(daso, Head(), None, [one])
    assert one.labels.tolist() == [1]
    assert one.scores.item() == pytest.approx(0.95, abs=2e-3)
    assert one.scores.item() != pytest.approx(0.95, abs=1e-6)


def test_scores_stay_at_most_1(daso):
    one = image((0, 0.99, 0))
    blending.relabel(daso, Head(), None, [one])
    assert one.scores.item() <= 1


def test_the_student_is_aligned_on_all_pseudo_labels_of_the_batch(daso):
    samples = []
    for detections in (((0, 0.9, 0), (3, 0.8, 2)), ()):
        found = image(*detections)
        found.semantics = daso.semantics(FEATURES[[int(p) for p, *_ in detections]])
        samples.append(SimpleNamespace(gt_instances=found))
    assert blending.alignment(daso, Head(), None, samples) == pytest.approx(0, abs=1e-4)
    samples[0].gt_instances.semantics = samples[0].gt_instances.semantics.flip(0)
    wrong = blending.alignment(daso, Head(), None, samples)
    assert wrong > 5
    # As the classification loss, it is a mean over the regions that are drawn in each image.
    head = Head()
    head.train_cfg.sampler.num *= 4
    assert blending.alignment(daso, head, None, samples) == pytest.approx(wrong.item() / 4)


def test_labeled_boxes_fill_the_queues(daso):
    head = Head()
    teacher = SimpleNamespace(roi_head=head, extract_feat=lambda inputs: None)
    samples = [
        SimpleNamespace(gt_instances=image((3, 1, 2))),
        SimpleNamespace(gt_instances=image((0, 1, 0))),
    ]
    blending.observe_boxes(daso, teacher, None, samples)
    daso.step()
    assert daso.filled.tolist() == [2, 1, 1]
    assert daso.directions[2].tolist() == [1, 0]
