import gzip
import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from eventwire.models.corpus import (
    CORPUS,
    ROLES,
    AnnotatedSentence,
    AnnotationError,
    find,
    read_corpus,
    read_gold,
    read_standoff,
)
from eventwire.models.ontology import STATUSES, ontology

DATA = Path(__file__).parents[2] / "shared" / "data"

BLOCK = """\
# a comment
Leaders met in Oslo on Monday, and Oslo denied that they had quarrelled.
  meeting: met | actor: Leaders | place: Oslo | time: Monday
  denial (alleged): denied | actor: Oslo#2; Leaders
"""


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    file = tmp_path / "sample.txt"
    file.write_text(f"{BLOCK}\n\nNothing happened.\n  -\n")
    return file


def words(sentence: AnnotatedSentence, spans: list[tuple[int, int]]) -> list[str]:
    return [sentence.text[start:end] for start, end in spans]


def gold(tmp_path: Path, *lines: str | bytes) -> Path:
    file = tmp_path / "gold.jsonl"
    file.write_bytes(b"\n".join(x if isinstance(x, bytes) else x.encode() for x in lines))
    return file


def gold_line(**changes: object) -> str:
    event = {"type": "meeting", "status": "occurred", "trigger": [3, 6], **changes}
    return json.dumps({"id": "a-1", "text": "We met.", "events": [event]})


def test_our_corpus_covers_every_type_and_status_and_near_misses() -> None:
    sentences = read_corpus()
    types = Counter(event.type for s in sentences for event in s.events)
    statuses = Counter(event.status for s in sentences for event in s.events)
    assert min(types[name] for name in ontology().names) >= 20
    assert min(statuses[status] for status in STATUSES) >= 100
    assert sum(not s.events for s in sentences) >= 500


def test_every_sentence_of_our_corpus_has_an_id_of_its_own() -> None:
    ids = [s.id for s in read_corpus()]
    assert len(set(ids)) == len(ids)


def test_a_block_gives_a_sentence_with_its_events(corpus_file: Path) -> None:
    sentence = read_corpus(corpus_file)[0]
    meeting, denial = sentence.events
    assert (meeting.type, meeting.status) == ("meeting", "occurred")
    assert words(sentence, [meeting.trigger]) == ["met"]
    assert words(sentence, meeting.time) == ["Monday"]
    assert (denial.type, denial.status) == ("denial", "alleged")
    assert words(sentence, denial.actor) == ["Oslo", "Leaders"]


def test_the_second_occurrence_is_marked_by_its_number(corpus_file: Path) -> None:
    first = read_corpus(corpus_file)[0]
    meeting, denial = first.events
    assert meeting.place[0][0] == first.text.index("Oslo")
    assert denial.actor[0][0] == first.text.rindex("Oslo")


def test_a_sentence_without_events_has_none(corpus_file: Path) -> None:
    assert read_corpus(corpus_file)[1].events == []


def test_the_id_says_where_the_sentence_stands(corpus_file: Path) -> None:
    assert [s.id for s in read_corpus(corpus_file)] == ["sample:2", "sample:7"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("meeting:", "gathering:", r"sample.txt:3: expected a type of .* came 'gathering'"),
        ("(alleged)", "(rumoured)", r"sample.txt:4: expected one of occurred.* came 'rumoured'"),
        (": met", ": me", r"sample.txt:3: trigger must be words of 'Leaders .* came 'me'"),
        ("Oslo#2", "Oslo#3", r"sample.txt:4: actor must be words of .* came 'Oslo#3'"),
        ("| time: Monday", "| time: ; Monday", r"sample.txt:3: time must be words of .* came ''"),
        ("time:", "when:", r"sample.txt:3: expected one of actor.* came 'when: Monday'"),
        ("time:", "place:", r"sample.txt:3: place is given twice"),
        ("  denial", " denial", r"sample.txt:4: expected '  type"),
        ("Leaders met", " Leaders met", r"sample.txt:2: expected a sentence, came"),
        ("  -", "", r"sample.txt:7: expected events after it, or '  -'"),
        ("Nothing happened.", BLOCK, r"sample.txt:8: this sentence is already at .*sample.txt:2"),
    ],
)
def test_a_wrong_corpus_line_is_refused_with_its_place(
    corpus_file: Path, old: str, new: str, message: str
) -> None:
    text = corpus_file.read_text()
    assert old in text
    corpus_file.write_text(text.replace(old, new, 1))
    with pytest.raises(AnnotationError, match=message):
        read_corpus(corpus_file)


def test_a_corpus_file_that_is_no_text_is_refused_with_the_first_wrong_byte(tmp_path: Path) -> None:
    file = tmp_path / "sample.txt"
    file.write_bytes(b"Leaders met.\xff")
    with pytest.raises(AnnotationError, match=r"sample.txt: .* UTF-8, came byte 0xff at 12"):
        read_corpus(file)


