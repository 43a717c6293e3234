import json
from pathlib import Path

import pytest

from eventwire.models import evaluate
from eventwire.models.corpus import AnnotationError


def test_run_prints_the_contracted_json(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "The weather was fine.", "events": []}\n')
    scores = json.loads(evaluate.run(gold, as_json=True))
    assert list(scores) == [
        "any", "root", "type", "trigger", "actor", "target", "place", "status", "types",
        "calibration_error",
    ]  # fmt: skip
    assert list(scores["type"]) == ["precision", "recall", "f1"]
    assert set(scores["status"]["recall"]) == {
        "occurred", "planned", "hypothetical", "alleged", "negated",
    }  # fmt: skip


def test_run_prints_a_table_for_people(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "The weather was fine.", "events": []}\n')
    assert evaluate.run(gold).startswith("1 sentences\n")


def test_a_bad_gold_file_is_refused_with_its_line(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "Fine."}\n')
    with pytest.raises(AnnotationError, match=r"gold\.jsonl:1"):
        evaluate.run(gold)
