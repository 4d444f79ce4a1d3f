from gbss.grid import Place
from gbss.grid.state import Kind, State
from gbss.reporting.grid import status_text


def test_finished_runs_of_a_row_share_a_line_and_others_have_their_own():
    def place(row, seed):
        return Place("demo", "mini-coco", row, seed)

    done = {"iteration": 1600, "total": 1600}
    states = {
        place("gbss", 1): State(Kind.EVALUATED, ap=0.5236, **done),
        place("gbss", 2): State(Kind.RUNNING, 730, total=1600, pace=0.5, where="node7, job 4711"),
        place("gbss", 5): State(Kind.EVALUATED, ap=0.51, **done),
        place("gbss", 6): State(Kind.TRAINED, **done),
        place("gbss", 7): State(Kind.RUNNING, 1010, total=1600, ap=0.4312, ap_iteration=1000),
        place("eqlv2", 1): State(Kind.FAILED, 480, reason="loss is not finite\nlower it"),
        place("eqlv2", 2): State(Kind.MISSING),
    }
    text = status_text(states)
    assert [" ".join(line.split()) for line in text.splitlines()[:6]] == [
        "row task seed state iteration s/it left AP where",
        "gbss mini-coco 1, 5 evaluated 1,600/1,600 52.4, 51.0",
        "gbss mini-coco 2 running 730/1,600 0.50 0:07:15 node7, job 4711",
        "gbss mini-coco 6 trained 1,600/1,600",
        "gbss mini-coco 7 running 1,010/1,600 43.1 at 1,000",
        "eqlv2 mini-coco 1 failed 480",
    ]
    assert "eqlv2, seed 1, on mini-coco failed:\n    loss is not finite\n    lower it" in text
    assert text.endswith("7 runs: 2 evaluated, 1 trained, 2 running, 1 failed, 1 missing")