@pytest.mark.parametrize(
    ("standoff", "texts", "name"),
    [
        (b"{", b"", r"a\.standoff\.jsonl"),
        (b"", b"{}", r"texts\.gz"),
        (b"", gzip.compress(b"{}", mtime=0), r"texts\.gz"),
        (b"", gzip.compress(b"{}" * 99, mtime=0)[:-9], r"texts\.gz"),
    ],
)
def test_stand_off_files_that_are_none_are_named(
    tmp_path: Path, standoff: bytes, texts: bytes, name: str
) -> None:
    (tmp_path / "a.standoff.jsonl").write_bytes(standoff)
    (tmp_path / "texts.gz").write_bytes(texts)
    with pytest.raises(AnnotationError, match=f"{name}: expected "):
        read_standoff(tmp_path / "a.standoff.jsonl", tmp_path / "texts.gz")


def test_no_event_and_an_event_do_not_go_together(corpus_file: Path) -> None:
    corpus_file.write_text(f"{BLOCK}  -\n")
    with pytest.raises(AnnotationError, match=r"sample.txt:5: .* came '  -'"):
        read_corpus(corpus_file)


def test_a_folder_without_corpus_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"expected corpus files \(\*\.txt\), came none"):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    ("quoted", "span"),
    [
        ("he", (4, 6)),  # not in "the"
        ("he#2", (12, 14)),
        ("the", (0, 3)),
        ("(he) was", (11, 19)),
        ("ha ha", (21, 26)),
        ("ha ha#2", (24, 29)),  # occurrences may overlap
        ("he#3", None),
        ("wa", None),
        ("", None),
        ("#2", None),
    ],
)
def test_quoted_words_are_found_whole(quoted: str, span: tuple[int, int] | None) -> None:
    assert find("the he hat (he) was, ha ha ha", quoted) == span


def test_gold_lines_are_read_with_their_offsets(tmp_path: Path) -> None:
    (sentence,) = read_gold(gold(tmp_path, gold_line(actor=[[0, 2]])))
    assert words(sentence, sentence.events[0].actor) == ["We"]


def test_gold_lines_survive_a_round_trip(tmp_path: Path, corpus_file: Path) -> None:
    sentences = read_corpus(corpus_file)
    assert read_gold(gold(tmp_path, *map(msgspec.json.encode, sentences))) == sentences


def test_byte_order_mark_blank_lines_and_crlf_do_no_harm(tmp_path: Path) -> None:
    line = gold_line().encode()
    assert len(read_gold(gold(tmp_path, b"\xef\xbb\xbf" + line + b"\r", b"", line + b"\r"))) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (gold_line(type="gathering"), r"gold.jsonl:2: events\[0\]: .* came 'gathering'"),
        (gold_line(status="rumoured"), r"gold.jsonl:2: events\[0\]: .* came 'rumoured'"),
        (gold_line(trigger=[3, 8]), r"gold.jsonl:2: events\[0\]\.trigger: .* came \[3, 8\]"),
        (gold_line(trigger=[2, 6]), r"gold.jsonl:2: events\[0\]\.trigger: "),
        (gold_line(trigger=[3, 3]), r"gold.jsonl:2: events\[0\]\.trigger: "),
        (gold_line(trigger=[-4, 6]), r"gold.jsonl:2: events\[0\]\.trigger: "),
        (gold_line(source=[[0, 99]]), r"gold.jsonl:2: events\[0\]\.source: "),
        (gold_line(trigger="met"), r"gold.jsonl:2: .*: Expected `array`, got `str`.*trigger"),
        (gold_line(actors=[]), r"gold.jsonl:2: .*unknown field `actors`"),
        ('{"id": "a-1", "text": "We met."}', r"gold.jsonl:2: .*required field `events`"),
        ("{not json", r"gold.jsonl:2: "),
        (b'{"id": "\xff"}', r"gold.jsonl:2: "),
        ("[" * 100_000, r"gold.jsonl:2: expected an annotated sentence"),
    ],
)
def test_a_wrong_gold_line_is_refused_with_its_place(
    tmp_path: Path, line: str | bytes, message: str
) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_gold(gold(tmp_path, gold_line(), line))


@pytest.mark.parametrize("name", ["train", "train_world", "dev", "dev_world"])
def test_the_shared_data_is_well_formed(name: str) -> None:
    file = DATA / f"{name}.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    sentences = read_gold(file)
    assert any(getattr(event, role) for s in sentences for event in s.events for role in ROLES)


def test_corpus_files_hold_no_windows_line_ends() -> None:
    assert not [file.name for file in CORPUS.glob("*.txt") if b"\r" in file.read_bytes()]
