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
    assert evaluate.run(gold).startswith("1 sentence\n")


def test_a_bad_gold_file_is_refused_with_its_line(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "Fine."}\n')
    with pytest.raises(AnnotationError, match=r"gold\.jsonl:1"):
        evaluate.run(gold)


@pytest.mark.parametrize("name", ["gold.jsonl", "gold.tsv", "gold.txt", "gold.bin"])
@pytest.mark.parametrize("content", [b"\x9c\x00\xff\n", b"\xffmarked_sentence\n"])
def test_a_binary_file_is_named_and_not_scored(tmp_path: Path, name: str, content: bytes) -> None:
    gold = tmp_path / name
    gold.write_bytes(content)
    with pytest.raises(AnnotationError, match=rf"{name}:.*(UTF-8|annotated sentence)"):
        evaluate.run(gold)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gold.jsonl", ""),
        ("gold.jsonl", "\n\n"),
        ("gold.txt", "# nothing yet\n"),
        ("plv.tsv", "sentence\tmarked_sentence\tgold_root\n"),
    ],
)
def test_a_file_without_a_sentence_is_no_test(tmp_path: Path, name: str, content: str) -> None:
    gold = tmp_path / name
    gold.write_text(content)
    with pytest.raises(AnnotationError, match=rf"{name}: expected annotated sentences, came none"):
        evaluate.run(gold)
