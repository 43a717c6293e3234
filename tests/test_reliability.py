import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from eventwire.models import evaluate, reliability
from eventwire.models.corpus import AnnotationError

SURE = [(0.95, True)] * 9 + [(0.95, False)]
UNSURE = [(0.32, True), (0.38, False), (0.35, False), (0.35, False)]


def test_events_are_gathered_by_confidence() -> None:
    low, high = reliability.bins(SURE + UNSURE)
    assert (low.events, low.right, low.confidence) == (4, 0.25, pytest.approx(0.35))
    assert (high.events, high.right) == (10, 0.9)


def test_certainty_itself_has_a_bin() -> None:
    assert [each.events for each in reliability.bins([(1.0, True), (0.0, False)])] == [1, 1]


def test_the_error_weighs_bins_by_their_events() -> None:
    found = reliability.error(reliability.bins(SURE + UNSURE))
    assert found == pytest.approx((10 * 0.05 + 4 * 0.1) / 14)


def test_nothing_has_no_error() -> None:
    assert reliability.error([]) is None


def test_the_diagram_has_a_dot_for_each_bin_and_a_safe_title() -> None:
    drawn = reliability.svg(reliability.bins(SURE + UNSURE), "a<b & c")
    tree = ElementTree.fromstring(drawn)
    name = "{http://www.w3.org/2000/svg}"
    low, high = tree.findall(f"{name}circle")
    assert float(low.attrib["cx"]) == pytest.approx(140)
    assert float(high.attrib["cy"]) == pytest.approx(40)
    assert float(high.attrib["r"]) > float(low.attrib["r"])
    assert tree.findtext(f"{name}text") == "a<b & c"


def test_evaluate_draws_it(tmp_path: Path) -> None:
    gold, diagram = tmp_path / "gold.jsonl", tmp_path / "d.svg"
    text = "Rebels captured two pilots near Aleppo on Monday."
    event = '{"type": "capture", "status": "occurred", "trigger": [7, 15]}'
    gold.write_text(f'{{"id": "a-1", "text": "{text}", "events": [{event}]}}\n')
    evaluate.run(gold, diagram=diagram)
    assert "gold.jsonl" in diagram.read_text()
    assert "<circle" in diagram.read_text()


def test_pairs_with_one_answer_each_have_no_diagram(tmp_path: Path) -> None:
    pairs = tmp_path / "plv.tsv"
    pairs.write_text(
        "sentence\tmarked_sentence\tsource\ttarget\tgold_root\n"
        "Rebels met envoys.\t<s>Rebels</s> met <t>envoys</t>.\tRebels\tenvoys\tCONSULT\n"
    )
    with pytest.raises(AnnotationError, match="leave --diagram out"):
        evaluate.run(pairs, diagram=tmp_path / "d.svg")
    assert not (tmp_path / "d.svg").exists()
