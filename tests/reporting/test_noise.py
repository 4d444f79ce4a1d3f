from gbss.reporting.noise import noise_notes


def record(minority):
    groups = {"all": {"low": 0.30, "high": 0.34}, "minority": minority}
    return {"intervals": {"resamples": 9, "seed": 0, "level": 0.95, "groups": groups}}


def test_no_intervals_no_note():
    assert noise_notes([], ["all"]) == []
    assert noise_notes([{}, {}], ["all"]) == []


def test_half_widths_in_points():
    records = [record({"low": 0.1, "high": 0.2}), record({"low": 0.1, "high": 0.3}), {}]
    (note,) = noise_notes(records, ["all", "minority"])
    assert note == (
        "Noise of the validation set (half the 95 % interval of AP on images drawn again, mean "
        "over the runs, 2 of 3): all 2.0, min 7.5. A difference of two rows on the same images "
        "has less: `gbss compare`."
    )


def test_groups_without_ground_truth_are_left_out():
    assert (
        noise_notes([record(None)], ["all", "minority"])[0].partition("runs): ")[2][:10]
        == "all 2.0. A"
    )
