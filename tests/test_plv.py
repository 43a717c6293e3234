from pathlib import Path

import pytest

from eventwire.models import evaluate, plv
from eventwire.models.corpus import AnnotationError
from eventwire.models.ontology import ontology
from eventwire.models.plv import Pair
from eventwire.models.predict import Prediction

TSV = (
    "sentence\tmarked_sentence\tsource\ttarget\tgold_root\n"
    "Oslo sued a firm.\t<s>Oslo</s> sued <t>a firm</t>.\tOslo\ta firm\tACCUSE\n"
    'A "firm" was banned.\t<t>A "firm"</t> was banned.\t\tA "firm"\tCOERCE\n'
)


def event(kind: str, confidence: float, actor: str = "", target: str = "") -> Prediction:
    def span(words: str) -> list[tuple[int, int]]:
        return [(TEXT.index(words), TEXT.index(words) + len(words))] if words else []

    return Prediction(
        type=kind, status="occurred", trigger=(0, 1), actor=span(actor), target=span(target),
        confidence=confidence,
    )  # fmt: skip


TEXT = "Oslo condemned Riga, which had arrested a firm."
PAIR = Pair(text=TEXT, source=(0, 4), target=(15, 19), root="ACCUSE")


@pytest.fixture
def tsv(tmp_path: Path) -> Path:
    path = tmp_path / "plv.tsv"
    path.write_text(TSV)
    return path


def test_the_published_tsv_is_read(tsv: Path) -> None:
    one, two = plv.read(tsv)
    assert (one.text, one.root) == ("Oslo sued a firm.", "ACCUSE")
    assert one.text[slice(*(one.source or ()))] == "Oslo"
    assert two.source is None
    assert two.text[slice(*(two.target or ()))] == 'A "firm"'


def test_json_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "plv.jsonl"
    path.write_text('{"marked_sentence": "<s>Oslo</s> left.", "gold_root": "REJECT"}\n')
    assert plv.is_plv(path)
    assert plv.read(path) == [Pair(text="Oslo left.", source=(0, 4), target=None, root="REJECT")]


@pytest.mark.parametrize(
    "line",
    [
        '{"marked_sentence": "<s>Oslo</s> left.", "gold_root": "RETREAT"}',
        '{"marked_sentence": "<s>Oslo left.", "gold_root": "REJECT"}',
        '{"marked_sentence": "<s></s> left.", "gold_root": "REJECT"}',
        '{"gold_root": "REJECT"}',
        "no json",
        "[1]",
        "7",
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "plv.jsonl"
    path.write_text('{"marked_sentence": "<s>Oslo</s> left.", "gold_root": "REJECT"}\n' + line)
    with pytest.raises(AnnotationError, match=r"plv\.jsonl:2: "):
        plv.read(path)


def test_the_event_of_the_marked_pair_is_chosen_over_a_surer_one() -> None:
    of_pair = event("condemnation", 0.6, "Oslo", "Riga")
    assert plv.choose(PAIR, [event("arrest", 0.9, "Riga", "a firm"), of_pair]) is of_pair


def test_without_any_overlap_the_surest_event_is_chosen() -> None:
    sure = event("arrest", 0.9)
    assert plv.choose(PAIR, [event("condemnation", 0.6), sure]) is sure


def test_statements_have_no_root_and_are_passed_over() -> None:
    assert plv.choose(PAIR, [event("decline_comment", 0.9, "Oslo", "Riga")]) is None


def test_roots_follow_the_mapping_of_2021() -> None:
    assert plv.root_of("sanctions") == "COERCE"
    assert plv.root_of("conviction") == "ACCUSE"
    assert plv.root_of("ceasefire") == plv.root_of("concession") == "YIELD"
    assert {plv.root_of(name) for name in ontology().names} == {*plv.ROOTS, None}


def test_evaluate_takes_the_test_as_it_is_published(tsv: Path) -> None:
    assert evaluate.run(tsv).startswith("2 pairs\n")
    assert '"macro_f1"' in evaluate.run(tsv, as_json=True)
