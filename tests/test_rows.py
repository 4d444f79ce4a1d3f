from dataclasses import replace
from itertools import product

import pytest
import yaml

from gbss.experiments import WORKFLOW, load_experiments
from gbss.rows import DETECTORS, LOSSES, refusals

ROW = load_experiments().rows["soft-teacher"]


@pytest.fixture(scope="module")
def choices():
    schema = yaml.safe_load((WORKFLOW / "experiments.schema.yaml").read_text())
    return schema["properties"]["rows"]["additionalProperties"]["properties"]


def refused(**changes):
    return [(each.key, each.found) for each in refusals(replace(ROW, **changes))]


def test_the_schema_and_the_list_of_losses_and_detectors_agree(choices):
    assert set(choices["loss"]["enum"]) == set(LOSSES)
    assert set(choices["detector"]["enum"]) == set(DETECTORS)


def test_of_all_losses_reweightings_thresholds_and_samplings_only_these_are_refused(choices):
    sampling = choices["sampling"]["properties"]
    found = set()
    for detector, loss, reweighting, thresholds, labeled, unlabeled in product(
        DETECTORS,
        LOSSES,
        choices["reweighting"]["enum"],
        choices["thresholds"]["enum"],
        sampling["labeled"]["enum"],
        sampling["unlabeled"]["enum"],
    ):
        row = replace(
            ROW,
            detector=detector,
            loss=loss,
            reweighting=reweighting,
            thresholds=thresholds,
            labeled_sampling=labeled,
            unlabeled_sampling=unlabeled,
        )
        for refusal in refusals(row):
            found.add((refusal.key, refusal.found))
            assert refusal.expected
            assert refusal.fix
    assert found == {
        ("reweighting", "'direct' with the loss 'eqlv2'"),
        ("reweighting", "'direct' with the loss 'c2am'"),
        ("thresholds", "'gbt' with the detector 'supervised'"),
        ("sampling.unlabeled", "'rfs' with the detector 'supervised'"),
        ("sampling.unlabeled", "'crs' with the detector 'supervised'"),
        *(
            ("loss", f"{loss!r} with the detector 'mean_teacher_retinanet'")
            for loss in LOSSES
            if loss != "focal"
        ),
    }


def test_the_release_has_no_comparators():
    assert not refused(variant="release", loss="focal", reweighting="jacobi")
    ((key, found),) = refused(variant="release", loss="seesaw", reweighting="jacobi")
    assert (key, found) == ("variant", "'release' with the loss 'seesaw'")


def test_daso_needs_what_soft_teacher_has_at_hand():
    for detector in ("unbiased_teacher", "supervised"):
        ((key, _),) = refused(pseudo_labels="daso", detector=detector)
        assert key == "pseudo_labels"
    assert not refused(pseudo_labels="daso", loss="eqlv2", thresholds="gbt")
    assert refused(pseudo_labels="daso", retrains="soft-teacher") == [
        ("pseudo_labels", "'daso' in a row that trains a new classifier alone")
    ]


def test_a_one_stage_detector_has_no_regions():
    one_stage = {"detector": "mean_teacher_retinanet", "loss": "focal"}
    assert not refused(**one_stage, reweighting="direct", thresholds="gbt")
    assert not refused(**one_stage, calibration="prototypes")
    what = "with the detector 'mean_teacher_retinanet'"
    assert refused(**one_stage, decoupling="defrcn") == [("decoupling", f"'defrcn' {what}")]
    assert refused(**one_stage, retrains="soft-teacher") == [("retrains", f"'soft-teacher' {what}")]
    assert refused(**one_stage, variant="release", reweighting="jacobi") == [
        ("variant", f"'release' {what}")
    ]
    ((key, _),) = refused(**one_stage, pseudo_labels="daso")
    assert key == "pseudo_labels"
    assert not refused(detector="supervised", retrains="soft-teacher")


def test_all_labels_leave_nothing_unlabeled():
    ((key, found),) = refused(labels="all")
    assert (key, found) == ("labels", "'all' with the detector 'soft_teacher'")
    assert not refused(labels="all", detector="supervised", reweighting="direct")


def test_choices_without_effect_are_refused():
    assert refused(beta=0.3) == [("beta", "0.3 in a row that it cannot change")]
    assert refused(gamma=0.3) == [("gamma", "0.3 in a row that it cannot change")]
    assert refused(variant="release") == [("variant", "'release' in a row that it cannot change")]
    assert not refused(beta=0.3, reweighting="jacobi", gamma=0.1, unlabeled_sampling="crs")
