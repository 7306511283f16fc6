"""The small diagrams of how sequences go in and out."""

import xml.etree.ElementTree as ElementTree

import pytest

from common.forms import MANY_TO_MANY, MANY_TO_ONE, ONE_TO_MANY, ONE_TO_ONE

FORMS = (ONE_TO_ONE, ONE_TO_MANY, MANY_TO_ONE, MANY_TO_MANY)


def test_a_diagram_has_a_column_a_step():
    assert MANY_TO_ONE.as_text().splitlines() == ["        ○", "  □→□→□→□", "  ● ● ● ●"]
    assert ONE_TO_MANY.as_text(indent="").splitlines() == ["○ ○ ○ ○", "□→□→□→□", "●"]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_reads_and_writes_are_as_many_as_the_name_says(form):
    reads, writes = (form.reads.count("x"), form.writes.count("x"))
    assert form.name == f"{'many' if reads > 1 else 'one'} to {'many' if writes > 1 else 'one'}"
    assert len(form.reads) == len(form.writes)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_drawing_has_a_box_for_each_mark_and_stays_in_its_frame(form):
    drawn = ElementTree.fromstring(form.as_svg())
    boxes = drawn.findall("rect")
    assert len(boxes) == form.as_text().translate(str.maketrans("○●", "□□")).count("□")
    for box in boxes:
        assert float(box.get("x")) + float(box.get("width")) <= float(drawn.get("width"))
        assert float(box.get("y")) + float(box.get("height")) <= float(drawn.get("height"))
