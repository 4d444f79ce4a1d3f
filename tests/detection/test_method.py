import pytest
import torch

from gbss.detection.method import Method
from gbss.imbalance.gradients import gradient_matrix

C = 4
STATISTICS = {
    "type": "gbss.imbalance.gradients.GradientStatistics",
    "classes": C,
    "warmup": 2,
    "momentum": 0.5,
}
THRESHOLDS = {"type": "gbss.imbalance.thresholds.ClassThresholds", "classes": C - 1, "warmup": 2}
JACOBI = {"type": "gbss.imbalance.reweighting.JacobiWeights", "classes": C, "warmup": 2}
DIRECT = {"type": "gbss.imbalance.reweighting.DirectWeights", "classes": C, "warmup": 2}
FACTORS = {"type": "gbss.imbalance.reweighting.SampleWeights", "beta": 0.5, "momentum": 0.9}


def samples(seed, count=40):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, C, generator=generator)
    labels = torch.randint(2 * C, (count,), generator=generator).clamp(max=C - 1)
    return logits, labels, torch.rand(count, generator=generator)


def step(method, iteration, optimizer=None):
    method.begin(iteration)
    factors = [
        method.observe(branch, *samples(10 * iteration + place))
        for place, branch in enumerate(("labeled", "pseudo"))
    ]
    losses = method.end()
    if optimizer and losses:
        optimizer.zero_grad()
        losses["loss_weights"].backward()
        optimizer.step()
    return factors


def test_without_the_method_samples_are_seen_and_not_weighted():
    method = Method(STATISTICS, THRESHOLDS)
    assert step(method, 0) == [None, None]
    torch.testing.assert_close(
        method.statistics.running[1], gradient_matrix(*samples(1)), rtol=1e-6, atol=1e-7
    )
    assert method.end() == {}
    assert not list(method.parameters())
    method.begin(9)
    assert method.class_thresholds.tolist() == pytest.approx([0.9] * 3)


@pytest.mark.parametrize("weights", [JACOBI, DIRECT])
def test_after_warmup_weights_reach_factors_and_thresholds(weights):
    method = Method(STATISTICS, THRESHOLDS, weights, FACTORS, class_wise=True)
    optimizer = torch.optim.SGD([*method.parameters(), torch.nn.Parameter(torch.ones(1))], lr=0.1)
    for iteration in range(2):
        assert all(
            torch.equal(found, torch.ones(40)) for found in step(method, iteration, optimizer)
        )
    for iteration in range(2, 12):
        labeled, pseudo = step(method, iteration, optimizer)
    weights = method.class_weights
    assert (weights.float() - 1).abs().max() > 0.05
    assert weights.sum().item() == pytest.approx(C, rel=1e-5)
    by_class = (labeled / labeled[0]) ** 2
    used = weights.clamp(1 / 3, 5)[samples(110)[1]].float()
    torch.testing.assert_close(by_class, used / used[0])
    used = weights.clamp(1 / 3, 5)[samples(111)[1]].float()
    torch.testing.assert_close(pseudo / pseudo[0], used / used[0])
    expected = (0.9 / weights[:-1]).clamp(0.5, 0.9).float()
    torch.testing.assert_close(method.class_thresholds, expected)


def test_thresholds_without_reweighting_still_follow_the_weights():
    method = Method(STATISTICS, THRESHOLDS, DIRECT, class_wise=True)
    for iteration in range(5):
        assert step(method, iteration) == [None, None]
    assert method.class_thresholds.unique().numel() > 1


def test_a_batch_that_is_not_finite_is_left_out():
    method = Method(STATISTICS, THRESHOLDS, JACOBI, FACTORS, class_wise=True)
    step(method, 2)
    before = method.statistics.running.clone()
    method.begin(3)
    logits, labels, weights = samples(77)
    logits[3, 1] = float("nan")
    method.observe("labeled", logits, labels, weights)
    method.observe("pseudo", logits, labels, weights)
    loss = method.end()["loss_weights"]
    assert loss.isfinite()
    assert torch.equal(method.statistics.running, before)
    assert method.statistics.skipped.tolist() == [1, 1]


def found(*pairs):
    return torch.tensor([s for s, _ in pairs]), torch.tensor(
        [c for _, c in pairs], dtype=torch.long
    )


def test_pseudo_labels_are_counted_and_pooled_after_warmup():
    method = Method(STATISTICS, THRESHOLDS)
    method.attach_pool([70, 30, 50])
    batch = [found((0.95, 1), (0.6, 0)), found(), found((0.91, 2), (0.97, 2))]
    for iteration in (1, 2):  # warm-up is over at 2
        method.begin(iteration)
        method.note_pseudo_labels([50, 70, 30], batch)
        method.exchange()
        method.pool.merge()
        if iteration == 1:
            assert len(method.pool.images) == 0
    assert method.kept.tolist() == [0, 2, 4]
    assert method.pool.images.tolist() == [1, 2]
    assert method.pool.labels.tolist() == [2, 1]
    assert method.pool.margins.tolist() == pytest.approx([0.07, 0.05])


def test_no_detection_at_all_is_a_step_like_any_other():
    method = Method(STATISTICS, THRESHOLDS, JACOBI, FACTORS, class_wise=True)
    method.attach_pool([4, 9])
    for iteration in range(4):
        method.begin(iteration)
        method.note_pseudo_labels([9, 4], [found(), found()])
        assert method.end()["loss_weights"].isfinite()
    method.exchange()
    method.pool.merge()
    assert method.kept.tolist() == [0, 0, 0]
    assert method.thresholds.mean_scores().isnan().all()


def test_a_checkpoint_holds_everything():
    def build():
        method = Method(STATISTICS, THRESHOLDS, JACOBI, FACTORS, class_wise=True)
        method.attach_pool([70, 30, 50])
        return method

    one, two = build(), build()
    for iteration in range(4):
        step(one, iteration)
        one.note_detections(*found((0.4, 1), (0.2, 0)))
        one.note_pseudo_labels([50], [found((0.95, 1))])
    one.exchange()
    two.load_state_dict(one.state_dict())
    for method in (one, two):
        method.pool.merge()
        method.begin(4)
    assert one.state_dict().keys() == two.state_dict().keys()
    assert all(torch.equal(value, two.state_dict()[key]) for key, value in one.state_dict().items())
    assert torch.equal(one.class_thresholds, two.class_thresholds)
