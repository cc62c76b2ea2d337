"""Figure 2 redrawn: what stands in it is what the net is, for any knobs, and no words lie on others."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest

from alexctl.ablation.load import load_net
from alexctl.figures.architecture import architecture
from alexctl.figures.palette import TOWERS
from alexctl.nets.description import describe

SVG = "{http://www.w3.org/2000/svg}"
CASES = [
    {}, {"towers": 1}, {"towers": 1, "kernels": "halved"}, {"kernels": "halved"}, {"links": [8]},
    {"links": [2, 3, 4, 5, 6, 7, 8]}, {"pooling": "2/2"}, {"without": 3}, {"without": 4}, {"without": 5, "norm": "none"},
]  # fmt: skip


def drawn(net="alexnet", title="a net", image=None, **knobs):
    described = describe(net, load_net(net, knobs), image)
    text = architecture(described.layers, image_shape=described.image_shape, title=title)
    return ET.fromstring(text), text


def words(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def crossings(root):
    """The arrow lines of a tower's colour that go far down or up: (to the lower row, to the upper row)."""
    found = []
    for line in root.iter(f"{SVG}line"):
        rise = float(line.get("y2")) - float(line.get("y1"))
        if abs(rise) > 130 and line.get("stroke") in (TOWERS[0][3], TOWERS[1][3]):
            found.append(rise > 0)
    return sum(found), len(found) - sum(found)


def test_the_numbers_of_figure_2():
    said = words(drawn()[0])
    for size, times in {
        "224": 2,
        "55": 4,
        "27": 4,
        "13": 12,
        "48": 2,
        "128": 4,
        "192": 4,
        "2048": 4,
        "1000": 1,
    }.items():
        assert said.count(size) == times, size
    assert {"11×11", "stride of 4", "5×5", "tower 1", "tower 2", "max pooling", "to 6×6"} <= set(said)
    assert said.count("3×3") == 6, "conv3, conv4 and conv5 in each tower"
    assert any(line.startswith("60,965,224 parameters, 724,406,816 multiply-accumulates") for line in said)


def test_one_tower_is_one_row():
    root, _ = drawn(towers=1, kernels="halved")
    said = words(root)
    assert [said.count(size) for size in ("48", "128", "192", "256", "4096")] == [1, 1, 2, 1, 2]
    assert "tower 1" not in said
    assert crossings(root) == (0, 0)


@pytest.mark.parametrize(
    ("knobs", "convs", "dense"),
    [({}, 1, 2), ({"links": [8]}, 0, 0), ({"links": [4, 8]}, 1, 0), ({"links": [2, 3, 4, 5, 6, 7, 8]}, 4, 2), ({"without": 3}, 1, 2)],
)  # fmt: skip
def test_arrows_cross_where_a_layer_sees_both_towers(knobs, convs, dense):
    assert crossings(drawn(**knobs)[0]) == (4 * convs + dense, 4 * convs + dense)  # a cone has four lines


def test_pooling_and_a_layer_left_out():
    said = words(drawn(pooling="2/2", without=4)[0])
    assert {"2×2, stride 2", "to 28×28", "26", "11"} <= set(said)
    assert "conv4" not in said
    assert "norm" not in words(drawn(norm="none")[0])


@pytest.mark.parametrize("net", ["alexnet", "alexnet32"])
@pytest.mark.parametrize("knobs", CASES, ids=str)
def test_no_words_lie_on_others_or_off_the_page(net, knobs):
    root, _ = drawn(net, **knobs)
    boxes = []
    for text in root.iter(f"{SVG}text"):
        x, y, wide = float(text.get("x")), float(text.get("y")), 8.3 * len(text.text)
        x -= {"start": 0, "middle": wide / 2, "end": wide}[text.get("text-anchor")]
        boxes.append((text.text, x, x + wide, y - 11, y))
    width, height = map(float, root.get("viewBox").split()[2:])
    for name, left, right, top, bottom in boxes:
        assert 0 <= left <= right <= width, name
        assert 0 <= top < bottom <= height, name
    for (one, l1, r1, t1, b1), (two, l2, r2, t2, b2) in itertools.combinations(boxes, 2):
        assert r1 <= l2 or r2 <= l1 or b1 <= t2 or b2 <= t1, (one, two)


def test_the_same_bytes_and_a_page_of_its_own_colour():
    (root, text), (_, again) = drawn(), drawn()
    assert text == again
    assert root.find(f"{SVG}rect").get("fill") == "#ffffff"
    assert re.search('font-family="[^"]*sans-serif"', text)


def test_a_title_is_text():
    root, text = drawn(title="<b>&\x1b[2J\"'")
    assert words(root).count("<b>&\\x1b[2J\"'") == 1
    assert "\x1b" not in text
