from gbss.splits.deviation import deviation_text

COUNTS = """\
id,name,group,labeled_images,labeled_boxes,target_images,target_boxes,\
deviation_images,deviation_percent,deviation_boxes
2,ant,majority,38,70,40,77,-2,-5.00,-7
3,bee,minority,5,12,5,10,+0,+0.00,+2
7,cat,majority,7,9,,,,,
8,dog,majority,51,60,50,60,+1,+2.00,+0
13,eel,majority,20,33,20,33,+0,+0.00,+0
"""


def test_a_line_per_class_and_a_summary_per_group():
    assert deviation_text(COUNTS).splitlines() == [
        "class  group     images  stated  off      %  boxes  stated  off",
        "ant    majority      38      40   -2  -5.00     70      77   -7",
        "bee    minority       5       5   +0  +0.00     12      10   +2",
        "dog    majority      51      50   +1  +2.00     60      60   +0",
        "eel    majority      20      20   +0  +0.00     33      33   +0",
        (
            "majority: 1 of 3 classes at their number of images; median deviation 2.00 %, "
            "largest 5.00 % (ant)"
        ),
        (
            "minority: 1 of 1 classes at their number of images; median deviation 0.00 %, "
            "largest 0.00 %"
        ),
    ]


def test_nothing_where_nothing_is_stated():
    assert deviation_text("id,name,target_images\n2,ant,\n") == ""
